"""Preview of our program against a bare program that registers the same resources."""

import json
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workbench import REPOSITORY, STACK, Measurement, configuration, workbench
from tests.unit.manifests import plain
from tests.unit.recording import Registration, record

BARE = Path(__file__).parent / "bare"
SIZES = (10, 100, 400)
ROUNDS = 7


def run() -> list[str]:
    """Rows of a table: engines, resources, time and memory of both, and their ratios."""
    rows = ["| engines | resources | ours | bare | time | ours | bare | memory |", "|---|---|---|---|---|---|---|---|"]
    for engines in SIZES:
        ours, bare, resources = _compare(engines)
        times = [statistics.median(one.seconds for one in runs) for runs in (ours, bare)]
        sizes = [statistics.median(one.mebibytes for one in runs) for runs in (ours, bare)]
        rows.append(
            f"| {engines} | {resources} | {times[0]:.1f} s | {times[1]:.1f} s | **{times[0] / times[1]:.2f} x** "
            f"| {sizes[0]:.0f} MiB | {sizes[1]:.0f} MiB | **{sizes[0] / sizes[1]:.2f} x** |"
        )
        print(rows[-1], flush=True)
    return rows


def _compare(engines: int) -> tuple[list[Measurement], list[Measurement], int]:
    with workbench(engines) as bench, tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "bare"
        shutil.copytree(BARE, program)
        entries = recording(configuration(engines))
        (program / "recording.json").write_text(json.dumps(entries))
        bench.environment["BARE_RECORDING"] = str(program / "recording.json")
        ours: list[Measurement] = []
        bare: list[Measurement] = []
        for _ in range(ROUNDS):
            ours.append(bench.pulumi("preview", program=REPOSITORY))
            bare.append(bench.pulumi("preview", program=program))
        counted = {_created(one.output) for one in (ours[0], bare[0])}
        assert len(counted) == 1, f"the programs differ: {counted}"
        return ours, bare, len(entries)


def _created(output: str) -> str:
    return next(line.strip() for line in output.splitlines() if "to create" in line)


def recording(configuration: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the bare program reads: every resource that ours registers with this configuration."""
    settings = {key.removeprefix("inference:"): value for key, value in configuration.items()}
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = record(settings, stack=STACK, monkeypatch=monkeypatch)
    return [_entry(resource, found.outputs.get(resource.urn)) for resource in found.resources]


def _entry(resource: Registration, outputs: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {
        "type": resource.type,
        "name": resource.name,
        "urn": resource.urn,
        "parent": resource.parent,
        "provider": resource.provider.rpartition("::")[0],
        "dependencies": resource.dependencies,
        "custom": resource.custom,
        "inputs": plain(resource.inputs),
        "outputs": None if outputs is None else plain(outputs),
    }
