"""The stand-in for Pulumi's Kubernetes provider, through the engine's own protocol, on a real API server."""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2  # pyright: ignore[reportMissingTypeStubs]
from pulumi.runtime.proto import engine_pb2, provider_pb2

from tests.api_server import ApiServer, SimulatedNode
from tests.standins import wire
from tests.standins.kubernetes import readiness
from tests.standins.kubernetes.servicer import Servicer

Properties = dict[str, Any]


class Refused(Exception):
    """The provider ended a call with an error."""


class Context:
    """What gRPC hands to a call."""

    trailing: tuple[tuple[str, bytes], ...] = ()

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        del code
        raise Refused(details)

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.trailing = trailing_metadata


class Provider:
    """The stand-in as the engine uses it."""

    def __init__(self, **settings: wire.Wire) -> None:
        self.said: list[str] = []
        self.servicer = Servicer(self._log)
        self.context: Any = Context()
        request = provider_pb2.ConfigureRequest(args=wire.sent(settings))
        self.servicer.Configure(request, self.context)

    def _log(self, message: engine_pb2.LogRequest) -> None:
        self.said.append(message.message)

    def check(self, inputs: Properties, *, old: Properties | None = None, name: str = "thing") -> Properties:
        request = provider_pb2.CheckRequest(
            urn=_urn(inputs, name), news=wire.sent(inputs), olds=wire.sent(old or {}), randomSeed=b"12345678"
        )
        return wire.received(self.servicer.Check(request, self.context).inputs)

    def diff(self, old: Properties, new: Properties) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(urn=_urn(new), old_inputs=wire.sent(old), news=wire.sent(new))
        return self.servicer.Diff(request, self.context)

    def create(self, inputs: Properties, *, preview: bool = False, timeout: float = 30) -> tuple[str, Properties]:
        request = provider_pb2.CreateRequest(
            urn=_urn(inputs), properties=wire.sent(inputs), preview=preview, timeout=timeout
        )
        response = self.servicer.Create(request, self.context)
        return response.id, wire.received(response.properties)

    def update(self, inputs: Properties, *, old: Properties) -> Properties:
        request = provider_pb2.UpdateRequest(
            urn=_urn(inputs), news=wire.sent(inputs), olds=wire.sent(old), old_inputs=wire.sent(old), timeout=30
        )
        return wire.received(self.servicer.Update(request, self.context).properties)

    def delete(self, state: Properties, *, timeout: float = 30) -> None:
        request = provider_pb2.DeleteRequest(urn=_urn(state), properties=wire.sent(state), timeout=timeout)
        self.servicer.Delete(request, self.context)

    def read(self, identity: str, inputs: Properties) -> provider_pb2.ReadResponse:
        request = provider_pb2.ReadRequest(id=identity, urn=_urn(inputs), inputs=wire.sent(inputs))
        return self.servicer.Read(request, self.context)


def _urn(manifest: Mapping[str, Any], name: str = "thing") -> str:
    api = manifest["apiVersion"]
    return f"urn:pulumi:dev::inference::kubernetes:{api if '/' in api else f'core/{api}'}:{manifest['kind']}::{name}"


def _config_map(namespace: str, **data: str) -> Properties:
    metadata = {"name": "settings", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _deployment(namespace: str, *, gpus: int = 0) -> Properties:
    labels = {"app": "engine"}
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "engine", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "example.invalid/x:1", "resources": resources}]},
            },
        },
    }


@pytest.fixture
def provider(api_server: ApiServer) -> Provider:
    return Provider(kubeconfig=api_server.kubeconfig)


@pytest.fixture
def node(simulate: Callable[[SimulatedNode], None]) -> None:
    simulate(SimulatedNode(name="standin-node", gpus={"nvidia.com/gpu": 1}))


def test_an_object_is_made_by_our_field_manager(provider: Provider, api_server: ApiServer, namespace: str) -> None:
    identity, state = provider.create(_config_map(namespace, key="value"))
    assert identity == f"{namespace}/settings"
    assert state["metadata"]["uid"]
    live = api_server.get("configmap", "settings", "--namespace", namespace, "--show-managed-fields")
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"pulumi-kubernetes"}


def test_an_object_that_exists_is_not_overwritten(provider: Provider, namespace: str) -> None:
    provider.create(_config_map(namespace, key="value"))
    with pytest.raises(Refused, match="already exists"):
        provider.create(_config_map(namespace, key="other"))


def test_an_object_that_exists_is_taken_over_when_that_is_asked_for(api_server: ApiServer, namespace: str) -> None:
    provider = Provider(kubeconfig=api_server.kubeconfig, upsertExistingObjects="true")
    provider.create(_config_map(namespace, key="value"))
    _, state = provider.create(_config_map(namespace, key="other"))
    assert state["data"] == {"key": "other"}


def test_a_field_that_somebody_else_owns_is_a_conflict_with_a_remedy(
    provider: Provider, api_server: ApiServer, namespace: str
) -> None:
    inputs = _config_map(namespace, key="value")
    provider.create(inputs)
    patch = json.dumps({"data": {"key": "theirs"}})
    api_server.kubectl("patch", "configmap", "settings", "-n", namespace, "--field-manager=them", "--patch", patch)
    with pytest.raises(Refused, match="patchForce"):
        provider.update(_config_map(namespace, key="ours"), old=inputs)


def test_a_preview_touches_no_api_server(namespace: str) -> None:
    provider = Provider(kubeconfig=wire.UNKNOWN)
    assert provider.create(_config_map(namespace, key="value"), preview=True)[1]["data"] == {"key": "value"}


def test_an_object_without_a_name_gets_one_and_keeps_it(provider: Provider, namespace: str) -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace}}
    named = provider.check(inputs, name="settings")
    assert named["metadata"]["name"].startswith("settings-")
    assert provider.check(inputs, old=named, name="settings")["metadata"]["name"] == named["metadata"]["name"]


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, False),
        (
            {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
            {"spec": {"selector": {"matchLabels": {"a": "c"}}}},
            True,
        ),
        ({"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, True),
    ],
)
def test_immutable_fields_replace(provider: Provider, old: Properties, new: Properties, *, replaces: bool) -> None:
    common = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}
    assert bool(provider.diff(common | old, common | new).replaces) is replaces


def test_a_replaced_object_with_a_fixed_name_is_deleted_first(provider: Provider) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {"template": {"a": 1}}}
    response = provider.diff(job, job | {"spec": {"template": {"a": 2}}})
    assert response.deleteBeforeReplace


def test_a_config_map_is_replaced_unless_it_may_change_in_place(provider: Provider, api_server: ApiServer) -> None:
    mutable = Provider(kubeconfig=api_server.kubeconfig, enableConfigMapMutable="true")
    old, new = _config_map("x", key="a"), _config_map("x", key="b")
    assert provider.diff(old, new).replaces
    assert not mutable.diff(old, new).replaces


@pytest.mark.usefixtures("node")
def test_a_deployment_is_ready_when_its_pods_are(provider: Provider, namespace: str) -> None:
    _, state = provider.create(_deployment(namespace))
    assert state["status"]["availableReplicas"] == 1


@pytest.mark.usefixtures("node")
def test_a_deployment_that_fits_nowhere_is_kept_and_says_why(provider: Provider, namespace: str) -> None:
    with pytest.raises(Refused, match=r"Insufficient nvidia\.com/gpu"):
        provider.create(_deployment(namespace, gpus=9), timeout=2)
    status = status_pb2.Status.FromString(dict(provider.context.trailing)["grpc-status-details-bin"])
    kept = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(kept)
    assert kept.id == f"{namespace}/engine"


def test_skip_await_does_not_wait(provider: Provider, namespace: str) -> None:
    inputs = _deployment(namespace, gpus=9)
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    assert provider.create(inputs)[0] == f"{namespace}/engine"


@pytest.mark.usefixtures("node")
def test_a_service_waits_for_endpoints_and_settles(
    provider: Provider, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SERVICE_SETTLES", 0.1)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "engine", "namespace": namespace},
        "spec": {"selector": {"app": "engine"}, "ports": [{"port": 80}]},
    }
    late = threading.Timer(0.5, lambda: provider.create(_deployment(namespace)))
    late.start()
    provider.create(service)
    late.join()
    assert any("waiting for endpoints" in line for line in provider.said)


@pytest.mark.usefixtures("node")
def test_a_job_is_ready_when_it_is_complete(provider: Provider, namespace: str) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "example.invalid/x:1"}]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": namespace},
        "spec": {"template": {"spec": pod}},
    }
    _, state = provider.create(job)
    assert {one["type"] for one in state["status"]["conditions"]} >= {"Complete"}


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("fits", "replaced"), [(True, False), (False, True)])
def test_a_job_that_did_not_end_well_is_replaced_if_it_asks_for_that(
    provider: Provider, namespace: str, *, fits: bool, replaced: bool
) -> None:
    container = {"name": "c", "image": "example.invalid/x:1"}
    limits = {} if fits else {"resources": {"limits": {"nvidia.com/gpu": "9"}}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": namespace, "annotations": {"pulumi.com/replaceUnready": "true"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{**container, **limits}]}}},
    }
    with contextlib.suppress(Refused):
        provider.create(job, timeout=10 if fits else 1)
    response = provider.diff(job, job)
    assert bool(response.replaces) is response.deleteBeforeReplace is replaced


def test_a_custom_resource_waits_for_its_definition(provider: Provider, api_server: ApiServer, namespace: str) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.invalid"},
        "spec": {
            "group": "example.invalid",
            "names": {"kind": "Thing", "plural": "things"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    thing = {"apiVersion": "example.invalid/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": namespace}}
    late = threading.Timer(0.5, lambda: provider.create(definition))
    late.start()
    identity, state = provider.create(thing)
    late.join()
    assert identity == f"{namespace}/a"
    provider.delete(state)
    api_server.kubectl("delete", "crd", "things.example.invalid", "--wait=false")


def test_delete_waits_until_it_is_gone_and_may_be_repeated(
    provider: Provider, api_server: ApiServer, namespace: str
) -> None:
    _, state = provider.create(_config_map(namespace, key="value"))
    provider.delete(state)
    assert api_server.kubectl("get", "configmap", "settings", "-n", namespace, "--ignore-not-found") == ""
    provider.delete(state)


def test_a_stuck_finalizer_is_named(provider: Provider, api_server: ApiServer, namespace: str) -> None:
    inputs = _config_map(namespace, key="value")
    inputs["metadata"]["finalizers"] = ["example.invalid/held"]
    _, state = provider.create(inputs)
    with pytest.raises(Refused, match=r"example\.invalid/held"):
        provider.delete(state, timeout=0.5)
    patch = json.dumps({"metadata": {"finalizers": None}})
    api_server.kubectl("patch", "configmap", "settings", "-n", namespace, "--type=merge", "--patch", patch)


def test_a_refresh_sees_what_changed_and_what_is_gone(
    provider: Provider, api_server: ApiServer, namespace: str
) -> None:
    inputs = _config_map(namespace, key="value")
    identity, _ = provider.create(inputs)
    patch = json.dumps({"data": {"key": "drifted"}})
    api_server.kubectl("patch", "configmap", "settings", "-n", namespace, "--patch", patch)
    assert wire.received(provider.read(identity, inputs).inputs)["data"] == {"key": "drifted"}
    api_server.kubectl("delete", "configmap", "settings", "-n", namespace)
    assert provider.read(identity, inputs).id == ""


def test_a_secrets_data_is_secret_in_the_state(provider: Provider, namespace: str) -> None:
    metadata = {"name": "key", "namespace": namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "hunter2"}}
    _, state = provider.create(secret)
    assert wire.is_secret(state["data"])
    assert wire.is_secret(state["stringData"])


def test_what_was_secret_in_the_inputs_stays_secret(provider: Provider, namespace: str) -> None:
    inputs = _config_map(namespace)
    inputs["data"] = {"key": wire.secret("hunter2")}
    _, state = provider.create(inputs)
    assert wire.is_secret(state["data"])


def test_a_dead_cluster_is_an_error_with_a_next_step() -> None:
    kubeconfig: Properties = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    provider = Provider(kubeconfig=json.dumps(kubeconfig))
    state = _config_map("x", key="value")
    with pytest.raises(Refused, match="PULUMI_K8S_DELETE_UNREACHABLE"):
        provider.delete(state)
    Provider(kubeconfig=json.dumps(kubeconfig), deleteUnreachable="true").delete(state)


def test_the_same_cluster_identifier_keeps_the_provider(provider: Provider) -> None:
    def replaces(old: Properties, new: Properties) -> list[str]:
        request = provider_pb2.DiffRequest(olds=wire.sent(old), news=wire.sent(new))
        return list(provider.servicer.DiffConfig(request, provider.context).replaces)

    assert replaces({"kubeconfig": "a"}, {"kubeconfig": "b"}) == ["kubeconfig"]
    same = {"clusterIdentifier": "dev"}
    assert replaces({"kubeconfig": "a", **same}, {"kubeconfig": "b", **same}) == []
    assert "clusterIdentifier" in replaces({"clusterIdentifier": "a"}, {"clusterIdentifier": "b"})


def test_objects_are_rendered_to_files_instead(tmp_path: Path) -> None:
    provider = Provider(renderYamlToDirectory=str(tmp_path))
    inputs = _config_map("inference", key="value")
    provider.create(inputs)
    file = tmp_path / "1-manifest" / "v1-configmap-inference-settings.yaml"
    assert "key: value" in file.read_text()
    provider.delete(inputs)
    assert not file.exists()
