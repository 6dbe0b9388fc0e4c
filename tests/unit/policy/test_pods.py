"""What rules say of pods: images, resources, privileges."""

from typing import Any

import pytest

from policy.rules.resource import HIDDEN, UNKNOWN, Resource
from policy.rules.settings import PolicySettings
from tests.unit.policy.samples import (
    BOUNDS,
    DIGEST,
    GOOD_SECURITY,
    POD_LABELS,
    container,
    deployment,
    kubernetes,
    pod,
    said,
    template,
)

GPU = {"requests": {**BOUNDS, "nvidia.com/gpu": "1"}, "limits": {**BOUNDS, "nvidia.com/gpu": "1"}}
AMD_GPU = {"requests": BOUNDS, "limits": {**BOUNDS, "amd.com/gpu": 1.0}}
IMAGE = "docker.io/vllm/vllm-openai:v0.30.0"


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/vllm/vllm-openai",
        "docker.io/vllm/vllm-openai:latest",
        "registry.lan:5000/vllm-openai",
        "ghcr.io/open-webui/open-webui:main",
        "ghcr.io/ggml-org/llama.cpp:server-cuda",
        "docker.io/library/python:3",
        "docker.io/library/python:3.11-slim",
        "docker.io/library/busybox:stable",
        "docker.io/rocm/pytorch:rocm7",
        "docker.io/vllm/vllm-openai@sha256:0123",
    ],
)
def test_an_image_that_may_be_another_one_tomorrow_is_refused(image: str) -> None:
    (message,) = said("exact-images", deployment(container(image=image)))
    assert image in message
    assert "container server of Deployment inference/legal" in message
    assert "Next: name an exact version" in message


@pytest.mark.parametrize(
    "image",
    [
        IMAGE,
        "registry.lan:5000/vllm/vllm-openai:v0.30.0",
        "ghcr.io/ggml-org/llama.cpp:server-rocm-b11312",
        "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
        "nvcr.io/nvidia/tritonserver:26.07-py3",
        "docker.io/rayproject/ray-llm:2.58.0-py312-cu130",
        "docker.io/rocm/k8s-device-plugin:1.31.0.9",
        f"docker.io/vllm/vllm-openai@sha256:{DIGEST}",
        f"docker.io/vllm/vllm-openai:latest@sha256:{DIGEST}",
        HIDDEN,
        UNKNOWN,
    ],
)
def test_an_image_that_stays_the_same_is_let_pass(image: str) -> None:
    assert said("exact-images", deployment(container(image=image))) == []


BAD = container(image="docker.io/vllm/vllm-openai:latest")


@pytest.mark.parametrize(
    "resource",
    [
        *(deployment(BAD, kind=kind) for kind in ("Deployment", "StatefulSet", "DaemonSet")),
        kubernetes("core/v1:Pod", spec=pod(BAD)),
        kubernetes("batch/v1:Job", spec={"template": template(pod(BAD))}),
        kubernetes("batch/v1:CronJob", spec={"jobTemplate": {"spec": {"template": template(pod(BAD))}}}),
        kubernetes("apps/v1:Deployment", spec={"template": template(pod(initContainers=[BAD]))}),
        kubernetes(
            "ray.io/v1:RayService",
            spec={
                "rayClusterConfig": {
                    "headGroupSpec": {"template": template(pod())},
                    "workerGroupSpecs": [{"template": template(pod(BAD))}],
                }
            },
        ),
        kubernetes("serving.kserve.io/v1beta1:InferenceService", spec={"predictor": pod(BAD)}),
        kubernetes(
            "leaderworkerset.x-k8s.io/v1:LeaderWorkerSet",
            spec={"leaderWorkerTemplate": {"leaderTemplate": template(pod()), "workerTemplate": template(pod(BAD))}},
        ),
    ],
    ids=lambda resource: resource.kind,
)
def test_pods_are_looked_at_wherever_they_stand(resource: Resource) -> None:
    (message,) = said("exact-images", resource)
    assert f"{resource.kind} inference/legal" in message


def test_a_definition_that_describes_pods_is_none() -> None:
    schema = {"containers": [{"image": "example:latest"}]}
    assert said("exact-images", kubernetes("apiextensions.k8s.io/v1:CustomResourceDefinition", spec=schema)) == []


@pytest.mark.parametrize("image", [IMAGE, f"{IMAGE}@sha256:{'f' * 64}"])
def test_on_real_machines_an_image_of_which_a_digest_is_locked_has_that_digest(image: str) -> None:
    production = PolicySettings(production=True, digests={IMAGE: DIGEST})
    (message,) = said("image-digests", deployment(container(image=image)), settings=production)
    assert f"Next: write {IMAGE}@sha256:{DIGEST}." in message


@pytest.mark.parametrize(
    ("settings", "image"),
    [
        (PolicySettings(production=True, digests={IMAGE: DIGEST}), f"{IMAGE}@sha256:{DIGEST}"),
        (PolicySettings(production=True), IMAGE),
        (PolicySettings(production=False, digests={IMAGE: DIGEST}), IMAGE),
    ],
    ids=["it has it", "none is locked", "machines are simulated"],
)
def test_an_image_needs_no_other_digest_than_the_lock_has(settings: PolicySettings, image: str) -> None:
    assert said("image-digests", deployment(container(image=image)), settings=settings) == []


@pytest.mark.parametrize(
    ("resources", "missing"),
    [
        ({}, "resources.requests.cpu, resources.requests.memory, resources.limits.cpu, resources.limits.memory"),
        ({"requests": BOUNDS}, "resources.limits.cpu, resources.limits.memory"),
        ({"requests": BOUNDS, "limits": {"cpu": "1"}}, "resources.limits.memory"),
    ],
)
def test_a_container_without_bounds_is_refused(resources: dict[str, Any], missing: str) -> None:
    (message,) = said("stated-resources", deployment(container(resources=resources)))
    assert f"does not say {missing}." in message


def test_a_container_with_bounds_is_let_pass() -> None:
    assert said("stated-resources", deployment()) == []


@pytest.mark.parametrize("resources", [GPU, AMD_GPU])
@pytest.mark.parametrize(
    "labels", [{}, {"app.kubernetes.io/component": "gateway"}, {"app.kubernetes.io/component": "device-plugin"}]
)
def test_what_is_no_engine_gets_no_gpu(resources: dict[str, Any], labels: dict[str, str]) -> None:
    (message,) = said("gpus-for-engines", deployment(container(resources=resources), labels=labels))
    assert "and is no engine" in message


@pytest.mark.parametrize(
    ("resources", "labels"),
    [
        (GPU, POD_LABELS),
        (AMD_GPU, {"app.kubernetes.io/component": "worker", "app.kubernetes.io/instance": "chat"}),
        ({"requests": BOUNDS, "limits": {**BOUNDS, "nvidia.com/gpu": "0"}}, {}),
    ],
    ids=["an engine", "an operator's engine", "none is asked for"],
)
def test_an_engine_gets_gpus(resources: dict[str, Any], labels: dict[str, str]) -> None:
    assert said("gpus-for-engines", deployment(container(resources=resources), labels=labels)) == []


def test_the_head_of_an_operators_engine_gets_no_gpu() -> None:
    labels = {"app.kubernetes.io/component": "head", "app.kubernetes.io/instance": "chat"}
    assert said("gpus-for-engines", deployment(container(resources=GPU), labels=labels))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hostNetwork": True}, "shares the host's network"),
        ({"hostPID": True}, "shares the host's processes"),
        ({"hostIPC": True}, "shares the host's memory"),
        ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, "mounts / of the host"),
        ({"containers": [container(ports=[{"containerPort": 80, "hostPort": 80}])]}, "takes a port of the host"),
    ],
)
def test_a_pod_that_reaches_into_its_host_is_refused(fields: dict[str, Any], words: str) -> None:
    (message,) = said("no-host-access", deployment(**fields))
    assert words in message


def test_a_pod_of_its_own_is_let_pass() -> None:
    volumes: list[Any] = [{"name": "scratch", "emptyDir": {}}]
    assert said("no-host-access", deployment(volumes=volumes, hostNetwork=False)) == []


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"privileged": True}, "is privileged"),
        ({"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, "adds the capabilities SYS_ADMIN"),
        ({"allowPrivilegeEscalation": True}, "may get more privileges"),
        ({"allowPrivilegeEscalation": None}, "may get more privileges"),
    ],
)
def test_a_container_with_more_privileges_than_it_needs_is_refused(security: dict[str, Any], words: str) -> None:
    context = {**GOOD_SECURITY, **security}
    (message,) = said("no-added-privileges", deployment(container(securityContext=context)))
    assert words in message


def test_a_container_without_privileges_is_let_pass() -> None:
    assert said("no-added-privileges", deployment()) == []


@pytest.mark.parametrize(
    ("of_the_pod", "of_the_container"),
    [
        ({"runAsNonRoot": True}, {"runAsUser": 0.0}),
        ({"runAsUser": 0}, {}),
        ({}, {"runAsUser": 10001}),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}),
    ],
)
def test_a_container_that_is_or_may_be_root_is_refused(
    of_the_pod: dict[str, Any], of_the_container: dict[str, Any]
) -> None:
    one = container(securityContext=of_the_container)
    assert said("no-root", deployment(one, securityContext=of_the_pod))


@pytest.mark.parametrize(
    ("of_the_pod", "of_the_container"),
    [({"runAsNonRoot": True, "runAsUser": 10001}, {}), ({}, {"runAsNonRoot": True}), ({}, {"runAsNonRoot": UNKNOWN})],
)
def test_a_container_of_an_unprivileged_user_is_let_pass(
    of_the_pod: dict[str, Any], of_the_container: dict[str, Any]
) -> None:
    one = container(securityContext=of_the_container)
    assert said("no-root", deployment(one, securityContext=of_the_pod)) == []


@pytest.mark.parametrize("rule", ["no-host-access", "no-root"])
@pytest.mark.parametrize(
    ("namespace", "name", "let_pass"),
    [
        ("accelerators", "nvidia", True),
        ("accelerators", "nvidia-4-slices", True),
        ("inference", "nvidia", False),
        ("accelerators", "else", False),
    ],
)
def test_only_what_is_exempted_may_do_what_a_rule_forbids(rule: str, namespace: str, name: str, let_pass: bool) -> None:
    root = container(securityContext={"runAsUser": 0})
    volumes = [{"name": "sockets", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}}]
    spec = {"template": template(pod(root, volumes=volumes))}
    resource = kubernetes("apps/v1:DaemonSet", name=name, namespace=namespace, spec=spec)
    assert (said(rule, resource) == []) is let_pass
