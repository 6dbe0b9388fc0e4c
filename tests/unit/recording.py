"""Runs the whole program without an engine, and keeps what it would have sent to one."""

import json
import logging
import runpy
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks, rpc, set_all_config, set_mocks
from pulumi.runtime import settings as settings_of_runtime
from pulumi.runtime.proto import source_pb2

from tests.unit.amazon import outputs
from tests.unit.definitions import small_definitions

REPOSITORY = Path(__file__).parents[2]
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key that marks a wrapped secret in Pulumi's wire format."""
RANDOM = "made-up-secret"
"""Begins every secret that the mocked providers make."""

_inside_apply: ContextVar[bool] = ContextVar("inside_apply", default=False)


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One resource, as the engine would have received it."""

    type: str
    name: str
    urn: str
    parent: str
    provider: str
    dependencies: tuple[str, ...]
    """URNs of what must exist first."""
    property_dependencies: Mapping[str, tuple[str, ...]]
    """By input, URNs of what its value comes from."""
    custom: bool
    protected: bool
    """Refuses to be deleted."""
    retained: bool
    """Left behind when it is deleted."""
    replaced_on: tuple[str, ...]
    """Properties of which another value takes a new object."""
    inside_apply: bool
    inputs: Mapping[str, Any]
    """As on the wire: secrets are still wrapped."""

    @property
    def object(self) -> Mapping[str, Any]:
        """Inputs with secrets replaced by a mark."""
        return cast(Mapping[str, Any], masked(self.inputs))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """All that a run of the program registered."""

    resources: list[Registration] = field(default_factory=list[Registration])
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """What components give out, by URN, and the stack's exports; as on the wire."""

    def kubernetes(self) -> Iterator[Registration]:
        """The Kubernetes objects."""
        return (resource for resource in self.resources if "kind" in resource.inputs)


def stack_settings(stack: str) -> dict[str, Any]:
    """What `Pulumi.<stack>.yaml` says, with the keys' `inference:` removed."""
    config = cast(dict[str, Any], yaml.safe_load((REPOSITORY / f"Pulumi.{stack}.yaml").read_text())["config"])
    return {key.removeprefix("inference:"): value for key, value in config.items() if key.startswith("inference:")}


def record(
    settings: Mapping[str, Any],
    *,
    stack: str,
    monkeypatch: pytest.MonkeyPatch,
    secrets: Mapping[str, str] | None = None,
    before: Mapping[str, Any] | None = None,
) -> Recording:
    """Run the program with these settings and secrets, and what the stack had as outputs before."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("stacks.argocd._definitions", small_definitions)
    values = {**settings, **(secrets or {})}
    config = {f"inference:{key}": one if isinstance(one, str) else json.dumps(one) for key, one in values.items()}
    exports: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exports.__setitem__)

    def program() -> dict[str, Any]:
        set_all_config(config, [f"inference:{key}" for key in secrets or {}])
        runpy.run_path("__main__.py")
        return exports

    return recorded(program, stack=stack, monkeypatch=monkeypatch, before=before)


def recorded(
    program: Callable[[], Mapping[str, Any] | None],
    *,
    monkeypatch: pytest.MonkeyPatch,
    stack: str = "test",
    before: Mapping[str, Any] | None = None,
) -> Recording:
    """Run something that makes resources, and returns the stack's exports if it has any."""
    recording = Recording()
    _watch_apply(monkeypatch)
    # Where in the program each resource is made, which nobody here asks, is a fifth of the work.
    monkeypatch.setattr("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace)
    monitor = _Monitor(recording, before or {})
    # A new root, as in a new process: the last one may carry the transformations of an earlier program.
    settings_of_runtime.ROOT.set(None)
    set_mocks(monitor.mocks, project="inference", stack=stack, monitor=monitor, logger=logging.getLogger("program"))

    async def run() -> None:
        exports = program() or {}
        recording.outputs["exports"] = MessageToDict(await rpc.serialize_properties(dict(exports), {}))

    cast(Any, pulumi.runtime).test(run)()
    return recording


class _Mocks(mocks.Mocks):
    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self._outputs = outputs

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": dict(self._outputs), "secretOutputNames": []}
        made_up = {name: _wrapped(f"{RANDOM}-{args.name}-{name}") for name in ("result", "bcryptHash", "stdout")}
        if args.name.endswith("-access"):
            made_up["stdout"] = _wrapped(_access(args.name))
        inputs = cast(dict[Any, Any], args.inputs)
        return f"{args.name}-id", {**inputs, **made_up, **outputs(args.typ, args.name, inputs)}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError(f"the program calls {args.token}, but settings are all it may read")


class _Monitor(mocks.MockMonitor):
    def __init__(self, recording: Recording, before: Mapping[str, Any]) -> None:
        super().__init__(_Mocks(before))
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            self._recording.resources.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    urn=self.make_urn(request.parent, request.type, request.name),
                    parent=request.parent,
                    provider=request.provider,
                    dependencies=tuple(request.dependencies),
                    property_dependencies={
                        key: tuple(value.urns) for key, value in request.propertyDependencies.items()
                    },
                    custom=request.custom,
                    protected=request.protect,
                    retained=request.retainOnDelete,
                    replaced_on=tuple(request.replaceOnChanges),
                    inside_apply=request.name in _made_inside_apply,
                    inputs=MessageToDict(request.object),
                )
            )
        return cast(Any, super()).RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self._recording.outputs[request.urn] = MessageToDict(request.outputs)
        return cast(Any, super()).RegisterResourceOutputs(request)


def _access(name: str) -> str:
    """What a k3s server says of how to reach it."""
    parts = ("kubeconfig", "maintenance", "agentToken")
    return json.dumps({part: b64encode(f"{RANDOM}-{name}-{part}".encode()).decode() for part in parts})


def _wrapped(value: str) -> dict[str, str]:
    return {SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


_made_inside_apply: set[str] = set()


def _watch_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    _made_inside_apply.clear()
    apply, make = cast(Any, pulumi.Output).apply, pulumi.Resource.__init__

    def watched_apply(self: Any, func: Any, run_with_unknowns: bool = False) -> Any:
        def flagged(value: Any) -> Any:
            with _flag():
                return func(value)

        return apply(self, flagged, run_with_unknowns)

    def watched_make(self: Any, t: str, name: str, *args: Any, **kwargs: Any) -> None:
        if _inside_apply.get():
            _made_inside_apply.add(name)
        make(self, t, name, *args, **kwargs)

    monkeypatch.setattr(pulumi.Output, "apply", watched_apply)
    monkeypatch.setattr(pulumi.Resource, "__init__", watched_make)


@contextmanager
def _flag() -> Generator[None]:
    token = _inside_apply.set(True)
    try:
        yield
    finally:
        _inside_apply.reset(token)


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        if SECRET_SIGNATURE in fields:
            return "(secret)"
        return {key: masked(inner) for key, inner in fields.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in cast(list[Any], value)]
    return value
