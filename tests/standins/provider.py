"""The engine's protocol for providers, reduced to what a stand-in has to say."""
# ruff: noqa: ARG002 (the protocol says which arguments there are)

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NoReturn, Protocol, cast, runtime_checkable

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage] # message sizes
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.standins import wire
from tests.standins.serve import permission, stay_while_needed
from tests.standins.wire import Change, Properties

_CALLS_AT_ONCE = 256
"""More than any `--parallel`, so that a call to cancel always finds a thread."""
Severity = Literal["info", "warning", "error"]
Log = Callable[[engine_pb2.LogRequest], object]


class ProviderError(Exception):
    """Something the user is told, in these words."""


class InvalidInputs(ProviderError):
    """Inputs that cannot be meant, by property."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
        self.failures = failures


@dataclass(frozen=True, kw_only=True)
class Call:
    """What every operation knows besides the properties."""

    urn: str
    preview: bool
    say: Callable[[str, Severity, bool], None]
    """Show the user a line; with True, only while the resource is being worked on."""
    identity: str = ""
    """The resource's ID, where it has one."""

    @property
    def type(self) -> str:
        """As in `command:local:Command`."""
        return self.urn.split("::", 3)[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]


class Kind(Protocol):
    """One type of resource. Properties are in wire form; a `ProviderError` is shown to the user."""

    def check(self, inputs: Properties) -> Properties:
        """The inputs with defaults; raises `InvalidInputs`."""
        ...

    def diff(self, state: Properties, old_inputs: Properties, inputs: Properties) -> Mapping[str, Change]:
        """What changed, by path."""
        ...

    def replaces(self, path: str) -> bool:
        """Whether a change there needs a new resource."""
        ...

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """The new resource's ID and state."""
        ...

    def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        """The new state."""
        ...

    def delete(self, call: Call, state: Properties) -> None:
        """Undo what create did."""
        ...

    def read(self, identity: str, state: Properties, inputs: Properties) -> tuple[str, Properties, Properties]:
        """ID, state and inputs as they are; with no state, of something to be imported."""
        ...


@runtime_checkable
class Naming(Protocol):
    """Beside a `Kind`: one that makes up names where the program gives none."""

    def named(self, call: Call, old_inputs: Properties, inputs: Properties, seed: bytes) -> Properties:
        """The inputs with their name; the old one, where there is an old resource that is to stay."""
        ...


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What the engine is served."""

    version: str
    kinds: Mapping[str, Kind]
    """By type token."""
    functions: Mapping[str, Callable[[Call, Properties], Properties]]
    """By token."""
    configure: Callable[[Properties], None] = lambda _settings: None
    """Take the provider's own settings, before anything else is asked; those that are objects are JSON."""
    stop: Callable[[], None] = lambda: None
    """End what is running; called from any thread, more than once."""


class _Context(Protocol):
    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...


class _Servicer(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, provider: Provider, log: Log) -> None:
        self._provider = provider
        self._log = log

    def GetPluginInfo(self, request: empty_pb2.Empty, context: _Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: provider_pb2.ConfigureRequest, context: _Context) -> provider_pb2.ConfigureResponse:
        self._provider.configure(wire.plain(wire.received(request.args)))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        self._provider.stop()
        return empty_pb2.Empty()

    def Check(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        inputs = wire.received(request.news)
        call = self._call(request.urn)
        kind = self._kind(call, context)
        try:
            checked = kind.check(inputs)
            if isinstance(kind, Naming):
                checked = kind.named(call, wire.received(request.olds), checked, request.randomSeed)
        except InvalidInputs as error:
            failures = [provider_pb2.CheckFailure(property=k, reason=v) for k, v in error.failures.items()]
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)
        return provider_pb2.CheckResponse(inputs=wire.sent(checked))

    def Diff(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        kind = self._kind(self._call(request.urn), context)
        state, old, new = map(wire.received, (request.olds, request.old_inputs, request.news))
        changes = kind.diff(state, old, new)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            detailedDiff={path: _property_diff(change, kind.replaces(path)) for path, change in changes.items()},
            hasDetailedDiff=True,
            diffs=_properties(changes),
            replaces=_properties(path for path in changes if kind.replaces(path)),
        )

    def Create(self, request: provider_pb2.CreateRequest, context: _Context) -> provider_pb2.CreateResponse:
        call = self._call(request.urn, request.preview)
        try:
            identity, state = self._kind(call, context).create(call, wire.received(request.properties))
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return provider_pb2.CreateResponse(id=identity, properties=wire.sent(state))

    def Update(self, request: provider_pb2.UpdateRequest, context: _Context) -> provider_pb2.UpdateResponse:
        call = self._call(request.urn, request.preview, request.id)
        state, inputs = wire.received(request.olds), wire.received(request.news)
        try:
            return provider_pb2.UpdateResponse(
                properties=wire.sent(self._kind(call, context).update(call, state, inputs))
            )
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    def Delete(self, request: provider_pb2.DeleteRequest, context: _Context) -> empty_pb2.Empty:
        call = self._call(request.urn, identity=request.id)
        try:
            self._kind(call, context).delete(call, wire.received(request.properties))
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    def Read(self, request: provider_pb2.ReadRequest, context: _Context) -> provider_pb2.ReadResponse:
        state, inputs = wire.received(request.properties), wire.received(request.inputs)
        try:
            identity, state, inputs = self._kind(self._call(request.urn), context).read(request.id, state, inputs)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return provider_pb2.ReadResponse(id=identity, properties=wire.sent(state), inputs=wire.sent(inputs))

    def Invoke(self, request: provider_pb2.InvokeRequest, context: _Context) -> provider_pb2.InvokeResponse:
        function = self._provider.functions.get(request.tok)
        if function is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in has no function {request.tok}")
        try:
            returned = function(self._call(""), wire.received(request.args))
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(wire.sent(returned))  # a keyword, so it has no other spelling
        return response

    def _kind(self, call: Call, context: _Context) -> Kind:
        kind = self._provider.kinds.get(call.type)
        if kind is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in has no {call.type}; the official provider does")
        return kind

    def _call(self, urn: str, preview: bool = False, identity: str = "") -> Call:
        severities = {"info": engine_pb2.INFO, "warning": engine_pb2.WARNING, "error": engine_pb2.ERROR}

        def say(text: str, severity: Severity, fleeting: bool) -> None:
            message = engine_pb2.LogRequest(severity=severities[severity], message=text, urn=urn, ephemeral=fleeting)
            with contextlib.suppress(grpc.RpcError):  # the engine is leaving: nobody reads any more
                self._log(message)

        return Call(urn=urn, preview=preview, say=say, identity=identity)


def serve(name: str, provider: Provider) -> NoReturn:
    """Serve the engine whose address is among the arguments, until it is gone."""
    host(name, lambda log: _Servicer(provider, log), provider.stop)


def host(
    name: str,
    servicer: Callable[[Log], provider_pb2_grpc.ResourceProviderServicer],
    stop: Callable[[], None],
) -> NoReturn:
    """Serve the protocol itself, for a provider that does more than `Provider` says."""
    permission(name)
    address = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, _GRPC_CHANNEL_OPTIONS))
    log = cast("Log", engine.Log)
    server = grpc.server(ThreadPoolExecutor(_CALLS_AT_ONCE), options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer(log), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stay_while_needed(port, stop)


def _property_diff(change: Change, replace: bool) -> provider_pb2.PropertyDiff:
    kind = provider_pb2.PropertyDiff.Kind.Value(f"{change.upper()}_REPLACE" if replace else change.upper())
    return provider_pb2.PropertyDiff(kind=kind)


def _properties(paths: Iterable[str]) -> list[str]:
    """The top-level properties of these paths."""
    return list(dict.fromkeys(re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths))
