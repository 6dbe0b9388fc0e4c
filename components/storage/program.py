"""Our program for models, as pods get it: files of a ConfigMap that Python takes for the package `sync`."""

from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.pod import labels
from components.workload.spec import ConfigFiles, Scratch, Volume

CONFIG_MAP = "sync"
ENVIRONMENT = {
    "PYTHONPATH": "/program",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
MOUNTS = {"/program/sync": "program", "/tmp": "program-scratch"}
VOLUMES: dict[str, Volume] = {
    "program": ConfigFiles(config_map=CONFIG_MAP),
    "program-scratch": Scratch(size="64Mi"),
}
_PACKAGE = Path(__file__).parent / "sync"


def sources() -> dict[str, str]:
    """The package's files by name; it has no packages inside, since a ConfigMap has no directories."""
    return {path.name: path.read_text() for path in sorted(_PACKAGE.glob("*.py"))}


def program(name: str, *, namespace: str, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.ConfigMap:
    """The ConfigMap, which every namespace that runs the program needs."""
    return kubernetes.core.v1.ConfigMap(
        name,
        metadata={"name": CONFIG_MAP, "namespace": namespace, "labels": labels(CONFIG_MAP, "program")},
        data=sources(),
        opts=opts,
    )
