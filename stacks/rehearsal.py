"""What a rehearsal does differently: every pod meets the scheduler, and nothing waits for those that fit nowhere."""

from typing import Any, cast

import pulumi

SKIP = {"pulumi.com/skipAwait": "true"}


def relax() -> None:
    """From now on no Kubernetes object is waited for, no quota on GPUs speaks before the scheduler does, and volumes
    come from the embedded clusters' only storage class."""
    pulumi.runtime.register_stack_transformation(_relaxed)


def _relaxed(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    if not args.type_.startswith("kubernetes:") or "metadata" not in args.props:
        return None
    props = dict(cast("dict[str, Any]", args.props))
    metadata: dict[str, Any] = props["metadata"]
    props["metadata"] = {**metadata, "annotations": {**metadata.get("annotations", {}), **SKIP}}
    match args.type_:
        case "kubernetes:core/v1:PersistentVolumeClaim" if props["spec"].get("storage_class_name"):
            props["spec"] = {key: value for key, value in props["spec"].items() if key != "storage_class_name"}
        case "kubernetes:core/v1:ResourceQuota":
            bounds = {name: bound for name, bound in props["spec"]["hard"].items() if "/" not in name}
            props["spec"] = {**props["spec"], "hard": bounds}
        case _:
            pass
    return pulumi.ResourceTransformationResult(props, args.opts)
