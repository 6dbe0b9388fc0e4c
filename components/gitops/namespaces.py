"""Namespaces of third-party charts: closed, but for what the pods in each need.

Ports and rights as the charts have them in the versions of `versions.py`, rendered with their own values on 2026-11-22.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

from components.engines.monitoring import NAMESPACE as MONITORING
from components.engines.ray_serve import RayServe
from components.gitops.programs import API_SERVER
from components.workload.namespace import Namespace
from components.workload.network import egress_rule, ingress_rule
from components.workload.spec import Peer

ANYBODY = Peer(port=None)
KUBE_SYSTEM = "kube-system"
"""Kubernetes' own: it is there, and neither made nor closed by us."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Connections of a namespace's pods beside those that all have: DNS, Kubernetes' API, each other, Prometheus."""

    webhooks: Sequence[int] = ()
    """Ports that Kubernetes' API server connects to, for webhooks and APIs behind it. It is no pod, so that they are
    open to all."""
    clients: Sequence[Peer] = ()
    """Who connects to them besides."""
    reaches: Sequence[Peer] = ()
    """What they connect to."""
    security: Literal["baseline", "privileged"] = "baseline"
    """Pod security that is enforced: `privileged` for what looks after nodes."""


NEEDS: Mapping[str, Needs] = {
    "argo-workflows": Needs(),
    "cert-manager": Needs(webhooks=(10250,)),
    # PostgreSQL and what its pods say of themselves, wherever they are.
    "cnpg-system": Needs(webhooks=(9443,), reaches=(Peer(port=5432), Peer(port=8000))),
    "gpu-operator": Needs(security="privileged"),
    "keda": Needs(webhooks=(6443, 9443), reaches=(Peer(port=None, namespace=MONITORING),)),
    "kserve": Needs(webhooks=(9443,)),
    "kube-amd-gpu": Needs(security="privileged"),
    "kuberay-system": Needs(reaches=tuple(Peer(port=port) for port in RayServe.OPERATOR_PORTS)),
    "lws-system": Needs(webhooks=(9443,)),
    MONITORING: Needs(
        webhooks=(6443, 10250),
        clients=(Peer(port=9090, namespace="keda"),),
        reaches=(ANYBODY,),
        security="privileged",
    ),
}


def chart_namespace(
    name: str, namespace: str, *, open_to_all: bool, reaches: Sequence[Peer] = (), opts: pulumi.ResourceOptions
) -> Sequence[pulumi.Resource]:
    """A namespace of third-party charts, and who may connect to whom: anybody, where it is `open_to_all`.

    `reaches` is what its pods connect to by these settings. It has no quota, for nobody knows what a chart will make;
    and it stays when it is forgotten, since volumes would go with it.
    """
    needs = NEEDS[namespace]
    made = Namespace(name, namespace, quota=None, security=needs.security, keep=True, opts=opts)
    each_other = Peer(port=None, namespace=namespace)
    sources = [
        each_other,
        Peer(port=None, namespace=MONITORING),
        *(Peer(port=port) for port in needs.webhooks),
        *needs.clients,
    ]
    targets = [each_other, *API_SERVER, *needs.reaches, *reaches]
    policy = kubernetes.networking.v1.NetworkPolicy(
        f"{name}-network",
        metadata={"name": "charts", "namespace": namespace},
        spec={
            "pod_selector": {},
            "policy_types": ["Ingress", "Egress"],
            "ingress": [ingress_rule(peer) for peer in _once([ANYBODY] if open_to_all else sources)],
            "egress": [egress_rule(peer) for peer in _once([ANYBODY] if open_to_all else targets)],
        },
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[made])),
    )
    return [made, policy]


def _once(peers: Sequence[Peer]) -> list[Peer]:
    return [peer for number, peer in enumerate(peers) if peer not in peers[:number]]
