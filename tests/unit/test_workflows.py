"""The workflows keep their promises: what they may do, who meets secrets, what they are pinned to."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from reporting import parts, stacks
from tests.unit.recording import REPOSITORY
from tests.unit.workflows import ACTIONS, FILES, Job, job, jobs, shown, workflow

PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")
WRITES = {
    "preview/comment": {"pull-requests"},
    "preview/preview-aws": {"id-token"},
    "deploy/plan-aws": {"id-token"},
    "deploy/deploy-aws": {"id-token"},
    "drift/drift-aws": {"id-token"},
    "drift/issue": {"issues"},
}
PAIRS = ("preview/preview", "deploy/plan", "deploy/deploy", "drift/drift")
LIVING = tuple(f"{pair}-{where}" for pair in PAIRS for where in ("hosts", "aws"))


@pytest.mark.parametrize("file", [*FILES, *ACTIONS], ids=shown)
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(file: Path) -> None:
    used = re.findall(r"uses: (.*)$", file.read_text(), re.MULTILINE)
    assert used
    assert [use for use in used if not use.startswith("./") and not PINNED.fullmatch(use)] == []


def test_an_action_is_pinned_to_the_same_commit_everywhere() -> None:
    pins = {match.groups() for file in (*FILES, *ACTIONS) for match in PINNED.finditer(file.read_text())}
    assert len(pins) == len({action for action, *_ in pins})


@pytest.mark.parametrize("file", FILES, ids=shown)
def test_no_workflow_gives_its_jobs_more_than_reading_the_repository(file: Path) -> None:
    assert workflow(file.stem)["permissions"] == {"contents": "read"}


def test_only_the_job_that_writes_comments_or_issues_or_asks_aws_may_write() -> None:
    writes = {
        str(one): {name for name, access in one.fields.get("permissions", {}).items() if access != "read"}
        for one in jobs()
    }
    assert {name: given for name, given in writes.items() if given} == WRITES


@pytest.mark.parametrize("name", [name for name in WRITES if "aws" not in name])
def test_jobs_that_may_write_install_nothing_and_meet_no_secret(name: str) -> None:
    assert {step["uses"].partition("@")[0] for step in job(name).steps if "uses" in step} == {
        "actions/checkout",
        "actions/download-artifact",
    }
    assert "{{ secrets." not in str(job(name).fields)
    assert "environment" not in job(name).fields


@pytest.mark.parametrize("file", FILES, ids=shown)
def test_no_workflow_runs_code_of_a_fork_with_the_rights_of_this_repository(file: Path) -> None:
    assert {"pull_request_target", "workflow_run", "issue_comment"}.isdisjoint(workflow(file.stem)["on"])


@pytest.mark.parametrize("one", jobs("preview"), ids=str)
def test_forks_never_meet_secrets_nor_a_runner_of_ours(one: Job) -> None:
    trusted = "needs.stacks.outputs.trusted == 'true'" in one.fields.get("if", "")
    said = str(one.fields)
    wanted = [word for word in ("{{ secrets.", "vars.RUNNER", "id-token", "'environment'", ": 'write'") if word in said]
    assert trusted or wanted == []


def test_neither_a_fork_nor_dependabot_is_trusted() -> None:
    trusted = " ".join(job("preview/stacks").fields["outputs"]["trusted"].split())
    assert trusted == (
        "${{ github.event.pull_request.head.repo.full_name == github.repository "
        "&& github.event.pull_request.user.login != 'dependabot[bot]' }}"
    )


def test_a_fork_is_rehearsed_and_told_that_nothing_is_previewed() -> None:
    assert "if" not in job("preview/rehearse").fields
    assert job("preview/nothing-secret").fields["if"] == "needs.stacks.outputs.trusted != 'true'"


@pytest.mark.parametrize("one", jobs(), ids=str)
def test_nothing_that_others_write_stands_inside_a_script(one: Job) -> None:
    assert [script for script in one.scripts() if "${{" in script] == []


@pytest.mark.parametrize("one", jobs(), ids=str)
def test_no_checkout_leaves_a_token_behind_and_no_job_runs_for_hours_unasked(one: Job) -> None:
    checkouts = [step for step in one.steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    assert one.fields["timeout-minutes"] <= 180


@pytest.mark.parametrize("name", LIVING)
def test_secrets_come_from_the_environment_of_the_stack(name: str) -> None:
    wanted = "${{ matrix.stack.name }}" + ("" if name.startswith("deploy/deploy-") else "-preview")
    assert job(name).fields["environment"] == wanted


def test_no_other_job_meets_a_secret() -> None:
    assert {str(one) for one in jobs() if "{{ secrets." in str(one.fields)} == set(LIVING)


@pytest.mark.parametrize("name", ["deploy/deploy-hosts", "deploy/deploy-aws", "drift/drift-hosts", "drift/drift-aws"])
def test_one_job_at_a_time_changes_or_reads_a_living_stack_and_none_is_cancelled(name: str) -> None:
    assert job(name).fields["concurrency"] == {"group": "stack-${{ matrix.stack.name }}", "cancel-in-progress": False}


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_done_for_aws_is_what_is_done_for_hosts(pair: str) -> None:
    hosts, aws = job(f"{pair}-hosts"), job(f"{pair}-aws")
    assert list(hosts.scripts()) == list(aws.scripts())
    assert [step.get("name") for step in hosts.steps if "name" in step] == [
        step.get("name") for step in aws.steps if "name" in step
    ]


def test_what_is_deployed_is_what_the_reviewers_saw() -> None:
    assert any('FLAGS="--save-plan plan.json"' in script for script in job("deploy/plan-hosts").scripts())
    assert any('FLAGS="--plan plan.json"' in script for script in job("deploy/deploy-hosts").scripts())


@pytest.mark.parametrize("one", [*jobs("preview", "deploy", "drift")], ids=str)
def test_what_jobs_call_is_there(one: Job) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    called = {target for script in one.scripts() for target in re.findall(r"\bmake ([a-z]+)", script)}
    kinds = {kind for script in one.scripts() for kind in re.findall(r"--kind (\w+)", script)}
    assert called <= targets
    assert kinds <= set(parts.TITLES)


def test_every_stack_of_the_repository_is_rehearsed() -> None:
    files = {file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in REPOSITORY.glob("Pulumi.*.yaml")}
    listed = stacks.jobs(stacks.found(REPOSITORY), deployed="")
    assert {stack.name for stack in listed["all"]} == files
    assert (listed["aws"], listed["hosts"]) == ((), ())


def test_only_stacks_at_amazon_are_in_the_jobs_that_ask_it_for_credentials() -> None:
    listed = stacks.jobs(stacks.found(REPOSITORY), deployed="onprem eks onprem")
    assert [stack.name for stack in listed["aws"]] == ["eks"]
    assert [stack.name for stack in listed["hosts"]] == ["onprem"]


def test_one_stack_may_be_deployed_alone() -> None:
    listed = stacks.jobs(stacks.found(REPOSITORY), deployed="onprem eks", only="eks")
    assert ([stack.name for stack in listed["aws"]], listed["hosts"]) == (["eks"], ())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--deployed", "onprme"],
            '"onprme", but there is no Pulumi.onprme.yaml; there are: dev, eks, onprem',
        ),
        (["--deployed", "dev"], 'STACKS names "dev", whose target is dev'),
        (["--deployed", "eks", "--only", "onprem"], '"onprem" is not deployed from here'),
    ],
)
def test_a_stack_that_cannot_be_deployed_from_here_stops_the_run_with_the_reason(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stacks.main(arguments) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("delivery", "gitops"),
    [("{mode: gitops, path: clusters/home}", True), ("{mode: direct}", False), ("[gitops]", False)],
)
def test_rendered_yaml_is_checked_for_stacks_that_git_delivers(delivery: str, gitops: bool, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.home.yaml").write_text(
        f"config:\n  inference:target: onprem\n  inference:delivery: {delivery}\n"
    )
    assert stacks.found(tmp_path) == (stacks.Stack(name="home", target="onprem", gitops=gitops),)


def test_the_lists_are_outputs_of_a_step_on_one_line_each() -> None:
    listed = stacks.jobs(stacks.found(REPOSITORY), deployed="onprem")
    lines = stacks.outputs(listed).splitlines()
    assert [line.partition("=")[0] for line in lines] == ["all", "aws", "hosts"]
    assert lines[1:] == ["aws=[]", 'hosts=[{"name": "onprem", "target": "onprem", "gitops": false}]']


@pytest.fixture
def newest() -> Iterator[str]:
    """A stand-in for GitHub, which says what the newest commit of main is."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = (self.path, self.headers["Accept"], self.headers["Authorization"])
            right = asked == ("/repos/org/repo/commits/main", "application/vnd.github.sha", "Bearer token")
            self.send_response(200 if right else 404)
            self.end_headers()
            self.wfile.write(b"a" * 40)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed; get it with: apt-get install curl")
@pytest.mark.parametrize(("commit", "goes_on"), [("a" * 40, True), ("b" * 40, False)])
def test_a_commit_that_is_no_longer_the_newest_of_main_is_not_deployed(commit: str, goes_on: bool, newest: str) -> None:
    done = run_step(
        job("deploy/deploy-hosts"),
        "Is this still what main says?",
        {"GITHUB_API_URL": newest, "GITHUB_REPOSITORY": "org/repo", "GITHUB_SHA": commit, "TOKEN": "token"},
    )
    assert (done.returncode == 0) == goes_on
    assert goes_on or f"main is at {'a' * 40} by now" in done.stdout


def run_step(one: Job, name: str, environment: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """A step's script as GitHub runs it."""
    script = next(step["run"] for step in one.steps if step.get("name") == name)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(command, env=path | dict(environment), capture_output=True, text=True, check=False)
