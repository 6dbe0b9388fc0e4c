"""How models come to the store and to engines, in the whole program: what the cluster is told to run."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.recording import RANDOM, Recording, record, stack_settings

TOKEN = "hf_of-the-user"
EXTERNAL = {"kind": "external", "endpoint": "https://s3.lan:9000", "accessKey": "reader"}
STORE_KEYS = {"storeSecretKey": "of-the-reader", "storeWriterSecretKey": "of-the-writer"}
CACHE = {"path": "/srv/model-cache", "size": "500Gi"}


def dev(monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str] | None = None, **changed: Any) -> Recording:
    """The dev stack with these settings in place of its own."""
    settings = {**stack_settings("dev"), **changed}
    return record(settings, stack="dev", monkeypatch=monkeypatch, secrets={**STORE_KEYS, **(secrets or {})})


def clusters(**changed: Any) -> list[dict[str, Any]]:
    """The dev stack's, with these settings too."""
    return [{**cluster, **changed} for cluster in stack_settings("dev")["clusters"]]


def named(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(recording: Recording, kind: str) -> Iterator[str]:
    return (one["metadata"]["name"] for one in manifests(recording) if one["kind"] == kind)


def syncs(recording: Recording) -> set[str]:
    return {name for name in of_kind(recording, "Job") if name.startswith("sync-")}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"]}


def test_each_model_has_a_job_that_brings_it_to_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch)
    assert syncs(recording) == {"sync-legal-8b", "sync-chat-gguf"}
    (container,) = named(recording, "Job", "sync-legal-8b")["spec"]["template"]["spec"]["containers"]
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert container["command"] == ["python", "-m", "sync"]
    assert container["args"] == [
        "sync",
        f"hf://example/legal-8b@{commit}",
        f"s3://inference-models/legal/legal-8b/{commit}",
        "--files=*.safetensors",
        "--files=*.json",
        f"--room={500 * 2**30}",
        "--metrics-port=9090",
    ]


def test_a_model_that_is_to_be_purged_is_deleted_and_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    models = stack_settings("dev")["models"]
    doomed = {**models[1], "name": "old", "purge": True}
    recording = dev(monkeypatch, models=[*models, doomed])
    assert "sync-old" not in syncs(recording)
    (container,) = named(recording, "Job", "purge-old")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["purge", "s3://inference-models/general/old", "--yes"]
    assert environment(container)["AWS_SECRET_ACCESS_KEY"] == "store-writer"


def test_an_engine_waits_for_its_own_model_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch)
    (engine,) = [one for one in recording.resources if one.type.endswith("InferenceService") and "chat" in one.name]
    awaited = {urn.rpartition("::")[2] for urn in engine.dependencies}
    assert {name for name in awaited if name.startswith("dev-models-")} == {"dev-models-chat-gguf"}


def test_a_token_goes_to_the_jobs_that_may_need_it_and_is_in_no_object_but_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = {"name": "web", "source": f"https://files.lan/model.gguf@{'0' * 64}"}
    models = [*stack_settings("dev")["models"], web]
    recording = dev(monkeypatch, {"huggingFaceToken": TOKEN}, models=models)
    assert named(recording, "Secret", "sync-legal-8b")["stringData"] == {"HF_TOKEN": TOKEN}
    assert "sync-web" not in of_kind(recording, "Secret")
    (container,) = named(recording, "Job", "sync-legal-8b")["spec"]["template"]["spec"]["containers"]
    assert environment(container)["HF_TOKEN"] == "sync-legal-8b"
    assert not [one for one in manifests(recording) if one["kind"] != "Secret" and TOKEN in str(one)]


def test_without_a_token_a_job_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = named(dev(monkeypatch), "Job", "sync-legal-8b")["spec"]["template"]["spec"]["containers"]
    assert "HF_TOKEN" not in environment(container)


def test_a_sync_writes_with_a_key_that_engines_do_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch)
    writer = named(recording, "Secret", "store-writer")
    assert writer["metadata"]["namespace"] == "models"
    reader = named(recording, "Secret", "chat-store")
    assert writer["stringData"]["AWS_SECRET_ACCESS_KEY"].startswith(RANDOM)
    assert writer["stringData"] != reader["stringData"]


def test_a_sync_reaches_the_store_and_the_web_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = named(dev(monkeypatch), "NetworkPolicy", "sync-legal-8b")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in rules] == [9000, 443]
    assert [bool(rule.get("to")) for rule in rules] == [True, False]


def test_a_sync_goes_through_a_proxy_to_the_web_and_past_it_to_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch, sync={"proxy": "http://proxy.lan:3128"})
    (container,) = named(recording, "Job", "sync-legal-8b")["spec"]["template"]["spec"]["containers"]
    given = environment(container)
    assert given["HTTPS_PROXY"] == given["HTTP_PROXY"] == "http://proxy.lan:3128"
    assert given["NO_PROXY"] == "minio.storage"
    rules = named(recording, "NetworkPolicy", "sync-legal-8b")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in rules] == [9000, 3128]


def test_a_store_that_nobody_gave_a_writer_for_gets_no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert syncs(dev(monkeypatch, store=EXTERNAL)) == set()
    assert syncs(dev(monkeypatch, store={**EXTERNAL, "writerAccessKey": "writer"})) == {
        "sync-legal-8b",
        "sync-chat-gguf",
    }


def test_a_sync_that_says_that_trying_again_cannot_help_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = named(dev(monkeypatch), "Job", "sync-legal-8b")
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert rule == {"action": "FailJob", "onExitCodes": {"containerName": "sync", "operator": "In", "values": [3]}}
    assert job["metadata"]["annotations"]["pulumi.com/replaceUnready"] == "true"


def test_a_directory_of_a_node_is_read_on_that_node_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [*stack_settings("dev")["models"], {"name": "local", "source": "host://cpu-1/srv/weights@v1"}]
    recording = dev(monkeypatch, models=models)
    pod = named(recording, "Job", "sync-local")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/hostname": "cpu-1"}
    (container,) = pod["containers"]
    assert container["args"][1] == "path:///host/cpu-1/srv/weights@v1"
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "source"]
    assert mount == {"name": "source", "mountPath": "/host/cpu-1/srv/weights", "readOnly": True}
    volume = named(recording, "PersistentVolume", "models-sync-local")
    assert volume["spec"]["local"] == {"path": "/srv/weights"}


def test_a_claim_of_the_users_is_read_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [*stack_settings("dev")["models"], {"name": "local", "source": "pvc://weights/legal/8b@v1"}]
    pod = named(dev(monkeypatch, models=models), "Job", "sync-local")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][1] == "path:///pvc/weights/legal/8b@v1"
    (volume,) = [one for one in pod["volumes"] if one["name"] == "source"]
    assert volume["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}


def test_an_image_of_the_users_runs_every_program_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch, sync={"image": "registry.lan:5000/python:1"})
    pods = [one["spec"]["template"]["spec"] for one in manifests(recording) if one["kind"] in ("Job", "Deployment")]
    containers = [one for pod in pods for one in (*pod.get("initContainers", ()), *pod["containers"])]
    ours = [one["image"] for one in containers if "sync" in one.get("command", [])]
    assert len(ours) == 5
    assert set(ours) == {"registry.lan:5000/python:1"}


def test_engines_of_a_node_share_a_cache_that_they_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch, clusters=clusters(cache=CACHE))
    assert named(recording, "PersistentVolume", "inference-model-cache")["spec"]["hostPath"] == {
        "path": "/srv/model-cache",
        "type": "Directory",
    }
    pod = named(recording, "Deployment", "chat")["spec"]["template"]["spec"]
    hold, fill = pod["initContainers"]
    assert hold["restartPolicy"] == "Always"
    assert "restartPolicy" not in fill
    assert [f"--limit={500 * 2**30}", "--held=/held/1"] == fill["args"][3:]
    mounts = {one["mountPath"]: one for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["/models"] == {"name": "models", "mountPath": "/models", "readOnly": True}


def test_an_engine_that_streams_needs_no_cache_and_still_checks_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = named(dev(monkeypatch, clusters=clusters(cache=CACHE)), "Deployment", "legal")["spec"]["template"]["spec"]
    (check,) = pod["initContainers"]
    assert check["args"][0] == "check"
    assert "--load-format=runai_streamer" in pod["containers"][0]["args"]
    assert not [one for one in pod["volumes"] if "persistentVolumeClaim" in one]


def test_vllm_reads_from_the_cache_if_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = [
        {**one, "loading": "cache"} if one["kind"] == "vllm" else one for one in stack_settings("dev")["engines"]
    ]
    pod = named(dev(monkeypatch, engines=engines), "Deployment", "legal")["spec"]["template"]["spec"]
    model = "/models/legal/legal-8b/0123456789abcdef0123456789abcdef01234567"
    assert pod["containers"][0]["args"][0] == model
    assert "--load-format=runai_streamer" not in pod["containers"][0]["args"]
    assert pod["initContainers"][0]["args"][0] == "cache"


def test_the_program_that_pods_get_is_a_whole_package(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch)
    for namespace in ("models", "inference"):
        (program,) = [
            one
            for one in manifests(recording)
            if one["kind"] == "ConfigMap"
            and one["metadata"] == {**one["metadata"], "name": "sync", "namespace": namespace}
        ]
        assert {"__init__.py", "__main__.py", "hold.py"} <= program["data"].keys()
        assert sum(map(len, program["data"].values())) < 2**20


ADAPTERS = [{"name": "contracts", "model": "legal-lora"}, {"name": "best", "source": "mlflow://legal-lora@champion"}]
MLFLOW = {"mlflow": {"url": "https://mlflow.lan:5000", "username": "engines"}}


def adapted(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Recording:
    """The dev stack, whose engine `legal` has adapters."""
    settings = stack_settings("dev")
    lora = {"name": "legal-lora", "domain": "legal", "source": f"hf://example/lora@{'a' * 40}"}
    engines = [{**one, "adapters": ADAPTERS, **more} if one["name"] == "legal" else one for one in settings["engines"]]
    models = [*settings["models"], lora]
    return dev(monkeypatch, {"mlflowToken": TOKEN}, engines=engines, models=models, sources=MLFLOW)


def test_an_engine_finds_its_adapters_in_a_file_that_is_written_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pod = named(adapted(monkeypatch), "Deployment", "legal")["spec"]["template"]["spec"]
    _, bring = pod["initContainers"]
    assert bring["args"] == [
        "adapters",
        "--status=/dev/termination-log",
        "/adapters",
        "/adapters/vllm.yaml",
        f"contracts=s3://inference-models/legal/legal-lora/{'a' * 40}",
        "best=mlflow://legal-lora@champion",
    ]
    args = pod["containers"][0]["args"]
    assert args[args.index("--enable-lora") :][:5] == [
        "--enable-lora",
        "--max-loras=2",
        "--max-lora-rank=16",
        "--config",
        "/adapters/vllm.yaml",
    ]
    mounts = {one["mountPath"]: one for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["/adapters"]["readOnly"] is True


def test_a_registrys_password_goes_to_engines_with_adapters_of_it_and_to_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = adapted(monkeypatch)
    assert named(recording, "Secret", "model-registry")["stringData"] == {"MLFLOW_TRACKING_PASSWORD": TOKEN}
    pods = {name: named(recording, "Deployment", name)["spec"]["template"]["spec"] for name in ("legal", "chat")}
    holders = {name: str(pod).count("'model-registry'") for name, pod in pods.items()}
    assert holders == {"legal": 1, "chat": 0}
    ports = {
        name: {
            one["port"] for rule in named(recording, "NetworkPolicy", name)["spec"]["egress"] for one in rule["ports"]
        }
        for name in ("legal", "chat")
    }
    assert ports == {"legal": {9000, 443, 5000}, "chat": {9000}}


def test_an_engine_may_read_its_adapters_in_the_store_and_others_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = named(adapted(monkeypatch), "ConfigMap", "minio-provision")["data"]
    assert "legal/legal-lora/*" in wanted["inference-engine-legal.policy"]
    assert "legal/legal-lora/*" not in wanted["inference-engine-chat.policy"]


def test_the_gateway_answers_for_adapters_under_their_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = named(adapted(monkeypatch), "ConfigMap", "litellm-config")["data"]["config.yaml"]
    routes = {one["model_name"]: one["litellm_params"] for one in json.loads(configuration)["model_list"]}
    assert routes["contracts"]["model"] == "openai/contracts"
    assert routes["contracts"]["api_base"] == routes["legal"]["api_base"]


def test_operators_have_a_container_of_their_own_to_load_adapters_from(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = named(adapted(monkeypatch, runtimeAdapters=True), "Deployment", "legal")["spec"]["template"]["spec"]
    *_, operators = pod["initContainers"]
    assert (operators["name"], operators["restartPolicy"]) == ("operators", "Always")
    assert environment(pod["containers"][0])["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    fixed = named(adapted(monkeypatch), "Deployment", "legal")["spec"]["template"]["spec"]
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in environment(fixed["containers"][0])
