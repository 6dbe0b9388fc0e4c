"""KServe's objects on a real API server, with KServe's real controller and webhooks: all but what runs in the pods."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer, KubectlError, SimulatedNode
from tests.operators import kserve
from tests.unit.kserve_stack import kserve_settings
from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS
from tests.unit.recording import record
from toolchain.problems import ToolchainError

IN = ("--namespace", "inference")
NODES = (
    SimulatedNode(name="kserve-plain"),
    SimulatedNode(name="kserve-gpu", gpus={"nvidia.com/gpu": 4}, labels={"inference/accelerator": "cuda"}),
)


@pytest.fixture(scope="module", autouse=True)
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """KServe on a cluster with a node that has GPUs, and one that has none."""
    api_server.apply(*(node.manifest() for node in NODES))
    try:
        with kserve(api_server, tmp_path_factory.mktemp("kserve")):
            yield
    except ToolchainError as error:
        pytest.skip(f"no KServe: {error}")
    finally:
        api_server.kubectl("delete", "node", *(node.name for node in NODES))


def ours(**engine: Any) -> list[dict[str, Any]]:
    """What the program makes for an engine."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(kserve_settings(**engine), stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))
    around = ("Namespace", "RuntimeClass", "PriorityClass")
    return [
        one
        for one in objects
        if one["metadata"].get("namespace") == "inference"
        or (one["kind"] in around and one["metadata"]["name"] not in ("storage", "gateway"))
    ]


@pytest.fixture(scope="module")
def served(api_server: ApiServer, operator: None) -> Iterator[list[dict[str, Any]]]:
    """Two replicas of Triton with a GPU each, a transformer before them, an explainer beside them."""
    del operator
    objects = ours(
        runtime="triton",
        modelFormat="onnx",
        accelerator={"kind": "cuda"},
        replicas=2,
        autoscaler={"maxReplicas": 3, "targetPercent": 70},
        transformer={"image": "registry.lan:5000/tokens:1.4.2", "args": ["--log=info"]},
        explainer={"image": "registry.lan:5000/why:1.0.0"},
        priority="high",
    )
    api_server.apply(*objects)
    yield objects
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", "inferenceservice/risk", *IN)
    named = [f"{one['kind']}/{one['metadata']['name']}" for one in objects if "namespace" not in one["metadata"]]
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", *named)


def pods(api_server: ApiServer, part: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/instance=risk,app.kubernetes.io/component={part}"
    return api_server.get("pods", *IN, f"--selector={selector}")["items"]


def await_pods(api_server: ApiServer, part: str, count: int) -> list[dict[str, Any]]:
    give_up = time.monotonic() + 60
    while len(found := pods(api_server, part)) != count and time.monotonic() < give_up:
        time.sleep(0.2)
    assert len(found) == count
    return found


def test_the_controller_makes_the_pods_and_they_pass_restricted_pod_security(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    del served
    for part, count in (("engine", 2), ("transformer", 1), ("explainer", 1)):
        await_pods(api_server, part, count)
    api_server.await_condition("condition=Ready", "inferenceservice/risk", *IN, seconds=60)


def test_a_pod_runs_what_we_said_and_nothing_of_kserves_own(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    (service,) = (one for one in served if one["kind"] == "InferenceService")
    pod = await_pods(api_server, "engine", 2)[0]["spec"]
    predictor = service["spec"]["predictor"]
    assert [one["name"] for one in pod["initContainers"]] == ["model"]
    (server,), (said,) = pod["containers"], predictor["containers"]
    for field in ("image", "args", "command", "ports", "resources", "securityContext", "lifecycle", "volumeMounts"):
        assert server[field] == said[field]
    assert server["env"] == [*said["env"], {"name": "INFERENCE_SERVICE_NAME", "value": "risk"}]
    for field in ("securityContext", "nodeSelector", "terminationGracePeriodSeconds", "runtimeClassName"):
        assert pod[field] == predictor[field]
    assert pod["automountServiceAccountToken"] is False
    assert pod["priorityClassName"] == "inference-high"
    assert pod["nodeName"] == "kserve-gpu"


def test_requests_to_the_engines_name_go_to_the_transformer(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    del served
    (transformer,) = await_pods(api_server, "transformer", 1)
    api_server.await_condition("condition=Ready", f"pod/{transformer['metadata']['name']}", *IN)
    slices = api_server.get("endpointslices", *IN, "--selector=kubernetes.io/service-name=risk")["items"]
    named = [end["targetRef"]["name"] for one in slices for end in one.get("endpoints") or ()]
    assert named == [transformer["metadata"]["name"]]
    host = "--predictor_host risk-predictor.inference --http_port 8080"
    assert " ".join(transformer["spec"]["containers"][0]["args"]) == f"--log=info --model_name risk {host}"


def test_kserve_scales_between_the_replicas_that_are_set_and_makes_no_ingress(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    del served
    await_pods(api_server, "engine", 2)
    (scaler,) = api_server.get("horizontalpodautoscalers", *IN)["items"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 3)
    (metric,) = scaler["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert api_server.get("ingresses", *IN)["items"] == []


def test_the_webhook_refuses_what_would_lead_python_elsewhere(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    (service,) = (copy.deepcopy(one) for one in served if one["kind"] == "InferenceService")
    service["metadata"]["name"] = "misled"
    service["spec"]["predictor"]["initContainers"][0]["env"].append({"name": "PYTHONPATH", "value": "/program"})
    with pytest.raises(KubectlError, match=r'setting PYTHONPATH in container "model" is not allowed'):
        api_server.apply(service)


def test_a_new_revision_of_a_model_takes_the_place_of_the_old_one_in_whole_pods(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    (service,) = (one for one in served if one["kind"] == "InferenceService")
    old = [pod["metadata"]["name"] for pod in await_pods(api_server, "engine", 2)]
    text = json.dumps(service)
    assert text.count("/2026-11") == 2
    api_server.apply(json.loads(text.replace("/2026-11", "/2026-12")))
    api_server.await_condition("delete", *(f"pod/{name}" for name in old), *IN, seconds=120)
    for pod in await_pods(api_server, "engine", 2):
        assert "/2026-11" not in json.dumps(pod["spec"])
        assert json.dumps(pod["spec"]).count("/2026-12") == 2


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("replicas", [1, 0])
def test_mlserver_runs_beside_it_with_as_many_replicas_as_are_set(api_server: ApiServer, replicas: int) -> None:
    name = f"scores-{replicas}"
    objects = ours(name=name, replicas=replicas)
    api_server.apply(*(one for one in objects if one["metadata"]["name"].startswith(name)))
    try:
        api_server.await_condition("condition=Ready", f"inferenceservice/{name}", *IN, seconds=60)
        made = api_server.get("pods", *IN, f"--selector=app.kubernetes.io/instance={name}")["items"]
        assert len(made) == replicas
    finally:
        api_server.kubectl("delete", "--timeout=60s", f"inferenceservice/{name}", *IN)
