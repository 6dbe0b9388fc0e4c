"""The target `onprem`: hosts over SSH become k3s clusters."""

import pulumi

from stacks.foundation import Foundation
from stacks.settings import Settings


def onprem(settings: Settings) -> Foundation:
    """Hosts, k3s and MinIO: not built yet, so nothing is made."""
    raise pulumi.RunError(
        f"The target {settings.target} can be rehearsed but not deployed yet. "
        f"See what would be placed where with: make rehearse STACK={pulumi.get_stack()}"
    )
