"""Karpenter as a chart: for EKS alone, and told of the cluster that it adds nodes to."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.cluster.cluster import Cluster, Karpenter
from components.cluster.settings import ClusterSettings
from components.gitops.charts import PUBLISHED
from components.gitops.versions import KARPENTER
from tests.unit.mistakes import put, told
from tests.unit.recording import record, recorded, stack_settings

CHARTS = [{"name": "karpenter"}]
QUEUE = "inference-interruptions"
ROLE = "arn:aws:iam::123456789012:role/inference-karpenter"


def test_it_is_told_the_queue_and_the_role_of_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        known = Karpenter(
            cluster_name="inference",
            interruption_queue=pulumi.Output.from_input(QUEUE),
            annotations={"eks.amazonaws.com/role-arn": ROLE},
        )
        cluster = Cluster(
            settings=ClusterSettings(name="main"),
            provider=kubernetes.Provider("main"),
            kubeconfig=pulumi.Output.secret(""),
            karpenter=known,
        )
        values = PUBLISHED["karpenter"].told(cluster)
        kubernetes.apiextensions.CustomResource("values", api_version="v1", kind="Values", spec=values)

    resources = recorded(program, monkeypatch=monkeypatch).resources
    found = [one.object["spec"] for one in resources if one.name == "values"]
    assert found == [
        {
            "settings": {"clusterName": "inference", "interruptionQueue": QUEUE},
            "serviceAccount": {"name": "karpenter", "annotations": {"eks.amazonaws.com/role-arn": ROLE}},
        }
    ]


def test_its_namespace_is_neither_made_nor_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {**stack_settings("eks"), "argocd": {}, "charts": CHARTS, "rendering": True}
    recording = record(settings, stack="eks", monkeypatch=monkeypatch)
    (application,) = [one for one in recording.resources if one.name.endswith("-karpenter-chart")]
    spec = application.object["spec"]
    assert (spec["source"]["repoURL"], spec["source"]["targetRevision"]) == ("public.ecr.aws/karpenter", KARPENTER)
    assert spec["destination"]["namespace"] == "kube-system"
    made = [
        one.object["metadata"] for one in recording.kubernetes() if one.object["kind"] in ("Namespace", "NetworkPolicy")
    ]
    assert not [one for one in made if "kube-system" in (one["name"], one.get("namespace"))]


@pytest.mark.parametrize("stack", ["dev", "onprem"])
def test_it_is_refused_where_there_are_no_machines_to_rent(stack: str) -> None:
    (said,) = told(put("charts", to=CHARTS), put("argocd", to={}), stack=stack)
    assert said == (
        f"inference:charts[0].name karpenter makes nodes in AWS: it is for target eks, not {stack}; remove it"
    )
