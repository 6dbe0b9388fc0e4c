"""Records of who spoke with whom in a VPC, in CloudWatch."""

import json

import pulumi
import pulumi_aws as aws

from components.storage.policies import Document
from components.unmet import Unmet

UNMET = (
    Unmet(
        check="CKV_AWS_158",
        type="aws:cloudwatch/logGroup:LogGroup",
        name="*-flow-logs",
        why="CloudWatch encrypts with a key of its own; records have addresses, ports and sizes, and no contents",
    ),
    Unmet(
        check="CKV_AWS_338",
        type="aws:cloudwatch/logGroup:LogGroup",
        name="*-flow-logs",
        why="how long records are kept is the setting flowLogDays: a year of them costs more than most need it",
    ),
)


def flow_logs(name: str, vpc: aws.ec2.Vpc, days: int, opts: pulumi.ResourceOptions) -> None:
    """Keep a record of every connection in the VPC, accepted or not, for so many days."""
    title = f"{name}-flow-logs"
    tags = {"Name": f"{pulumi.get_stack()}-{title}"}
    group = aws.cloudwatch.LogGroup(
        title, name=f"/inference/{pulumi.get_stack()}/{title}", retention_in_days=days, tags=tags, opts=opts
    )
    role = aws.iam.Role(
        title, assume_role_policy=vpc.arn.apply(lambda arn: json.dumps(trust(arn))), tags=tags, opts=opts
    )
    policy = aws.iam.RolePolicy(
        title, role=role.id, policy=group.arn.apply(lambda arn: json.dumps(writer(arn))), opts=opts
    )
    aws.ec2.FlowLog(
        title,
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        tags=tags,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[policy])),
    )


def trust(vpc: str) -> Document:
    """Only the service that records, and only on behalf of the account and region of the VPC with this ARN."""
    region, _, _ = vpc.rpartition(":")
    account = region.rpartition(":")[2]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account},
                    "ArnLike": {"aws:SourceArn": f"{region}:vpc-flow-log/*"},
                },
            }
        ],
    }


def writer(group: str) -> Document:
    """Write into the log group with this ARN. It makes no groups: ours is there, and stays away once it is deleted."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                "Resource": f"{group}:*",
            },
            # Knows no single group: of one alone it would not be allowed at all.
            {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"},
        ],
    }
