"""docs/ci.md: its examples are valid, and it names all that the workflows ask for."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reporting import stacks
from tests.unit.recording import REPOSITORY
from tests.unit.workflows import ACTIONS, FILES, job, workflow

PAGE = (REPOSITORY / "docs/ci.md").read_text()
LIVING = [stack for stack in stacks.found(REPOSITORY) if stack.target != "dev"]
CHECK = REPOSITORY / ".venv/bin/check-jsonschema"


def block(language: str) -> str:
    """The page's one block in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def gitlab() -> dict[str, Any]:
    """The page's .gitlab-ci.yml; GitLab's own tags are read as what they stand for."""

    class Loader(yaml.SafeLoader):
        """With `!reference`."""

    Loader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))  # pyright: ignore
    return yaml.load(block("yaml"), Loader)


def resolved(name: str) -> dict[str, Any]:
    """A job with what it extends laid under it, as GitLab does."""
    one = gitlab()[name]
    names = one.get("extends", [])
    merged: dict[str, Any] = {}
    for under in [names] if isinstance(names, str) else names:
        merged = laid(merged, resolved(under))
    return laid(merged, one)


def laid(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: laid(under[key], over[key]) for key in under.keys() & over.keys() if isinstance(under[key], dict)}
    return {**under, **over, **both}


def check(schema: str, *arguments: str | Path) -> None:
    command = [CHECK, "--builtin-schema", f"vendor.{schema}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_gitlabs_own_schema_takes_the_pipeline(tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(block("yaml"))
    check("gitlab-ci", "--data-transform", "gitlab-ci", file)


def test_githubs_schemas_take_workflows_and_actions() -> None:
    check("github-workflows", *FILES)
    check("github-actions", *ACTIONS)


def test_gitlab_rehearses_every_stack() -> None:
    (matrix,) = gitlab()["rehearse"]["parallel"]["matrix"]
    assert sorted(matrix["STACK"]) == [stack.name for stack in stacks.found(REPOSITORY)]


@pytest.mark.parametrize("stack", LIVING, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("what", "environment"),
    [("preview", "$STACK-preview"), ("plan", "$STACK-preview"), ("deploy", "$STACK"), ("drift", "$STACK-preview")],
)
def test_gitlab_has_the_jobs_that_github_has(stack: stacks.Stack, what: str, environment: str) -> None:
    one = resolved(f"{what} {stack.name}")
    assert one["variables"]["STACK"] == stack.name
    assert one["environment"]["name"] == environment
    assert ("id_tokens" in one) == (stack.target == "eks")
    assert one["artifacts"]["access"] == "developer"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("preview/preview-hosts", "preview onprem"),
        ("deploy/plan-hosts", "plan onprem"),
        ("deploy/deploy-hosts", "deploy onprem"),
        ("drift/drift-hosts", "drift onprem"),
    ],
)
def test_gitlab_runs_what_github_runs(ours: str, theirs: str) -> None:
    def made(scripts: list[str]) -> list[str]:
        flat = (" ".join(script.replace("\\\n", " ").split()) for script in scripts)
        return [line.removeprefix("exec ") for line in flat if " make " in line and " make render " not in line]

    assert made(resolved(theirs)["script"]) == made(list(job(ours).scripts()))


def test_gitlab_deploys_by_hand_one_at_a_time_what_was_planned() -> None:
    one = resolved("deploy onprem")
    assert [rule["when"] for rule in one["rules"]] == ["manual"]
    assert (one["resource_group"], one["interruptible"], one["needs"]) == ("$STACK", False, ["plan onprem"])
    assert "plan.json" in resolved("plan onprem")["artifacts"]["paths"]


def test_the_role_at_aws_trusts_one_repository_and_one_environment() -> None:
    (statement,) = json.loads(block("json"))["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:ORG/REPO:environment:eks",
        }
    }
    assert "*" not in block("json")


def test_the_page_names_every_variable_and_secret_that_workflows_ask_for() -> None:
    asked = {name for file in FILES for name in re.findall(r"\b(?:vars|secrets)\.([A-Z_]+)", file.read_text())}
    assert asked
    assert {name for name in asked if f"`{name}`" not in PAGE} == set()


def test_the_page_has_a_row_for_every_workflow() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE))
    assert {workflow(file.stem)["name"] for file in FILES} <= rows
