"""Files from a web server, over real TLS: what comes is what was pinned."""

import os
from collections.abc import Iterator
from hashlib import sha256
from os import environ
from pathlib import Path
from ssl import SSLContext

import pytest

from tests import certificates, stub
from tests.object_store import S3Server
from tests.storage.syncing import Syncing, resolve
from tests.stub import Request, Stub, busy, cut, damaged, once, short

FILES = {
    "config.json": b"{}",
    "large.safetensors": os.urandom(9 * 2**20 + 5),
    "sub dir/x y.txt": b"names are quoted",
}


class Web(Stub):
    """A directory `models`, as any web server has one."""

    def answer(self, request: Request) -> None:
        text = self.files.get(request.route.removeprefix("/models/"))
        request.send(404) if text is None else request.file(text)


def listing(files: dict[str, bytes]) -> bytes:
    """As `sha256sum` writes it."""
    return "".join(f"{sha256(text).hexdigest()}  {path}\n" for path, text in files.items()).encode()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[SSLContext, Path]:
    return certificates.for_loopback(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def web(tls: tuple[SSLContext, Path]) -> Iterator[Web]:
    served = Web(files={**FILES, "SHA256SUMS": listing(FILES)})
    with stub.serving(served, tls[0]):
        yield served


@pytest.fixture
def one(models: S3Server, web: Web, tls: tuple[SSLContext, Path]) -> Syncing:
    digest = sha256(FILES["large.safetensors"]).hexdigest()
    source = f"{web.address}/models/large.safetensors@{digest}"
    return Syncing(store=models, source=source, environment={"SSL_CERT_FILE": str(tls[1])})


@pytest.fixture
def all_files(one: Syncing, web: Web) -> Syncing:
    one.source = f"{web.address}/models/SHA256SUMS@{sha256(web.files['SHA256SUMS']).hexdigest()}"
    return one


def test_one_file_comes_whole(one: Syncing) -> None:
    one.sync()
    one.assert_holds({"large.safetensors": FILES["large.safetensors"]})


def test_all_files_of_a_listing_come_and_none_beside_it(all_files: Syncing, web: Web) -> None:
    web.files["not-listed.bin"] = b"x"
    all_files.sync()
    all_files.assert_holds(FILES)


def test_only_the_files_of_a_listing_that_are_wanted_come(all_files: Syncing, web: Web) -> None:
    all_files.sync("--files", "*.json")
    assert set(all_files.content()) == {"config.json", "manifest.json", ".complete"}
    assert not any("large" in path for path in web.requests)


@pytest.mark.parametrize("fault", [cut, busy], ids=["cut", "busy"])
def test_what_passes_is_waited_for(one: Syncing, web: Web, fault: stub.Fault) -> None:
    web.faults.append(once(fault, "/large.safetensors", times=2))
    one.sync()
    one.assert_holds({"large.safetensors": FILES["large.safetensors"]})


@pytest.mark.parametrize("fault", [damaged, short], ids=["flipped", "short"])
def test_a_file_that_is_not_what_was_pinned_is_refused(one: Syncing, web: Web, fault: stub.Fault) -> None:
    web.faults.append(once(fault, "/large.safetensors", times=100))
    assert "large.safetensors" in one.fails()
    assert one.content() == {}


def test_a_server_that_does_not_tell_sizes_is_read_all_the_same(one: Syncing, web: Web) -> None:
    def refuse(request: Request) -> bool:
        if request.command == "HEAD":
            request.send(405)
        return request.command == "HEAD"

    web.faults.append(refuse)
    one.sync()
    one.assert_holds({"large.safetensors": FILES["large.safetensors"]})


def test_another_listing_than_was_pinned_is_refused(all_files: Syncing, web: Web) -> None:
    web.files["SHA256SUMS"] += b"0" * 64 + b"  more\n"
    assert "is another listing than was pinned: its sha256 is" in all_files.refused()


def test_a_listing_is_no_way_out_of_the_model(all_files: Syncing, web: Web) -> None:
    web.files["SHA256SUMS"] = b"0" * 64 + b"  ../secret\n"
    all_files.source = f"{web.address}/models/SHA256SUMS@{sha256(web.files['SHA256SUMS']).hexdigest()}"
    assert "'../secret', which cannot be a file of a model" in all_files.refused()
    assert not any("secret" in path for path in web.requests)


def test_a_file_that_changes_while_it_is_read_is_refused(one: Syncing, web: Web) -> None:
    def change(request: Request) -> bool:
        request.cut(web.files["large.safetensors"])
        web.files["large.safetensors"] = os.urandom(len(FILES["large.safetensors"]))
        return True

    web.faults.append(once(change, "/large.safetensors"))
    assert "/models/large.safetensors has changed while it was read" in one.fails()


def test_a_file_that_is_not_there_is_said_before_anything_comes(all_files: Syncing, web: Web) -> None:
    del web.files["config.json"]
    assert "/models/config.json answered 404" in all_files.refused()
    assert all_files.content() == {}


def test_a_server_whose_certificate_nobody_vouches_for_is_refused(one: Syncing) -> None:
    one.environment = {}
    assert "https://localhost has a certificate that nobody here vouches for" in one.refused()


def test_a_server_that_sends_on_to_one_without_tls_is_not_followed(one: Syncing, web: Web) -> None:
    def away(request: Request) -> bool:
        request.send(302, b"", {"Location": web.address.replace("https", "http") + "/models/large.safetensors"})
        return True

    web.faults.append(away)
    assert "leads away from https" in one.refused()


def test_plain_http_is_refused(one: Syncing) -> None:
    one.source = one.source.replace("https://", "http://")
    assert "is no source that is known" in one.refused()


def test_a_file_is_resolved_to_what_it_is_now(web: Web, tls: tuple[SSLContext, Path]) -> None:
    url = f"{web.address}/models/large.safetensors"
    environment = environ | {"SSL_CERT_FILE": str(tls[1])}
    assert resolve(url, environment) == (0, f"{url}@{sha256(FILES['large.safetensors']).hexdigest()}")
    code, said = resolve(f"{web.address}/models/none", environment)
    assert (code, said) == (3, f"{web.address}/models/none answered 404")
