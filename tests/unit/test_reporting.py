"""What CI keeps of a command, and says of it in Markdown."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from reporting import markdown, parts
from reporting.__main__ import main
from reporting.parts import Part
from reporting.problems import ReportingError
from tests.unit.recording import REPOSITORY

BACKEND = "PULUMI_BACKEND_URL"
PARTS = some.builds(
    Part,
    stack=some.just("home"),
    kind=some.sampled_from(list(parts.TITLES)),
    command=some.just("make"),
    code=some.integers(0, 255),
    output=some.text(max_size=3000),
    errors=some.text(max_size=3000),
)


def part(**changed: object) -> Part:
    fields: dict[str, object] = {"stack": "home", "kind": "rehearsal", "command": "make", "code": 0}
    return Part(**{**fields, "output": "", "errors": "", **changed})  # pyright: ignore[reportArgumentType]


def report(*said: Part, limit: int = markdown.COMMENT) -> str:
    return markdown.report("home", said, footer="The end.", limit=limit)


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_command_ends_as_it_would_alone_and_what_it_said_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = "import sys; print('the table'); print('a warning', file=sys.stderr); sys.exit(7)"

    code = main(["run", "--stack", "home", "--kind", "rehearsal", "--into", str(tmp_path / "a"), "--", *program(said)])

    assert code == 7
    assert capfd.readouterr() == ("the table\n", "a warning\n")
    (kept,) = parts.kept(tmp_path)
    assert (kept.stack, kept.kind, kept.code, kept.output, kept.errors) == (
        "home",
        "rehearsal",
        7,
        "the table",
        "a warning",
    )


def test_colours_and_secrets_of_the_job_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "")
    kept = parts.run("home", "rehearsal", program(r"print('\x1b[31mred\x1b[0m', 'correct horse')"), tmp_path)
    assert kept.output == "red [secret]"


@pytest.mark.parametrize("kind", sorted(parts.LIVING))
@pytest.mark.parametrize("backend", ["", "file://.state"])
def test_a_stack_that_lives_is_not_touched_with_a_state_that_ends_with_the_machine(
    kind: parts.Kind, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, backend)
    ran = tmp_path / "ran"
    with pytest.raises(ReportingError, match="set that variable for the environments home and home-preview"):
        parts.run("home", kind, ["touch", str(ran)], tmp_path)
    assert not ran.exists()


def test_a_cancelled_job_interrupts_what_the_shell_of_make_runs_and_waits_for_it(tmp_path: Path) -> None:
    inner = "trap 'echo finishing; touch done; exit 1' INT; touch started; while :; do sleep 0.1; done"
    command = [sys.executable, "-m", "reporting", "run", "--stack", "home", "--kind", "rehearsal", "--into", "report"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [*command, "--", "bash", "-c", f'bash -c "{inner}"; exit $?']
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
        until(tmp_path / "started")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) != 0
    assert (tmp_path / "done").exists()
    assert "finishing" in json.loads((tmp_path / "report/rehearsal.home.json").read_text())["output"]


def until(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.05)


def test_parts_are_in_the_order_of_a_report_whichever_job_was_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, "s3://states")
    ran: list[tuple[parts.Kind, str]] = [("preview", "home"), ("rehearsal", "lab"), ("rehearsal", "home")]
    for kind, stack in ran:
        parts.run(stack, kind, program("print()"), tmp_path / f"report-{kind}.{stack}")
    assert [(one.stack, one.kind) for one in parts.kept(tmp_path)] == [
        ("home", "rehearsal"),
        ("home", "preview"),
        ("lab", "rehearsal"),
    ]


def test_what_failed_is_open_with_the_end_of_its_complaints_and_the_rest_is_folded() -> None:
    text = report(
        part(output="a table"), part(kind="preview", code=255, output="diagnostics", errors="error: no token")
    )
    assert "1 of 2 failed" in text
    assert "<details><summary>What is placed where, rehearsed: passed</summary>" in text
    assert "<details open><summary>Preview: failed, exit 255</summary>" in text
    assert "diagnostics\n\nerror: no token" in text
    assert text.endswith("The end.")


def test_progress_of_what_passed_is_left_out() -> None:
    assert "Building" not in report(part(output="a table", errors="Building the tools"))


def test_output_with_a_fence_in_it_does_not_end_ours() -> None:
    text = report(part(output="before\n```\n<img src=x>\n````\nafter"))
    assert "`````text\nbefore\n```\n<img src=x>\n````\nafter\n`````\n" in text


def test_changes_of_a_preview_have_their_sign_where_github_colours_it() -> None:
    text = report(part(kind="preview", output="    + v1:Pod\n  ~ spec: {\n      - old\n    a - b"))
    assert "\n+     v1:Pod\n!   spec: {\n-       old\n    a - b\n" in text


@given(said=some.lists(PARTS, max_size=4), times=some.integers(1, 60))
def test_a_comment_is_never_longer_than_github_takes(said: list[Part], times: int) -> None:
    long = [part(**{**vars(one), "output": one.output * times, "errors": one.errors * times}) for one in said]
    assert len(report(*long).encode()) <= markdown.COMMENT


def test_of_a_long_output_beginning_and_end_stay_and_short_ones_stay_whole() -> None:
    long = "\n".join(["first", *(f"line {number} {'x' * 80}" for number in range(3000)), "Resources: 5 to create"])
    text = report(part(output="a short table"), part(kind="preview", output=long))
    assert "a short table" in text
    assert "\nfirst\n" in text
    assert "\nResources: 5 to create\n" in text
    assert "of 3002 lines, those of the middle were left out" in text
    assert len(text.encode()) > markdown.COMMENT * 0.98
