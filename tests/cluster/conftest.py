"""Fixtures for tests on the embedded control plane."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.api_server import ApiServer, SimulatedNode
from tests.cluster.plane import Plane


@pytest.fixture
def simulate(api_server: ApiServer) -> Iterator[Callable[[SimulatedNode], None]]:
    """Make a node and wait until it is Ready; it is deleted when the test ends."""
    made: list[str] = []

    def make(node: SimulatedNode) -> None:
        made.append(node.name)
        api_server.apply(node.manifest())
        api_server.await_condition("condition=Ready", f"node/{node.name}")

    yield make
    if made:
        api_server.kubectl("delete", "node", "--wait=false", *made)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, control_plane_tools: Mapping[str, Path]) -> Iterator[Plane]:
    """One that the tests stop, kill and start in turn; its path is a difficult one."""
    folder = tmp_path_factory.mktemp("plane")
    yield from _plane(folder / """it's a "ünlucky", $PATH %20""", folder / "home", control_plane_tools)


@pytest.fixture
def running(plane: Plane) -> Plane:
    """The same, running."""
    plane.start()
    return plane


@pytest.fixture
def fresh(tmp_path: Path, control_plane_tools: Mapping[str, Path]) -> Iterator[Plane]:
    """One that does not exist yet."""
    yield from _plane(tmp_path / "state" / "control-plane", tmp_path / "home", control_plane_tools)


def _plane(directory: Path, home: Path, tools: Mapping[str, Path]) -> Iterator[Plane]:
    home.mkdir()
    plane = Plane(directory=directory, home=home, kubectl_path=tools["kubectl"])
    try:
        yield plane
    finally:
        plane.run("stop")
        plane.kill()
