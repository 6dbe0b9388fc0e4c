"""What a user is told about settings of the hosts' operating system."""

from typing import Any

import pytest

from tests.unit.mistakes import Change, put, told
from tests.unit.recording import stack_settings

KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawGcyRYJKwYBBAHaRw8BAQdAnpKdXUn8DA==
=j3cH
-----END PGP PUBLIC KEY BLOCK-----
"""
LOGIN_KEY = stack_settings("onprem")["clusters"][0]["nodes"][0]["hostKey"]
SOURCE: dict[str, Any] = {"name": "site", "url": "http://mirror.lan/debian", "key": KEY}


def test_a_mirror_of_images_is_refused_where_docker_runs_them() -> None:
    (found,) = told(
        put("k3s", to={"containerRuntime": "docker"}),
        put("mirror", to={"images": "http://registry.lan:5000"}),
        stack="onprem",
    )
    assert found == (
        "inference:mirror.images docker does not use it; set k3s.containerRuntime to containerd, or leave it out"
    )


def source(**more: object) -> Change:
    return put("system", to={"aptSources": [SOURCE | more]})


def test_a_key_is_taken_with_and_without_its_checksum() -> None:
    assert told(source(), stack="onprem") == []
    assert told(source(key=KEY.replace("=j3cH\n", "")), stack="onprem") == []


@pytest.mark.parametrize(
    "key",
    [
        KEY.replace("AQdA", "AQdB"),
        KEY.replace("mDMEaw", "mDME"),
        KEY.replace("mDME", "DMEm"),
        KEY.replace("\n\n", "\n"),
    ],
    ids=["altered", "cut off", "not a key", "without its empty line"],
)
def test_a_repositorys_key_that_is_not_whole_is_refused(key: str) -> None:
    (found,) = told(source(key=key), stack="onprem")
    assert found.startswith(
        "inference:system.aptSources[0].key is not a whole key: some of it is missing or altered; print it with: gpg"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("system", to={"serviceAccount": {"name": "watch", "keys": []}}),
            "serviceAccount.keys must be a list of at least one entry",
        ),
        (
            put("system", to={"serviceAccount": {"name": "watch", "keys": [f'command="sh" {LOGIN_KEY}']}}),
            'serviceAccount.keys[0] "command=',
        ),
        (
            put("system", to={"serviceAccount": {"name": "ops", "keys": [LOGIN_KEY]}}),
            'serviceAccount.name "ops" is the user of clusters[0].nodes[0] already; choose another',
        ),
        (source(key="mDME"), "aptSources[0].key must be a public key as `gpg --armor --export` prints it, all of it"),
        (source(suites=["bookworm"]), "aptSources[0] the suite bookworm needs components; a flat one ends in /"),
        (source(components=["main"]), "aptSources[0] the suite / is flat and has no components"),
        (source(suites=["a|b"]), "aptSources[0].suites[0]"),
        (source(url="ftp://mirror.lan"), 'aptSources[0].url "ftp://mirror.lan" must be an http or https address'),
    ],
)
def test_a_mistake_about_the_system_is_named(change: Change, expected: str) -> None:
    (found,) = told(change, stack="onprem")
    assert found.startswith(f"inference:system.{expected}")
