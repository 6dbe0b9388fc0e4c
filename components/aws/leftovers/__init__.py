"""What controllers in a cluster made in the account and left behind: found, named, and deleted only when asked to.

    python -m components.aws.leftovers --stack STACK [--delete]
    python -m components.aws.leftovers --region REGION --cluster NAME [--vpc ID] [--after PHASE] [--wait S] [--delete]

Pulumi does not know of load balancers, volumes and network interfaces that came by Services, claims and pods. They
bear a tag of their cluster, and nothing else is looked at: kubernetes-sigs/aws-load-balancer-controller
(elbv2.k8s.aws/cluster), kubernetes/cloud-provider-aws (kubernetes.io/cluster/NAME=owned),
kubernetes-sigs/aws-ebs-csi-driver docs/tagging.md (ebs.csi.aws.com/cluster-name), aws/amazon-vpc-cni-k8s
(cluster.k8s.amazonaws.com/name); seen 2026-11-22. What EKS itself makes has aws:eks:cluster-name, and goes with it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["load balancer", "target group", "security group", "volume", "instance", "network interface"]
Phase = Literal["applications", "nodes"]
AFTER: Mapping[Phase, tuple[Kind, ...]] = {
    "applications": ("load balancer", "target group", "security group", "instance", "volume"),
    "nodes": ("network interface",),
}
"""What may be left once those are gone, in the order in which it can be deleted."""
KEEPS_DATA: frozenset[Kind] = frozenset({"volume"})
"""Stands in nobody's way, and may have been kept on purpose: only named, unless it is to be deleted."""

CLUSTER_TAG = "inference:cluster"
"""Has volumes that are made for claims say whose they are; drivers refuse tags of their own names from us."""

Client = Any
"""A client of botocore's, which has no types."""
Clients = Callable[[str], Client]
"""By service, as in `ec2`."""
Tags = Mapping[str, str]
_DELETING = ("shutting-down", "terminated", "deleting", "deleted")
_RESPITE = 5.0
_DATA_SECONDS = 60.0
"""Volumes go soon after their claims, or never."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing in the account."""

    kind: Kind
    identity: str
    """Its ID; of load balancers and target groups the ARN, or the name of a classic one."""
    about: str
    """Whose it was, and what holds it now."""

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}" + (f" ({self.about})" if self.about else "")


def made_for(cluster: str, tags: Tags) -> bool:
    """Whether a controller of this cluster made what has these tags."""
    if "aws:eks:cluster-name" in tags:
        return False
    names = ("elbv2.k8s.aws/cluster", "cluster.k8s.amazonaws.com/name", "ebs.csi.aws.com/cluster-name", CLUSTER_TAG)
    return tags.get(f"kubernetes.io/cluster/{cluster}") == "owned" or cluster in (tags.get(name) for name in names)


def found(clients: Clients, cluster: str, phase: Phase, *, vpc: str | None = None) -> list[Leftover]:
    """What is left of this cluster after a phase, in the order in which it can be deleted."""
    return [one for kind in AFTER[phase] for one in _FINDERS[kind](clients, cluster, vpc)]


def awaited(clients: Clients, cluster: str, phase: Phase, *, vpc: str | None = None, seconds: float) -> list[Leftover]:
    """What is left once controllers had this long to clean up after themselves."""
    begun = time.monotonic()
    while True:
        left = found(clients, cluster, phase, vpc=vpc)
        patience = seconds if any(one.kind not in KEEPS_DATA for one in left) else min(seconds, _DATA_SECONDS)
        if not left or time.monotonic() - begun + _RESPITE > patience:
            return left
        time.sleep(_RESPITE)


def delete(clients: Clients, cluster: str, one: Leftover) -> None:
    """Delete it. botocore's ClientError where AWS refuses."""
    ec2 = clients("ec2")
    match one.kind:
        case "load balancer" if one.identity.startswith("arn:"):
            clients("elbv2").delete_load_balancer(LoadBalancerArn=one.identity)
        case "load balancer":
            clients("elb").delete_load_balancer(LoadBalancerName=one.identity)
        case "target group":
            clients("elbv2").delete_target_group(TargetGroupArn=one.identity)
        case "security group":
            _let_go(ec2, cluster, one.identity)
            ec2.delete_security_group(GroupId=one.identity)
        case "instance":
            ec2.terminate_instances(InstanceIds=[one.identity])
        case "volume":
            ec2.delete_volume(VolumeId=one.identity)
        case "network interface":
            ec2.delete_network_interface(NetworkInterfaceId=one.identity)


def _load_balancers(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    elbv2, elb = clients("elbv2"), clients("elb")
    balancers = {
        one["LoadBalancerArn"]: one
        for one in _pages(elbv2, "describe_load_balancers", "LoadBalancers")
        if vpc in (None, one.get("VpcId"))
    }
    for arn, tags in _tagged(elbv2, "ResourceArns", "ResourceArn", balancers):
        if made_for(cluster, tags):
            yield Leftover(kind="load balancer", identity=arn, about=_whose(tags))
    classic = {
        one["LoadBalancerName"]: one
        for one in _pages(elb, "describe_load_balancers", "LoadBalancerDescriptions")
        if vpc in (None, one.get("VPCId"))
    }
    for name, tags in _tagged(elb, "LoadBalancerNames", "LoadBalancerName", classic):
        if made_for(cluster, tags):
            yield Leftover(kind="load balancer", identity=name, about=_whose(tags))


def _target_groups(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    elbv2 = clients("elbv2")
    groups = {
        one["TargetGroupArn"]: one
        for one in _pages(elbv2, "describe_target_groups", "TargetGroups")
        if vpc in (None, one.get("VpcId"))
    }
    for arn, tags in _tagged(elbv2, "ResourceArns", "ResourceArn", groups):
        if made_for(cluster, tags):
            users = ", ".join(str(one).rpartition("loadbalancer/")[2] for one in groups[arn]["LoadBalancerArns"])
            yield Leftover(kind="target group", identity=arn, about=_joined(_whose(tags), users and f"used by {users}"))


def _security_groups(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    ec2 = clients("ec2")
    for one in _of(ec2, "describe_security_groups", "SecurityGroups", cluster, vpc):
        using = _pages(
            ec2,
            "describe_network_interfaces",
            "NetworkInterfaces",
            Filters=[{"Name": "group-id", "Values": [one["GroupId"]]}],
        )
        users = ", ".join(interface["NetworkInterfaceId"] for interface in using)
        about = _joined(one["GroupName"], _whose(_tags(one)), users and f"used by {users}")
        yield Leftover(kind="security group", identity=one["GroupId"], about=about)


def _instances(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    filters = [{"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]}, *_within(vpc)]
    for reservation in _pages(clients("ec2"), "describe_instances", "Reservations", Filters=filters):
        for one in reservation["Instances"]:
            tags = _tags(one)
            ours = made_for(cluster, tags) or tags.get("eks:eks-cluster-name") == cluster
            if ours and one["State"]["Name"] not in _DELETING:
                about = f"Karpenter's, of pool {tags['karpenter.sh/nodepool']}"
                yield Leftover(kind="instance", identity=one["InstanceId"], about=about)


def _volumes(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    del vpc  # a volume is in a zone, not in a network
    for one in _of(clients("ec2"), "describe_volumes", "Volumes", cluster, None):
        if one["State"] not in _DELETING:
            holders = ", ".join(attachment["InstanceId"] for attachment in one.get("Attachments", []))
            about = _joined(f"{one['Size']} GiB", _whose(_tags(one)), holders and f"attached to {holders}")
            yield Leftover(kind="volume", identity=one["VolumeId"], about=about)


def _interfaces(clients: Clients, cluster: str, vpc: str | None) -> Iterator[Leftover]:
    for one in _of(clients("ec2"), "describe_network_interfaces", "NetworkInterfaces", cluster, vpc):
        holder = one.get("Attachment", {}).get("InstanceId") or _tags(one).get("node.k8s.amazonaws.com/instance_id")
        about = _joined(one.get("Description", ""), one["Status"], holder and f"of {holder}")
        yield Leftover(kind="network interface", identity=one["NetworkInterfaceId"], about=about)


_FINDERS: Mapping[Kind, Callable[[Clients, str, str | None], Iterable[Leftover]]] = {
    "load balancer": _load_balancers,
    "target group": _target_groups,
    "security group": _security_groups,
    "instance": _instances,
    "volume": _volumes,
    "network interface": _interfaces,
}


def _of(ec2: Client, operation: str, listed: str, cluster: str, vpc: str | None) -> Iterator[Any]:
    return (one for one in _pages(ec2, operation, listed, Filters=_within(vpc)) if made_for(cluster, _tags(one)))


def _let_go(ec2: Client, cluster: str, group: str) -> None:
    """Take the group out of the rules of this cluster's other groups, which would keep it from being deleted."""
    for direction, revoke in (
        ("ip-permission.group-id", ec2.revoke_security_group_ingress),
        ("egress.ip-permission.group-id", ec2.revoke_security_group_egress),
    ):
        side = "IpPermissionsEgress" if direction.startswith("egress") else "IpPermissions"
        filters = [{"Name": direction, "Values": [group]}]
        for other in _pages(ec2, "describe_security_groups", "SecurityGroups", Filters=filters):
            tags = _tags(other)
            if other["GroupId"] == group or not (
                made_for(cluster, tags) or tags.get("aws:eks:cluster-name") == cluster
            ):
                continue
            for rule in other[side]:
                pairs = [pair for pair in rule["UserIdGroupPairs"] if pair.get("GroupId") == group]
                if pairs:
                    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
                    revoke(GroupId=other["GroupId"], IpPermissions=[{**ports, "UserIdGroupPairs": pairs}])


def _tagged(client: Client, asked: str, told: str, names: Iterable[str]) -> Iterator[tuple[str, Tags]]:
    """Tags by name; the APIs of load balancers take 20 names at a time."""
    every = list(names)
    for start in range(0, len(every), 20):
        answer: Any = client.describe_tags(**{asked: every[start : start + 20]})
        for one in answer["TagDescriptions"]:
            yield one[told], _tags(one)


def _pages(client: Client, operation: str, listed: str, **arguments: object) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[listed]


def _within(vpc: str | None) -> list[dict[str, object]]:
    return [{"Name": "vpc-id", "Values": [vpc]}] if vpc else []


def _tags(one: Any) -> Tags:
    listed: list[Mapping[str, str]] = one.get("Tags") or one.get("TagSet") or []
    return {tag["Key"]: tag.get("Value", "") for tag in listed}


def _whose(tags: Tags) -> str:
    """The object in the cluster that it was made for."""
    for name in ("service.k8s.aws/stack", "ingress.k8s.aws/stack", "kubernetes.io/service-name"):
        if name in tags:
            return f"made for {tags[name]}"
    claim = tags.get("kubernetes.io/created-for/pvc/name")
    return f"of the claim {tags.get('kubernetes.io/created-for/pvc/namespace', '')}/{claim}" if claim else ""


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
