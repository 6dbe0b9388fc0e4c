"""Real Debian hosts for benchmarks, and what a closed network has for them."""

import shutil
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment
from tests.hosts import k3s, onprem
from tests.hosts.image import cache, image
from tests.hosts.machine import Machine, Site, site
from tests.hosts.mirror import Mirror, serving
from toolchain import golang
from toolchain.tool import this_platform


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Makes hosts, which end with `running`."""

    place: Site
    mirror: Mirror
    components: Path
    program: Path
    """The stand-in for k3s."""
    running: ExitStack

    def host(self, name: str) -> Machine:
        """A fresh one, booted."""
        machine = self.place.machine(name, f"--bind-ro={self.components}:/opt/kube")
        self.running.callback(machine.remove)
        machine.boot()
        return machine

    def deployment(self, clusters: Mapping[str, Sequence[Machine]], **settings: Any) -> Deployment:
        """A stack on them, not yet up."""
        state = Path(tempfile.mkdtemp(prefix="inference-benchmark-"))
        self.running.callback(shutil.rmtree, state, ignore_errors=True)
        stack = onprem.settings(self.mirror, clusters, **settings)
        return onprem.created(state, stack, next(iter(clusters.values()))[0].private_key)


@contextmanager
def hosts_at_hand() -> Generator[Hosts]:
    """Needs root, systemd-nspawn and debootstrap, as tests/hosts does."""
    with tempfile.TemporaryDirectory(prefix="inference-benchmark-") as scratch, ExitStack() as running:
        directory = Path(scratch)
        components = k3s.components(directory / "kube")
        go = golang.find(this_platform())
        program = k3s.built(k3s.FIRST, directory, go)
        place = running.enter_context(site(directory, image()))
        mirror = running.enter_context(serving(place.gateway, cache() / "debian"))
        k3s.release(mirror, k3s.FIRST, program)
        k3s.add_images(mirror, program, directory, go)
        yield Hosts(place=place, mirror=mirror, components=components, program=program, running=running)


def seconds_of_up(deployment: Deployment, *options: str) -> float:
    """How long it takes to come up."""
    start = time.monotonic()
    deployment.up(*options)
    return time.monotonic() - start
