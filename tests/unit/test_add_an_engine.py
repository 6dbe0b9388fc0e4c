"""docs/add-an-engine.md, done word for word in a copy of the project."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.recording import REPOSITORY

PAGE = (REPOSITORY / "docs" / "add-an-engine.md").read_text()
FILE, SETTINGS = (
    re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0] for kind in ("python", "yaml")
)
CLASS = "Embeddings"
OBJECTS = """\
import json, pytest
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings
with pytest.MonkeyPatch.context() as patch:
    print("objects:" + json.dumps(manifests(record(stack_settings("dev"), stack="dev", monkeypatch=patch))))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the page's file, its name in the registry, and its settings in the dev stack."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("components", "stacks", "tests", "toolchain"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "standins"))
    for name in ("__main__.py", "Pulumi.dev.yaml"):
        shutil.copy(REPOSITORY / name, copy)
    (copy / "components" / "engines" / "embeddings.py").write_text(FILE)
    registry = copy / "components" / "engines" / "__init__.py"
    text = registry.read_text()
    for before, after in (
        ("\nfrom components", f"\nfrom components.engines.embeddings import {CLASS}\nfrom components"),
        ("AnyEngine = Annotated[", f"AnyEngine = Annotated[{CLASS} | "),
        ("ENGINES = (", f"ENGINES = ({CLASS}, "),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    registry.write_text(text)
    stack = copy / "Pulumi.dev.yaml"
    document = yaml.safe_load(stack.read_text())
    document["config"]["inference:engines"] += yaml.safe_load(SETTINGS)
    document["config"]["inference:models"].append({"name": "bge-m3", "source": f"hf://org/bge-m3@{0:040}"})
    stack.write_text(yaml.safe_dump(document))
    return copy


def run(project: Path, *command: str) -> str:
    """What Python prints, run in the copy."""
    done = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def objects(project: Path) -> list[dict[str, Any]]:
    """The objects of the copy's dev stack."""
    line = next(one for one in run(project, "-c", OBJECTS).splitlines() if one.startswith("objects:"))
    return json.loads(line.removeprefix("objects:"))


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def test_the_example_stays_as_short_as_it_says(project: Path) -> None:
    del project
    code = [line for line in FILE.splitlines() if line and not line.startswith(("from ", '"""'))]
    assert len(code) <= 40


def test_settings_may_ask_for_it(project: Path) -> None:
    assert run(project, "-m", "stacks", "check", "Pulumi.dev.yaml") == "Pulumi.dev.yaml: no problems\n"


def test_it_gets_its_model_its_key_and_the_guards_of_every_engine(objects: list[dict[str, Any]]) -> None:
    pod = named(objects, "Deployment", "search")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][0] == f"--model-id=/models/general/bge-m3/{0:040}"
    assert container["args"][-1] == "--max-batch-tokens=16384"
    assert {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "search-api-key", "key": "key"}}} in container[
        "env"
    ]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert named(objects, "NetworkPolicy", "search")["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_gateway_answers_for_it(objects: list[dict[str, Any]]) -> None:
    configuration = json.loads(named(objects, "ConfigMap", "litellm-config")["data"]["config.yaml"])
    (route,) = (one for one in configuration["model_list"] if one["model_name"] == "search")
    assert route["model_info"] == {"mode": "embedding"}
    assert route["litellm_params"]["api_base"] == "http://search.inference:8080/v1"


def test_it_is_on_the_reference_page_with_its_own_words(project: Path) -> None:
    (project / "docs").mkdir()
    run(project, "-m", "stacks", "reference")
    page = (project / "docs" / "settings.md").read_text()
    assert "## engines[] of kind embeddings" in page
    assert "Tokens that are computed at once; the server's own choice when not set." in page
