"""A digest is that of what a registry sends, not what it says; the lock has one for every image, or for none."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from components.engines import ENGINES
from tests.certificates import for_loopback
from tests.image_registry import ImageRegistry, index_of, manifest
from tests.stub import busy, cut, once, serving
from tests.unit.recording import REPOSITORY
from toolchain import checksums, images, registry
from toolchain.download import Network
from toolchain.problems import Unavailable

NAME = "org/server"
INDEX = index_of(NAME)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageRegistry]:
    """A registry with one image, over TLS."""
    tls, authority = for_loopback(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.delenv("INFERENCE_RELEASES", raising=False)
    stub = ImageRegistry(files={f"{NAME}:v1.2.3": INDEX})
    with serving(stub, tls):
        yield stub


def digest(there: ImageRegistry, tag: str = "v1.2.3") -> str:
    return registry.digest(f"{there.host}/{NAME}:{tag}", Network(idle_seconds=5))


def sum_of(content: bytes) -> str:
    return sha256(content).hexdigest()


def test_the_digest_of_an_image_for_several_platforms_is_that_of_their_index(there: ImageRegistry) -> None:
    assert digest(there) == sum_of(INDEX) != sum_of(manifest("amd64"))


@pytest.mark.parametrize(
    "challenge",
    [
        'bearer realm="{address}/token",scope="repository:{repository}:pull"',
        'Bearer realm="{address}/token?scope=repository:{repository}:pull"',
        "",
    ],
    ids=["no service, as NVIDIA's", "all of it in the address", "no token is wanted"],
)
def test_registries_ask_for_a_token_in_several_ways(there: ImageRegistry, challenge: str) -> None:
    there.challenge = challenge
    assert digest(there) == sum_of(INDEX)


def test_a_token_does_not_go_along_to_where_the_registry_sends_us(there: ImageRegistry) -> None:
    there.elsewhere = there.address.replace("localhost", "127.0.0.1")
    assert digest(there) == sum_of(INDEX)
    assert there.leaked == []


def test_a_digest_that_is_not_that_of_what_came_is_refused(there: ImageRegistry) -> None:
    there.says = f"sha256:{'f' * 64}"
    with pytest.raises(Unavailable, match=rf"says sha256:f{{64}}, and sent what has sha256:{sum_of(INDEX)}$"):
        digest(there)


def test_a_tag_that_is_not_there_is_said(there: ImageRegistry) -> None:
    with pytest.raises(Unavailable, match=r"answered 404 Not Found$"):
        digest(there, "v9.9.9")


def test_half_of_an_index_has_no_digest(there: ImageRegistry) -> None:
    there.challenge = ""
    there.files["manifests/v1.2.3"] = INDEX  # as what cuts it knows it
    there.faults.append(once(cut, "v1.2.3"))
    with pytest.raises(Unavailable, match=r"sent what is no manifest"):
        digest(there)


@pytest.mark.parametrize(
    "content", [b"<html>Sign in</html>", b"[]", b'{"schemaVersion": 1}', b""], ids=["page", "list", "version 1", "none"]
)
def test_what_is_no_manifest_has_no_digest(there: ImageRegistry, content: bytes) -> None:
    there.files[f"{NAME}:v1.2.3"] = content
    with pytest.raises(Unavailable, match="sent what is no manifest"):
        digest(there)


def test_a_registry_that_wants_a_password_is_said_to(there: ImageRegistry) -> None:
    there.challenge = 'Basic realm="staff"'
    with pytest.raises(Unavailable, match="answered 401 Unauthorized, and gives no token to just anybody"):
        digest(there)


def test_a_registry_that_has_had_enough_is_said_to(there: ImageRegistry) -> None:
    there.faults.append(busy)
    with pytest.raises(Unavailable, match="answered 429 Too Many Requests"):
        digest(there)


def test_every_image_of_an_engine_that_settings_do_not_name_is_asked_for() -> None:
    named = {image for engine in ENGINES for image in getattr(engine, "IMAGES", {}).values()}
    assert len(named) > 10
    assert named <= {*images.in_use()}


def test_the_lock_of_this_repository_has_every_image_or_none() -> None:
    locked = checksums.read(REPOSITORY / "toolchain/images.lock").keys()
    assert not locked or locked == {*images.in_use()}, "Next: make pin"


def test_an_image_that_is_not_locked_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "images.lock"
    lock.write_text(f"# Filled by make pin.\n{'a' * 64}  example.com/server:v1.2.3\n")
    monkeypatch.setenv("INFERENCE_IMAGE_LOCK", str(lock))
    assert images.by_digest("example.com/server:v1.2.3") == f"example.com/server:v1.2.3@sha256:{'a' * 64}"
    assert images.by_digest("example.com/server:v1.2.4") == "example.com/server:v1.2.4"
    assert images.by_digest(f"example.com/server@sha256:{'b' * 64}") == f"example.com/server@sha256:{'b' * 64}"
    lock.unlink()
    assert images.by_digest("example.com/server:v1.2.3") == "example.com/server:v1.2.3"
