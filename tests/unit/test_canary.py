"""Something new beside an engine: what it is, who asks it first, and which requests it gets."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.mistakes import add, put, told
from tests.unit.recording import REPOSITORY, Recording, record, stack_settings

SMOKE = REPOSITORY / "components" / "engines" / "scripts" / "smoke.py"
NEXT = {"name": "legal-8b-next", "domain": "legal", "source": f"hf://example/legal-8b@{1:040}"}
CANARY = put("engines", 0, "canary", to={"model": NEXT["name"]})
Rollout = Callable[..., Recording]


@pytest.fixture
def rollout(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """The dev stack with a canary beside `legal`, and these settings of it."""

    def recorded(**canary: Any) -> Recording:
        settings = stack_settings("dev")
        settings["models"].append(NEXT)
        adapter = {"name": "contracts", "model": "chat-gguf"}
        settings["engines"][0] |= {"canary": {"model": NEXT["name"], **canary}, "adapters": [adapter]}
        return record(settings, stack="dev", monkeypatch=monkeypatch)

    return recorded


def named(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def weights(recording: Recording, model: str) -> dict[str, int | None]:
    """Of each engine that requests for `model` go to."""
    configuration = json.loads(named(recording, "ConfigMap", "litellm-config")["data"]["config.yaml"])
    return {
        one["litellm_params"]["api_base"].split("/")[2].split(".")[0]: one["litellm_params"].get("weight")
        for one in configuration["model_list"]
        if one["model_name"] == model
    }


def test_a_canary_is_the_engine_with_something_new(rollout: Rollout) -> None:
    recording = rollout(image="registry.lan/vllm:v0.31.0")
    old, new = (named(recording, "Deployment", name)["spec"] for name in ("legal", "legal-canary"))
    (old_server,), (new_server,) = (one["template"]["spec"]["containers"] for one in (old, new))
    assert new_server["image"] == "registry.lan/vllm:v0.31.0"
    assert new_server["args"][0] == f"s3://inference-models/legal/legal-8b-next/{1:040}"
    assert new_server["args"][3:] == old_server["args"][3:]
    assert new_server["resources"] == old_server["resources"]


def test_both_stay_loaded_whatever_share_it_has(rollout: Rollout) -> None:
    for share in (0, 30, 100):
        recording = rollout(share=share)
        assert named(recording, "Deployment", "legal")["spec"]["replicas"] == 1
        assert named(recording, "Deployment", "legal-canary")["spec"]["replicas"] == 1


@pytest.mark.parametrize("model", ["legal", "contracts"])
def test_requests_are_shared_as_settings_say(rollout: Rollout, model: str) -> None:
    assert weights(rollout(), model) == {"legal": None}
    assert weights(rollout(share=30), model) == {"legal": 70, "legal-canary": 30}
    assert weights(rollout(share=100), model) == {"legal-canary": None}


def test_the_canary_reads_its_own_model_and_asks_for_its_own_key(rollout: Rollout) -> None:
    recording = rollout(share=50)
    user = named(recording, "Secret", "legal-canary-store")["stringData"]["AWS_ACCESS_KEY_ID"]
    assert user == "inference-engine-legal-canary"
    keys = named(recording, "Secret", "gateway-keys")["stringData"]
    assert keys["ENGINE_KEY_LEGAL"] != keys["ENGINE_KEY_LEGAL_CANARY"]


def test_the_gateway_waits_until_the_canary_has_answered(rollout: Rollout) -> None:
    recording = rollout(share=30)
    (gateway,) = [one for one in recording.resources if one.type == "inference:gateway:GatewayService"]
    asked = [urn for urn in gateway.dependencies if urn.endswith("::dev-legal-canary-check")]
    assert asked
    job = named(recording, "Job", "check-legal-canary")["spec"]["template"]["spec"]["containers"][0]
    assert job["args"] == ["http://legal-canary.inference:8000/v1", "legal-canary", "20"]


def test_another_canary_is_asked_anew(rollout: Rollout) -> None:
    def told_of(recording: Recording) -> Any:
        return named(recording, "Job", "check-legal-canary")["spec"]["template"]["metadata"]["annotations"]

    assert told_of(rollout()) == told_of(rollout(share=70))
    assert told_of(rollout()) != told_of(rollout(image="registry.lan/vllm:v0.31.0"))


def test_only_the_check_reaches_the_canary_beside_the_gateway(rollout: Rollout) -> None:
    recording = rollout()
    jobs = [
        one["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for one in named(recording, "NetworkPolicy", "legal-canary")["spec"]["ingress"]
        if "podSelector" in one["from"][0]
    ]
    assert jobs == ["check-legal-canary"]
    (out,) = named(recording, "NetworkPolicy", "check-legal-canary")["spec"]["egress"]
    assert out["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "legal-canary"


def test_a_canary_needs_something_new() -> None:
    (found,) = told(put("engines", 0, "canary", to={"share": 10}))
    assert found == "inference:engines[0] canary has nothing new: set its model, file or image"


def test_a_canarys_model_is_one_of_the_models() -> None:
    (found,) = told(CANARY)
    assert found.startswith('inference:engines[0].canary.model "legal-8b-next" is not a model; there are: legal-8b')


def test_a_canarys_name_is_free() -> None:
    (found,) = told(add("models", value=NEXT), CANARY, put("engines", 1, "name", to="legal-canary"))
    assert found == 'inference:engines[0].canary would be called "legal-canary", as another engine is: rename that one'


def test_a_canary_of_llama_cpp_finds_its_file() -> None:
    (found,) = told(put("engines", 2, "canary", to={"file": "chat-q8_0.gguf"}))
    assert found.startswith('inference:engines[2].canary "chat-q8_0.gguf" is not among the files of "chat-gguf"')


@pytest.mark.parametrize("image", ["vllm/vllm-openai", "vllm/vllm-openai:latest", "registry.lan:5000/vllm"])
def test_an_image_that_moves_is_refused(image: str) -> None:
    (found,) = told(put("engines", 0, "image", to=image))
    assert "name an exact version" in found


@pytest.mark.parametrize(
    "image", ["vllm:v1", "registry.lan:5000/a/b:v1", f"a/b@sha256:{0:064}", f"a:v1@sha256:{0:064}"]
)
def test_an_image_with_its_exact_version_is_taken(image: str) -> None:
    assert told(put("engines", 0, "image", to=image)) == []


class Engine:
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self, url: str) -> None:
        self.url, self.asked, self.failing = url, list[tuple[str, str]](), dict[str, int]()


@contextmanager
def engine(**failing: int) -> Generator[Engine]:
    """One that answers with these codes to the last part of a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            served.asked.append((self.path, self.headers.get("Authorization", "")))
            code = failing.get("chat" if "chat" in self.path else "prompt", 200)
            choice = (
                {"message": {"role": "assistant", "content": "hello"}} if "chat" in self.path else {"text": "hello"}
            )
            body = json.dumps({"choices": [choice]} if code == 200 else {"error": "out of memory"}).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    served = Engine(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def smoke(url: str, requests: int = 3, key: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "ENGINE_API_KEY"}
    return subprocess.run(
        [sys.executable, SMOKE, url, "legal", str(requests)],
        env=environment | ({"ENGINE_API_KEY": key} if key else {}),
        cwd=Path("/"),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_check_ends_well_when_every_request_is_answered() -> None:
    with engine() as one:
        done = smoke(one.url, key="of-the-engine")
    assert done.returncode == 0
    assert "3 of 3 requests answered" in done.stdout
    assert one.asked == [("/v1/chat/completions", "Bearer of-the-engine")] * 3
    assert "of-the-engine" not in done.stdout + done.stderr


def test_a_model_without_a_chat_template_is_asked_for_completions() -> None:
    with engine(chat=400) as one:
        assert smoke(one.url).returncode == 0
    assert [path for path, _ in one.asked] == ["/v1/chat/completions", *["/v1/completions"] * 3]


def test_the_check_says_what_a_failing_engine_said() -> None:
    with engine(chat=500) as one:
        done = smoke(one.url)
    assert done.returncode == 3
    assert "request 1 of 3 to legal: HTTP Error 500" in done.stdout
    assert "out of memory" in done.stdout


def test_the_check_fails_where_nobody_answers() -> None:
    done = smoke("http://127.0.0.1:9/v1")
    assert done.returncode == 3
    assert "Connection refused" in done.stdout
