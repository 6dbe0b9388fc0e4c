"""Scaling on a real control plane: who decides how many replicas there are, and what becomes of it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from placement.deployed import Deployed
from placement.problems import PlacementError
from placement.scaling import scale
from tests.aggregation import registration
from tests.api_server import ApiServer
from tests.certificates import for_loopback
from tests.cluster.metrics import GROUP, VERSION, Metrics
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

NAMESPACE = "inference"
SHARED = ("Node", "RuntimeClass")
"""What engines need beside their namespace."""
LLAMACPP = {"kind": "llamacpp", "model": "chat-gguf", "file": "chat-q4_k_m.gguf", "cluster": "dev"}
SMALL = {"resources": {"cpu": "1", "memory": "1Gi"}}
ENGINES = [
    {"name": "judge", **LLAMACPP, **SMALL, "replicas": 0, "accelerator": {"kind": "cuda", "count": 2}},
    {"name": "large", **LLAMACPP, "replicas": 0, "resources": {"cpu": "10", "memory": "1Gi"}},
    {"name": "busy", **LLAMACPP, **SMALL, "scaling": {"max": 3, "signal": "queue"}},
]


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """The engines of a stack as its program makes them, with what they run on."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = stack_settings("dev") | {"engines": ENGINES}
        made = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    return [
        one
        for one in made
        if NAMESPACE in (one["metadata"].get("namespace"), one["metadata"]["name"]) or one["kind"] in SHARED
    ]


@pytest.fixture(scope="module")
def applied(api_server: ApiServer, objects: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """All of them, applied with strict field validation."""
    api_server.apply(*objects)
    api_server.await_condition("condition=Available", "deployment/busy", "--namespace", NAMESPACE)
    yield objects
    api_server.kubectl("delete", "namespace", "--timeout=60s", NAMESPACE)
    shared = [f"{one['kind']}/{one['metadata']['name']}" for one in objects if one["kind"] in SHARED]
    api_server.kubectl("delete", "--timeout=60s", *shared)


@pytest.fixture(scope="module")
def found(api_server: ApiServer, applied: list[dict[str, Any]]) -> Deployed:
    """The stack as the command line sees it."""
    del applied
    return Deployed(endpoints={}, kubeconfigs={"dev": api_server.kubeconfig})


@pytest.fixture
def metrics(api_server: ApiServer, applied: list[dict[str, Any]], tmp_path: Path) -> Iterator[Metrics]:
    """A metrics API that the control plane asks."""
    del applied
    context, _ = for_loopback(tmp_path)
    served = Metrics(lambda: pods(api_server, "busy"))
    with served.served(context) as port:
        registered = registration(GROUP, VERSION, namespace=NAMESPACE, port=port)
        api_server.apply(*registered)
        api_server.await_condition("condition=Available", f"apiservice/{VERSION}.{GROUP}")
        yield served
        api_server.kubectl("delete", "apiservice", f"{VERSION}.{GROUP}")


def pods(api_server: ApiServer, engine: str) -> list[str]:
    found = api_server.get("pods", "--namespace", NAMESPACE, f"--selector=app.kubernetes.io/name={engine}")["items"]
    return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]


def wanted(api_server: ApiServer, engine: str) -> int:
    return api_server.get("deployment", engine, "--namespace", NAMESPACE)["spec"]["replicas"]


def await_pods(api_server: ApiServer, engine: str, count: int, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while len(pods(api_server, engine)) != count:
        assert time.monotonic() < give_up, api_server.kubectl("describe", "hpa", engine, "--namespace", NAMESPACE)
        time.sleep(0.5)


def test_requests_that_wait_bring_replicas_up_to_the_most(api_server: ApiServer, metrics: Metrics) -> None:
    assert wanted(api_server, "busy") == 1
    metrics.value = "9"
    await_pods(api_server, "busy", 3)
    (path,) = metrics.asked
    assert path.endswith(f"/namespaces/{NAMESPACE}/pods/*/llamacpp:requests_deferred")


def test_the_next_up_leaves_replicas_to_the_scaler(
    api_server: ApiServer, applied: list[dict[str, Any]], metrics: Metrics
) -> None:
    metrics.value = "9"
    await_pods(api_server, "busy", 3)
    api_server.apply(*applied)
    assert wanted(api_server, "busy") == 3


def test_a_judge_is_switched_on_and_off_again(
    api_server: ApiServer, found: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pods(api_server, "judge") == []
    assert scale(found, "dev", "judge", 1)
    deployment = api_server.get("deployment", "judge", "--namespace", NAMESPACE)
    assert deployment["status"]["readyReplicas"] == 1
    said = capsys.readouterr().err
    assert "judge in dev: from 0 to 1 replica" in said
    assert "The next `make up` that changes judge brings it back to the replicas in Pulumi.dev.yaml." in said
    assert scale(found, "dev", "judge", 0)
    assert api_server.get("pods", "--namespace", NAMESPACE, "--selector=app.kubernetes.io/name=judge")["items"] == []


@pytest.mark.parametrize(
    ("engine", "reason"),
    [("large", "Insufficient cpu"), ("judge", "exceeded quota: quota, requested: requests.nvidia")],
)
def test_replicas_that_there_is_no_room_for_are_told_with_kubernetes_reason(
    found: Deployed, capsys: pytest.CaptureFixture[str], engine: str, reason: str
) -> None:
    assert not scale(found, "dev", engine, 2)
    said = capsys.readouterr().err
    assert f"{engine} is not placed: " in said
    assert reason in said
    assert "1 of 2 ready" in said
    assert scale(found, "dev", engine, 0)


def test_what_an_autoscaler_has_is_not_scaled_by_hand(api_server: ApiServer, found: Deployed) -> None:
    before = wanted(api_server, "busy")
    with pytest.raises(PlacementError, match=r"busy is scaled by the HorizontalPodAutoscaler busy, which would undo"):
        scale(found, "dev", "busy", 2)
    assert wanted(api_server, "busy") == before


def test_an_engine_that_is_not_there_is_told_with_those_that_are(found: Deployed) -> None:
    with pytest.raises(PlacementError, match="juge is not an engine that is deployed; there are: busy, judge, large"):
        scale(found, "dev", "juge", 1)
