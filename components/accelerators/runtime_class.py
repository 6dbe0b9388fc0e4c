"""RuntimeClasses: by which name a pod asks for the container runtime that gives it the driver."""

from collections.abc import Iterable

import pulumi
import pulumi_kubernetes as kubernetes

from components.accelerators import ACCELERATORS, NodeAccelerator


def runtime_classes(
    prefix: str, accelerators: Iterable[NodeAccelerator], opts: pulumi.ResourceOptions
) -> list[kubernetes.node.v1.RuntimeClass]:
    """One for each runtime that these need, as resources `PREFIX-RUNTIME`."""
    runtimes = {ACCELERATORS[accelerator.kind].runtime_class for accelerator in accelerators}
    return [
        kubernetes.node.v1.RuntimeClass(f"{prefix}-{runtime}", metadata={"name": runtime}, handler=runtime, opts=opts)
        for runtime in sorted(filter(None, runtimes))
    ]
