"""Servers that tests run are of the version that we deploy."""

import pytest

from components.engines.versions import MLSERVER_VERSION, TORCHSERVE_VERSION
from tests.unit.recording import REPOSITORY


@pytest.mark.parametrize(("name", "version"), [("mlserver", MLSERVER_VERSION), ("torchserve", TORCHSERVE_VERSION)])
def test_what_is_tried_is_what_the_image_has(name: str, version: str) -> None:
    lines = (REPOSITORY / f"tests/engines/{name}.lock").read_text().splitlines()
    assert f"{name}=={version} \\" in lines
