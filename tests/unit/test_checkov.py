"""Our workloads against checkov's Kubernetes checks."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.argocd import argocd
from tests.unit.manifests import manifests
from tests.unit.recording import REPOSITORY, Recording, record, stack_settings

CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; get it with: make lint")


@pytest.mark.parametrize("stack", ["dev", "onprem"])
def test_checkov_finds_no_failed_check_without_a_reason_beside_it(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"sshPrivateKey": "key"} if stack == "onprem" else {}
    recording = record(stack_settings(stack), stack=stack, monkeypatch=monkeypatch, secrets=secrets)
    report = checked(recording, tmp_path)
    assert report["summary"]["passed"] > 500
    assert failures(report) == set()


@pytest.mark.parametrize("availability", ["normal", "ha", "core"])
def test_argo_cd_fails_no_check_without_a_reason_beside_it(
    availability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = (
        {} if availability == "core" else {"notifications": {"kind": "webhook", "url": "https://alerts.lan/argocd"}}
    )
    report = checked(argocd(monkeypatch, availability=availability, **told), tmp_path)
    assert report["summary"]["passed"] > 300
    assert failures(report) == set()


def checked(recording: Recording, directory: Path) -> Any:
    """Checkov's report on every object."""
    for number, manifest in enumerate(manifests(recording)):
        (directory / f"{number:03}.json").write_text(json.dumps(manifest))
    command = [CHECKOV, "--config-file", REPOSITORY / ".checkov.yaml", "--directory", directory, "--output", "json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def failures(report: Any) -> set[str]:
    return {
        f"{check['check_id']} {check['check_name']}: {check['resource']}"
        for check in report["results"]["failed_checks"]
    }
