"""Which properties a type has, read from Pulumi's own package for Python."""

import importlib
import inspect
import re
import threading
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pulumi
from pulumi import _types  # pyright: ignore[reportPrivateUsage] # the names on the wire, told nowhere else

from tests.standins.wire import TAG, Wire, is_secret, is_unknown, revealed

_REPLACES = re.compile(r"forc(e|es|ing)\b[^.]{0,60}\b(new|re-?creat|replac)", re.IGNORECASE)
_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One type of resource."""

    inputs: Mapping[str, Any]
    """Types by property."""
    required: frozenset[str]
    outputs: Mapping[str, type]
    """Plain ones that are always there once it exists; what may be absent, or is made of parts, is not among them."""
    replacing: frozenset[str]
    """Inputs of which another value makes a new resource, as far as the package's documentation says so."""


_IMPORTING = threading.Lock()
"""Modules of pulumi_aws import each other, and two threads that begin at two ends wait for one another."""


@cache
def schema(token: str) -> Schema | None:
    """Of `aws:eks/cluster:Cluster` and the like; None where AWS has no such type."""
    match = re.fullmatch(r"aws:(\w+)/(\w+):(\w+)", token)
    if not match:
        return None
    module, file, name = match.groups()
    try:
        with _IMPORTING:
            found = importlib.import_module(f"pulumi_aws.{module}.{_SNAKE.sub('_', file).lower()}")
        resource, arguments = getattr(found, name), getattr(found, found.__all__[0])  # mostly NAMEArgs
    except (ImportError, AttributeError):
        return None
    return Schema(
        inputs=_types.input_type_types(arguments),
        required=frozenset(_required(arguments)),
        outputs=dict(_outputs(resource)),
        replacing=frozenset(_replacing(arguments)),
    )


def mistakes(token: str, inputs: Mapping[str, Wire]) -> dict[str, str]:
    """What is wrong with these inputs, by path: properties that the type does not have, or must have."""
    found = schema(token)
    if not found:
        return {"": f"AWS has no {token}"}
    told = dict(_unknown_names("", {k: v for k, v in inputs.items() if not k.startswith("__")}, found.inputs))
    return told | {name: "is missing" for name in found.required if inputs.get(name) is None}


def _unknown_names(path: str, values: Mapping[str, Wire], kinds: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name not in kinds:
            yield f"{path}{name}", f"is no property; these are: {', '.join(sorted(kinds))}"
        else:
            yield from _below(f"{path}{name}", value, kinds[name])


def _below(path: str, value: Wire, kind: Any) -> Iterator[tuple[str, str]]:
    shown = value["value"] if isinstance(value, dict) and is_secret(value) else value
    if shown is None or (isinstance(shown, str) and is_unknown(shown)):
        return
    arguments = [one for one in _alternatives(kind) if inspect.isclass(one) and _types.is_input_type(one)]
    items = [typing.get_args(one)[-1] for one in _alternatives(kind) if _is_sequence(one)]
    if isinstance(shown, list):
        for index, item in enumerate(shown):
            for one in items[:1]:
                yield from _below(f"{path}[{index}]", item, one)
        if not items and kind is not Any:
            yield path, "is a list, but is not to be one"
    elif isinstance(shown, dict) and TAG not in shown and arguments:
        kinds = _types.input_type_types(arguments[0])
        yield from _unknown_names(f"{path}.", shown, kinds)
        for name in _required(arguments[0]):
            if shown.get(name) is None:
                yield f"{path}.{name}", "is missing"
    elif items and isinstance(shown, (str, dict)):
        yield path, "is to be a list"


def _alternatives(kind: Any) -> list[Any]:
    """The types that a value may have, with what only Pulumi's own types say taken away."""
    origin = typing.get_origin(kind)
    if origin is pulumi.Output or "Awaitable" in str(origin):
        return []
    arguments = typing.get_args(kind)
    if origin in (typing.Union, type(int | str)):
        return [one for argument in arguments if argument is not type(None) for one in _alternatives(argument)]
    return [kind]


def _is_sequence(kind: Any) -> bool:
    origin = typing.get_origin(kind)
    return inspect.isclass(origin) and issubclass(origin, Sequence)


def _required(arguments: type) -> Iterator[str]:
    names = _types.input_type_py_to_pulumi_names(arguments)
    for parameter in list(inspect.signature(arguments.__init__).parameters.values())[1:]:
        if parameter.default is inspect.Parameter.empty and parameter.name in names:
            yield names[parameter.name]


def _replacing(arguments: type) -> Iterator[str]:
    for python, name in _types.input_type_py_to_pulumi_names(arguments).items():
        if _REPLACES.search(inspect.getdoc(inspect.getattr_static(arguments, python)) or ""):
            yield name


def _outputs(resource: type) -> Iterator[tuple[str, type]]:
    for name, found in vars(resource).items():
        if isinstance(found, property) and found.fget:
            declared = typing.get_args(found.fget.__annotations__["return"])
            if declared and declared[0] in (str, int, bool):
                yield getattr(found.fget, "_pulumi_name", name), declared[0]


def text(value: Wire) -> str:
    """The value as text; empty where there is none."""
    shown = revealed(value)
    return shown if isinstance(shown, str) else ""
