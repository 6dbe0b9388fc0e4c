"""What the program does differently while it is rehearsed."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.recording import Recording, record, stack_settings

SKIP = "pulumi.com/skipAwait"


def rehearsed(stack: str, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Recording:
    """The program as it runs in a rehearsal of this stack."""
    settings = {**stack_settings(stack), "rehearsal": True, **changed}
    return record(settings, stack=stack, monkeypatch=monkeypatch)


def objects(recording: Recording, kind: str) -> list[Mapping[str, Any]]:
    return [resource.object for resource in recording.kubernetes() if resource.object["kind"] == kind]


def test_a_rehearsal_waits_for_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list(rehearsed("onprem", monkeypatch).kubernetes())
    assert {"Node", "Deployment", "Service", "Job", "PersistentVolumeClaim"} <= {one.object["kind"] for one in made}
    assert [one.name for one in made if one.object["metadata"].get("annotations", {}).get(SKIP) != "true"] == []


def test_outside_of_rehearsals_deployments_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = record(stack_settings("dev"), stack="dev", monkeypatch=monkeypatch)
    assert not any(SKIP in one["metadata"].get("annotations", {}) for one in objects(recording, "Deployment"))


def test_a_rehearsal_keeps_the_annotations_that_objects_have(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in objects(rehearsed("onprem", monkeypatch), "Node"):
        assert one["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"


def test_a_rehearsal_gives_volumes_whatever_class_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    store = {**stack_settings("onprem")["store"], "storageClass": "local-path"}
    claims = objects(rehearsed("onprem", monkeypatch, store=store), "PersistentVolumeClaim")
    assert claims
    assert not any(claim["spec"].get("storageClassName") for claim in claims)


def test_in_a_rehearsal_no_quota_on_gpus_speaks_before_the_scheduler_does(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = objects(rehearsed("onprem", monkeypatch), "ResourceQuota")
    assert quotas
    assert not any("/" in name for quota in quotas for name in quota["spec"]["hard"])
    assert all("pods" in quota["spec"]["hard"] for quota in quotas)


def test_a_rehearsal_of_an_s3_store_needs_no_key_and_opens_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = rehearsed("eks", monkeypatch)
    policies = {one["metadata"]["name"]: one for one in objects(recording, "NetworkPolicy")}
    (rule,) = policies["judge"]["spec"]["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert not [one for one in objects(recording, "Secret") if one["metadata"]["name"].endswith("-store")]
