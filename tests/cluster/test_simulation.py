"""What happens on simulated nodes is decided by the real scheduler, controllers and admission."""

from collections.abc import Callable

import pytest

from tests.api_server import ApiServer, KubectlError, SimulatedNode

Simulate = Callable[[SimulatedNode], None]


def pod_spec(namespace: str, **resources: int) -> dict[str, object]:
    """A pod's spec that may only run on nodes labelled with this test's namespace."""
    limits = {name: str(amount) for name, amount in resources.items()}
    return {
        "nodeSelector": {"test": namespace},
        "containers": [{"name": "main", "image": "registry.invalid/main:1", "resources": {"limits": limits}}],
    }


def pod(namespace: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def node(namespace: str, **gpus: int) -> SimulatedNode:
    return SimulatedNode(name=f"{namespace}-node", labels={"test": namespace}, gpus=gpus)


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "amd.com/gpu"])
def test_pods_go_where_enough_gpus_are_and_others_wait_with_the_schedulers_reason(
    api_server: ApiServer, namespace: str, simulate: Simulate, resource: str
) -> None:
    simulate(node(namespace, **{resource: 2}))
    api_server.apply(pod(namespace, "fits", pod_spec(namespace, **{resource: 2})))
    api_server.await_condition("condition=Ready", "pod/fits", "--namespace", namespace)
    placed = api_server.get("pod", "fits", "--namespace", namespace)
    assert placed["spec"]["nodeName"] == f"{namespace}-node"

    api_server.apply(pod(namespace, "waits", pod_spec(namespace, **{resource: 1})))
    api_server.await_condition("condition=PodScheduled=false", "pod/waits", "--namespace", namespace)
    waiting = api_server.get("pod", "waits", "--namespace", namespace)
    assert waiting["status"]["phase"] == "Pending"
    assert f"Insufficient {resource}" in waiting["status"]["conditions"][0]["message"]


def test_a_job_completes(api_server: ApiServer, namespace: str, simulate: Simulate) -> None:
    simulate(node(namespace))
    api_server.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "sync", "namespace": namespace},
            "spec": {"template": {"spec": {"restartPolicy": "Never", **pod_spec(namespace)}}},
        }
    )
    api_server.await_condition("condition=Complete", "job/sync", "--namespace", namespace)


def test_a_deployment_becomes_available_and_its_pods_go_with_it(
    api_server: ApiServer, namespace: str, simulate: Simulate
) -> None:
    simulate(node(namespace))
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec(namespace)}
    api_server.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        }
    )
    api_server.kubectl("rollout", "status", "deployment/web", "--namespace", namespace, "--timeout=30s")
    api_server.kubectl("delete", "deployment/web", "--namespace", namespace)
    api_server.await_condition("delete", "pod", "--selector=app=web", "--namespace", namespace)


def test_a_stateful_set_becomes_ready_on_a_local_volume_bound_when_it_is_placed(
    api_server: ApiServer, namespace: str, simulate: Simulate
) -> None:
    simulate(node(namespace))
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [f"{namespace}-node"]}
    spec = pod_spec(namespace)
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": namespace,
            "resources": {"requests": {"storage": "100Gi"}},
        },
    }
    api_server.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": namespace},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {
                "capacity": {"storage": "1Ti"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": namespace,
                "local": {"path": "/var/lib/models"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "store", "namespace": namespace},
            "spec": {
                "serviceName": "store",
                "selector": {"matchLabels": {"app": "store"}},
                "template": {"metadata": {"labels": {"app": "store"}}, "spec": spec},
                "volumeClaimTemplates": [claim],
            },
        },
    )
    api_server.kubectl("rollout", "status", "statefulset/store", "--namespace", namespace, "--timeout=30s")
    assert api_server.get("pvc", "data-store-0", "--namespace", namespace)["spec"]["volumeName"] == namespace
    api_server.kubectl("delete", "--wait=false", f"pv/{namespace}", f"storageclass/{namespace}")


def test_only_nodes_marked_as_fake_are_simulated(api_server: ApiServer, namespace: str, simulate: Simulate) -> None:
    unmarked = SimulatedNode(name=f"{namespace}-real", annotations={})
    api_server.apply(unmarked.manifest())
    simulate(node(namespace))  # made later, and Ready: so the other one was passed over
    conditions = api_server.get("node", unmarked.name)["status"].get("conditions", [])
    api_server.kubectl("delete", "node", unmarked.name)
    assert not any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def test_a_namespace_can_demand_restricted_pod_security(api_server: ApiServer, namespace: str) -> None:
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        api_server.apply(pod(namespace, "careless", pod_spec(namespace)))
