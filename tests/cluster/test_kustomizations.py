"""The rendered folders with kustomize itself, for those who go on without Pulumi."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from rendering import tree
from tests.unit.test_rendering import GITOPS, STACKS, on_paper, rendered


@pytest.mark.parametrize("stack", STACKS)
def test_kustomize_gives_every_object_of_an_application_and_nothing_else(
    stack: str, tmp_path: Path, control_plane_tools: Mapping[str, Path]
) -> None:
    files = tree.files(rendered(on_paper(stack, **GITOPS)))
    tree.write(tmp_path, files)
    for folder in sorted(tmp_path.iterdir()):
        command = [control_plane_tools["kubectl"], "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        built = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}
        ours = [yaml.safe_load(text) for path, text in files.items() if path.parent.name == folder.name]
        assert built == {(one["kind"], one["metadata"]["name"]): one for one in ours if one["kind"] != "Kustomization"}
