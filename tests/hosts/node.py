"""One host as a node without a cluster: what happens to it before k3s."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.small_stacks import SmallStack
from tests.hosts import onprem
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror
from tests.unit.recording import REPOSITORY

_PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
from components.node.gpu_node import GpuNode
from components.node.settings import Drivers, Host, Mirror
from components.node.system import System

GpuNode(
    "node",
    Host.model_validate({host!r}),
    system=System.model_validate({system!r}),
    drivers=Drivers.model_validate({drivers!r}),
    mirror=Mirror.model_validate({mirror!r}),
    container_runtime={runtime!r},
    private_key=pulumi.Output.secret(Path({key!r}).read_text()),
)
"""
_FEW_PACKAGES = {"securityUpgrades": False, "timeSync": False, "firewall": None}


def write(
    stack: SmallStack,
    machine: Machine,
    mirror: Mirror,
    *,
    accelerator: Mapping[str, Any] | None = None,
    drivers: Mapping[str, Any] | None = None,
    runtime: str = "containerd",
    **system: Any,
) -> None:
    """The stack's program: this host, with these settings of its system and what needs packages turned off."""
    stack.write(
        _PROGRAM.format(
            repository=str(REPOSITORY),
            host=onprem.entry(machine, role="server") | {"accelerator": accelerator or {"kind": "cpu"}},
            drivers=drivers or {},
            runtime=runtime,
            system=_FEW_PACKAGES | system,
            mirror={"apt": f"{mirror.url}/apt", "k3s": f"{mirror.url}/k3s"},
            key=str(machine.private_key),
        )
    )
