"""From an engine's start to its end: how long each may take, who makes room, and which key its requests show."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from components.engines.custom import Custom
from stacks.telling import warn
from tests.unit.manifests import manifests
from tests.unit.recording import SECRET_SIGNATURE, Recording, record, stack_settings
from tests.unit.recording import recorded as recorded_run

Stack = Callable[..., Recording]


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The dev stack, with changes to its engines by their names, and to its other settings."""

    def recorded(engines: Mapping[str, Mapping[str, Any]] | None = None, **changed: Any) -> Recording:
        settings = stack_settings("dev") | changed
        settings["engines"] = [one | (engines or {}).get(one["name"], {}) for one in settings["engines"]]
        return record(settings, stack="dev", monkeypatch=monkeypatch)

    return recorded


def named(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod(recording: Recording, engine: str) -> dict[str, Any]:
    return named(recording, "Deployment", engine)["spec"]["template"]["spec"]


def server(recording: Recording, engine: str) -> dict[str, Any]:
    (container,) = pod(recording, engine)["containers"]
    return container


def seconds_to_start(recording: Recording, engine: str) -> int:
    probe = server(recording, engine)["startupProbe"]
    return probe["failureThreshold"] * probe["periodSeconds"]


def strategy(recording: Recording, engine: str) -> dict[str, int]:
    return named(recording, "Deployment", engine)["spec"]["strategy"]["rollingUpdate"]


def test_a_start_may_take_as_long_as_reading_the_model_does(dev: Stack) -> None:
    small, large = dev(), dev(models=[one | {"size": "140Gi"} for one in stack_settings("dev")["models"]])
    assert seconds_to_start(small, "legal") == 240 + 16 * 16
    assert seconds_to_start(large, "legal") == 240 + 140 * 16


def test_a_start_may_take_as_long_as_settings_say(dev: Stack) -> None:
    assert seconds_to_start(dev({"legal": {"startupSeconds": 900}}), "legal") == 900


def test_a_rollout_waits_for_models_to_be_brought_and_for_the_start(dev: Stack) -> None:
    deployment = named(dev(), "Deployment", "legal")["spec"]
    assert deployment["progressDeadlineSeconds"] == 300 + 16 * 16 + (240 + 16 * 16)


def test_running_requests_have_the_time_that_settings_give_them(dev: Stack) -> None:
    recording = dev({"legal": {"drainSeconds": 600}, "chat": {"drainSeconds": 30}})
    assert pod(recording, "legal")["terminationGracePeriodSeconds"] > 600
    assert "--shutdown-timeout=600" in server(recording, "legal")["args"]
    assert 30 < pod(recording, "chat")["terminationGracePeriodSeconds"] < 60


def test_llama_cpp_is_stopped_only_when_it_has_no_request_left(dev: Stack) -> None:
    command = " ".join(server(dev(), "chat")["lifecycle"]["preStop"]["exec"]["command"])
    assert "requests_(processing|deferred) [1-9]" in command


def test_an_update_goes_one_by_one_where_no_gpu_is_free(dev: Stack) -> None:
    recording = dev()
    assert strategy(recording, "legal") == strategy(recording, "legal-rocm") == {"maxSurge": 0, "maxUnavailable": 1}


def test_an_update_brings_the_new_first_where_a_gpu_is_certainly_free(dev: Stack) -> None:
    recording = dev({"legal": {"accelerator": {"kind": "cuda", "count": 1}}})
    assert strategy(recording, "legal") == {"maxSurge": 1, "maxUnavailable": 0}


def test_gpus_that_another_engine_may_take_are_not_free(dev: Stack) -> None:
    one = {"accelerator": {"kind": "cuda", "count": 1}}
    recording = dev({"legal": one, "legal-rocm": one})
    assert strategy(recording, "legal") == {"maxSurge": 0, "maxUnavailable": 1}


def test_it_is_said_which_updates_leave_a_gap(dev: Stack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    dev()
    assert "every GPU for legal, legal-rocm may be taken: an update stops a replica before it starts" in caplog.text


def test_engines_come_first_or_last_by_their_priority(dev: Stack) -> None:
    recording = dev({"legal": {"priority": "high"}, "chat": {"priority": "batch"}})
    classes = {name: named(recording, "PriorityClass", f"inference-{name}") for name in ("batch", "high")}
    assert pod(recording, "legal")["priorityClassName"] == "inference-high"
    assert pod(recording, "chat")["priorityClassName"] == "inference-batch"
    assert "priorityClassName" not in pod(recording, "legal-rocm")
    assert classes["batch"]["value"] < 0 < classes["high"]["value"]
    assert classes["batch"]["preemptionPolicy"] == "Never"


def test_only_priorities_that_are_asked_for_are_made(dev: Stack) -> None:
    assert not [one for one in manifests(dev()) if one["kind"] == "PriorityClass"]


def test_every_engine_asks_for_a_key_that_the_gateway_shows(dev: Stack) -> None:
    recording = dev()
    variable = next(one for one in server(recording, "legal")["env"] if one["name"] == "VLLM_API_KEY")
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "legal-api-key", "key": "key"}
    keys = named(recording, "Secret", "gateway-keys")["stringData"]
    assert keys["ENGINE_KEY_LEGAL"] == named(recording, "Secret", "legal-api-key")["stringData"]["key"]
    configuration = json.loads(named(recording, "ConfigMap", "litellm-config")["data"]["config.yaml"])
    shown = {one["model_name"]: one["litellm_params"]["api_key"] for one in configuration["model_list"]}
    assert shown["legal"] == "os.environ/ENGINE_KEY_LEGAL"


def test_keys_are_secrets_on_their_way(dev: Stack) -> None:
    (held,) = [one for one in dev().kubernetes() if one.name == "dev-legal-api-key"]
    assert SECRET_SIGNATURE in held.inputs["stringData"]


def test_an_engine_without_a_key_is_asked_without_one(dev: Stack) -> None:
    recording = dev({"legal": {"apiKey": False}})
    assert "VLLM_API_KEY" not in {one["name"] for one in server(recording, "legal")["env"]}
    assert "ENGINE_KEY_LEGAL" not in named(recording, "Secret", "gateway-keys")["stringData"]


def test_a_new_key_restarts_who_checks_it_and_who_shows_it(dev: Stack) -> None:
    def annotations(recording: Recording, name: str) -> Any:
        return named(recording, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]

    before, after = dev(), dev({"legal": {"keyGeneration": 2}})
    assert annotations(before, "legal") != annotations(after, "legal")
    assert annotations(before, "litellm") != annotations(after, "litellm")
    assert annotations(before, "chat") == annotations(after, "chat")


def test_whoever_is_named_may_ask_beside_the_gateway(dev: Stack) -> None:
    policy = named(dev({"legal": {"clients": ["evaluation"]}}), "NetworkPolicy", "legal")
    namespaces = [
        one["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for one in policy["spec"]["ingress"]
    ]
    assert namespaces == ["gateway", "evaluation"]


def test_it_is_said_of_engines_that_nobody_may_ask(dev: Stack, caplog: pytest.LogCaptureFixture) -> None:
    dev({"legal": {"clients": ["evaluation"]}}, gateway=None)
    assert "legal-rocm, chat: no pod may send them requests; name namespaces in `clients`" in caplog.text


def test_one_warning_tells_of_two_hundred_engines_that_nobody_may_ask(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image = "registry.lan/tool:1.0.0"
    tools = [Custom(name=f"tool-{n}", kind="custom", cluster="dev", image=image, health="/") for n in range(200)]
    recorded_run(lambda: warn(tools, gateway=True), monkeypatch=monkeypatch)
    first = "tool-0, tool-1, tool-2, tool-3, tool-4 and 195 more"
    assert caplog.messages == [f"{first}: no pod may send them requests; name namespaces in `clients`"]
