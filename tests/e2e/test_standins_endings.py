"""How programs and commands end when they do not end well, as the real engine and a user see it."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.small_stacks import SmallStack, lines, made

SECONDS = 20
"""Within which what should happen at once has happened."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> SmallStack:
    return made(tmp_path_factory.mktemp("standins"))


def test_what_a_program_prints_reaches_the_user(stack: SmallStack) -> None:
    stack.write("print('to stdout')\nprint('to stderr', file=sys.stderr)\n")
    previewed = stack.preview()
    assert previewed.status == 0
    assert {"to stdout", "to stderr"} <= set(previewed.messages())


def test_a_run_error_is_told_in_its_own_words_alone(stack: SmallStack) -> None:
    stack.write("raise pulumi.RunError('the engine is not in the table')\n")
    failed = stack.preview()
    assert failed.status != 0
    assert "the engine is not in the table" in failed.messages()
    assert "Traceback" not in failed.text


def test_any_other_exception_is_shown_from_the_users_own_line_on(stack: SmallStack) -> None:
    stack.write("import json\njson.loads('{')\n")
    failed = stack.preview()
    assert failed.status != 0
    told = next(message for message in failed.messages() if "Traceback" in message)
    frames = [line.strip() for line in told.splitlines() if line.strip().startswith("File ")]
    assert "__main__.py" in frames[0]
    assert not [line for line in frames if "pulumi" in line]
    assert told.endswith("Expecting property name enclosed in double quotes: line 1 column 2 (char 1)")


def test_a_program_that_exits_with_a_code_has_failed(stack: SmallStack) -> None:
    stack.write("sys.exit(3)\n")
    failed = stack.preview()
    assert failed.status != 0
    assert "an unhandled error occurred: program exited with non-zero exit code: 3" in failed.messages()


def test_every_run_of_a_program_starts_from_nothing(stack: SmallStack) -> None:
    stack.write("import json\nprint('again' if hasattr(json, 'seen') else 'afresh')\njson.seen = True\n")
    done = stack.pulumi("up", "--yes")
    assert done.text.count("afresh") > 1
    assert "again" not in done.messages()


def test_pulumi_about_knows_the_program(stack: SmallStack) -> None:
    stack.write("")
    told = subprocess.run(
        ["pulumi", "about", "--json"], cwd=stack.directory, env=stack.environment, capture_output=True, check=True
    )
    assert "pulumi-command" in {dependency["name"] for dependency in json.loads(told.stdout)["dependencies"]}


def test_a_failing_command_is_told_with_its_status_and_all_it_wrote(stack: SmallStack) -> None:
    stack.write(
        "command.local.Command('x', create='echo one; echo two >&2; exit 3', logging=command.local.Logging.NONE)\n"
        "command.local.Command('y', create='true', interpreter=['/no/such/shell'])\n"
        "command.local.Command('z', create='true', dir='/no/such/directory')\n"
    )
    failed = stack.up("--continue-on-error")
    assert failed.status != 0
    told = "\n".join(failed.messages("x"))
    assert 'exit status 3: running "echo one; echo two >&2; exit 3":' in told
    assert {"one", "two"} <= set(told.splitlines())
    assert "no such file or directory" in "\n".join(failed.messages("y"))
    assert "chdir /no/such/directory: no such file or directory" in "\n".join(failed.messages("z"))
    assert '"command:local:Command"' not in stack.state()


def test_inputs_that_cannot_be_meant_are_refused_before_anything_runs(stack: SmallStack) -> None:
    stack.write(
        "class Raw(pulumi.CustomResource):\n"
        "    def __init__(self, kind, name, **inputs):\n"
        "        super().__init__(kind, name, inputs, pulumi.ResourceOptions(version='1.2.1'))\n"
        "Raw('command:local:Command', 'x', create='touch ran', environment={'PORT': 80}, interpretor='sh')\n"
    )
    failed = stack.up()
    assert failed.status != 0
    told = "\n".join(failed.messages("x"))
    assert "environment" in told or "interpretor" in told
    assert not (stack.directory / "ran").exists()


def test_ctrl_c_ends_a_command(stack: SmallStack) -> None:
    stack.write("command.local.Command('x', create='echo $$ >> journal; exec sleep 600')\n")
    engine, command = _under_way(stack)
    engine.send_signal(signal.SIGINT)
    told, _ = engine.communicate(timeout=SECONDS)
    assert engine.returncode != 0
    assert "python" in stack.official or b"Traceback" not in told  # the official host shows the interrupt
    assert not psutil.pid_exists(command)


def test_ctrl_c_ends_the_children_of_a_command_too(stack: SmallStack) -> None:
    if "command" in stack.official:
        pytest.skip("the official provider kills the command alone, and waits for its children")
    stack.write("command.local.Command('x', create='echo $$ >> journal; sleep 600 & wait')\n")
    engine, command = _under_way(stack)
    _await(lambda: bool(psutil.Process(command).children()))
    children = psutil.Process(command).children()
    engine.send_signal(signal.SIGINT)
    engine.communicate(timeout=SECONDS)
    _await(lambda: not any(child.is_running() for child in children))


def test_an_engine_that_is_killed_leaves_nothing_running(stack: SmallStack) -> None:
    if stack.official:
        pytest.skip("official plugins notice after minutes")
    stack.write("command.local.Command('x', create='echo $$ >> journal; sleep 600 & wait')\n")
    engine, command = _under_way(stack)
    _await(lambda: bool(psutil.Process(command).children()))
    family = psutil.Process(engine.pid).children(recursive=True)
    assert len(family) > 3
    engine.kill()
    engine.communicate()
    _await(lambda: not any(member.is_running() for member in family))
    stack.pulumi("cancel", "--yes")


@pytest.mark.parametrize(
    ("target", "rehearsal", "runs"), [("dev", "false", 1), ("eks", "true", 1), ("eks", "false", 0)]
)
def test_stand_ins_of_the_dev_stack_serve_no_other_target(
    tmp_path: Path, target: str, rehearsal: str, runs: int
) -> None:
    stack = made(tmp_path, permission="dev")
    if "python" in stack.official:
        pytest.skip("the official language host serves any target")
    stack.write("print('ran')\n")
    done = stack.preview("-c", f"inference:target={target}", "-c", f"inference:rehearsal={rehearsal}")
    assert done.messages().count("ran") == runs
    assert (done.status == 0) is bool(runs)
    assert runs or [m for m in done.messages() if m.startswith("Stand-ins serve the dev target and rehearsals only")]


def test_without_permission_no_stand_in_starts(tmp_path: Path) -> None:
    stack = made(tmp_path, permission="")
    if stack.official:
        pytest.skip("official plugins need no permission")
    assert "serves the dev stack and tests only (INFERENCE_STANDINS is not set)" in stack.preview().text


def _under_way(stack: SmallStack) -> tuple["subprocess.Popen[bytes]", int]:
    """`pulumi up` while its command is running, and that command's process ID."""
    before = len(tuple(lines(stack.journal)))
    engine = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "-c", "generation=1"],
        cwd=stack.directory,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    _await(lambda: len(tuple(lines(stack.journal))) > before)
    return engine, int(tuple(lines(stack.journal))[-1])


def _await(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until, f"not within {SECONDS} s"
        time.sleep(0.05)
