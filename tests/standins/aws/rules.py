"""What AWS refuses: a name twice, something that does not exist, and to delete what others hold.

Each error is named as AWS names it, from the API references of EC2, EKS, IAM, S3, KMS and CloudWatch Logs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.standins.aws.account import Thing, key
from tests.standins.provider import ProviderError
from tests.standins.wire import Properties, Wire, revealed

VPC, SUBNET, GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"
GATEWAY, TABLE = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/routeTable:RouteTable"
CLUSTER, NODES = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
BUCKET, ADDRESS = "aws:s3/bucket:Bucket", "aws:ec2/eip:Eip"
INTERFACE = "made:ec2:NetworkInterface"
"""What a controller has made, and no program knows of."""

_UNIQUE: Mapping[str, tuple[tuple[str, ...], str]] = {
    CLUSTER: (("name",), "ResourceInUseException"),
    NODES: (("clusterName", "nodeGroupName"), "ResourceInUseException"),
    "aws:eks/addon:Addon": (("clusterName", "addonName"), "ResourceInUseException"),
    "aws:eks/accessEntry:AccessEntry": (("clusterName", "principalArn"), "ResourceInUseException"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": (
        ("clusterName", "namespace", "serviceAccount"),
        "ResourceInUseException",
    ),
    ROLE: (("name",), "EntityAlreadyExists"),
    POLICY: (("name",), "EntityAlreadyExists"),
    "aws:iam/instanceProfile:InstanceProfile": (("name",), "EntityAlreadyExists"),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (("url",), "EntityAlreadyExists"),
    BUCKET: (("bucket",), "BucketAlreadyOwnedByYou"),
    GROUP: (("name", "vpcId"), "InvalidGroup.Duplicate"),
    "aws:ec2/launchTemplate:LaunchTemplate": (("name",), "InvalidLaunchTemplateName.AlreadyExistsException"),
    "aws:cloudwatch/logGroup:LogGroup": (("name",), "ResourceAlreadyExistsException"),
    "aws:kms/alias:Alias": (("name",), "AlreadyExistsException"),
    "aws:sqs/queue:Queue": (("name",), "QueueAlreadyExists"),
    "aws:rds/instance:Instance": (("identifier",), "DBInstanceAlreadyExists"),
    "aws:rds/subnetGroup:SubnetGroup": (("name",), "DBSubnetGroupAlreadyExists"),
    "aws:lb/loadBalancer:LoadBalancer": (("name",), "DuplicateLoadBalancerName"),
}
_LONGEST: Mapping[str, Mapping[str, int]] = {
    ROLE: {"name": 64},
    POLICY: {"name": 128},
    "aws:iam/instanceProfile:InstanceProfile": {"name": 128},
    "aws:iam/rolePolicy:RolePolicy": {"name": 128},
    CLUSTER: {"name": 100},
    NODES: {"nodeGroupName": 63},
    GROUP: {"name": 255},
    "aws:lb/loadBalancer:LoadBalancer": {"name": 32},
    "aws:lb/targetGroup:TargetGroup": {"name": 32},
    "aws:rds/instance:Instance": {"identifier": 63},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name": 128},
    BUCKET: {"bucket": 63},
    "aws:sqs/queue:Queue": {"name": 80},
    "aws:cloudwatch/eventRule:EventRule": {"name": 64},
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A property by which things name another."""

    names: tuple[str, ...]
    kind: str
    missing: str
    """The error where that other does not exist."""
    holders: tuple[str, ...] = ()
    """Begin the types whose existence keeps the other from being deleted."""
    held: str = "DependencyViolation"


_REFERENCES = (
    Reference(
        names=("vpcId",),
        kind=VPC,
        missing="InvalidVpcID.NotFound",
        holders=(SUBNET, GROUP, TABLE, GATEWAY, "aws:ec2/vpcEndpoint:", "aws:ec2/networkAcl:", INTERFACE),
    ),
    Reference(
        names=("subnetId", "subnetIds", "subnets"),
        kind=SUBNET,
        missing="InvalidSubnetID.NotFound",
        holders=(
            "aws:ec2/natGateway:",
            "aws:ec2/vpcEndpoint:",
            CLUSTER,
            NODES,
            "aws:efs/mountTarget:",
            "aws:fsx/",
            "aws:rds/subnetGroup:",
            "aws:lb/loadBalancer:",
            INTERFACE,
        ),
    ),
    Reference(
        names=("securityGroupId", "securityGroupIds", "securityGroups", "vpcSecurityGroupIds"),
        kind=GROUP,
        missing="InvalidGroup.NotFound",
        holders=(GROUP, "aws:ec2/vpcEndpoint:", CLUSTER, "aws:efs/", "aws:fsx/", "aws:rds/", "aws:lb/", INTERFACE),
    ),
    Reference(
        names=("referencedSecurityGroupId", "sourceSecurityGroupId"),
        kind=GROUP,
        missing="InvalidGroup.NotFound",
        holders=("aws:vpc/", "aws:ec2/securityGroupRule:"),
    ),
    Reference(
        names=("clusterName",),
        kind=CLUSTER,
        missing="ResourceNotFoundException",
        holders=(NODES, "aws:eks/fargateProfile:"),
        held="ResourceInUseException",
    ),
    Reference(
        names=("role", "roleName", "roles"),
        kind=ROLE,
        missing="NoSuchEntity",
        holders=("aws:iam/rolePolicyAttachment:", "aws:iam/rolePolicy:", "aws:iam/instanceProfile:"),
        held="DeleteConflict",
    ),
    Reference(names=("policyArn",), kind=POLICY, missing="NoSuchEntity", holders=("aws:iam/",), held="DeleteConflict"),
    Reference(
        names=("routeTableId",),
        kind=TABLE,
        missing="InvalidRouteTableID.NotFound",
        holders=("aws:ec2/routeTableAssociation:",),
    ),
    Reference(names=("gatewayId",), kind=GATEWAY, missing="InvalidGatewayID.NotFound"),
    Reference(
        names=("allocationId",),
        kind=ADDRESS,
        missing="InvalidAllocationID.NotFound",
        holders=("aws:ec2/natGateway:",),
        held="AuthFailure",
    ),
    Reference(names=("bucket",), kind=BUCKET, missing="NoSuchBucket"),
)
_NOT_OURS = ("arn:aws:iam::aws:", "arn:aws-cn:iam::aws:", "arn:aws-us-gov:iam::aws:")
"""Begin policies that Amazon itself keeps."""


def refuse_creation(things: Mapping[str, Thing], kind: str, inputs: Properties) -> None:
    """Raises ProviderError where AWS would not make it."""
    for name, longest in _LONGEST.get(kind, {}).items():
        value = str(revealed(inputs.get(name)) or "")
        if len(value) > longest:
            raise ProviderError(
                f"ValidationException: {name} has {len(value)} characters; at most {longest} are allowed"
            )
    names, error = _UNIQUE.get(kind, ((), ""))
    wanted = [revealed(inputs.get(name)) for name in names]
    if names and any(
        thing.type == kind and [thing.inputs.get(name) for name in names] == wanted for thing in things.values()
    ):
        raise ProviderError(f"{error}: there is a {kind.rpartition(':')[2]} {' '.join(map(str, wanted))} already")
    _refuse_missing(things, kind, inputs)


def refuse_deletion(things: Mapping[str, Thing], thing: Thing) -> None:
    """Raises ProviderError where others hold it."""
    for reference in (one for one in _REFERENCES if one.kind == thing.type):
        holders = [
            other
            for other in things.values()
            if other.type.startswith(reference.holders)
            and other is not thing
            and _names(thing) & set(_named(other.inputs, reference.names))
        ]
        if reference.holders and holders:
            by = ", ".join(sorted(f"{one.type} {one.identity}" for one in holders))
            raise ProviderError(f"{reference.held}: {thing.type.rpartition(':')[2]} {thing.identity} is in use by {by}")
    if thing.type == GATEWAY and (inside := _addresses(things.values())):
        raise ProviderError(f"DependencyViolation: the VPC of {thing.identity} has mapped public addresses: {inside}")
    if thing.type == CLUSTER and revealed(thing.inputs.get("deletionProtection")):
        raise ProviderError(f"InvalidRequestException: {thing.identity} has deletion protection")


def _refuse_missing(things: Mapping[str, Thing], kind: str, inputs: Properties) -> None:
    for reference in _REFERENCES:
        if not _concerns(reference, kind):
            continue
        for value in _named(inputs, reference.names):
            known = (thing for thing in things.values() if thing.type == reference.kind)
            if not any(value in _names(thing) for thing in known) and not value.startswith(_NOT_OURS):
                raise ProviderError(f"{reference.missing}: {value} does not exist")


def _concerns(reference: Reference, kind: str) -> bool:
    """Whether a type's property of that name means what the reference means."""
    if reference.kind == kind:
        return False
    if reference.kind == BUCKET:
        return kind.startswith("aws:s3/")
    if reference.kind == ROLE:
        return kind.startswith("aws:iam/")
    if reference.kind == POLICY:
        return kind.startswith("aws:iam/")  # EKS's access policies have ARNs of another kind
    if reference.kind == SUBNET:
        return kind.startswith(("aws:ec2/", "aws:eks/", "aws:efs/", "aws:fsx/", "aws:rds/", "aws:lb/"))
    return kind.startswith("aws:")


def _names(thing: Thing) -> set[str]:
    """All by which others may call it."""
    own = (thing.outputs.get("arn"), thing.outputs.get("name"), thing.inputs.get("name"))
    return {thing.identity, *(value for value in own if isinstance(value, str))}


def _named(value: Wire, names: tuple[str, ...]) -> Iterator[str]:
    """Text of these properties, however deep they are."""
    shown = revealed(value)
    if isinstance(shown, dict):
        for name, below in shown.items():
            if name in names:
                yield from (one for one in (below if isinstance(below, list) else [below]) if isinstance(one, str))
            yield from _named(below, names)
    elif isinstance(shown, list):
        for item in shown:
            yield from _named(item, names)


def _addresses(things: Iterable[Thing]) -> str:
    return ", ".join(thing.identity for thing in things if thing.type == "aws:ec2/natGateway:NatGateway")


def vanish_with(things: Mapping[str, Thing], thing: Thing) -> list[str]:
    """Keys of what AWS deletes together with it."""
    if thing.type != CLUSTER:
        return []
    return [
        key(other.type, other.identity)
        for other in things.values()
        if (other.type.startswith("aws:eks/") and thing.identity in _named(other.inputs, ("clusterName",)))
        or other.identity == _group_of(thing)
    ]


def appear_with(things: Mapping[str, Thing], thing: Thing) -> list[Thing]:
    """What AWS makes together with it: EKS a security group for its network interfaces and all nodes."""
    if thing.type != CLUSTER:
        return []
    subnets = set(_named(thing.inputs, ("subnetIds",)))
    vpc = next(
        (one.inputs.get("vpcId") for one in things.values() if one.type == SUBNET and one.identity in subnets), ""
    )
    own: Properties = {"name": f"eks-cluster-sg-{thing.identity}", "vpcId": vpc}
    return [Thing(type=GROUP, identity=_group_of(thing), inputs=own)]


def _group_of(cluster: Thing) -> str:
    inside = cluster.outputs.get("vpcConfig")
    return str(inside.get("clusterSecurityGroupId")) if isinstance(inside, dict) else ""
