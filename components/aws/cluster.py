"""A cluster at Amazon: its control plane, its nodes, and all that must be there before the first pod."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import eks, iam

from components.accelerators.device_plugin import DevicePlugins, PluginNode
from components.aws.addons import BEFORE_NODES, ON_NODES, AddOns
from components.aws.autoscaler import AutoscalerRole
from components.aws.control_plane import EksControlPlane
from components.aws.federation import Federation
from components.aws.karpenter import KarpenterGround
from components.aws.leftovers import CLUSTER_TAG
from components.aws.names import of_cluster
from components.aws.network import Network
from components.aws.node_groups import NodeGroups, NodeRole
from components.aws.nodes import Nodes
from components.aws.settings import Aws
from components.aws.teardown import Gone, cleared
from components.cluster.cluster import Cluster, Karpenter
from components.cluster.settings import ClusterSettings
from components.node.settings import NodeGroup

STORAGE_CLASS = "gp3"
ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def eks_name(cluster: str) -> str:
    """A cluster's name at Amazon: no two stacks of an account share one."""
    return of_cluster(pulumi.get_stack(), cluster)


class EksCluster(pulumi.ComponentResource):
    """The control plane first, then what every node runs, the nodes, and what runs on those."""

    cluster: Cluster
    federation: Federation
    nodes: Nodes
    """For what stands beside the cluster."""

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        *,
        aws: Aws,
        network: Network,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:aws:EksCluster", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        control_plane = EksControlPlane(
            f"{name}-control-plane",
            settings.eks,
            cluster=eks_name(settings.name),
            subnets=list(network.private.values()),
            account=aws.account,
            region=aws.region,
            opts=self._child,
        )
        made = control_plane.made
        admitted = [
            self._admit(f"{name}-administrator-{principal.partition(':iam::')[2]}", principal, made)
            for principal in settings.eks.administrators
        ]
        self.federation = self._federation(name, aws, control_plane)
        before, nodes, after, applications = self._machines(name, settings, made, aws, network)
        self.nodes = Nodes(
            federation=self.federation,
            security_group=made.vpc_config.apply(lambda found: found.cluster_security_group_id or ""),
            role=nodes.role.role,
            autoscaling_groups=nodes.autoscaling_groups,
            ready=(nodes,),
        )
        provider = kubernetes.Provider(
            f"{name}-provider",
            kubeconfig=control_plane.kubeconfig,
            # What this names is the cluster at Amazon, wherever its endpoint moves to.
            cluster_identifier=f"{aws.region}/{eks_name(settings.name)}",
            enable_server_side_apply=True,
            upsert_existing_objects=True,
            opts=self._child,
        )
        inside = self._after(after, applications, *admitted).merge(pulumi.ResourceOptions(provider=provider))
        self.cluster = Cluster(
            settings=settings,
            provider=provider,
            kubeconfig=control_plane.kubeconfig,
            ready=(
                nodes,
                before,
                after,
                applications,
                self._storage_class(name, inside),
                *self._gpus(name, settings, inside),
            ),
            karpenter=self._autoscaler(name, settings, made, aws, network, nodes.role, provider),
        )
        self.register_outputs({})

    def _machines(
        self, name: str, settings: ClusterSettings, made: eks.Cluster, aws: Aws, network: Network
    ) -> tuple[AddOns, NodeGroups, AddOns, pulumi.Resource]:
        """What nodes need, the nodes, what needs them, and what waits on destroy until controllers have cleaned up."""
        tags, federation = resource_tags(aws), self.federation
        before = AddOns(
            f"{name}-before-nodes", BEFORE_NODES, settings, federation=federation, tags=tags, opts=self._child
        )
        gone = Gone(region=aws.region, cluster=eks_name(settings.name), vpc=network.vpc_id, delete=aws.delete_leftovers)
        interfaces = cleared(f"{name}-nodes-gone", "nodes", gone, self._after(made, *network.ready))
        nodes = NodeGroups(
            f"{name}-node-groups",
            settings,
            divided(settings)[0],
            control_plane=made,
            aws=aws,
            network=network,
            tags=tags,
            opts=self._after(before, interfaces),
        )
        after = AddOns(
            f"{name}-on-nodes",
            ON_NODES,
            settings,
            federation=federation,
            tags={**tags, CLUSTER_TAG: eks_name(settings.name)},
            opts=self._after(nodes),
        )
        applications = cleared(f"{name}-applications-gone", "applications", gone, self._after(before, nodes, after))
        return before, nodes, after, applications

    def _autoscaler(
        self,
        name: str,
        settings: ClusterSettings,
        made: eks.Cluster,
        aws: Aws,
        network: Network,
        nodes: NodeRole,
        provider: kubernetes.Provider,
    ) -> Karpenter | None:
        """What whoever adds nodes needs of the account."""
        cluster = eks_name(settings.name)
        if settings.eks.autoscaler == "cluster-autoscaler":
            AutoscalerRole(
                f"{name}-cluster-autoscaler",
                cluster=cluster,
                region=aws.region,
                federation=self.federation,
                opts=self._child,
            )
        if settings.eks.autoscaler != "karpenter":
            return None
        return KarpenterGround(
            f"{name}-karpenter",
            settings,
            divided(settings)[1],
            cluster=cluster,
            control_plane=made,
            aws=aws,
            network=network,
            federation=self.federation,
            nodes=nodes,
            tags=resource_tags(aws),
            provider=provider,
            opts=self._child,
        ).known

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return self._child.merge(pulumi.ResourceOptions(depends_on=list(resources)))

    def _admit(self, name: str, principal: str, made: eks.Cluster) -> pulumi.Resource:
        entry = eks.AccessEntry(name, cluster_name=made.name, principal_arn=principal, opts=self._child)
        return eks.AccessPolicyAssociation(
            name,
            cluster_name=made.name,
            principal_arn=principal,
            policy_arn=ADMINISTRATOR,
            access_scope={"type": "cluster"},
            opts=self._after(entry),
        )

    def _federation(self, name: str, aws: Aws, control_plane: EksControlPlane) -> Federation:
        # IAM fetches the certificate's thumbprint by itself.
        provider = iam.OpenIdConnectProvider(
            f"{name}-oidc", url=control_plane.issuer, client_id_lists=["sts.amazonaws.com"], opts=self._child
        )
        return Federation(
            how=aws.identity,
            cluster=control_plane.made.name,
            account=control_plane.account,
            provider_arn=provider.arn,
            issuer=control_plane.issuer.apply(lambda url: url.removeprefix("https://")),
        )

    def _storage_class(self, name: str, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return kubernetes.storage.v1.StorageClass(
            f"{name}-storage-class",
            metadata={
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3", "encrypted": "true"},
            # A disk belongs to one zone: that of the pod that wants it first.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=opts,
        )

    def _gpus(self, name: str, settings: ClusterSettings, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """Not counted, as they are on hosts: a group may have no node yet."""
        if not any(shape.capacity.accelerator.plugin for shape in settings.shapes):
            return []
        nodes = [PluginNode(accelerator=one.capacity.accelerator, taint=one.capacity.taint) for one in settings.shapes]
        return [DevicePlugins(f"{name}-device-plugins", nodes, opts=opts)]


def divided(settings: ClusterSettings) -> tuple[Sequence[NodeGroup], Sequence[NodeGroup]]:
    """Groups that EKS manages, and those that Karpenter rents machines of: all with GPUs, where it is asked for.

    Karpenter itself has to run on a machine that it does not rent.
    """
    if settings.eks.autoscaler != "karpenter":
        return settings.node_groups, ()
    rented = [group for group in settings.node_groups if group.accelerator.kind != "cpu"]
    return [group for group in settings.node_groups if group not in rented], rented


def resource_tags(aws: Aws) -> dict[str, str]:
    """On everything that Amazon lets us tag. The first says whose it is, and finds what is left behind."""
    return {"inference:stack": pulumi.get_stack(), **aws.tags}
