"""Fields of Kubernetes objects."""

from typing import Any, TypeVar, cast

T = TypeVar("T")


def stated(fields: T) -> T:
    """The mapping without those of its own fields that say nothing, for which Kubernetes' defaults hold.

    What is deeper inside stays: an empty `podSelector` means every pod.
    """
    nothing: tuple[Any, ...] = (None, [], {})
    return cast("T", {key: value for key, value in cast("dict[str, Any]", fields).items() if value not in nothing})
