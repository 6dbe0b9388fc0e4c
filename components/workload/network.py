"""Allowed connections as NetworkPolicy rules."""

import pulumi_kubernetes as kubernetes

from components.workload.fields import stated
from components.workload.spec import Peer

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on every namespace."""


def ingress_rule(peer: Peer) -> kubernetes.networking.v1.NetworkPolicyIngressRuleArgsDict:
    """Let `peer` connect to us on its port."""
    fields: kubernetes.networking.v1.NetworkPolicyIngressRuleArgsDict = {
        "from_": _selectors(peer),
        "ports": _ports(peer),
    }
    return stated(fields)


def egress_rule(peer: Peer) -> kubernetes.networking.v1.NetworkPolicyEgressRuleArgsDict:
    """Let us connect to `peer` on its port."""
    fields: kubernetes.networking.v1.NetworkPolicyEgressRuleArgsDict = {"to": _selectors(peer), "ports": _ports(peer)}
    return stated(fields)


def _ports(peer: Peer) -> list[kubernetes.networking.v1.NetworkPolicyPortArgsDict]:
    return [] if peer.port is None else [{"protocol": peer.protocol, "port": peer.port}]


def _selectors(peer: Peer) -> list[kubernetes.networking.v1.NetworkPolicyPeerArgsDict]:
    if peer.network:
        return [{"ip_block": {"cidr": peer.network}}]
    if peer.namespace is None:
        return []
    selector: kubernetes.networking.v1.NetworkPolicyPeerArgsDict = {
        "namespace_selector": {"match_labels": {NAMESPACE_LABEL: peer.namespace}}
    }
    if peer.labels:
        selector["pod_selector"] = {"match_labels": peer.labels}
    return [selector]
