"""Engines from any image: the same guards as all others, and settings that cannot go wrong quietly."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.unit.manifests import manifests
from tests.unit.mistakes import add, put, told
from tests.unit.recording import RANDOM, REPOSITORY, record, stack_settings

IMAGE = "registry.lan:5000/reranker:1.4.0"
DIRECTORY = "/models/legal/legal-8b/0123456789abcdef0123456789abcdef01234567"


def engine(**given: Any) -> dict[str, Any]:
    """One in the dev stack."""
    return {"name": "reranker", "kind": "custom", "cluster": "dev", "image": IMAGE, "health": "/health", **given}


def served(monkeypatch: pytest.MonkeyPatch, **given: Any) -> list[dict[str, Any]]:
    """The objects of the dev stack with it alone."""
    settings = stack_settings("dev") | {"engines": [engine(**given)]}
    return manifests(record(settings, stack="dev", monkeypatch=monkeypatch))


def named(objects: list[dict[str, Any]], kind: str, name: str = "reranker") -> dict[str, Any]:
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return named(objects, "Deployment")["spec"]["template"]["spec"]


def routes(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return json.loads(named(objects, "ConfigMap", "litellm-config")["data"]["config.yaml"])["model_list"]


def test_arguments_name_models_and_get_their_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["--model={model:legal-8b}", "--port", "8080"]
    (container,) = pod(served(monkeypatch, models=["legal-8b"], args=wanted))["containers"]
    assert container["args"] == [f"--model={DIRECTORY}", "--port", "8080"]


def test_its_models_are_brought_and_verified_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = pod(served(monkeypatch, models=["legal-8b"]))["initContainers"]
    assert before["args"][0] == "cache"


def test_it_runs_as_restricted_as_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = pod(served(monkeypatch))
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_writable_root_is_an_exception_with_its_reason_on_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = served(monkeypatch, writableRoot="compiles kernels beside its sources")
    (container,) = pod(objects)["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert "compiles kernels beside its sources" in json.dumps(named(objects, "Deployment"))


def test_its_probes_ask_the_paths_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = pod(served(monkeypatch, health="/ready", alive="/live", port=9090))["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {kind: (one["path"], one["port"]) for kind, one in paths.items()} == {
        "startup": ("/ready", 9090),
        "readiness": ("/ready", 9090),
        "liveness": ("/live", 9090),
    }


def test_behind_the_gateway_it_has_a_key_and_says_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = served(monkeypatch, protocol="openai", mode="embedding", apiKeyVariable="SERVER_KEY")
    (route,) = routes(objects)
    assert (route["model_name"], route["model_info"]) == ("reranker", {"mode": "embedding"})
    assert route["litellm_params"]["api_key"] == "os.environ/ENGINE_KEY_RERANKER"
    (container,) = pod(objects)["containers"]
    (key,) = (one["valueFrom"] for one in container["env"] if one["name"] == "SERVER_KEY")
    assert key == {"secretKeyRef": {"name": "reranker-api-key", "key": "key"}}
    assert named(objects, "Secret", "reranker-api-key")["stringData"]["key"].startswith(RANDOM)


@pytest.mark.parametrize("protocol", ["http", "v2"])
def test_in_another_protocol_only_its_clients_reach_it(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    objects = served(monkeypatch, protocol=protocol, clients=["evaluation"])
    assert routes(objects) == []
    (rule,) = named(objects, "NetworkPolicy")["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "evaluation"}


def test_secrets_come_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"secretEnv": {"LICENCE": {"secret": "vendor", "key": "licence"}}, "env": {"LOG_LEVEL": "info"}}
    (container,) = pod(served(monkeypatch, **given))["containers"]
    assert container["env"] == [
        {"name": "LOG_LEVEL", "value": "info"},
        {"name": "LICENCE", "valueFrom": {"secretKeyRef": {"name": "vendor", "key": "licence"}}},
    ]


def test_it_is_kept_from_nodes_that_its_image_is_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev") | {"engines": [engine()]}
    settings["clusters"][0]["simulated"].append({"name": "arm", "arch": "arm64"})
    objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    assert pod(objects)["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    settings["engines"] = [engine(architectures=["amd64", "arm64"])]
    objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    assert "nodeSelector" not in pod(objects)


def test_it_drains_and_shares_memory_as_its_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = pod(served(monkeypatch, drain=["/bin/drain", "--all"], sharedMemory="1Gi"))
    (container,) = spec["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["/bin/drain", "--all"]
    assert {"name": "shared-memory", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}} in spec["volumes"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"args": ["{model:legal-8b}"]}, 'args "{model:legal-8b}" is not among its models: add "legal-8b" to `models`'),
        ({"args": ['{"a": 1}']}, 'args "{"a": 1}" has braces: only {model:NAME} may; put other text into `env`'),
        ({"command": ["serve", "{home}"]}, 'command "{home}" has braces: only {model:NAME} may;'),
        ({"models": ["legal-9b"]}, 'models[0] "legal-9b" is not a model; there are:'),
        ({"models": ["legal-8b", "legal-8b"]}, "models names a model twice"),
        ({"extraArgs": ["--fast"]}, "extraArgs cannot be given to an engine of kind custom: put them into `args`"),
        ({"env": {"HF_TOKEN": "x"}}, "env HF_TOKEN looks like a secret, which anyone could read here: use `secretEnv`"),
        ({"env": {"LOG LEVEL": "x"}}, 'env the key "LOG LEVEL" must be the name of an environment variable'),
        (
            {"env": {"A": "x"}, "secretEnv": {"A": {"secret": "s", "key": "k"}}},
            "secretEnv A is set by `env` too: keep one of them",
        ),
        ({"env": {"A": "x"}, "apiKeyVariable": "A"}, "apiKeyVariable A is set by `env` too: keep one of them"),
        ({"image": "reranker"}, 'image "reranker" has no tag: name an exact version, as reranker:1.2.3, or @sha256'),
        ({"health": "health"}, 'health "health" must be an HTTP path'),
        ({"port": 80}, "port must be a whole number of at least 1024 and at most 65535; it is 80"),
        ({"architectures": ["arm64"]}, "accelerator.kind the cpu image of custom is for arm64; the fitting nodes in"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(given: dict[str, Any], problem: str) -> None:
    (line,) = told(add("engines", value=engine(**given)))
    assert line.startswith(f"inference:engines[3].{problem}")


def test_names_that_only_sound_secret_are_taken() -> None:
    assert told(add("engines", value=engine(env={"MAX_TOKENS": "512", "TOKENIZER": "fast", "KEYS": "a"}))) == []


def test_the_engines_in_the_operations_guide_are_valid() -> None:
    guide = (REPOSITORY / "docs" / "operations.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    (engines,) = (yaml.safe_load(one)["inference:engines"] for one in blocks if "kind: custom" in one)
    machine = {"name": "tower", "accelerator": {"kind": "cuda", "sharing": {"kind": "timeSlices", "parts": 2}}}
    models = [{"name": name, "source": f"hf://org/repo@{0:040}"} for name in ("whisper", "painter", "bge-reranker")]
    assert (
        told(
            put("clusters", to=[{"name": "home", "simulated": [machine]}]),
            put("models", to=models),
            put("engines", to=engines),
            put("argocd", to={}),
        )
        == []
    )
