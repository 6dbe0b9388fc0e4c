"""What is around the pods of a server, whoever makes them: identity, files, network, disruption budget."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.network import egress_rule, ingress_rule
from components.workload.spec import Peer

Metadata = kubernetes.meta.v1.ObjectMetaArgsDict


def service_account(name: str, metadata: Metadata, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.ServiceAccount:
    """An identity without a token, unless a pod asks for one."""
    return kubernetes.core.v1.ServiceAccount(name, metadata=metadata, automount_service_account_token=False, opts=opts)


def config_map(
    name: str, metadata: Metadata, files: Mapping[str, str], opts: pulumi.ResourceOptions
) -> kubernetes.core.v1.ConfigMap:
    """Files by path, each below `file_key(path)`."""
    data = {file_key(path): text for path, text in files.items()}
    return kubernetes.core.v1.ConfigMap(name, metadata=metadata, data=data, opts=opts)


def network_policy(
    name: str,
    metadata: Metadata,
    selector: Mapping[str, str],
    *,
    clients: Sequence[Peer] = (),
    egress: Sequence[Peer],
    opts: pulumi.ResourceOptions,
) -> kubernetes.networking.v1.NetworkPolicy:
    """Pods with these labels may be reached by `clients`, and reach `egress`."""
    spec: kubernetes.networking.v1.NetworkPolicySpecArgsDict = {
        "pod_selector": {"match_labels": selector},
        "policy_types": ["Ingress", "Egress"],
    }
    # The API server forgets empty lists, and a refresh would find them gone.
    if clients:
        spec["ingress"] = [ingress_rule(peer) for peer in clients]
    if egress:
        spec["egress"] = [egress_rule(peer) for peer in egress]
    return kubernetes.networking.v1.NetworkPolicy(name, metadata=metadata, spec=spec, opts=opts)


def service(
    name: str,
    metadata: Metadata,
    selector: Mapping[str, str],
    *,
    ports: Mapping[str, int],
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Service:
    """One address for the pods with these labels, which is not awaited: see docs/decisions/0004."""
    return kubernetes.core.v1.Service(
        name,
        metadata={**metadata, "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={
            "type": "ClusterIP",
            "selector": selector,
            "ports": [service_port(port, number) for port, number in ports.items()],
        },
        opts=opts,
    )


def service_port(name: str, number: int) -> kubernetes.core.v1.ServicePortArgsDict:
    """A port of a Service, the same as the container's."""
    return {"name": name, "port": number, "target_port": number, "protocol": "TCP"}


def disruption_budget(
    name: str,
    metadata: Metadata,
    selector: Mapping[str, str],
    bound: kubernetes.policy.v1.PodDisruptionBudgetSpecArgsDict,
    opts: pulumi.ResourceOptions,
) -> None:
    """How many of the pods with these labels a drained node may take away at a time."""
    kubernetes.policy.v1.PodDisruptionBudget(
        name, metadata=metadata, spec={**bound, "selector": {"match_labels": selector}}, opts=opts
    )


def spread(selector: Mapping[str, str]) -> kubernetes.core.v1.TopologySpreadConstraintArgsDict:
    """Pods with these labels rather on different nodes."""
    return {
        "max_skew": 1,
        "topology_key": "kubernetes.io/hostname",
        "when_unsatisfiable": "ScheduleAnyway",
        "label_selector": {"match_labels": selector},
    }


def apart(selector: Mapping[str, str], alike: str) -> kubernetes.core.v1.PodAntiAffinityArgsDict:
    """Never two pods on a node that have these labels, and the same value of the label `alike`."""
    return {
        "required_during_scheduling_ignored_during_execution": [
            {
                "topology_key": "kubernetes.io/hostname",
                "label_selector": {"match_labels": selector},
                "match_label_keys": [alike],
            }
        ]
    }


def file_key(path: str) -> str:
    """The key of a file in a ConfigMap, and in the annotation that it restarts on: neither may have slashes."""
    return path.replace("/", "__")
