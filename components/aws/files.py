"""A file system that all nodes of a cluster share, with models on it that are there for the next node too.

Nothing on it is anywhere else not: on EFS there are copies, and Lustre shows the bucket.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.aws.counterparts import Efs, Files, Lustre
from components.aws.federation import Federation
from components.aws.names import shortened
from components.aws.nodes import Nodes
from components.unmet import Unmet
from components.workload.claim import Mounted

NFS = 2049
LUSTRE = (988, (1018, 1023))
"""Ports of Lustre: user guide of FSx for Lustre, limit-access-security-groups."""
USER = 10001
"""Of our pods, to whom the directory belongs."""
DRIVERS: Mapping[str, str] = {"efs": "aws-efs-csi-driver", "lustre": "aws-fsx-csi-driver"}
"""EKS's add-ons."""
LONGEST = 255
UNMET = (
    Unmet(
        check="CKV_AWS_184",
        type="aws:efs/fileSystem:FileSystem",
        why="Amazon's key encrypts it: it has copies of models, which the bucket has too",
    ),
    Unmet(
        check="CKV_AWS_190",
        type="aws:fsx/lustreFileSystem:LustreFileSystem",
        why="Amazon's key encrypts it: it has copies of models, which the bucket has too",
    ),
)


class SharedFiles(pulumi.ComponentResource):
    """The file system of one cluster, with the driver that mounts it."""

    mounted: Mounted
    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        settings: Files,
        *,
        vpc_id: pulumi.Input[str],
        subnets: Mapping[str, pulumi.Input[str]],
        nodes: Nodes,
        bucket: str,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`subnets` are private ones, by zone; `bucket` is that of the models, which is there once `after` is."""
        super().__init__("inference:aws:SharedFiles", name, None, opts)
        self._name, self._child, self._after = name, pulumi.ResourceOptions(parent=self), after
        self._called = shortened(f"{pulumi.get_stack()}-{name}", LONGEST)
        group = self._security_group(settings, vpc_id, nodes.security_group)
        driver = self._driver(settings, nodes.federation, nodes.ready)
        match settings:
            case Efs():
                self.mounted, made = self._efs(subnets, group)
            case Lustre():
                self.mounted, made = self._lustre(settings, next(iter(subnets.values())), group, bucket)
        self.ready = (driver, *made)
        self.register_outputs({})

    def _driver(self, settings: Files, federation: Federation, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """It mounts what is there and makes nothing, so it needs no role."""
        return aws.eks.Addon(
            f"{self._name}-driver",
            cluster_name=federation.cluster,
            addon_name=DRIVERS[settings.kind],
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=list(after))),
        )

    def _security_group(
        self, settings: Files, vpc_id: pulumi.Input[str], nodes: pulumi.Input[str]
    ) -> aws.ec2.SecurityGroup:
        made = aws.ec2.SecurityGroup(
            self._name, description="Models", vpc_id=vpc_id, tags={"Name": self._called}, opts=self._child
        )
        ports = [(NFS, NFS)] if isinstance(settings, Efs) else [(LUSTRE[0], LUSTRE[0]), LUSTRE[1]]
        # Servers of Lustre speak with each other, too.
        sources = {"nodes": nodes} if isinstance(settings, Efs) else {"nodes": nodes, "itself": made.id}
        for first, last in ports:
            for whom, source in sources.items():
                aws.vpc.SecurityGroupIngressRule(
                    f"{self._name}-{first}-{whom}",
                    description=f"Files for {whom}",
                    security_group_id=made.id,
                    referenced_security_group_id=source,
                    ip_protocol="tcp",
                    from_port=first,
                    to_port=last,
                    opts=self._child,
                )
        if isinstance(settings, Lustre):
            aws.vpc.SecurityGroupEgressRule(
                f"{self._name}-itself",
                description="Servers among each other",
                security_group_id=made.id,
                referenced_security_group_id=made.id,
                ip_protocol="tcp",
                from_port=LUSTRE[0],
                to_port=LUSTRE[1][1],
                opts=self._child,
            )
        return made

    def _efs(
        self, subnets: Mapping[str, pulumi.Input[str]], group: aws.ec2.SecurityGroup
    ) -> tuple[Mounted, Sequence[pulumi.Resource]]:
        made = aws.efs.FileSystem(
            self._name, encrypted=True, throughput_mode="elastic", tags={"Name": self._called}, opts=self._child
        )
        targets = [
            aws.efs.MountTarget(
                f"{self._name}-{zone}",
                file_system_id=made.id,
                subnet_id=subnet,
                security_groups=[group.id],
                opts=self._child,
            )
            for zone, subnet in subnets.items()
        ]
        point = aws.efs.AccessPoint(
            self._name,
            file_system_id=made.id,
            posix_user={"uid": USER, "gid": USER},
            root_directory={
                "path": "/models",
                "creation_info": {"owner_uid": USER, "owner_gid": USER, "permissions": "0750"},
            },
            tags={"Name": self._called},
            opts=self._child,
        )
        handle = pulumi.Output.concat(made.id, "::", point.id)
        return Mounted(driver="efs.csi.aws.com", handle=handle), [*targets, point]

    def _lustre(
        self, settings: Lustre, subnet: pulumi.Input[str], group: aws.ec2.SecurityGroup, bucket: str
    ) -> tuple[Mounted, Sequence[pulumi.Resource]]:
        made = aws.fsx.LustreFileSystem(
            self._name,
            deployment_type="PERSISTENT_2",
            storage_type="SSD",
            storage_capacity=settings.size,
            per_unit_storage_throughput=settings.throughput,
            data_compression_type="LZ4",
            # What is on it is in the bucket: nothing of it needs a backup.
            automatic_backup_retention_days=0,
            subnet_ids=subnet,
            security_group_ids=[group.id],
            tags={"Name": self._called},
            opts=self._child,
        )
        linked = aws.fsx.DataRepositoryAssociation(
            self._name,
            file_system_id=made.id,
            data_repository_path=f"s3://{bucket}",
            file_system_path="/",
            batch_import_meta_data_on_create=True,
            s3={"auto_import_policy": {"events": ["NEW", "CHANGED", "DELETED"]}},
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=list(self._after))),
        )
        attributes: dict[str, pulumi.Input[str]] = {"dnsname": made.dns_name, "mountname": made.mount_name}
        mounted = Mounted(driver="fsx.csi.aws.com", handle=made.id, attributes=attributes, bucket=True)
        return mounted, [made, linked]
