"""Speaches: what its server gets, and where it finds its models."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, cast

import huggingface_hub
import pytest

from components.engines.speaches import CACHE, SCRIPT, Speaches
from tests.unit.manifests import manifests
from tests.unit.mistakes import add, told
from tests.unit.recording import record, stack_settings

REVISION = "0123456789abcdef0123456789abcdef01234567"
WHISPER = {"model": "whisper", "repository": "Systran/faster-whisper-small", "task": "transcription"}
VOICE = {"model": "voice", "repository": "speaches-ai/piper-en_US-amy-low", "task": "speech"}
CARD = "---\nlanguage: en\ntags: [automatic-speech-recognition]\nlibrary_name: ctranslate2\n---\n# Small\n"


def engine(**given: Any) -> dict[str, Any]:
    """One in the dev stack."""
    return {"name": "speech", "kind": "speaches", "cluster": "dev", "models": [WHISPER, VOICE], **given}


def model(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "source": f"hf://org/{name}@{REVISION}", **given}


def served(monkeypatch: pytest.MonkeyPatch, **given: Any) -> list[dict[str, Any]]:
    """The objects of the dev stack with it."""
    settings = stack_settings("dev")
    settings["models"] += [model("whisper"), model("voice")]
    settings["engines"] = [engine(**given)]
    return manifests(record(settings, stack="dev", monkeypatch=monkeypatch))


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def routes(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The gateway's, by what requests name."""
    configuration = named(objects, "ConfigMap", "litellm-config")["data"]["config.yaml"]
    return {one.pop("model_name"): one for one in json.loads(configuration)["model_list"]}


def started(directory: Path, *models: str) -> subprocess.CompletedProcess[str]:
    """The start script with a command that ends at once, and a cache in `directory`."""
    environment = {**os.environ, "HOME": str(directory / "home"), "HF_HUB_CACHE": str(directory / "hub")}
    command = ["sh", str(SCRIPT), *models, "--", "echo", "served"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def downloaded(directory: Path) -> Path:
    """A model as the node's cache has it."""
    home = directory / "models" / "general" / "whisper" / REVISION
    (home / "voices").mkdir(parents=True)
    (home / "README.md").write_text(CARD)
    (home / "model.bin").write_text("weights")
    (home / "voices" / "amy.bin").write_text("voice")
    return home


def test_the_hubs_own_client_finds_a_model_and_its_card_without_a_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = downloaded(tmp_path)
    done = started(tmp_path, "Systran/faster-whisper-small", str(home))
    assert (done.stdout, done.stderr) == ("served\n", "")
    (repository,) = huggingface_hub.scan_cache_dir(tmp_path / "hub").repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash) == ("Systran/faster-whisper-small", REVISION)
    assert revision.refs == {"main"}
    card = next(one.file_path for one in revision.files if one.file_name == "README.md")
    assert huggingface_hub.ModelCard.load(card).data.to_dict()["library_name"] == "ctranslate2"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub = cast(Any, huggingface_hub)  # its types are partly unknown
    found = hub.snapshot_download(repository.repo_id, cache_dir=tmp_path / "hub")
    assert (Path(found) / "model.bin").read_text() == "weights"


def test_files_are_found_by_a_search_that_follows_no_link_to_a_directory(tmp_path: Path) -> None:
    started(tmp_path, "Systran/faster-whisper-small", str(downloaded(tmp_path)))
    snapshots = tmp_path / "hub" / "models--Systran--faster-whisper-small" / "snapshots"
    found = {one.name for one in snapshots.glob("**/*") if one.is_file()}
    assert found == {"README.md", "model.bin", "amy.bin"}


def test_a_container_that_starts_again_in_its_pod_finds_its_models_again(tmp_path: Path) -> None:
    home = downloaded(tmp_path)
    started(tmp_path, "Systran/faster-whisper-small", str(home))
    assert started(tmp_path, "Systran/faster-whisper-small", str(home)).stdout == "served\n"


def test_a_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    done = started(tmp_path, "Systran/faster-whisper-small", str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "nowhere" in done.stderr


def test_the_gateway_answers_for_each_model_and_knows_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = routes(served(monkeypatch))
    assert {name: one["model_info"]["mode"] for name, one in found.items()} == {
        "Systran/faster-whisper-small": "audio_transcription",
        "speaches-ai/piper-en_US-amy-low": "audio_speech",
    }
    for name, one in found.items():
        assert one["litellm_params"] == {
            "model": f"openai/{name}",
            "api_base": "http://speech.inference:8000/v1",
            "api_key": "os.environ/ENGINE_KEY_SPEECH",
        }


def test_the_server_asks_for_a_key_and_never_for_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = named(served(monkeypatch), "Deployment", "speech")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}
    assert environment["API_KEY"] == {"secretKeyRef": {"name": "speech-api-key", "key": "key"}}
    assert (environment["HF_HUB_OFFLINE"], environment["HF_HUB_CACHE"]) == ("1", CACHE)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_pod_may_read_the_home_directory_that_its_image_keeps_to_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    context = named(served(monkeypatch), "Deployment", "speech")["spec"]["template"]["spec"]["securityContext"]
    assert (context["runAsUser"], context["supplementalGroups"]) == (10001, [1000])


def test_models_stay_loaded_unless_settings_say_for_how_long() -> None:
    models = {"whisper": "/models/whisper", "voice": "/models/voice"}
    kept, forgotten = (
        Speaches.model_validate(engine(**given)).workload(models).env for given in ({}, {"unloadSeconds": 60})
    )
    assert (kept["STT_MODEL_TTL"], kept["TTS_MODEL_TTL"]) == ("-1", "-1")
    assert (forgotten["STT_MODEL_TTL"], forgotten["TTS_MODEL_TTL"]) == ("60", "60")


def test_a_model_without_its_card_is_refused() -> None:
    (problem,) = told(
        add("models", value=model("whisper", files=["*.bin", "*.json"])), add("engines", value=engine(models=[WHISPER]))
    )
    assert problem == (
        'inference:engines[3].models[0].model Speaches needs the README.md of "whisper": add it to that model\'s files'
    )


def test_a_repository_is_served_by_one_engine() -> None:
    (problem,) = told(
        add("models", value=model("whisper")),
        add("engines", value=engine(models=[WHISPER])),
        add("engines", value=engine(name="again", models=[WHISPER])),
    )
    assert problem.startswith(
        'inference:engines[4].models[0].repository "Systran/faster-whisper-small" is served by "speech" already'
    )


def test_a_repository_that_no_cache_can_tell_apart_is_refused() -> None:
    (problem,) = told(
        add("models", value=model("whisper")),
        add("engines", value=engine(models=[{**WHISPER, "repository": "org/a--b"}])),
    )
    assert problem.startswith("inference:engines[3].models[0].repository must not contain '--'")


def test_rocm_is_refused_with_what_there_is() -> None:
    (problem,) = told(
        add("models", value=model("whisper")),
        add("engines", value=engine(models=[WHISPER], accelerator={"kind": "rocm"})),
    )
    assert problem == "inference:engines[3].accelerator.kind speaches has no image for rocm; there are: cpu, cuda"
