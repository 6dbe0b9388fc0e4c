"""What is read of a real API server, and when the scheduler's word is final."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import yaml

from components.accelerators import ACCELERATOR_LABEL, PRODUCT_LABEL
from placement.api import Api, ClusterError
from placement.model import Amounts, Cluster, Node
from placement.reading import read
from placement.scheduling import decided, with_trials
from tests.api_server import ApiServer, SimulatedNode

Simulate = Callable[[SimulatedNode], None]
Deploy = Callable[..., None]


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[Api]:
    """The API server as this room reads it."""
    with closing(Api("test", api_server.kubeconfig)) as opened:
        yield opened


@pytest.fixture
def deploy(api_server: ApiServer, namespace: str, simulate: Simulate) -> Iterator[Deploy]:
    """Apply Deployments. All of them are gone before the next test reads the cluster."""
    del simulate  # its nodes must outlive the pods on them

    yield api_server.apply
    api_server.kubectl("delete", "deployment", "--all", "--cascade=foreground", "--timeout=30s", "-n", namespace)


def nothing(_cluster: Cluster) -> None:
    """No progress to show."""


def node(namespace: str, gpus: int) -> SimulatedNode:
    """A node with GPUs, for this test's pods alone."""
    labels = {"test": namespace, ACCELERATOR_LABEL: "cuda", PRODUCT_LABEL: "rtx-4090"}
    return SimulatedNode(name=f"{namespace}-node", labels=labels, gpus={"nvidia.com/gpu": gpus})


def engine(namespace: str, name: str, *, replicas: int = 1, gpus: int = 1) -> dict[str, Any]:
    """A Deployment as the platform makes them."""
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "engine",
        "app.kubernetes.io/part-of": "inference",
    }
    requests = {"cpu": "1500m", "memory": "16Gi", "nvidia.com/gpu": str(gpus)}
    container = {
        "name": "engine",
        "image": "registry.invalid/engine:1",
        "resources": {"requests": requests, "limits": requests},
    }
    spec = {"nodeSelector": {"test": namespace}, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def test_a_node_is_read_with_its_accelerator_size_and_taints(
    api: Api, api_server: ApiServer, namespace: str, simulate: Simulate
) -> None:
    simulate(node(namespace, 2))
    api_server.kubectl("taint", "node", f"{namespace}-node", "cuda-inference=true:NoSchedule")
    found = next(one for one in read(api).nodes if one.name == f"{namespace}-node")
    assert found == Node(
        name=f"{namespace}-node",
        has=Amounts(gpus=2, cpu=32_000, memory=256 * 2**30),
        kind="cuda",
        product="rtx-4090",
        taints=("cuda-inference=true:NoSchedule",),
    )


def test_pods_are_read_with_their_node_or_with_the_schedulers_own_words(
    api: Api, api_server: ApiServer, namespace: str, simulate: Simulate, deploy: Deploy
) -> None:
    simulate(node(namespace, 2))
    deploy(engine(namespace, "fits", gpus=2))
    api_server.await_condition("condition=Available", "deployment/fits", "--namespace", namespace)
    deploy(engine(namespace, "waits"))
    cluster = decided(api, nothing)
    fits, waits = cluster.workloads
    (placed,) = cluster.replicas(fits)
    assert (placed.node, placed.asks) == (f"{namespace}-node", Amounts(gpus=2, cpu=1500, memory=16 * 2**30))
    assert cluster.used(next(one for one in cluster.nodes if one.name == placed.node)).gpus == 2
    (misfit,) = cluster.misfits()
    assert (misfit.workload, misfit.count) == (waits, 1)
    said = api_server.get("pods", "--namespace", namespace, f"--selector=app.kubernetes.io/name={waits.app}")
    (condition,) = [one for one in said["items"][0]["status"]["conditions"] if one["type"] == "PodScheduled"]
    assert "Insufficient nvidia.com/gpu" in misfit.reason
    assert misfit.reason == condition["message"]


@pytest.fixture
def late(api_server: ApiServer, namespace: str) -> Iterator[str]:
    """A node that nothing keeps ready yet."""
    made = replace(node(namespace, 1), annotations={})
    api_server.apply(made.manifest())
    yield made.name
    api_server.kubectl("delete", "node", made.name)


def test_a_pod_that_only_waits_for_a_node_to_become_ready_fits(
    api: Api, api_server: ApiServer, namespace: str, late: str, deploy: Deploy
) -> None:
    deploy(engine(namespace, "patient"))
    asked = 0

    def become_ready(_cluster: Cluster) -> None:
        nonlocal asked
        asked += 1
        if asked == 20:  # 4 s: longer than what never fits is waited for
            api_server.kubectl("annotate", "node", late, "kwok.x-k8s.io/node=fake")

    assert decided(api, become_ready).misfits() == ()


def test_pods_that_a_quota_forbids_are_missed_with_its_words(
    api: Api, api_server: ApiServer, namespace: str, simulate: Simulate, deploy: Deploy
) -> None:
    simulate(node(namespace, 2))
    api_server.kubectl("create", "quota", "small", "--hard=pods=1", "--namespace", namespace)
    deploy(engine(namespace, "forbidden", replicas=2))
    (misfit,) = decided(api, nothing).misfits()
    assert misfit.count == 1
    assert "exceeded quota: small" in misfit.reason


def test_pods_that_pod_security_forbids_are_missed_with_its_words(
    api: Api, api_server: ApiServer, namespace: str, simulate: Simulate, deploy: Deploy
) -> None:
    simulate(node(namespace, 2))
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    deploy(engine(namespace, "careless"))
    (misfit,) = decided(api, nothing).misfits()
    assert "violates PodSecurity" in misfit.reason


def test_what_is_off_is_tried_alone_and_is_off_again_afterwards(
    api: Api, api_server: ApiServer, namespace: str, simulate: Simulate, deploy: Deploy
) -> None:
    simulate(node(namespace, 2))
    deploy(*(engine(namespace, f"judge-{gpus}", replicas=0, gpus=gpus) for gpus in (1, 2, 3)))
    cluster = with_trials(api, decided(api, nothing))
    one, two, three = (workload.trial for workload in cluster.workloads)
    assert one
    assert two
    assert three
    assert (one.node, two.node, three.node) == (f"{namespace}-node", f"{namespace}-node", None)
    assert "Insufficient nvidia.com/gpu" in (three.reason or "")
    assert {workload.wanted for workload in read(api).workloads} == {0}
    assert api_server.get("pods", "--namespace", namespace)["items"] == []


def test_a_cluster_that_refuses_us_is_named_with_its_reason(api_server: ApiServer) -> None:
    kubeconfig = yaml.safe_load(api_server.kubeconfig)
    kubeconfig["users"][0]["user"] = {"token": "not-a-token"}
    with closing(Api("home", yaml.safe_dump(kubeconfig))) as api, pytest.raises(ClusterError) as caught:
        read(api)
    assert str(caught.value).startswith("Cluster home refuses GET /apis/apps/v1/deployments")
    assert "Unauthorized" in str(caught.value)
