"""Two hundred applications through Git: rendered, against a bare program that writes the same YAML through the same
provider; and synced by a real Argo CD, against `kubectl apply`."""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.preview import BARE
from benchmarks.workbench import REPOSITORY, STACK, Measurement, Workbench, configuration, measure, workbench
from components.gitops.route import APPLICATION
from tests.api_server import ApiServer
from tests.argocd import argocd
from tests.cluster.plane import Plane
from tests.git import Repository, repository
from tests.unit.manifests import manifests
from tests.unit.recording import record
from toolchain import bring, catalogue
from toolchain.download import Network

COUNT = 200
ROUNDS = 3
SECONDS_TO_SYNC = 900
PROVIDER = "urn:pulumi:dev::inference::pulumi:providers:kubernetes::renderer"


def run() -> list[str]:
    """Rows of two tables."""
    with tempfile.TemporaryDirectory(prefix="inference-benchmark-") as scratch:
        here = Path(scratch)
        git = repository(here)
        settings = configuration(COUNT) | {
            "inference:delivery": {"mode": "gitops", "repository": git.url},
            "inference:argocd": {},
            "inference:gateway": None,
        }
        objects = _objects(settings)
        return [*_rendered(settings, objects, git, here), "", *_synced(objects, git, here)]


def _objects(settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    ours = {key.removeprefix("inference:"): value for key, value in settings.items()}
    with pytest.MonkeyPatch.context() as monkeypatch:
        return manifests(record({**ours, "rendering": True}, stack=STACK, monkeypatch=monkeypatch))


def _rendered(
    settings: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], git: Repository, here: Path
) -> list[str]:
    file = here / f"Pulumi.{STACK}.yaml"
    file.write_text(yaml.safe_dump({"config": dict(settings)}))
    render = [sys.executable, "-m", "rendering", "render", "--stack", STACK, "--no-commit"]
    options = ["--config-file", str(file), "--repository", str(git.clone)]
    wanted = [one for one in objects if APPLICATION in one["metadata"].get("labels", {}) and _is_rendered(one)]
    ours: list[Measurement] = []
    bare: list[Measurement] = []
    with workbench(0) as bench:
        program = _bare(wanted, bench, here)
        for _ in range(ROUNDS):
            ours.append(measure([*render, *options], cwd=REPOSITORY, environment=bench.environment))
            bare.append(bench.pulumi("up", "--yes", "--skip-preview", program=program))
            bench.pulumi("destroy", "--yes", "--skip-preview", program=program)
    times = [statistics.median(one.seconds for one in runs) for runs in (ours, bare)]
    return [
        "| applications | objects | way | seconds | ratio |",
        "|---|---|---|---|---|",
        f"| {COUNT} | {len(wanted)} | a bare program, `pulumi up` | {times[1]:.1f} | 1.00 x |",
        f"| {COUNT} | {len(wanted)} | `make render` | {times[0]:.1f} | **{times[0] / times[1]:.2f} x**, at most 1.2 |",
    ]


def _is_rendered(one: Mapping[str, Any]) -> bool:
    return one["kind"] not in ("Application", "AppProject")


def _bare(wanted: Sequence[Mapping[str, Any]], bench: Workbench, here: Path) -> Path:
    """A program that has the provider write these objects, and does nothing else."""
    program = here / "bare"
    shutil.copytree(BARE, program)
    common: Mapping[str, Any] = {"parent": "", "dependencies": (), "custom": True, "outputs": None}
    provider = {
        "type": "pulumi:providers:kubernetes",
        "name": "renderer",
        "urn": PROVIDER,
        "provider": "",
        "inputs": {"renderYamlToDirectory": "rendered"},
    }
    entries = [
        {
            "type": f"kubernetes:{_group(one['apiVersion'])}:{one['kind']}",
            "name": f"{one['kind']}-{one['metadata']['name']}".lower(),
            "urn": f"{one['kind']}/{one['metadata']['name']}",
            "provider": PROVIDER,
            "inputs": one,
            **common,
        }
        for one in wanted
    ]
    (program / "recording.json").write_text(json.dumps([provider | common, *entries]))
    bench.environment["BARE_RECORDING"] = str(program / "recording.json")
    return program


def _group(api_version: str) -> str:
    return api_version if "/" in api_version else f"core/{api_version}"


def _synced(objects: Sequence[Mapping[str, Any]], git: Repository, here: Path) -> list[str]:
    git.commit({}, "Rendered")
    said = [one for one in objects if one["kind"] in ("AppProject", "Application")]
    (kubectl,) = (one.path for one in bring.ensure([catalogue.named("kubectl")], Network(), quiet=True))
    with ExitStack() as stack:
        by_hand = _plane(stack, here / "by-hand", kubectl)
        started = time.monotonic()
        by_hand.kubectl("apply", "--server-side", "--recursive", f"--filename={_plain(git, here)}")
        hand = time.monotonic() - started
    with ExitStack() as stack:
        api_server = _plane(stack, here / "by-argocd", kubectl)
        logs = here / "logs"
        logs.mkdir()
        with argocd(api_server, logs) as argo:
            started = time.monotonic()
            api_server.apply(*said)
            while (missing := _missing(api_server)) and time.monotonic() < started + SECONDS_TO_SYNC:
                time.sleep(1)
            taken = time.monotonic() - started
            assert not missing, argo.application(missing[0])
    return [
        "| applications | way | seconds | ratio |",
        "|---|---|---|---|",
        f"| {COUNT} | `kubectl apply --server-side` | {hand:.1f} | 1.00 x |",
        f"| {COUNT} | Argo CD, until all are synced | {taken:.1f} | {taken / hand:.2f} x |",
    ]


def _plane(stack: ExitStack, directory: Path, kubectl: Path) -> ApiServer:
    (home := directory / "home").mkdir(parents=True)
    plane = Plane(directory=directory / "plane", home=home, kubectl_path=kubectl)
    stack.callback(plane.run, "stop")
    plane.start()
    api_server = plane.api_server()
    api_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "inference"}})
    return api_server


def _plain(git: Repository, here: Path) -> Path:
    """The files without kustomizations, which are no objects."""
    folder = here / "plain"
    shutil.copytree(git.clone / "clusters", folder, ignore=shutil.ignore_patterns("kustomization.yaml"))
    return folder


def _missing(api_server: ApiServer) -> list[str]:
    found = api_server.get("applications.argoproj.io", "--namespace", "argocd")["items"]
    return [one["metadata"]["name"] for one in found if one.get("status", {}).get("sync", {}).get("status") != "Synced"]
