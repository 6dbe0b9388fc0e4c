"""From what an API server answers to nodes, pods and workloads."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, cast

from components.accelerators import ACCELERATOR_LABEL, ACCELERATORS, PRODUCT_LABEL
from placement.api import Api, Json
from placement.model import ENGINE, Amounts, Cluster, Node, Pod, Workload

NAME = "app.kubernetes.io/name"
PART = "app.kubernetes.io/component"
OURS = ("app.kubernetes.io/part-of", "inference")

_GPUS = {accelerator.resource: kind for kind, accelerator in ACCELERATORS.items() if accelerator.resource}
_WORKLOADS = ("/apis/apps/v1/deployments", "/apis/apps/v1/statefulsets", "/apis/batch/v1/jobs")
_SUFFIXES = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("n", "u", "m", "", *"kMGTPE"), -3)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]?|[KMGTPE]i)")


def read(api: Api) -> Cluster:
    """The whole cluster, now. Raises ClusterError."""
    ours = f"?labelSelector={OURS[0]}%3D{OURS[1]}"
    workloads = [_workload(entry) for path in _WORKLOADS for entry in _items(api, path + ours)]
    return Cluster(
        name=api.name,
        nodes=tuple(sorted(map(_node, _items(api, "/api/v1/nodes")), key=lambda node: natural(node.name))),
        workloads=tuple(sorted(workloads, key=_order)),
        pods=tuple(sorted(map(_pod, _items(api, "/api/v1/pods")), key=lambda pod: (pod.namespace, natural(pod.name)))),
    )


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which `gpu-10` comes after `gpu-2`."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _order(workload: Workload) -> tuple[bool, str, object]:
    return (workload.part != ENGINE, workload.part, natural(workload.app))


def _items(api: Api, path: str) -> Sequence[Json]:
    return cast("Sequence[Json]", api.get(path)["items"])


def _node(entry: Json) -> Node:
    labels: dict[str, str] = entry["metadata"].get("labels", {})
    status: Json = entry.get("status", {})
    return Node(
        name=entry["metadata"]["name"],
        has=_amounts(status.get("allocatable", {})),
        kind=labels.get(ACCELERATOR_LABEL),
        product=labels.get(PRODUCT_LABEL),
        taints=tuple(map(_taint, entry.get("spec", {}).get("taints", ()))),
        ready=_condition(status, "Ready").get("status") == "True",
    )


def _taint(taint: dict[str, str]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _pod(entry: Json) -> Pod:
    metadata: Json = entry["metadata"]
    labels: dict[str, str] = metadata.get("labels", {})
    scheduled = _condition(entry.get("status", {}), "PodScheduled")
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        app=labels.get(NAME) or metadata["name"],
        ours=labels.get(OURS[0]) == OURS[1],
        asks=_asked(entry["spec"]),
        phase="Terminating" if "deletionTimestamp" in metadata else entry.get("status", {}).get("phase", "Pending"),
        node=entry["spec"].get("nodeName"),
        reason=scheduled.get("message") or scheduled.get("reason") if scheduled.get("status") == "False" else None,
    )


def _workload(entry: Json) -> Workload:
    spec: Json = entry["spec"]
    template: Json = spec["template"]
    labels: dict[str, str] = template["metadata"].get("labels", {})
    failure = _condition(entry.get("status", {}), "ReplicaFailure")
    return Workload(
        app=labels.get(NAME) or entry["metadata"]["name"],
        namespace=entry["metadata"]["namespace"],
        part=labels.get(PART, ""),
        wanted=int(spec.get("replicas", spec.get("parallelism", 1))),
        asks=_asked(template["spec"]),
        accelerator=next((kind for resource, kind in _GPUS.items() if _asks_for(template["spec"], resource)), None),
        problem=failure.get("message") if failure.get("status") == "True" else None,
    )


def _condition(status: Json, kind: str) -> dict[str, str]:
    conditions: Sequence[dict[str, str]] = status.get("conditions") or ()
    nothing: dict[str, str] = {}
    return next((condition for condition in conditions if condition["type"] == kind), nothing)


def _asked(spec: Json) -> Amounts:
    """What the scheduler counts: all containers together, or one that runs before them if that asks for more."""
    together = sum(map(_requests, spec["containers"]), Amounts())
    before: list[Amounts] = list(map(_requests, spec.get("initContainers", ())))
    return Amounts(
        gpus=max(one.gpus for one in [together, *before]),
        cpu=max(one.cpu for one in [together, *before]),
        memory=max(one.memory for one in [together, *before]),
    )


def _requests(container: Json) -> Amounts:
    return _amounts(container.get("resources", {}).get("requests", {}))


def _asks_for(spec: Json, resource: str) -> bool:
    containers: Iterable[Json] = spec["containers"]
    return any(resource in container.get("resources", {}).get("requests", {}) for container in containers)


def _amounts(resources: dict[str, Any]) -> Amounts:
    return Amounts(
        gpus=sum(int(amount(str(resources[name]))) for name in _GPUS if name in resources),
        cpu=int(amount(str(resources.get("cpu", 0))) * 1000),
        memory=int(amount(str(resources.get("memory", 0)))),
    )


def amount(quantity: str) -> Decimal:
    """A Kubernetes quantity as a number: `amount("1500m") == Decimal("1.5")`. ValueError for anything else."""
    match = _QUANTITY.fullmatch(quantity)
    if not match:
        raise ValueError(f"not a quantity: {quantity!r}")
    return Decimal(match[1]) * _SUFFIXES[match[2]]
