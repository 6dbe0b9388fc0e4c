"""`pulumi up` of many engines against `kubectl apply` of the same objects, on the same kind of control plane."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workbench import STACK, Workbench, configuration, workbench
from tests.unit.manifests import manifests
from tests.unit.recording import record

ENGINES = 100
WAIT_SECONDS = 300


def run() -> list[str]:
    """Rows of a table: seconds of each way, and the ratio to kubectl."""
    with workbench(ENGINES) as bench:
        up = bench.pulumi("up", "--yes", "--skip-preview").seconds
        again = bench.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes").seconds
        kubeconfig = _kubeconfig(bench)
        namespaces = _objects("Namespace")
        _kubectl(kubeconfig, "delete", "namespace", *(one["metadata"]["name"] for one in namespaces))
        applied = _apply(kubeconfig)
    return [
        "| way | seconds | ratio |",
        "|---|---|---|",
        f"| `kubectl apply --server-side`, then `kubectl wait` | {applied:.1f} | 1.00 x |",
        f"| `pulumi up`, first, with the control plane | {up:.1f} | **{up / applied:.2f} x** |",
        f"| `pulumi up`, unchanged | {again:.1f} | {again / applied:.2f} x |",
    ]


def _apply(kubeconfig: Path) -> float:
    started = time.monotonic()
    objects = [one for one in _objects() if "namespace" in one["metadata"] or one["kind"] == "Namespace"]
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    _kubectl(kubeconfig, "apply", "--server-side", "--filename=-", stdin=listing)
    wait = ("wait", "--for=condition=Available", f"--timeout={WAIT_SECONDS}s", "deployment", "--all")
    _kubectl(kubeconfig, *wait, "--all-namespaces")
    return time.monotonic() - started


def _objects(*kinds: str) -> list[dict[str, Any]]:
    settings = {key.removeprefix("inference:"): value for key, value in configuration(ENGINES).items()}
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(settings, stack=STACK, monkeypatch=monkeypatch))
    return [one for one in objects if not kinds or one["kind"] in kinds]


def _kubeconfig(bench: Workbench) -> Path:
    outputs = bench.pulumi("stack", "output", "--json", "--show-secrets").output
    file = bench.state / "benchmark-kubeconfig"
    file.write_text(json.loads(outputs)["kubeconfigs"]["dev"])
    return file


def _kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> None:
    command = ["kubectl", "--kubeconfig", str(kubeconfig), *arguments]
    subprocess.run(command, input=stdin, text=True, check=True, capture_output=True)
