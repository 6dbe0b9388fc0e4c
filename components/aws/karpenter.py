"""Karpenter at Amazon: its role, the machines' profile, and the queue that tells which of them Amazon takes back.

The controller itself is a chart of `inference:charts`; what it may rent is told to it once that is there.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import cloudwatch, eks, iam, sqs

from components.accelerators import ACCELERATORS
from components.aws.federation import Federation
from components.aws.identity import PodRole
from components.aws.karpenter_rights import Where, queue_policy, rights
from components.aws.names import ROLE_LIMIT, shortened
from components.aws.network import Network
from components.aws.node_groups import ROOT_DEVICE, NodeRole, labels, release, root_gib, zones
from components.aws.settings import Aws
from components.cluster.cluster import Karpenter
from components.cluster.settings import ClusterSettings
from components.node.settings import NodeGroup

NAMESPACE, ACCOUNT = "kube-system", "karpenter"
"""Where its chart's publisher installs it."""
QUEUE_LIMIT = 80
EVENTS: Mapping[str, tuple[str, str]] = {
    "scheduled-change": ("aws.health", "AWS Health Event"),
    "spot-interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state-change": ("aws.ec2", "EC2 Instance State-change Notification"),
    "reservation-interruption": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
}
"""Source and kind, as in https://karpenter.sh/docs/reference/cloudformation of release 1.14, read 2026-11-22."""


class KarpenterGround(pulumi.ComponentResource):
    """All that Karpenter needs of an account for one cluster."""

    known: Karpenter

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        groups: Sequence[NodeGroup],
        *,
        cluster: str,
        control_plane: eks.Cluster,
        aws: Aws,
        network: Network,
        federation: Federation,
        nodes: NodeRole,
        tags: Mapping[str, str],
        provider: kubernetes.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`groups` are those that Karpenter makes nodes of, and `cluster` is the cluster's name at Amazon.

        `nodes` is the role of managed groups, whose machines EKS lets into the cluster already.
        """
        super().__init__("inference:aws:KarpenterGround", name, None, opts)
        self._name, self._settings, self._groups, self._aws = name, settings, groups, aws
        self._network, self._control_plane, self._tags = network, control_plane, tags
        self._child = pulumi.ResourceOptions(parent=self)
        self._profile = iam.InstanceProfile(f"{name}-nodes", role=nodes.role, opts=self._child)
        queue = self._queue(shortened(cluster, QUEUE_LIMIT))
        may = pulumi.Output.all(account=federation.account, nodes=nodes.arn, queue=queue.arn).apply(
            lambda of: rights(
                Where(region=aws.region, account=of["account"], cluster=cluster),
                node_role=of["nodes"],
                queue=of["queue"],
            )
        )
        role = PodRole(
            name,
            role=shortened(f"{cluster}-karpenter", ROLE_LIMIT),
            namespace=NAMESPACE,
            account=ACCOUNT,
            policies={
                what: may.apply(lambda of, what=what: of[what])
                for what in ("machines", "node-role", "cluster", "discovery")
            },
            federation=federation,
            opts=self._child,
        )
        self._role = role
        # Its own kinds of objects are there with the chart, and gone before it.
        self._on_cluster = self._child.merge(pulumi.ResourceOptions(provider=provider))
        self.known = Karpenter(
            cluster_name=cluster, interruption_queue=queue.name, annotations=role.annotations, pools=self._pools
        )
        self.register_outputs({})

    def _queue(self, name: str) -> sqs.Queue:
        queue = sqs.Queue(
            f"{self._name}-interruptions",
            name=name,
            message_retention_seconds=300,
            sqs_managed_sse_enabled=True,
            opts=self._child,
        )
        sqs.QueuePolicy(
            f"{self._name}-interruptions",
            queue_url=queue.id,
            policy=queue.arn.apply(lambda arn: json.dumps(queue_policy(arn))),
            opts=self._child,
        )
        for event, (source, kind) in EVENTS.items():
            rule = cloudwatch.EventRule(
                f"{self._name}-{event}",
                event_pattern=json.dumps({"source": [source], "detail-type": [kind]}),
                opts=self._child,
            )
            cloudwatch.EventTarget(f"{self._name}-{event}", rule=rule.name, arn=queue.arn, opts=self._child)
        return queue

    def _pools(self, chart: pulumi.Resource) -> None:
        """For each group, which machines Karpenter may rent, and how many."""
        after = self._on_cluster.merge(pulumi.ResourceOptions(depends_on=[chart, self._role]))
        for group in self._groups:
            name = f"{self._settings.name}-{group.name}"
            machines = kubernetes.apiextensions.CustomResource(
                f"{name}-class",
                api_version="karpenter.k8s.aws/v1",
                kind="EC2NodeClass",
                metadata={"name": group.name},
                spec=self._class(name, group),
                opts=after,
            )
            kubernetes.apiextensions.CustomResource(
                f"{name}-pool",
                api_version="karpenter.sh/v1",
                kind="NodePool",
                metadata={"name": group.name},
                spec=pool(group, self._aws),
                opts=after.merge(pulumi.ResourceOptions(depends_on=[machines])),
            )

    def _class(self, name: str, group: NodeGroup) -> dict[str, Any]:
        pinned = release(group, self._settings.eks.version)
        security_group = self._control_plane.vpc_config.apply(lambda found: found.cluster_security_group_id)
        reserved = {"capacityReservationSelectorTerms": [{"id": group.reservation}]} if group.reservation else {}
        disk = {"volumeType": "gp3", "volumeSize": f"{root_gib(group, self._settings)}Gi", "encrypted": True}
        return {
            "amiSelectorTerms": [{"alias": f"al2023@v{pinned.rpartition('-')[2]}" if pinned else "al2023@latest"}],
            "instanceProfile": self._profile.name,
            "subnetSelectorTerms": [{"id": self._network.private[zone]} for zone in zones(group, self._aws)],
            "securityGroupSelectorTerms": [{"id": security_group}],
            "blockDeviceMappings": [{"deviceName": ROOT_DEVICE, "ebs": {**disk, "deleteOnTermination": True}}],
            "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
            "detailedMonitoring": True,
            "tags": {"Name": name, **self._tags},
            **reserved,
        }


def pool(group: NodeGroup, aws: Aws) -> dict[str, Any]:
    """Which machines, and how many. They go when no pod is left on them, and never from under one."""
    resource = ACCELERATORS[group.accelerator.kind].resource or "cpu"
    each = group.cpu if resource == "cpu" else group.accelerator.count
    bought = "reserved" if group.reservation else group.buy
    taint = {"key": group.taint, "value": "true", "effect": "NoSchedule"}
    requirements = {
        "node.kubernetes.io/instance-type": [group.instance_type, *group.instance_types],
        "topology.kubernetes.io/zone": zones(group, aws),
        "karpenter.sh/capacity-type": [bought],
        "kubernetes.io/arch": [group.arch],
    }
    template = {
        "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": group.name},
        "requirements": [{"key": key, "operator": "In", "values": values} for key, values in requirements.items()],
        "expireAfter": "Never",
        **({"taints": [taint]} if group.taint else {}),
    }
    return {
        "template": {"metadata": {"labels": labels(group)}, "spec": template},
        "limits": {resource: str(group.size * each)},
        "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
    }
