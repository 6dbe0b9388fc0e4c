"""EKS's control plane: encrypted, logged, and reached from the VPC and from named networks alone."""

import json
from collections.abc import Sequence

import pulumi
from pulumi_aws import cloudwatch, eks, iam, kms

from components.aws.settings import Eks
from components.storage.policies import Document, trust
from components.unmet import Unmet

CLUSTER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
_CLUSTER = "aws:eks/cluster:Cluster"
_LOGS = "aws:cloudwatch/logGroup:LogGroup"
UNMET = (
    Unmet(
        check="CKV_AWS_37",
        type=_CLUSTER,
        name="*-control-plane",
        why="which logs are kept is a setting: those of scheduler and controllers are long and seldom read",
    ),
    Unmet(
        check="CKV_AWS_39",
        type=_CLUSTER,
        name="*-control-plane",
        why="a public address is a setting, and answers the networks that it names",
    ),
    Unmet(check="CKV_AWS_338", type=_LOGS, name="*-control-plane-logs", why="how long logs are kept is a setting"),
)


class EksControlPlane(pulumi.ComponentResource):
    """One cluster without nodes. It outlives nothing that is below it, and its key and logs outlive it."""

    made: eks.Cluster
    account: pulumi.Output[str]
    """The account's 12 digits."""
    issuer: pulumi.Output[str]
    """Who signs the tokens of its service accounts, as a URL."""
    kubeconfig: pulumi.Output[str]
    """A secret."""

    def __init__(
        self,
        name: str,
        settings: Eks,
        *,
        cluster: str,
        subnets: Sequence[pulumi.Input[str]],
        account: str | None,
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`cluster` is its name at Amazon; `subnets` are of two zones or more."""
        super().__init__("inference:aws:EksControlPlane", name, None, opts)
        self._name, self._settings, self._child = name, settings, pulumi.ResourceOptions(parent=self)
        role = iam.Role(f"{name}-role", assume_role_policy=json.dumps(trust("eks.amazonaws.com")), opts=self._child)
        attached = iam.RolePolicyAttachment(
            f"{name}-policy", role=role.name, policy_arn=CLUSTER_POLICY, opts=self._child
        )
        # Of the account there is no other trace before a call, and calls are not for programs that are previewed.
        self.account = pulumi.Output.from_input(account) if account else role.arn.apply(lambda arn: arn.split(":")[4])
        logs = f"/aws/eks/{cluster}/cluster"
        key = self._key(region, logs)
        before = [attached, *([self._logs(logs, key)] if settings.logs else [])]
        self.made = eks.Cluster(
            name,
            name=cluster,
            version=settings.version,
            role_arn=role.arn,
            # Add-ons of our own choice come instead.
            bootstrap_self_managed_addons=False,
            access_config={
                "authentication_mode": "API",
                "bootstrap_cluster_creator_admin_permissions": True,
            },
            vpc_config=_reached(settings, subnets),
            encryption_config={"provider": {"key_arn": key.arn}, "resources": ["secrets"]},
            enabled_cluster_log_types=settings.logs,
            upgrade_policy={"support_type": "EXTENDED" if settings.extended_support else "STANDARD"},
            deletion_protection=settings.delete_protection,
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=before)),
        )
        self.issuer = self.made.identities.apply(_issuer)
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(self.made.endpoint, self.made.certificate_authority).apply(
                lambda known: _kubeconfig(cluster, region, known[0], known[1]["data"])
            )
        )
        self.register_outputs({})

    def _key(self, region: str, logs: str) -> kms.Key:
        return kms.Key(
            f"{self._name}-key",
            description="Secrets and logs of the cluster",
            enable_key_rotation=True,
            policy=self.account.apply(lambda account: json.dumps(key_policy(account, region, logs))),
            opts=self._child,
        )

    def _logs(self, group: str, key: kms.Key) -> cloudwatch.LogGroup:
        """There before the cluster, which would make one that keeps everything for ever."""
        return cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=group,
            retention_in_days=self._settings.log_days,
            kms_key_id=key.arn,
            opts=self._child,
        )


def _reached(settings: Eks, subnets: Sequence[pulumi.Input[str]]) -> eks.ClusterVpcConfigArgsDict:
    """From within the VPC; and from named networks, if there are any."""
    inside: eks.ClusterVpcConfigArgsDict = {
        "subnet_ids": subnets,
        "endpoint_private_access": True,
        "endpoint_public_access": bool(settings.public_access),
    }
    return {**inside, "public_access_cidrs": settings.public_access} if settings.public_access else inside


def _issuer(identities: Sequence[eks.outputs.ClusterIdentity]) -> str:
    (identity,) = identities
    oidcs = identity.oidcs or []
    return oidcs[0].issuer or ""


def key_policy(account: str, region: str, logs: str) -> Document:
    """IAM says who in the account may use the key; and CloudWatch may, for this group of logs.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    owner = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    keeper = {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{region}.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {
            "ArnEquals": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:log-group:{logs}"}
        },
    }
    return {"Version": "2012-10-17", "Statement": [owner, keeper]}


def _kubeconfig(cluster: str, region: str, endpoint: str, authority: str) -> str:
    """For whoever has the AWS command line, which makes the token: it lasts 15 minutes, and nothing is kept."""
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", cluster, "--output", "json"],
        "interactiveMode": "Never",
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "users": [{"name": cluster, "user": {"exec": login}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }
    return json.dumps(content)
