"""EKS's managed node groups: what the settings call a group, as machines of Amazon's that come and go."""

import json
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import autoscaling, ec2, eks, iam

from components.accelerators import ACCELERATORS
from components.aws.machines import desired, root_gib
from components.aws.names import shortened
from components.aws.network import Network
from components.aws.settings import Aws
from components.aws.versions import AMI_RELEASES, AMI_TYPES
from components.cluster.settings import ClusterSettings
from components.node.settings import NodeGroup, shapes
from components.storage.policies import trust

NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""Amazon's own. That for the network is not the nodes' but the role's of vpc-cni:
https://docs.aws.amazon.com/eks/latest/userguide/create-node-role.html."""
ROOT_DEVICE = "/dev/xvda"
"""Of EKS's AL2023 AMIs."""
NAME_LIMIT = 63
_OWN_LABELS = ("kubernetes.io/", "node.kubernetes.io/", "eks.amazonaws.com/")
"""Kubelets and EKS set these, and nobody else may."""
_TEMPLATE = "k8s.io/cluster-autoscaler/node-template"
"""https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md: tags that say
what a node of a group would have, while the group has none."""


class NodeRole(pulumi.ComponentResource):
    """What machines may do by themselves: join the cluster, and pull images."""

    arn: pulumi.Output[str]
    role: pulumi.Output[str]
    """Its name."""

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("inference:aws:NodeRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(name, assume_role_policy=json.dumps(trust("ec2.amazonaws.com")), opts=child)
        for policy in NODE_POLICIES:
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
        self.arn, self.role = role.arn, role.name
        self.register_outputs({})


class NodeGroups(pulumi.ComponentResource):
    """The managed groups of a cluster."""

    role: NodeRole
    """Of all their machines."""
    autoscaling_groups: Mapping[str, pulumi.Output[str]]
    """By the group's name."""

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        groups: Sequence[NodeGroup],
        *,
        control_plane: eks.Cluster,
        aws: Aws,
        network: Network,
        tags: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`groups` are those of the cluster that EKS manages; `tags` are for machines and their disks."""
        super().__init__("inference:aws:NodeGroups", name, None, opts)
        self._settings, self._control_plane, self._aws, self._network = settings, control_plane, aws, network
        self._tags, self._child = tags, pulumi.ResourceOptions(parent=self)
        self.role = NodeRole(f"{settings.name}-nodes", opts=self._child)
        self.autoscaling_groups = {
            group.name: self._group(group).resources.apply(_autoscaling_group) for group in groups
        }
        self.register_outputs({})

    def _group(self, group: NodeGroup) -> eks.NodeGroup:
        name, autoscaler = f"{self._settings.name}-{group.name}", self._settings.eks.autoscaler
        template = self._template(name, group)
        minded = autoscaler == "cluster-autoscaler"
        made = eks.NodeGroup(
            name,
            cluster_name=self._control_plane.name,
            node_group_name=shortened(group.name, NAME_LIMIT),
            node_role_arn=self.role.arn,
            subnet_ids=[self._network.private[zone] for zone in zones(group, self._aws)],
            ami_type=AMI_TYPES[group.accelerator.kind, group.arch],
            version=self._control_plane.version,
            release_version=release(group, self._settings.eks.version),
            capacity_type="SPOT" if group.buy == "spot" else "ON_DEMAND",
            instance_types=[group.instance_type, *group.instance_types],
            scaling_config={
                "min_size": group.min_size,
                "max_size": group.size,
                "desired_size": desired(group, minded=minded),
            },
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            labels=labels(group),
            taints=[{"key": group.taint, "value": "true", "effect": "NO_SCHEDULE"}] if group.taint else [],
            update_config={"max_unavailable": 1},
            opts=self._child.merge(
                pulumi.ResourceOptions(
                    depends_on=[self.role, *self._network.ready],
                    # Quotas for GPUs seldom hold a second group, and it would have the same name.
                    delete_before_replace=True,
                    ignore_changes=["scalingConfig.desiredSize"] if minded else None,
                )
            ),
        )
        if minded:
            self._describe(name, group, made)
        return made

    def _template(self, name: str, group: NodeGroup) -> ec2.LaunchTemplate:
        tags = {"Name": name, **self._tags}
        reserved: ec2.LaunchTemplateCapacityReservationSpecificationArgsDict = {
            "capacity_reservation_target": {"capacity_reservation_id": group.reservation}
        }
        return ec2.LaunchTemplate(
            name,
            # One hop reaches the machine itself and no pod: pods have roles of their own.
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            block_device_mappings=[
                {
                    "device_name": ROOT_DEVICE,
                    "ebs": {
                        "volume_type": "gp3",
                        "volume_size": root_gib(group, self._settings),
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            monitoring={"enabled": True},
            capacity_reservation_specification=reserved if group.reservation else None,
            tag_specifications=[{"resource_type": kind, "tags": tags} for kind in ("instance", "volume")],
            update_default_version=True,
            opts=self._child,
        )

    def _describe(self, name: str, group: NodeGroup, made: eks.NodeGroup) -> None:
        machines = made.resources.apply(_autoscaling_group)
        for key, value in template_tags(group, self._settings).items():
            autoscaling.Tag(
                f"{name}-{key.removeprefix(_TEMPLATE).strip('/')}",
                autoscaling_group_name=machines,
                tag={"key": key, "value": value, "propagate_at_launch": False},
                opts=self._child,
            )


def _autoscaling_group(resources: Sequence[eks.outputs.NodeGroupResource]) -> str:
    groups = resources[0].autoscaling_groups or []
    return groups[0].name or ""


def zones(group: NodeGroup, aws: Aws) -> list[str]:
    """Names of the zones that the group is in."""
    return [f"{aws.region}{letter}" for letter in group.zones or aws.network.letters]


def release(group: NodeGroup, version: str) -> str | None:
    """Release of the AMI; None leaves it to Amazon."""
    return group.release or AMI_RELEASES.get(version)


def labels(group: NodeGroup) -> dict[str, str]:
    """Ours and the user's, as the rehearsed nodes have them."""
    shape = next(iter(shapes(group)))
    return {key: value for key, value in sorted(shape.labels.items()) if not key.startswith(_OWN_LABELS)}


def template_tags(group: NodeGroup, settings: ClusterSettings) -> dict[str, str]:
    """What the Cluster Autoscaler must know of a group without nodes."""
    resource = ACCELERATORS[group.accelerator.kind].resource
    return {
        **{f"{_TEMPLATE}/label/{key}": value for key, value in labels(group).items()},
        **({f"{_TEMPLATE}/taint/{group.taint}": "true:NoSchedule"} if group.taint else {}),
        **({f"{_TEMPLATE}/resources/{resource}": str(group.accelerator.advertised)} if resource else {}),
        f"{_TEMPLATE}/resources/ephemeral-storage": f"{root_gib(group, settings)}Gi",
    }
