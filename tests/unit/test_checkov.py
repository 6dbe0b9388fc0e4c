"""Our workloads against checkov's Kubernetes checks."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.recording import REPOSITORY, record, stack_settings

CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"


@pytest.mark.parametrize("stack", ["dev", "onprem"])
@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; get it with: make lint")
def test_checkov_finds_no_failed_check_without_a_reason_beside_it(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"sshPrivateKey": "key"} if stack == "onprem" else {}
    recording = record(stack_settings(stack), stack=stack, monkeypatch=monkeypatch, secrets=secrets)
    for number, manifest in enumerate(manifests(recording)):
        (tmp_path / f"{number:03}.json").write_text(json.dumps(manifest))
    command = [CHECKOV, "--config-file", REPOSITORY / ".checkov.yaml", "--directory", tmp_path, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report: Any = json.loads(done.stdout)
    failed = {
        f"{check['check_id']} {check['check_name']}: {check['resource']}"
        for check in report["results"]["failed_checks"]
    }
    assert report["summary"]["passed"] > 500
    assert failed == set()
