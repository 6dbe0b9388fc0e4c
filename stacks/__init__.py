"""Stacks: what is deployed, and where."""

from collections.abc import Callable, Mapping

import pulumi

from stacks.dev import dev
from stacks.foundation import Foundation
from stacks.onprem import onprem
from stacks.paper import paper
from stacks.settings import Settings, Target


def _eks(settings: Settings) -> Foundation:
    try:
        from stacks.eks import eks  # noqa: PLC0415 - Pulumi's package for AWS is slow to import, and others have it not
    except ModuleNotFoundError as missing:
        if missing.name != "pulumi_aws":
            raise
        command = "toolchain/venv.sh python3 .venv requirements-eks.lock"
        raise pulumi.RunError(
            f"The target eks needs the package pulumi-aws. Get it with: {command}\n"
            f"`make preview STACK={pulumi.get_stack()}` does so by itself. Nothing was changed."
        ) from missing
    return eks(settings)


FOUNDATIONS: Mapping[Target, Callable[[Settings], Foundation]] = {"dev": dev, "onprem": onprem, "eks": _eks}


def foundation_of(settings: Settings) -> Foundation:
    """What the settings stand on: their target's, or simulated nodes for a rehearsal, or paper for rendering."""
    if settings.rendering:
        return paper(settings)
    return FOUNDATIONS["dev" if settings.rehearsal else settings.target](settings)
