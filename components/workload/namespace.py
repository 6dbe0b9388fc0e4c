"""A namespace that is closed until something opens it."""

from collections.abc import Mapping
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic import NonNegativeInt, PositiveInt

from components.section import Section
from components.workload.network import egress_rule
from components.workload.spec import Peer

DNS_PORT = 53
DNS_LABELS = {"k8s-app": "kube-dns"}
"""CoreDNS on k3s and on EKS."""


class Quota(Section):
    """Upper bounds for each of our namespaces."""

    pods: PositiveInt = 500
    """Pods, finished ones not counted."""
    load_balancers: NonNegativeInt = 0
    """Services of type LoadBalancer: none unless you ask for them, since each one is public and billed."""
    node_ports: NonNegativeInt = 0
    """Ports of nodes for Services of your own, beside those of the platform's `nodePort` settings."""


class Namespace(pulumi.ComponentResource):
    """A namespace with pod security, `restricted` if not said otherwise, default-deny network policies, and a quota.

    All pods in it may ask the cluster's DNS; every other connection needs a NetworkPolicy of its own.
    """

    name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        namespace: str,
        *,
        quota: Quota | None,
        gpus: Mapping[str, int] | None = None,
        security: Literal["restricted", "baseline", "privileged"] = "restricted",
        node_ports: int = 0,
        keep: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make `namespace`, without bounds where `quota` is None.

        `gpus` bounds GPU requests by resource name, `node_ports` is how many the quota allows beside its own,
        `security` is the pod security that is enforced, and `keep` leaves the namespace behind on destroy.
        """
        super().__init__("inference:workload:Namespace", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.namespace = kubernetes.core.v1.Namespace(
            name,
            metadata={
                "name": namespace,
                "labels": {
                    "app.kubernetes.io/part-of": "inference",
                    "pod-security.kubernetes.io/enforce": security,
                    "pod-security.kubernetes.io/enforce-version": "latest",
                    "pod-security.kubernetes.io/warn": security,
                    "pod-security.kubernetes.io/audit": security,
                },
            },
            opts=child.merge(pulumi.ResourceOptions(retain_on_delete=keep)),
        )
        self.name = self.namespace.metadata.apply(lambda metadata: metadata.name or namespace)
        inside = child.merge(pulumi.ResourceOptions(depends_on=[self.namespace]))
        _default_deny(f"{name}-default-deny", namespace, inside)
        _allow_dns(f"{name}-allow-dns", namespace, inside)
        if quota:
            _quota(f"{name}-quota", namespace, quota, node_ports, gpus or {}, inside)
        self.register_outputs({"name": self.name})


def _quota(
    name: str, namespace: str, quota: Quota, node_ports: int, gpus: Mapping[str, int], opts: pulumi.ResourceOptions
) -> None:
    hard = {
        "pods": str(quota.pods),
        "services.loadbalancers": str(quota.load_balancers),
        "services.nodeports": str(quota.node_ports + node_ports),
        **{f"requests.{resource}": str(count) for resource, count in gpus.items()},
    }
    kubernetes.core.v1.ResourceQuota(
        name, metadata={"name": "quota", "namespace": namespace}, spec={"hard": hard}, opts=opts
    )


def _default_deny(name: str, namespace: str, opts: pulumi.ResourceOptions) -> None:
    kubernetes.networking.v1.NetworkPolicy(
        name,
        metadata={"name": "default-deny", "namespace": namespace},
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
        opts=opts,
    )


def _allow_dns(name: str, namespace: str, opts: pulumi.ResourceOptions) -> None:
    rules = [
        egress_rule(Peer(port=DNS_PORT, namespace="kube-system", labels=DNS_LABELS, protocol=protocol))
        for protocol in ("UDP", "TCP")
    ]
    kubernetes.networking.v1.NetworkPolicy(
        name,
        metadata={"name": "allow-dns", "namespace": namespace},
        spec={"pod_selector": {}, "policy_types": ["Egress"], "egress": rules},
        opts=opts,
    )
