"""Who comes first where there is no room for all engines: a PriorityClass each."""

from collections.abc import Iterable, Mapping
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

Priority = Literal["batch", "normal", "high"]
_VALUES: Mapping[Priority, int] = {"batch": -1000, "high": 1000}
"""`normal` is what pods have without a class: 0."""


def priority_class(priority: Priority) -> str | None:
    """The PriorityClass of such pods; None for those without one."""
    return f"inference-{priority}" if priority in _VALUES else None


def priority_classes(
    name: str, wanted: Iterable[Priority], *, opts: pulumi.ResourceOptions
) -> Mapping[Priority, kubernetes.scheduling.v1.PriorityClass]:
    """Make the classes that are `wanted`. `batch` waits for room; `high` takes it from pods of a lower one."""
    return {
        priority: kubernetes.scheduling.v1.PriorityClass(
            f"{name}-{priority}",
            metadata={"name": f"inference-{priority}"},
            value=value,
            preemption_policy="Never" if value < 0 else "PreemptLowerPriority",
            description=f"Engines with priority: {priority}",
            opts=opts,
        )
        for priority, value in _VALUES.items()
        if priority in wanted
    }
