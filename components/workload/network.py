"""Allowed connections as NetworkPolicy rules."""

import pulumi_kubernetes as kubernetes

from components.workload.spec import Peer

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on every namespace."""


def ingress_rule(peer: Peer) -> kubernetes.networking.v1.NetworkPolicyIngressRuleArgs:
    """Let `peer` connect to us on its port."""
    return kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(from_=_selectors(peer), ports=[_port(peer)])


def egress_rule(peer: Peer) -> kubernetes.networking.v1.NetworkPolicyEgressRuleArgs:
    """Let us connect to `peer` on its port."""
    return kubernetes.networking.v1.NetworkPolicyEgressRuleArgs(to=_selectors(peer), ports=[_port(peer)])


def _port(peer: Peer) -> kubernetes.networking.v1.NetworkPolicyPortArgs:
    return kubernetes.networking.v1.NetworkPolicyPortArgs(protocol=peer.protocol, port=peer.port)


def _selectors(peer: Peer) -> list[kubernetes.networking.v1.NetworkPolicyPeerArgs] | None:
    if peer.namespace is None:
        return None
    namespace = kubernetes.meta.v1.LabelSelectorArgs(match_labels={NAMESPACE_LABEL: peer.namespace})
    pods = kubernetes.meta.v1.LabelSelectorArgs(match_labels=peer.labels) if peer.labels else None
    return [kubernetes.networking.v1.NetworkPolicyPeerArgs(namespace_selector=namespace, pod_selector=pods)]
