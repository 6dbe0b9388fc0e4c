"""A site of real Debian hosts for all tests of a run, and what a closed network has in it."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e import small_stacks
from tests.e2e.small_stacks import SmallStack
from tests.hosts import k3s
from tests.hosts.image import cache, image
from tests.hosts.machine import Machine, Site, site
from tests.hosts.mirror import Mirror, serving
from tests.hosts.needs import missing_for_hosts
from toolchain import golang
from toolchain.problems import ToolchainError
from toolchain.tool import this_platform

NewHost = Callable[[str], Machine]


@pytest.fixture(scope="session")
def hosts_can_be_made() -> None:
    """Skips with what is missing."""
    if missing := missing_for_hosts():
        pytest.skip(missing)


@pytest.fixture(scope="session")
def place(hosts_can_be_made: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: ARG001
    """A bridge for hosts."""
    with site(tmp_path_factory.mktemp("hosts"), image()) as made:
        yield made


@pytest.fixture(scope="session")
def go(hosts_can_be_made: None) -> Path:  # noqa: ARG001
    """The Go compiler, which makes stand-ins."""
    try:
        return golang.find(this_platform())
    except ToolchainError as error:
        pytest.skip(f"no stand-in for k3s: {error}")


@pytest.fixture(scope="session")
def releases(go: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stand-in for k3s, by version."""
    directory = tmp_path_factory.mktemp("k3s")
    return {version: k3s.built(version, directory, go) for version in (k3s.FIRST, k3s.NEXT)}


@pytest.fixture(scope="session")
def mirror(
    place: Site, releases: Mapping[str, Path], go: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mirror]:
    """k3s, its images and Debian's packages, on the bridge."""
    with serving(place.gateway, cache() / "debian") as made:
        for version, program in releases.items():
            k3s.release(made, version, program)
        k3s.add_images(made, releases[k3s.FIRST], tmp_path_factory.mktemp("layers"), go)
        yield made


@pytest.fixture(scope="session")
def components(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real parts of Kubernetes, in one directory."""
    try:
        return k3s.components(tmp_path_factory.mktemp("kube"))
    except ToolchainError as error:
        pytest.skip(f"no Kubernetes for the stand-in for k3s: {error}")


@pytest.fixture(scope="module")
def new_host(place: Site, mirror: Mirror, components: Path) -> Generator[NewHost]:  # noqa: ARG001
    """Makes and boots a fresh host; it is gone after the tests of a file."""
    with ExitStack() as running:

        def made(name: str) -> Machine:
            machine = place.machine(name, f"--bind-ro={components}:/opt/kube")
            running.callback(machine.remove)
            machine.boot()
            return machine

        yield made


@pytest.fixture(scope="module")
def host(new_host: NewHost) -> Machine:
    """One host for all tests of a file."""
    return new_host("target")


@pytest.fixture
def stack(tmp_path: Path) -> SmallStack:
    """A stack of a few resources, not yet written."""
    return small_stacks.made(tmp_path / "stack")
