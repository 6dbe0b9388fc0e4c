"""PostgreSQL for the gateway, as RDS runs it: private, encrypted, reached by nodes alone."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.aws.around import POSTGRES
from components.aws.counterparts import Database
from components.aws.names import shortened
from components.unmet import Unmet

NAME = "gateway"
USER = "gateway"
LONGEST = 63
_INSTANCE = "aws:rds/instance:Instance"
UNMET = (
    Unmet(
        check="CKV_AWS_118",
        type=_INSTANCE,
        why="its load by query is seen without; the machine's, by the second, would need one more role",
    ),
    Unmet(
        check="CKV_AWS_161",
        type=_INSTANCE,
        why="the gateway knows passwords, and no tokens of IAM, which last for 15 minutes",
    ),
    Unmet(check="CKV2_AWS_30", type=_INSTANCE, why="a log of queries would have what they ask about users and keys"),
    Unmet(
        check="CKV2_AWS_64",
        type="aws:kms/key:Key",
        name="*-database",
        why="the policy that Amazon gives it says what ours would: IAM decides, within the account",
    ),
)


class GatewayDatabase(pulumi.ComponentResource):
    """One database for the gateways of all clusters."""

    url: pulumi.Output[str]
    """As libpq takes it, with its password: a secret."""

    def __init__(
        self,
        name: str,
        settings: Database,
        *,
        vpc_id: pulumi.Input[str],
        subnets: Sequence[pulumi.Input[str]],
        nodes: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are security groups, by cluster: whoever has one may connect."""
        super().__init__("inference:aws:GatewayDatabase", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        called = shortened(f"{pulumi.get_stack()}-{NAME}", LONGEST)
        group = aws.ec2.SecurityGroup(
            name, description="Database of the gateway", vpc_id=vpc_id, tags={"Name": called}, opts=child
        )
        for cluster, security_group in nodes.items():
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{cluster}",
                description=f"Nodes of {cluster}",
                security_group_id=group.id,
                referenced_security_group_id=security_group,
                ip_protocol="tcp",
                from_port=POSTGRES,
                to_port=POSTGRES,
                opts=child,
            )
        password = random.RandomPassword(name, length=40, special=False, opts=child)
        key = aws.kms.Key(
            name, description="Database of the gateway", enable_key_rotation=True, tags={"Name": called}, opts=child
        )
        made = aws.rds.Instance(
            name,
            identifier=called,
            engine="postgres",
            engine_version=settings.version,
            instance_class=settings.instance_class,
            allocated_storage=settings.size,
            max_allocated_storage=4 * settings.size,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key.arn,
            db_name=NAME,
            username=USER,
            password=password.result,
            db_subnet_group_name=aws.rds.SubnetGroup(name, name=called, subnet_ids=subnets, opts=child).name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=settings.both_zones,
            backup_retention_period=settings.backup_days,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key.arn,
            deletion_protection=settings.protected,
            skip_final_snapshot=False,
            # Another one for each database of this name, or the second destroy would find the first one's.
            final_snapshot_identifier=pulumi.Output.concat(f"{called}-", key.key_id),
            opts=child,
        )
        self.url = pulumi.Output.secret(
            pulumi.Output.concat(
                f"postgresql://{USER}:", password.result, "@", made.endpoint, f"/{NAME}?sslmode=require"
            )
        )
        self.register_outputs({})
