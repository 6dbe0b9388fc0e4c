"""The target `eks`: the platform on Amazon EKS."""

import pulumi

from stacks.foundation import Foundation
from stacks.settings import Settings


def eks(settings: Settings) -> Foundation:
    """VPC, EKS and S3: not built yet, so nothing is made."""
    raise pulumi.RunError(
        f"The target {settings.target} can be rehearsed but not deployed yet. "
        f"See what would be placed where with: make rehearse STACK={pulumi.get_stack()}"
    )
