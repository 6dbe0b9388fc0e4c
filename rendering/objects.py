"""The objects of a stack's applications, without a cluster, an account or a secret: from a preview of its program."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from components.gitops.delivery import Delivery
from components.gitops.route import APPLICATION
from throwaway.engine import Engine
from throwaway.problems import StackError
from throwaway.workspace import settings, workspace

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What a preview says of a value that only an `up` makes."""
_SECRET = "[secret]"


def objects(stack: str, *, config_file: Path | None = None) -> Sequence[Mapping[str, Any]]:
    """Render the stack. Raises StackError and ToolchainError."""
    to_render = settings(stack, config_file, "rendering")
    _through_git(stack, to_render)
    with workspace(stack, "rendering") as place:
        place.fill(to_render)
        engine = Engine(project=place.project, stack=stack, environment=place.environment())
        engine.init()
        states = engine.preview()
    return [_checked(state["inputs"]) for state in states if _is_rendered(state)]


def folder(stack: str, *, config_file: Path | None = None) -> str:
    """Where the stack's applications are in the repository. Raises StackError."""
    return _through_git(stack, settings(stack, config_file, "rendering")).folder(stack)


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
    for path, value in _values(one):
        if value in (_SECRET, _UNKNOWN):
            what = "a secret" if value == _SECRET else "known only when it is deployed"
            raise StackError(f"{one['kind']} {one['metadata']['name']} cannot be rendered: {path} is {what}.")
    return one


def _values(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from _values(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[object]", value)):
            yield from _values(inner, f"{path}[{number}]")
