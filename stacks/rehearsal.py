"""What a rehearsal does differently: every pod meets the scheduler, and nothing waits for those that fit nowhere."""

from copy import copy
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

SKIP = {"pulumi.com/skipAwait": "true"}


def relax() -> None:
    """From now on no Kubernetes object is waited for, no quota on GPUs speaks before the scheduler does, and volumes
    come from the embedded clusters' only storage class."""
    pulumi.runtime.register_stack_transformation(_relaxed)


def _relaxed(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    if not args.type_.startswith("kubernetes:") or "metadata" not in args.props:
        return None
    props = dict(cast("dict[str, Any]", args.props))
    props["metadata"] = _unawaited(props["metadata"])
    match args.type_:
        case "kubernetes:core/v1:PersistentVolumeClaim":
            props["spec"] = copy(props["spec"])
            props["spec"].storage_class_name = None
        case "kubernetes:core/v1:ResourceQuota":
            props["spec"] = copy(props["spec"])
            props["spec"].hard = {name: bound for name, bound in props["spec"].hard.items() if "/" not in name}
        case _:
            pass
    return pulumi.ResourceTransformationResult(props, args.opts)


def _unawaited(metadata: Any) -> Any:
    if isinstance(metadata, kubernetes.meta.v1.ObjectMetaArgs):
        changed = copy(metadata)
        changed.annotations = {**cast("dict[str, str]", metadata.annotations or {}), **SKIP}
        return changed
    given = cast("dict[str, Any]", metadata)
    return {**given, "annotations": {**given.get("annotations", {}), **SKIP}}
