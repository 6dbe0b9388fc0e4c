"""Scaling by KEDA, with its real operator, metrics API and webhooks; a stand-in for Prometheus."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placement.deployed import Deployed
from placement.problems import PlacementError
from placement.scaling import scale
from tests.api_server import ApiServer, KubectlError
from tests.cluster.prometheus import Prometheus, prometheus
from tests.operators import keda
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings
from toolchain.problems import ToolchainError, Unavailable

NAMESPACE = "inference"
IN = ("--namespace", NAMESPACE)
SHARED = ("Node", "RuntimeClass")
"""What engines need beside their namespace."""
ENGINE = {
    "kind": "llamacpp",
    "model": "chat-gguf",
    "file": "chat-q4_k_m.gguf",
    "cluster": "dev",
    "resources": {"cpu": "1", "memory": "1Gi"},
}
POLLED = 30
"""Seconds until KEDA looks again."""


def hours(begin: int, end: int) -> dict[str, Any]:
    """A window of two replicas that begins and ends so many hours from now, each day."""
    first, last = (datetime.now(UTC) + timedelta(hours=hour) for hour in (begin, end))
    replicas = {"timezone": "UTC", "replicas": 2}
    return {"from": f"{first.minute} {first.hour} * * *", "to": f"{last.minute} {last.hour} * * *", **replicas}


OPEN, CLOSED = (-2, 2), (2, 4)


def begins_once_a_week() -> dict[str, Any]:
    """A window that begins in three days, and ends in two hours and every day."""
    now = datetime.now(UTC)
    begin = f"{now.minute} {now.hour} * * {(now + timedelta(days=3)).isoweekday() % 7}"
    return {"from": begin, "to": hours(0, 2)["to"], "timezone": "UTC"}


def waiting(engine: str) -> str:
    """What Prometheus is to be asked about an engine."""
    return f'sum(llamacpp:requests_deferred{{namespace="inference",pod=~"{engine}-[a-z0-9]+-[a-z0-9]+"}})'


@pytest.fixture(scope="module")
def metrics() -> Iterator[Prometheus]:
    """A Prometheus that has no series yet."""
    with prometheus() as there:
        yield there


@pytest.fixture(scope="module")
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """KEDA."""
    try:
        with keda(api_server, tmp_path_factory.mktemp("keda")):
            yield
    except (ToolchainError, Unavailable) as error:
        pytest.skip(f"no KEDA: {error}")


Ours = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ours(metrics: Prometheus) -> Ours:
    """Objects that the program makes for engines with such a schedule, a signal or both, with what they run on."""

    def made(window: tuple[int, int], by_kubernetes: Sequence[str] = ()) -> list[dict[str, Any]]:
        signal = {"by": "keda", "signal": "queue", "prometheus": metrics.url}
        clock = {"by": "keda", "min": 0, "max": 2, "schedule": [hours(*window)]}
        by_keda = {
            "clock": clock,
            "both": {**clock, **signal, "max": 3},
            "busy": {**signal, "max": 3},
            "weekly": {**clock, "schedule": [begins_once_a_week()]},
        }
        scaling = by_keda | {name: {"signal": "queue", "max": 3} for name in by_kubernetes}
        engines = [{"name": name, **ENGINE, "scaling": one} for name, one in scaling.items()]
        with pytest.MonkeyPatch.context() as monkeypatch:
            settings = stack_settings("dev") | {"engines": engines}
            objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
        return [
            one
            for one in objects
            if NAMESPACE in (one["metadata"].get("namespace"), one["metadata"]["name"]) or one["kind"] in SHARED
        ]

    return made


@pytest.fixture(scope="module")
def closed(api_server: ApiServer, operator: None, ours: Ours) -> Iterator[list[dict[str, Any]]]:
    """The engines as they are outside their hours, applied with strict field validation."""
    del operator
    objects = ours(CLOSED)
    api_server.apply(*objects)
    yield objects
    api_server.kubectl("delete", "scaledobjects", "--all", *IN, "--timeout=60s")
    api_server.kubectl("delete", "namespace", "--timeout=60s", NAMESPACE)
    shared = [f"{one['kind']}/{one['metadata']['name']}" for one in objects if one["kind"] in SHARED]
    api_server.kubectl("delete", "--timeout=60s", *shared)


def until(true: Callable[[], object], *, seconds: int = 90) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it took too long"
        time.sleep(0.5)


def ready(api_server: ApiServer, engine: str) -> int:
    status = api_server.get("deployment", engine, *IN).get("status", {})
    return status.get("readyReplicas", 0) if status.get("replicas", 0) == status.get("readyReplicas", 0) else -1


def condition(api_server: ApiServer, engine: str, kind: str) -> tuple[str, str]:
    """Status and reason of a ScaledObject's condition."""
    there = api_server.get("scaledobject", engine, *IN).get("status", {}).get("conditions", [])
    return next(((one["status"], one.get("reason", "")) for one in there if one["type"] == kind), ("", ""))


def autoscalers(api_server: ApiServer) -> set[str]:
    return {one["metadata"]["name"] for one in api_server.get("hpa", *IN)["items"]}


@pytest.mark.usefixtures("closed")
def test_outside_its_hours_an_engine_goes_from_the_one_that_kubernetes_makes_to_0(api_server: ApiServer) -> None:
    for engine in ("clock", "both"):
        until(lambda engine=engine: ready(api_server, engine) == 0)
        until(lambda engine=engine: condition(api_server, engine, "Ready")[0] == "True")
        assert condition(api_server, engine, "Active")[0] == "False"


def test_keda_and_its_webhooks_take_our_objects_as_they_are(
    api_server: ApiServer, closed: list[dict[str, Any]]
) -> None:
    scaled = [one for one in closed if one["kind"] == "ScaledObject"]
    for one in scaled:
        kept = api_server.get("scaledobject", one["metadata"]["name"], *IN)["spec"]
        assert kept["advanced"].pop("scalingModifiers", {}) == {}  # which its operator adds
        assert kept == one["spec"]
    names = {one["metadata"]["name"] for one in scaled}
    assert names == {"clock", "both", "busy", "weekly"}
    until(lambda: autoscalers(api_server) == {f"keda-hpa-{name}" for name in names})


@pytest.mark.usefixtures("closed")
def test_hours_that_end_on_a_day_on_which_they_do_not_begin_are_hours_before_that_end_too(
    api_server: ApiServer,
) -> None:
    until(lambda: condition(api_server, "weekly", "Active")[0] == "True")
    until(lambda: ready(api_server, "weekly") == 1)


@pytest.mark.usefixtures("closed")
def test_what_keda_has_at_0_is_not_scaled_by_hand(api_server: ApiServer) -> None:
    found = Deployed(endpoints={}, kubeconfigs={"dev": api_server.kubeconfig})
    with pytest.raises(PlacementError, match=r"clock is scaled by the HorizontalPodAutoscaler keda-hpa-clock"):
        scale(found, "dev", "clock", 1)


@pytest.mark.usefixtures("closed")
def test_requests_that_wait_bring_replicas_up_to_the_most(api_server: ApiServer, metrics: Prometheus) -> None:
    until(lambda: ready(api_server, "busy") == 1)
    metrics.values[waiting("busy")] = 2
    until(lambda: ready(api_server, "busy") == 2)
    metrics.values[waiting("busy")] = 40
    until(lambda: ready(api_server, "busy") == 3)


@pytest.mark.usefixtures("closed")
def test_a_prometheus_that_does_not_answer_leaves_replicas_as_they_are_and_is_told(
    api_server: ApiServer, metrics: Prometheus
) -> None:
    before = ready(api_server, "busy")
    metrics.broken = True
    try:
        until(lambda: condition(api_server, "busy", "Ready") == ("False", "TriggerError"))
        assert ready(api_server, "busy") == before > 0
        assert ready(api_server, "both") == 0
    finally:
        metrics.broken = False


def test_kubernetes_own_autoscaler_leaves_what_keda_had_at_0_there_until_it_is_scaled(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours
) -> None:
    api_server.apply(*closed)
    until(lambda: ready(api_server, "both") == 0)
    api_server.apply(*ours(CLOSED, by_kubernetes=["both"]))
    api_server.kubectl("delete", "scaledobject", "both", *IN, "--timeout=30s")
    try:
        disabled = 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].reason}=ScalingDisabled'
        api_server.await_condition(disabled, "hpa/both", *IN, seconds=60)
        assert ready(api_server, "both") == 0
        api_server.kubectl("scale", "deployment", "both", *IN, "--replicas=1")
        until(lambda: ready(api_server, "both") == 1)
        assert "keda-hpa-both" not in autoscalers(api_server)
    finally:
        api_server.kubectl("delete", "hpa", "both", *IN)


def test_in_its_hours_an_engine_has_the_replicas_of_its_schedule_and_a_second_up_leaves_them(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours
) -> None:
    del closed
    until(lambda: ready(api_server, "clock") == 0)
    for _ in range(2):
        api_server.apply(*ours(OPEN))
        until(lambda: ready(api_server, "clock") == 2)
        assert condition(api_server, "clock", "Ready")[0] == "True"


def test_a_schedule_is_kept_while_prometheus_does_not_answer(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours, metrics: Prometheus
) -> None:
    api_server.apply(*closed)
    metrics.broken = True
    try:
        api_server.apply(*ours(OPEN))
        until(lambda: ready(api_server, "both") == 2)
    finally:
        metrics.broken = False


def test_more_requests_than_the_schedule_has_replicas_for_bring_more_of_them(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours, metrics: Prometheus
) -> None:
    del closed
    api_server.apply(*ours(OPEN))
    until(lambda: ready(api_server, "both") == 2)
    metrics.values[waiting("both")] = 3
    until(lambda: ready(api_server, "both") == 3)


def test_after_its_hours_an_engine_goes_back_to_0_once_its_quiet_time_is_over(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours
) -> None:
    api_server.apply(*ours(OPEN))
    until(lambda: ready(api_server, "clock") == 2)
    api_server.apply(*closed)
    until(lambda: condition(api_server, "clock", "Active") == ("False", "ScalerCooldown"))
    assert ready(api_server, "clock") == 2
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    quiet = json.dumps({"status": {"lastActiveTime": long_ago}})
    api_server.kubectl(
        "patch", "scaledobject", "clock", *IN, "--subresource=status", "--type=merge", f"--patch={quiet}"
    )
    until(lambda: ready(api_server, "clock") == 0, seconds=POLLED + 30)


def test_an_engine_goes_from_kubernetes_own_autoscaler_to_keda_by_one_up(
    api_server: ApiServer, closed: list[dict[str, Any]], ours: Ours
) -> None:
    api_server.kubectl("delete", "scaledobject", "busy", *IN, "--timeout=30s")
    api_server.apply(*ours(CLOSED, by_kubernetes=["busy"]))
    api_server.apply(*closed)  # what is new comes before what is no more goes
    api_server.kubectl("delete", "hpa", "busy", *IN)
    until(lambda: condition(api_server, "busy", "Ready")[0] == "True")
    assert "keda-hpa-busy" in autoscalers(api_server)


@pytest.mark.usefixtures("closed")
def test_its_webhooks_are_asked(api_server: ApiServer) -> None:
    other = api_server.get("scaledobject", "busy", *IN)
    wrong = {**other, "metadata": {"name": "another", "namespace": NAMESPACE}}
    wrong.pop("status", None)
    with pytest.raises(KubectlError, match="is already managed by the"):
        api_server.apply(wrong)


@pytest.mark.usefixtures("closed")
def test_destroying_an_engine_removes_the_autoscaler_that_keda_made(api_server: ApiServer) -> None:
    until(lambda: "keda-hpa-clock" in autoscalers(api_server))
    api_server.kubectl("delete", "scaledobject/clock", *IN, "--timeout=30s")
    api_server.kubectl("delete", "deployment/clock", *IN, "--timeout=30s")
    until(lambda: "keda-hpa-clock" not in autoscalers(api_server), seconds=30)
