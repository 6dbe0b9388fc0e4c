"""How the objects of an application get to their cluster, which the components that make them never know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.namespace import Namespace

APPLICATION = "inference/application"
"""Label with the application, on each of its objects."""
FIELD_MANAGER = "argocd-controller"
"""Whom the API server takes for the owner of what an application sets: Argo CD's own name, for Pulumi too.

With two names, what one of them sets and the other one no longer does would stay forever."""
STAYS = frozenset(
    {
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:PersistentVolumeClaim",
        "kubernetes:core/v1:Secret",
    }
)
"""Never rendered: nobody reads a secret in Git, and no commit removes data."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One cluster's."""

    cluster: kubernetes.Provider
    """Applies to it."""
    renderer: kubernetes.Provider | None = None
    """Writes files for Git instead; None where objects go straight to the cluster."""
    hand_over: bool = False
    """Whether objects stay when Pulumi forgets them."""

    def options(self, application: str) -> pulumi.ResourceOptions:
        """For a component all of whose objects are of this application."""
        # `providers`, not `provider`: its children inherit those.
        return pulumi.ResourceOptions(
            providers=[self.renderer or self.cluster],
            transformations=[lambda args: self._transformed(application, args)],
        )

    def _transformed(
        self, application: str, args: pulumi.ResourceTransformationArgs
    ) -> pulumi.ResourceTransformationResult | None:
        if isinstance(args.resource, Namespace) or args.type_ in STAYS:
            opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(**self._straight(args)))
            return pulumi.ResourceTransformationResult(args.props, opts)
        if not args.type_.startswith("kubernetes:") or _is_of_a_namespace(args):
            return None
        props = _marked(cast("dict[str, Any]", args.props), application, managed=self.renderer is None)
        keep = pulumi.ResourceOptions(retain_on_delete=True if self.hand_over and not self.renderer else None)
        return pulumi.ResourceTransformationResult(props, pulumi.ResourceOptions.merge(args.opts, keep))

    def _straight(self, args: pulumi.ResourceTransformationArgs) -> dict[str, Any]:
        return {"providers": [self.cluster]} if isinstance(args.resource, Namespace) else {"provider": self.cluster}


def _is_of_a_namespace(args: pulumi.ResourceTransformationArgs) -> bool:
    return isinstance(args.opts.parent, Namespace)


def _marked(props: Mapping[str, Any], application: str, *, managed: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(props["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), APPLICATION: application}
    if managed:
        metadata["annotations"] = {
            **(metadata.get("annotations") or {}),
            "pulumi.com/patchFieldManager": FIELD_MANAGER,
        }
    return {**props, "metadata": metadata}
