"""Images of all pods, named where ECR keeps them: one place for every component, and none of them knows."""

from functools import partial
from typing import Any, cast

import pulumi

from components.aws.images import mirrored, renamed
from stacks.settings import Settings


def mirror_images(settings: Settings) -> None:
    """From now on pods pull from ECR what is in front of it; charts of others name their images themselves."""
    aws = settings.aws
    if not aws.registry or settings.target != "eks" or settings.rehearsal:
        return
    if not aws.account:
        raise pulumi.RunError("inference:aws.registry needs inference:aws.account: a registry's address begins with it")
    name = partial(mirrored, settings=aws.registry, stack=pulumi.get_stack(), account=aws.account, region=aws.region)

    def rename(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith("kubernetes:"):
            return None
        props = cast("dict[str, Any]", renamed(dict(cast("dict[str, Any]", args.props)), name))
        return pulumi.ResourceTransformationResult(props, args.opts)

    pulumi.runtime.register_stack_transformation(rename)
