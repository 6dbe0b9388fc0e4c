"""How many replicas an engine has, where something else than its settings decides."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.mistakes import drop, put, told
from tests.unit.recording import record, stack_settings

HPA = {"min": 1, "max": 3, "signal": "queue"}
KEDA = {"by": "keda", "min": 1, "max": 3, "signal": "queue", "prometheus": "http://prometheus.monitoring:9090"}
OFFICE = {"from": "0 8 * * 1-5", "to": "0 18 * * 1-5", "timezone": "Europe/Berlin", "replicas": 2}
CLOCK = {"by": "keda", "min": 0, "max": 2, "schedule": [OFFICE]}

Objects = dict[tuple[str, str], dict[str, Any]]
Stack = Callable[..., Objects]


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The dev stack's objects by kind and name, with changes to one of its engines."""

    def made(engine: str, rehearsal: bool = False, **changed: Any) -> Objects:
        settings = stack_settings("dev")
        settings["engines"] = [one | (changed if one["name"] == engine else {}) for one in settings["engines"]]
        settings["rehearsal"] = rehearsal
        recording = record(settings, stack="dev", monkeypatch=monkeypatch)
        return {(one["kind"], one["metadata"]["name"]): one for one in manifests(recording)}

    return made


def test_an_hpa_keeps_an_engine_between_its_bounds_by_the_requests_that_wait(dev: Stack) -> None:
    spec = dev("legal", scaling=HPA)["HorizontalPodAutoscaler", "legal"]["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "legal"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 3)
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"] == {"name": "vllm:num_requests_waiting"}
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "1000m"}


def test_keda_may_take_an_engine_over_before_its_hpa_has_gone(dev: Stack) -> None:
    annotations = dev("legal", scaling=HPA)["HorizontalPodAutoscaler", "legal"]["metadata"]["annotations"]
    assert annotations["validations.keda.sh/hpa-ownership"] == "false"


def test_a_cache_that_fills_up_is_a_reason_too(dev: Stack) -> None:
    scaling = {"max": 2, "signal": "cache", "target": 0.75}
    (metric,) = dev("legal", scaling=scaling)["HorizontalPodAutoscaler", "legal"]["spec"]["metrics"]
    assert metric["pods"]["metric"] == {"name": "vllm:kv_cache_usage_perc"}
    assert metric["pods"]["target"]["averageValue"] == "750m"


def test_a_replica_is_not_sent_away_sooner_than_one_can_come(dev: Stack) -> None:
    def patience(**engine: Any) -> int:
        behavior = dev("legal", scaling=HPA, **engine)["HorizontalPodAutoscaler", "legal"]["spec"]["behavior"]
        return behavior["scaleDown"]["stabilizationWindowSeconds"]

    assert patience(startupSeconds=60) == 300
    assert patience(startupSeconds=1200) == 1200
    assert patience(startupSeconds=9000) == 3600  # the most that Kubernetes takes


def test_what_something_else_scales_has_no_replicas_of_ours_to_go_back_to(dev: Stack) -> None:
    assert "replicas" not in dev("legal", scaling=HPA)["Deployment", "legal"]["spec"]
    assert "replicas" not in dev("legal", scaling=CLOCK)["Deployment", "legal"]["spec"]


def test_an_engine_that_may_have_several_replicas_is_guarded_and_spread_from_the_first(dev: Stack) -> None:
    objects = dev("legal", scaling=HPA)
    assert ("PodDisruptionBudget", "legal") in objects
    assert "topologySpreadConstraints" in objects["Deployment", "legal"]["spec"]["template"]["spec"]
    assert ("PodDisruptionBudget", "legal") not in dev("legal", scaling={**HPA, "max": 1})


def test_gpus_that_a_scaler_may_ask_for_are_not_free_for_updates(dev: Stack) -> None:
    one = {"accelerator": {"kind": "cuda", "count": 1}}  # of two in the cluster
    at_once, in_place = {"maxSurge": 1, "maxUnavailable": 0}, {"maxSurge": 0, "maxUnavailable": 1}

    def update(**engine: Any) -> Any:
        return dev("legal", **one, **engine)["Deployment", "legal"]["spec"]["strategy"]["rollingUpdate"]

    assert update() == update(scaling={**HPA, "max": 1}) == at_once
    assert update(scaling={**HPA, "max": 2}) == in_place


def test_keda_asks_prometheus_for_the_pods_of_this_engine_alone(dev: Stack) -> None:
    spec = dev("legal", scaling={**KEDA, "target": 4})["ScaledObject", "legal"]["spec"]
    assert spec["scaleTargetRef"]["name"] == "legal"
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 3)
    (trigger,) = spec["triggers"]
    assert trigger["metadata"] == {
        "serverAddress": "http://prometheus.monitoring:9090",
        "query": 'sum(vllm:num_requests_waiting{namespace="inference",pod=~"legal-[a-z0-9]+-[a-z0-9]+"})',
        "threshold": "4",
    }


def test_an_engine_is_there_in_office_hours_and_nowhere_else(dev: Stack) -> None:
    objects = dev("legal-rocm", scaling=CLOCK)
    spec = objects["ScaledObject", "legal-rocm"]["spec"]
    assert spec["minReplicaCount"] == 0
    (trigger,) = spec["triggers"]
    assert trigger == {
        "type": "cron",
        "metadata": {
            "timezone": "Europe/Berlin",
            "start": "0 8 * * 1-5",
            "end": "0 18 * * 1-5",
            "desiredReplicas": "2",
        },
    }
    assert ("HorizontalPodAutoscaler", "legal-rocm") not in objects  # KEDA makes one itself


def test_a_rehearsal_places_all_replicas_that_there_may_be(dev: Stack) -> None:
    objects = dev("legal", rehearsal=True, scaling=KEDA)
    assert objects["Deployment", "legal"]["spec"]["replicas"] == 3
    assert not {"ScaledObject", "HorizontalPodAutoscaler"} & {kind for kind, _ in objects}


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ({"max": 2}, "needs a signal: set it to queue or cache"),
        ({**HPA, "min": 0}, "min is 0, to which an HPA cannot go: set min to 1, or by to keda"),
        ({**HPA, "min": 4}, "min (4) is more than max (3)"),
        ({**HPA, "schedule": [OFFICE]}, "an HPA knows no schedule: set by to keda"),
        ({**HPA, "prometheus": "http://p:9090"}, "prometheus is asked by KEDA alone: set by to keda, or leave it out"),
        ({**HPA, "signal": "cache", "target": 80}, "target (80) is a share of the cache: set it to at most 1"),
        ({**CLOCK, "target": 2}, "target is one of a signal: set signal to queue or cache"),
        ({**CLOCK, "max": 1}, "schedule[0] asks for 2 replicas: raise max (1)"),
        ({**CLOCK, "schedule": [OFFICE | {"to": OFFICE["from"]}]}, "schedule[0] ends when it begins: set from and to"),
        ({"by": "keda", "max": 2}, "has nothing to decide by: set signal, schedule or both"),
        ({**KEDA, "prometheus": None}, "KEDA asks Prometheus for the signal: set prometheus to its address"),
        ({**KEDA, "min": 0}, "min is 0, and without a server nobody counts what waits for it: add a schedule, or set"),
    ],
)
def test_what_a_scaler_cannot_do_is_told_with_what_can(scaling: dict[str, Any], expected: str) -> None:
    (line,) = told(put("engines", 0, "scaling", to=scaling))
    assert line.startswith("inference:engines[0].scaling ")
    assert expected in line


def test_all_that_is_wrong_with_a_scaler_is_told_at_once() -> None:
    (line,) = told(put("engines", 0, "scaling", to={"min": 0, "max": 2, "schedule": [OFFICE]}))
    assert line.count(";") == 2


def test_an_engine_is_not_scaled_on_what_it_does_not_tell() -> None:
    lines = told(drop("engines", 2, "replicas"), put("engines", 2, "scaling", to={"max": 2, "signal": "cache"}))
    assert lines == ['inference:engines[2].scaling.signal llamacpp does not tell its "cache"; there are: queue']


def test_only_one_has_the_say_in_how_many_replicas_there_are() -> None:
    lines = told(put("engines", 0, "scaling", to=HPA), put("engines", 0, "replicas", to=2))
    assert lines == [
        "inference:engines[0].replicas is what scaling decides: remove it, and set scaling.min and scaling.max"
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"timezone": "Europe/Berln"}, "schedule[0].timezone is no time zone; write it as in Europe/Berlin"),
        ({"from": "8:00"}, 'schedule[0].from "8:00" must be five fields of cron: minute, hour'),
        ({"from": "0 25 * * *"}, 'schedule[0].from hour "25" is out of range: 0 to 23'),
        ({"to": "61 * * * *"}, 'schedule[0].to minute "61" is out of range: 0 to 59'),
        ({"from": "0 8 32 * *"}, 'schedule[0].from day of the month "32" is out of range: 1 to 31'),
        ({"from": "0 8 * * 7"}, 'day of the week "7" is out of range: 0 to 6, or SUN to SAT'),
        ({"from": "0 8 * SEPT *"}, 'month "SEPT" is out of range: 1 to 12, or JAN to DEC'),
        ({"from": "*/0 * * * *"}, 'minute "*/0" takes steps of nothing: write a number from 1 on behind the /'),
        ({"from": "0 20-8 * * *"}, 'hour "20-8" ends before it begins: list both ends, as in 8,20'),
        ({"from": "0 8 30 2 *"}, 'day of the month "30" never comes in month "2"'),
        ({"from": "@daily"}, 'schedule[0].from "@daily" must be five fields of cron'),
    ],
)
def test_a_schedule_that_no_clock_can_follow_is_refused(changed: dict[str, Any], expected: str) -> None:
    (line,) = told(put("engines", 0, "scaling", to={**CLOCK, "schedule": [OFFICE | changed]}))
    assert expected in line
