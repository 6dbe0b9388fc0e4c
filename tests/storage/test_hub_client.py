"""The hub of these tests is one for Hugging Face's own client, too: what that gets is what a sync brings."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.hub import COMMIT, Hub
from tests.storage.homes import FILES, Home

DOWNLOAD = f"""
import sys
from huggingface_hub import snapshot_download
snapshot_download("org/model", revision="{COMMIT}", local_dir=sys.argv[1])
"""
DESCRIBE = f"""
import json
from huggingface_hub import HfApi
info = HfApi().model_info("org/model", revision="{COMMIT}", files_metadata=True)
print(json.dumps([[one.rfilename, one.size, one.lfs.sha256 if one.lfs else None] for one in info.siblings]))
"""


@pytest.fixture(autouse=True)
def files_lie_elsewhere(hub: Hub) -> None:
    """As at Hugging Face: what the client is told of a file, it looks for at the hub alone."""
    hub.cdn = hub.address.replace("127.0.0.1", "localhost")


def run(program: str, hub: Hub, home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | hub.environment() | {"HF_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_client_downloads_the_same_files_as_a_sync(home: Home, tmp_path: Path) -> None:
    done = run(DOWNLOAD, home.hub, tmp_path / "home", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    there = {path: (tmp_path / "model" / path).read_bytes() for path in FILES}
    assert there == FILES
    home.sync()
    home.assert_whole()


def test_the_client_reads_the_same_sizes_and_hashes(hub: Hub, tmp_path: Path) -> None:
    done = run(DESCRIBE, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    listed: list[Any] = json.loads(done.stdout)
    known = {path: (size, digest) for path, size, digest in listed}
    assert known.keys() == FILES.keys()
    for path, (size, digest) in known.items():
        assert size == len(FILES[path])
        assert digest in (None, sha256(FILES[path]).hexdigest())


def test_the_client_takes_a_gated_model_for_one(hub: Hub, tmp_path: Path) -> None:
    hub.gated, hub.token = True, "right"
    refused = run(DOWNLOAD, hub, tmp_path / "home", str(tmp_path / "model"))
    assert "GatedRepoError" in refused.stderr
    assert run(DOWNLOAD, hub, tmp_path / "home", str(tmp_path / "model"), HF_TOKEN="right").returncode == 0
