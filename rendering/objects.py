"""The objects of a stack's applications, without a cluster, an account or a secret: from a preview of its program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.gitops.delivery import Delivery
from components.gitops.route import APPLICATION
from components.values import texts
from throwaway.engine import Engine
from throwaway.problems import StackError
from throwaway.workspace import settings, workspace

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What a preview says of a value that only an `up` makes."""
_SECRET = "[secret]"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What a stack's applications are."""

    folder: str
    """Where they are in the repository."""
    objects: Sequence[Mapping[str, Any]]


def rendered(stack: str, *, config_file: Path | None = None) -> Rendered:
    """Render the stack. Raises StackError and ToolchainError."""
    to_render = settings(stack, config_file, "rendering")
    delivery = _through_git(stack, to_render)
    with workspace(stack, "rendering") as place:
        place.fill(to_render)
        engine = Engine(project=place.project, stack=stack, environment=place.environment())
        engine.init()
        states = engine.preview()
    objects = [_checked(state["inputs"]) for state in states if _is_rendered(state)]
    return Rendered(folder=delivery.folder(stack), objects=objects)


def _through_git(stack: str, to_render: Mapping[str, Any]) -> Delivery:
    try:
        delivery = Delivery.model_validate(to_render.get("inference:delivery") or {})
    except ValidationError:
        return Delivery()  # the preview tells what is wrong with it
    if not delivery.through_git:
        raise StackError(
            f"Stack {stack} has nothing to render: its objects go straight to the cluster.\n"
            f"Next: set inference:delivery in Pulumi.{stack}.yaml, see docs/gitops.md"
        )
    return delivery


def _is_rendered(state: Mapping[str, Any]) -> bool:
    return "-renderer::" in state.get("provider", "") and APPLICATION in state["inputs"]["metadata"].get("labels", {})


def _checked(one: Mapping[str, Any]) -> Mapping[str, Any]:
    for path, value in texts(one):
        if value in (_SECRET, _UNKNOWN):
            what = "a secret" if value == _SECRET else "known only when it is deployed"
            raise StackError(f"{one['kind']} {one['metadata']['name']} cannot be rendered: {path} is {what}.")
    return one
