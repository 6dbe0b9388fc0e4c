"""ECR as the place where images of public registries are kept."""

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.aws.counterparts import PullThrough
from components.aws.images import UPSTREAMS, repository_prefix
from components.storage.policies import Document

DAYS = 90
"""After which an image that nobody named by a tag is dropped."""


class ImageCache(pulumi.ComponentResource):
    """One rule for each upstream, how its repositories are made, and the right of nodes to have them made."""

    ready: tuple[pulumi.Resource, ...]
    """Before the first pod pulls."""

    def __init__(
        self,
        name: str,
        settings: PullThrough,
        *,
        region: str,
        account: str,
        nodes: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are names of the nodes' roles, by cluster."""
        super().__init__("inference:aws:ImageCache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made: list[pulumi.Resource] = []
        for upstream in settings.upstreams:
            prefix = repository_prefix(pulumi.get_stack(), upstream)
            template = aws.ecr.RepositoryCreationTemplate(
                f"{name}-{upstream}",
                prefix=prefix,
                description=f"Images of {upstream}",
                applied_fors=["PULL_THROUGH_CACHE"],
                # A tag is what its publisher says it is: ECR asks again every 24 hours.
                image_tag_mutability="MUTABLE",
                encryption_configurations=[{"encryption_type": "AES256"}],
                lifecycle_policy=json.dumps(_kept()),
                opts=child,
            )
            made.append(
                aws.ecr.PullThroughCacheRule(
                    f"{name}-{upstream}",
                    ecr_repository_prefix=prefix,
                    upstream_registry_url=UPSTREAMS[upstream],
                    credential_arn=settings.logins.get(upstream),
                    opts=child.merge(pulumi.ResourceOptions(depends_on=[template])),
                )
            )
        document = json.dumps(puller(region, account, pulumi.get_stack()))
        for cluster, role in nodes.items():
            made.append(
                aws.iam.RolePolicy(f"{name}-{cluster}", name="image-cache", role=role, policy=document, opts=child)
            )
        self.ready = tuple(made)
        self.register_outputs({})


def puller(region: str, account: str, stack: str) -> Document:
    """What nodes may do beside pulling: have a repository made for what ECR fetches the first time.

    That it fetches at all is among what Amazon's own policy for pulling lets them do.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ecr:CreateRepository"],
                "Resource": [f"arn:aws:ecr:{region}:{account}:repository/{repository_prefix(stack, '*')}"],
            }
        ],
    }


def _kept() -> Mapping[str, object]:
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Images without a tag go after {DAYS} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": DAYS,
                },
                "action": {"type": "expire"},
            }
        ]
    }
