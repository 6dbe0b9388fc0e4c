"""What is deployed now: the stack's endpoints, and each of its pods with the node it was placed on."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from placement.api import Api
from placement.model import Cluster
from placement.problems import PlacementError
from placement.reading import read
from placement.text import Style, paragraph, table


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something that answers requests."""

    name: str
    url: str
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A stack's outputs, as far as they are about placement."""

    endpoints: Mapping[str, Sequence[Endpoint]]
    """By cluster."""
    kubeconfigs: Mapping[str, str]
    """By cluster. Secrets: they stay in memory."""
    outside: Mapping[str, Sequence[Endpoint]] = field(default_factory=dict[str, Sequence[Endpoint]])
    """By cluster: what answers at the address of a host."""


def outputs(stack: str, repository: Path) -> Deployed:
    """Ask Pulumi for the stack's outputs. Raises PlacementError."""
    if not shutil.which("pulumi"):
        raise PlacementError(
            "pulumi is not on PATH. Next:\n"
            f'  eval "$(python -m toolchain env --stack {stack})"\n'
            f"or, with everything that it needs: make status STACK={stack}"
        )
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack, "--non-interactive"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PlacementError(f"The outputs of stack {stack} cannot be read. Pulumi says:\n{done.stderr.strip()}")
    return deployed(stack, json.loads(done.stdout))


def deployed(stack: str, found: Mapping[str, Any]) -> Deployed:
    """From the outputs as JSON. Raises PlacementError when there are none."""
    if "kubeconfigs" not in found:
        raise PlacementError(f"Nothing is deployed in stack {stack}. Next: make up STACK={stack}")
    endpoints = cast("Mapping[str, Mapping[str, Any]]", found.get("endpoints", {}))
    return Deployed(
        endpoints={cluster: tuple(_endpoints(said)) for cluster, said in endpoints.items()},
        outside={cluster: tuple(_front(said.get("outside", {}))) for cluster, said in endpoints.items()},
        kubeconfigs=cast("Mapping[str, str]", found["kubeconfigs"]),
    )


def _front(said: Mapping[str, Any]) -> list[Endpoint]:
    titles = {"api": "API of all engines", "chat": "chat page", "store": "object store"}
    return [Endpoint(name=title, url=said[key]) for key, title in titles.items() if said.get(key)]


def _endpoints(said: Mapping[str, Any]) -> list[Endpoint]:
    engines = cast("Mapping[str, Mapping[str, str]]", said.get("engines", {}))
    return _front(said) + [Endpoint(name=name, url=one["url"], model=one["model"]) for name, one in engines.items()]


def clusters(found: Deployed) -> list[Cluster]:
    """Read each cluster. Raises ClusterError."""
    readings: list[Cluster] = []
    for name, kubeconfig in found.kubeconfigs.items():
        with closing(Api(name, kubeconfig)) as api:
            readings.append(read(api))
    return readings


def report(found: Deployed, readings: Sequence[Cluster], style: Style) -> str:
    """The tables; every line fits 100 columns. Says nothing secret."""
    blocks = ["\n".join(_cluster(found, reading, style)) for reading in readings]
    return "\n\n".join(blocks)


def _cluster(found: Deployed, cluster: Cluster, style: Style) -> list[str]:
    lines = [style.bold(f"Cluster {cluster.name}")]
    if outside := found.outside.get(cluster.name):
        rows = [(endpoint.name, endpoint.url) for endpoint in outside]
        lines += [*table(("endpoint", "URL outside the cluster"), rows, style), ""]
    if endpoints := found.endpoints.get(cluster.name):
        rows = [(endpoint.name, endpoint.model, endpoint.url) for endpoint in endpoints]
        lines += [*table(("endpoint", "model", "URL inside the cluster"), rows, style), ""]
    pods = [pod for pod in cluster.pods if pod.ours]
    rows = [(pod.name, pod.namespace, pod.node or "not placed", pod.phase) for pod in pods]
    bad = [index for index, pod in enumerate(pods) if not pod.placed]
    lines += table(("pod", "namespace", "node", "state"), rows, style, bad)
    for misfit in cluster.misfits():
        lines += ["", *paragraph(f"{misfit.workload.app} is not placed: {misfit.reason}", indent=2)]
    return lines
