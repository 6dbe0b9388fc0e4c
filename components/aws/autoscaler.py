"""The Cluster Autoscaler's role: it changes the size of its cluster's node groups, and nothing else."""

import pulumi

from components.aws.federation import Federation
from components.aws.identity import PodRole
from components.aws.names import ROLE_LIMIT, shortened
from components.storage.policies import Document

NAMESPACE, ACCOUNT = "kube-system", "cluster-autoscaler"
"""Service account that it is to be installed with."""


class AutoscalerRole(pulumi.ComponentResource):
    """For pods of one cluster."""

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        region: str,
        federation: Federation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`cluster` is its name at Amazon."""
        super().__init__("inference:aws:AutoscalerRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = pulumi.Output.from_input(federation.account)
        role = PodRole(
            name,
            role=shortened(f"{cluster}-{ACCOUNT}", ROLE_LIMIT),
            namespace=NAMESPACE,
            account=ACCOUNT,
            policies={"sizes": account.apply(lambda digits: sizes(region, digits, cluster))},
            federation=federation,
            opts=child,
        )
        self.arn = role.arn
        self.register_outputs({"arn": role.arn})


def sizes(region: str, account: str, cluster: str) -> Document:
    """As in https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md, read
    2026-11-22; EKS tags the groups of its node groups by itself."""
    looks = {
        "Effect": "Allow",
        "Action": [
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeTags",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
        ],
        "Resource": "*",
    }
    asks = {
        "Effect": "Allow",
        "Action": ["eks:DescribeNodegroup"],
        "Resource": f"arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*/*",
    }
    changes = {
        "Effect": "Allow",
        "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
        "Resource": f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/eks-*",
        "Condition": {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
    }
    return {"Version": "2012-10-17", "Statement": [looks, asks, changes]}
