"""Whether one way of delivery may follow the one before it."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import pulumi

from components.gitops.delivery import Delivery
from stacks.settings import Settings

OUTPUT = "delivery"
"""The stack's output that says how it was delivered last."""


def handed_over(settings: Settings) -> pulumi.Output[Mapping[str, Any]] | Mapping[str, Any]:
    """How the stack is delivered now, for `OUTPUT`.

    RunError where objects would be removed because whoever has them was not told to let go. Nothing is removed before
    the program has ended, so that it is in time.
    """
    now = {"mode": settings.delivery.mode, "handOver": settings.delivery.hand_over}
    if settings.pretended:
        return now
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    before = pulumi.StackReference("before", stack_name=stack).get_output(OUTPUT)
    return before.apply(partial(_checked, settings.delivery, now))


def _checked(delivery: Delivery, now: Mapping[str, Any], before: object) -> Mapping[str, Any]:
    last = cast("Mapping[str, Any]", before) if isinstance(before, Mapping) else now
    if last["mode"] != delivery.mode and not last["handOver"]:
        raise pulumi.RunError(
            f"inference:delivery.mode   is {delivery.mode}, and everything is still held by {last['mode']}: first set "
            f"mode back to {last['mode']} with handOver: true, and run `pulumi up`; then set mode to {delivery.mode}\n"
            "Nothing was removed."
        )
    return now
