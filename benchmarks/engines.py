"""From settings to objects: our processor time beyond what the SDK takes to register as many resources."""

import json
import runpy
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from benchmarks.preview import BARE, recording
from benchmarks.workbench import STACK, configuration
from components.engines import ENGINES
from components.engines.chart import Chart
from components.engines.engine import Engine
from stacks.schema import find
from tests.unit.recording import record, recorded

COUNT = 200
ROUNDS = 3
GOAL_SECONDS = 1
TOLD: Mapping[str, Mapping[str, Any]] = {
    "vllm-distributed": {"nodes": 2},
    "triton": {"models": [{"model": "model", "backend": "onnxruntime"}]},
    "kserve": {"runtime": "mlserver", "modelFormat": "sklearn"},
    "mlserver": {"models": [{"model": "model", "runtime": "sklearn"}]},
    "torchserve": {"models": [{"model": "model", "file": "model.mar"}]},
    "comfyui": {"models": [{"model": "model", "folder": "checkpoints"}]},
    "speaches": {"models": [{"model": "model", "repository": "org/NUMBER", "task": "transcription"}]},
}
"""By kind: what the schema has no example of that would fit here."""


def run() -> list[str]:
    """Rows of a table: processor time of both, and by how much ours is longer."""
    given = _configuration()
    settings = {key.removeprefix("inference:"): value for key, value in given.items()}
    entries = recording(given)
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as monkeypatch:
        file = Path(scratch) / "recording.json"
        file.write_text(json.dumps(entries))
        monkeypatch.setenv("BARE_RECORDING", str(file))
        for _ in range(ROUNDS + 1):
            ours.append(_seconds(lambda: record(settings, stack=STACK, monkeypatch=monkeypatch)))
            bare.append(_seconds(lambda: recorded(_bare, stack=STACK, monkeypatch=monkeypatch)))
    # The first round imports.
    beyond = statistics.median(one - other for one, other in zip(ours[1:], bare[1:], strict=True))
    kinds = ", ".join(dict.fromkeys(one["kind"] for one in settings["engines"]))
    times = [statistics.median(runs[1:]) for runs in (ours, bare)]
    return [
        "| engines | resources | ours | the SDK alone | beyond it |",
        "|---|---|---|---|---|",
        f"| {COUNT}: {kinds} | {len(entries)} | {times[0]:.2f} s | {times[1]:.2f} s "
        f"| **{beyond:.2f} s**, at most {GOAL_SECONDS} |",
    ]


def _bare() -> None:
    runpy.run_path(str(BARE / "__main__.py"))


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _configuration() -> dict[str, Any]:
    """As many engines of each kind as of every other, with what the kind must be told and nothing else."""
    whole = configuration(COUNT)
    models = [one | {"files": ["*"]} for one in whole["inference:models"]]
    examples = [_example(kind) for kind in ENGINES if kind is not Chart]  # whose objects are its publisher's
    engines = [_numbered(examples[number % len(examples)], number) for number in range(COUNT)]
    return whole | {"inference:models": models, "inference:engines": engines}


def _numbered(example: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    text = json.dumps({**example, "name": f"engine-{number}"})
    return json.loads(text.replace("NUMBER", str(number)))


def _example(kind: type[Engine]) -> Mapping[str, Any]:
    name: str = get_args(kind.model_fields["kind"].annotation)[0]
    setting = find(("engines", 0, name))
    told = {key: setting[key].example for key in setting.schema["required"]}
    small: dict[str, Any] = {"cluster": "dev", "resources": {"cpu": "1", "memory": "2Gi"}, "kind": name}
    gpu = {} if "cpu" in getattr(kind, "IMAGES", {"cpu"}) else {"accelerator": {"kind": "cuda"}}
    return {
        **told,
        **TOLD.get(name, {}),
        **small,
        **gpu,
        **({"model": "model"} if "model" in kind.model_fields else {}),
    }
