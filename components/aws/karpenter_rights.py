"""What Karpenter may do: rent machines for one cluster, and end those that it has rented.

The same as in https://karpenter.sh/docs/reference/cloudformation of release 1.14, read 2026-11-22, but for instance
profiles: ours is made with the cluster, so it may make, change and delete none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.storage.policies import Document

_POOL = {"karpenter.sh/nodepool": "*"}
_MADE = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
"""What comes of renting a machine, and gets its tags at once."""
_NAMED = ("security-group", "subnet", "capacity-reservation", "placement-group")
"""What a machine is rented into."""
_LOOKED_AT = (
    "CapacityReservations",
    "Images",
    "Instances",
    "InstanceStatus",
    "InstanceTypeOfferings",
    "InstanceTypes",
    "LaunchTemplates",
    "PlacementGroups",
    "SecurityGroups",
    "SpotPriceHistory",
    "Subnets",
)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Whose machines they are."""

    region: str
    account: str
    cluster: str
    """Its name at Amazon."""

    def arns(self, *kinds: str, account: bool = True) -> list[str]:
        """Patterns of all things of EC2 of these kinds."""
        return [f"arn:aws:ec2:{self.region}:{self.account if account else ''}:{kind}/*" for kind in kinds]

    @property
    def owner(self) -> dict[str, str]:
        """The tag of all that is the cluster's."""
        return {f"kubernetes.io/cluster/{self.cluster}": "owned"}


def rights(where: Where, *, node_role: str, queue: str) -> Mapping[str, Document]:
    """By name of the policy. `node_role` and `queue` are ARNs."""
    return {
        "machines": _document(*_renting(where), *_tagging(where), _ending(where)),
        "node-role": _document(
            _allow(["iam:PassRole"], [node_role], {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}})
        ),
        "cluster": _document(
            _allow(["eks:DescribeCluster"], [f"arn:aws:eks:{where.region}:{where.account}:cluster/{where.cluster}"]),
            _allow(["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], [queue]),
        ),
        "discovery": _document(*_looking(where)),
    }


def queue_policy(queue: str) -> Document:
    """Amazon's events may come into the queue, and nothing over plain HTTP."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": ["events.amazonaws.com", "sqs.amazonaws.com"]},
            "Action": "sqs:SendMessage",
            "Resource": queue,
        },
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def _renting(where: Where) -> list[Document]:
    ours = {"StringEquals": _tags("ResourceTag", where.owner), "StringLike": _tags("ResourceTag", _POOL)}
    start = ["ec2:RunInstances", "ec2:CreateFleet"]
    return [
        _allow(start, [*where.arns("image", "snapshot", account=False), *where.arns(*_NAMED)]),
        _allow(start, where.arns("launch-template"), ours),
        _allow([*start, "ec2:CreateLaunchTemplate"], where.arns(*_MADE), _asked(where)),
    ]


def _tagging(where: Where) -> list[Document]:
    new = _asked(where)
    new["StringEquals"]["ec2:CreateAction"] = ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]
    later = {
        "StringEquals": _tags("ResourceTag", where.owner),
        "StringLike": _tags("ResourceTag", _POOL),
        "StringEqualsIfExists": _tags("RequestTag", {"eks:eks-cluster-name": where.cluster}),
        "ForAllValues:StringEquals": {"aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]},
    }
    return [
        _allow(["ec2:CreateTags"], where.arns(*_MADE), new),
        _allow(["ec2:CreateTags"], where.arns("instance"), later),
    ]


def _ending(where: Where) -> Document:
    ours = {"StringEquals": _tags("ResourceTag", where.owner), "StringLike": _tags("ResourceTag", _POOL)}
    return _allow(
        ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"], where.arns("instance", "launch-template"), ours
    )


def _looking(where: Where) -> list[Document]:
    here = {"StringEquals": {"aws:RequestedRegion": where.region}}
    return [
        _allow([f"ec2:Describe{what}" for what in _LOOKED_AT], ["*"], here),
        _allow(["ssm:GetParameter"], [f"arn:aws:ssm:{where.region}::parameter/aws/service/*"]),
        _allow(["pricing:GetProducts", "iam:ListInstanceProfiles"], ["*"]),
        _allow(["iam:GetInstanceProfile"], [f"arn:aws:iam::{where.account}:instance-profile/*"]),
    ]


def _asked(where: Where) -> dict[str, Any]:
    tags = {**where.owner, "eks:eks-cluster-name": where.cluster}
    return {"StringEquals": _tags("RequestTag", tags), "StringLike": _tags("RequestTag", _POOL)}


def _tags(of: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {f"aws:{of}/{key}": value for key, value in tags.items()}


def _allow(actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None) -> Document:
    statement: Document = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": dict(condition)} if condition else {})


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
