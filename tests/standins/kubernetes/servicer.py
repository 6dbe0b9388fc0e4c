"""The engine's protocol for a Kubernetes provider."""
# ruff: noqa: ARG002 (the protocol says which arguments there are)

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, NoReturn, Protocol, cast

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2  # pyright: ignore[reportMissingTypeStubs]
from pulumi.runtime.proto import engine_pb2, plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.standins import wire
from tests.standins.kubernetes import VERSION, rendering
from tests.standins.kubernetes.api import Api, ApiError, NoSuchKind, Object, Unreachable
from tests.standins.kubernetes.cluster import Cluster
from tests.standins.kubernetes.objects import is_autonamed, is_below, kind_of, named, refreshed, replaced_on, state_of
from tests.standins.kubernetes.readiness import NotReady
from tests.standins.provider import Log
from tests.standins.wire import Properties

_IDENTIFIER = "clusterIdentifier"
_WHERE = ("kubeconfig", "context", "cluster")
_FAILURES = (ApiError, NoSuchKind, NotReady, Unreachable, ValueError)


class _Context(Protocol):
    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, bytes], ...]) -> None: ...


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider: a cluster, or a directory that is rendered to."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._settings: dict[str, Any] = {}
        self._cluster: Cluster | None = None
        self._directory: Path | None = None
        self.stopping = Event()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: _Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        old, new = wire.received(request.olds), wire.received(request.news)
        changed = {path.partition(".")[0].partition("[")[0] for path in wire.differences(old, new)}
        replaces = changed & {*_WHERE, _IDENTIFIER, "renderYamlToDirectory"}
        if _IDENTIFIER in new and old.get(_IDENTIFIER) == new[_IDENTIFIER]:
            replaces = set[str]()
        return _difference(sorted(changed), sorted(replaces))

    def Configure(self, request: provider_pb2.ConfigureRequest, context: _Context) -> provider_pb2.ConfigureResponse:
        arguments = wire.received(request.args)
        prefix = "kubernetes:config:"
        variables: Properties = {key.removeprefix(prefix): value for key, value in request.variables.items()}
        given = variables | arguments
        if not wire.is_unknown(given.get("kubeconfig")):
            self._settings = wire.plain(given)
            try:
                self._configure()
            except (ValueError, OSError) as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the kubeconfig cannot be used: {error}")
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _configure(self) -> None:
        directory = self._settings.get("renderYamlToDirectory")
        if directory:
            self._directory = Path(directory)
            return
        default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        api = Api(self._settings.get("kubeconfig") or default, self._settings.get("context"))
        namespace = self._settings.get("namespace") or "default"
        upsert = self._flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS")
        self._cluster = Cluster(api=api, namespace=namespace, upsert=upsert, stopping=self.stopping)

    def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        self.stopping.set()
        return empty_pb2.Empty()

    def Check(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        inputs, old = wire.received(request.news), wire.received(request.olds)
        resource = request.urn.rsplit("::", 1)[1]
        seed = bytes(request.randomSeed) or os.urandom(4)
        return provider_pb2.CheckResponse(inputs=wire.sent(named(inputs, resource=resource, old=old, seed=seed)))

    def Diff(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        old, new = wire.received(request.old_inputs), wire.received(request.news)
        changes = wire.differences(old, new)
        flag = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}.get(str(new.get("kind")), "")
        fields = replaced_on(wire.plain(new), mutable=self._flag(flag))
        replaces = [path for path in changes if any(is_below(path, field) for field in fields)]
        if self._replaces_unready(wire.plain(new)):
            replaces.append('metadata.annotations["pulumi.com/replaceUnready"]')
        ours = is_autonamed(new) or "metadata.name" in changes or "metadata.namespace" in changes
        return _difference(
            list(dict.fromkeys((*changes, *replaces))), replaces, delete_first=bool(replaces) and not ours
        )

    def _replaces_unready(self, manifest: Object) -> bool:
        try:
            return self._cluster is not None and self._cluster.replaces_unready(manifest)
        except _FAILURES:
            return False  # a preview must do without a cluster, and says nothing then

    def Create(self, request: provider_pb2.CreateRequest, context: _Context) -> provider_pb2.CreateResponse:
        inputs = wire.received(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=request.properties)
        if self._directory:
            rendering.render(self._directory, wire.plain(inputs))
            return provider_pb2.CreateResponse(id=_identity(wire.plain(inputs)), properties=request.properties)
        cluster, say = self._reached(context), self._say(request.urn)
        manifest: Object = wire.plain(inputs)
        try:
            live = cluster.create(manifest, say)
        except _FAILURES as error:
            context.abort(grpc.StatusCode.UNKNOWN, _told(error))
        live = self._settled(cluster, live, inputs, request.timeout, request.urn, context)
        return provider_pb2.CreateResponse(id=_identity(live), properties=wire.sent(state_of(live, inputs)))

    def Update(self, request: provider_pb2.UpdateRequest, context: _Context) -> provider_pb2.UpdateResponse:
        inputs = wire.received(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        if self._directory:
            rendering.remove(self._directory, wire.plain(wire.received(request.old_inputs)))
            rendering.render(self._directory, wire.plain(inputs))
            return provider_pb2.UpdateResponse(properties=request.news)
        cluster, say = self._reached(context), self._say(request.urn)
        try:
            live = cluster.update(wire.plain(inputs), say)
        except Unreachable as error:
            if self._flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"):
                say(f"left as it is: {error}")
                return provider_pb2.UpdateResponse(properties=request.olds)
            context.abort(grpc.StatusCode.UNKNOWN, _told(error))
        except _FAILURES as error:
            context.abort(grpc.StatusCode.UNKNOWN, _told(error))
        live = self._settled(cluster, live, inputs, request.timeout, request.urn, context)
        return provider_pb2.UpdateResponse(properties=wire.sent(state_of(live, inputs)))

    def _settled(
        self, cluster: Cluster, live: Object, inputs: Properties, seconds: float, urn: str, context: _Context
    ) -> Object:
        """The object once it is ready; one that is not is kept in the state, and the next `up` goes on with it."""
        try:
            return cluster.settled(live, wire.plain(inputs), seconds=seconds or None, say=self._say(urn))
        except _FAILURES as error:
            reason = f"{live['kind']} {_identity(live)} was made but is not ready: {_told(error)}"
            kept = provider_pb2.ErrorResourceInitFailed(
                id=_identity(live),
                properties=wire.sent(state_of(live, inputs)),
                inputs=wire.sent(inputs),
                reasons=[reason],
            )
            detail = any_pb2.Any()
            detail.Pack(kept)
            status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, reason)

    def Delete(self, request: provider_pb2.DeleteRequest, context: _Context) -> empty_pb2.Empty:
        state: Object = wire.plain(wire.received(request.properties))
        if self._directory:
            rendering.remove(self._directory, state)
            return empty_pb2.Empty()
        say = self._say(request.urn)
        try:
            self._reached(context).delete(state, seconds=request.timeout or None)
        except Unreachable as error:
            if not self._flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"):
                context.abort(grpc.StatusCode.UNKNOWN, _told(error))
            say(f"forgotten without being deleted: {error}")
        except _FAILURES as error:
            context.abort(grpc.StatusCode.UNKNOWN, _told(error))
        return empty_pb2.Empty()

    def Read(self, request: provider_pb2.ReadRequest, context: _Context) -> provider_pb2.ReadResponse:
        inputs = wire.received(request.inputs)
        api_version, kind = kind_of(request.urn.split("::")[2].rpartition("$")[2])
        try:
            live = self._reached(context).find(api_version, kind, request.id)
        except _FAILURES as error:
            context.abort(grpc.StatusCode.UNKNOWN, _told(error))
        if live is None:
            return provider_pb2.ReadResponse(id="")
        seen = cast(Properties, refreshed(inputs, live)) if inputs else _importable(live)
        kept = {"stringData": inputs["stringData"]} if "stringData" in inputs else {}
        return provider_pb2.ReadResponse(
            id=_identity(live), properties=wire.sent(state_of(live, inputs)), inputs=wire.sent(seen | kept)
        )

    def _reached(self, context: _Context) -> Cluster:
        if self._cluster is None:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "the kubeconfig is not known yet, so nothing can be done"
            )
        return self._cluster

    def _flag(self, name: str, variable: str = "") -> bool:
        given = self._settings.get(name, os.environ.get(variable, ""))
        return str(given).lower() == "true"

    def _say(self, urn: str) -> Callable[[str], None]:
        def say(text: str) -> None:
            message = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=True)
            with contextlib.suppress(grpc.RpcError):
                self._log(message)

        return say


def _difference(changed: list[str], replaces: list[str], *, delete_first: bool = False) -> provider_pb2.DiffResponse:
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some if changed else none, diffs=changed, replaces=replaces, deleteBeforeReplace=delete_first
    )


def _identity(manifest: Object) -> str:
    namespace = manifest["metadata"].get("namespace")
    return f"{namespace}/{manifest['metadata']['name']}" if namespace else manifest["metadata"]["name"]


def _importable(live: Object) -> Properties:
    metadata = {
        key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in live["metadata"]
    }
    return {key: value for key, value in live.items() if key != "status"} | {"metadata": metadata}


def _told(error: Exception) -> str:
    if isinstance(error, Unreachable):
        return (
            f"the cluster cannot be reached: {error}. Start it again, or, if it is gone for good, forget its objects "
            "with PULUMI_K8S_DELETE_UNREACHABLE=true"
        )
    return str(error)
