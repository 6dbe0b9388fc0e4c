"""ComfyUI: what its server gets, and who may reach it."""

import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.engines.comfyui import ComfyUi
from tests.unit.manifests import manifests
from tests.unit.mistakes import add, told
from tests.unit.recording import record, stack_settings

IMAGE = "registry.lan:5000/comfyui:0.3.64"
MODELS = [
    {"model": "painter", "folder": "checkpoints"},
    {"model": "sketcher", "folder": "checkpoints"},
    {"model": "style", "folder": "loras"},
]


def engine(**given: Any) -> dict[str, Any]:
    """One in the dev stack."""
    return {"name": "paint", "kind": "comfyui", "cluster": "dev", "image": IMAGE, **given}


def args(**given: Any) -> list[str]:
    models = {"painter": "/models/painter", "sketcher": "/models/sketcher", "style": "/models/style"}
    return list(ComfyUi.model_validate(engine(**given)).workload(models).args)


def served(monkeypatch: pytest.MonkeyPatch, **given: Any) -> list[dict[str, Any]]:
    """The objects of the dev stack with it."""
    settings = stack_settings("dev")
    settings["models"] = [{"name": one["model"], "source": f"hf://org/repo@{0:040}"} for one in MODELS]
    settings["engines"] = [engine(models=MODELS, **given)]
    return manifests(record(settings, stack="dev", monkeypatch=monkeypatch))


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


@contextmanager
def queue(*answers: dict[str, list[str]]) -> Generator[tuple[str, list[str]]]:
    """A server that gives these answers, the last one for ever; its URL, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = json.dumps(answers[min(len(asked), len(answers) - 1)]).encode()
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/queue", asked
        finally:
            server.shutdown()
            thread.join()


def test_model_folders_are_directories_of_the_nodes_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = served(monkeypatch)
    (text,) = named(objects, "ConfigMap", "paint-config")["data"].values()
    (folders,) = yaml.safe_load(text).values()
    assert {folder: paths.split("\n") for folder, paths in folders.items()} == {
        "checkpoints": [f"/models/general/painter/{0:040}", f"/models/general/sketcher/{0:040}"],
        "loras": [f"/models/general/style/{0:040}"],
    }
    pod = named(objects, "Deployment", "paint")["spec"]["template"]["spec"]
    assert [one["args"][0] for one in pod["initContainers"]] == ["cache", "cache", "cache"]
    (container,) = pod["containers"]
    assert "--extra-model-paths-config=/etc/engine/extra_model_paths.yaml" in container["args"]


def test_everything_it_writes_is_below_scratch() -> None:
    written = [word.partition("=")[2] for word in args() if "-directory=" in word or word.startswith("--database")]
    assert len(written) == 5
    assert all(word.removeprefix("sqlite:///").startswith("/scratch/") for word in written)


def test_the_directories_it_expects_are_there_when_its_command_runs(tmp_path: Path) -> None:
    workload = ComfyUi.model_validate(engine(command=["ls", str(tmp_path)])).workload({})
    words = [word.replace("/scratch", str(tmp_path)) for word in (*workload.command, *workload.args[:2])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    there = {str(tmp_path / name) for name in done.stdout.split()}
    assert there >= {
        word.partition("=")[2].replace("/scratch", str(tmp_path)) for word in workload.args if "-directory=" in word
    }


def test_only_without_a_gpu_is_it_told_to_compute_on_the_cpu() -> None:
    assert "--cpu" in args(accelerator={"kind": "cpu"})
    assert "--cpu" not in args()


def test_it_is_asked_to_stop_only_when_its_queue_is_empty() -> None:
    busy, waiting = {"queue_running": ["a"], "queue_pending": []}, {"queue_running": [], "queue_pending": ["b"]}
    python, *rest, _url = ComfyUi.model_validate(engine()).workload({}).drain
    assert python == "python3"
    with queue(busy, waiting, {"queue_running": [], "queue_pending": []}) as (url, asked):
        subprocess.run([sys.executable, *rest, url], check=True, timeout=20)
    assert asked == ["/queue"] * 3


def test_the_namespaces_of_its_clients_reach_it_and_the_gateway_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = served(monkeypatch, clients=["studio"])
    policy = named(objects, "NetworkPolicy", "paint")
    (rule,) = policy["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == [8188]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "studio"}
    assert json.loads(named(objects, "ConfigMap", "litellm-config")["data"]["config.yaml"])["model_list"] == []


def test_it_takes_a_part_of_a_gpu_beside_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev")
    settings["clusters"][0]["simulated"][1]["accelerator"]["sharing"] = {"kind": "timeSlices", "parts": 4}
    shared = {"kind": "cuda", "shared": True}
    settings["engines"] = [
        {"name": "legal", "kind": "vllm", "model": "legal-8b", "cluster": "dev", "accelerator": shared},
        engine(accelerator=shared),
    ]
    objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    for name in ("legal", "paint"):
        pod = named(objects, "Deployment", name)["spec"]["template"]["spec"]
        assert pod["nodeSelector"]["inference/shared"] == "true"
        assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("registry.lan:5000/comfyui", '"registry.lan:5000/comfyui" has no tag: name an exact version, as'),
        ("comfyui:latest", 'the tag "latest" moves: name an exact version, as comfyui:1.2.3, or @sha256:...;'),
        ("comfyui:latest-cuda12", 'the tag "latest-cuda12" moves: name an exact version'),
        ("comfyui:main", 'the tag "main" moves: name an exact version'),
        ("Comfy UI", '"Comfy UI" must be an image with an exact version or a digest'),
    ],
)
def test_an_image_that_may_change_is_refused_with_what_pins_it(image: str, problem: str) -> None:
    (line,) = told(add("engines", value=engine(image=image, replicas=0)))
    assert line.startswith(f"inference:engines[3].image {problem}")


@pytest.mark.parametrize("image", ["comfyui:v0.3.64", f"comfyui@sha256:{0:064}", f"comfyui:latest@sha256:{0:064}"])
def test_an_exact_image_is_taken(image: str) -> None:
    assert told(add("engines", value=engine(image=image))) == []


def test_a_missing_image_is_asked_for() -> None:
    wanted = engine()
    del wanted["image"]
    (line,) = told(add("engines", value=wanted))
    assert line == "inference:engines[3] image is missing; it must be an image with an exact version or a digest"


@pytest.mark.parametrize("folder", ["base_path", "is_default", "custom_nodes"])
def test_a_folder_that_holds_no_models_is_refused(folder: str) -> None:
    (line,) = told(add("engines", value=engine(models=[{"model": "legal-8b", "folder": folder}])))
    assert line.startswith(f'inference:engines[3].models[0].folder "{folder}" is not a model folder; there are: check')
