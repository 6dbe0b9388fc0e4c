"""What the stand-in for the command provider promises, beside a real engine and a real SSH server (tests/e2e)."""

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.standins import wire
from tests.standins.command.local import files
from tests.standins.command.output import Output
from tests.standins.command.resources import CopyToRemote, LocalCommand, RemoteCommand, function
from tests.standins.command.running import Running
from tests.standins.provider import Call, InvalidInputs, ProviderError, Severity
from tests.standins.wire import UNKNOWN, Properties

HOST: Properties = {"host": "h", "privateKey": "hush"}


class User:
    """One who sees what is shown, and may do something about the first line."""

    def __init__(self) -> None:
        self.saw: list[str] = []
        self.then: Callable[[], None] = lambda: None

    def call(self, *, preview: bool = False) -> Call:
        return Call(urn="urn:pulumi:s::p::command:local:Command::x", preview=preview, say=self._see)

    def _see(self, text: str, _severity: Severity, _fleeting: bool) -> None:
        self.saw.append(text)
        if len(self.saw) == 1:
            threading.Thread(target=self.then).start()


@pytest.fixture
def user() -> User:
    return User()


def run(inputs: Properties, user: User, running: Running | None = None) -> Properties:
    """The state of a new local command."""
    kind = LocalCommand(running or Running())
    return kind.create(user.call(), kind.check(inputs))[1]


def test_a_connection_has_the_official_defaults_and_is_secret_with_its_keys() -> None:
    connection: Properties = {**HOST, "proxy": {"host": "p", "password": "hush"}}
    inputs = RemoteCommand(Running()).check({"connection": connection})
    complete: Properties = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
    proxy: Properties = {**complete, "host": "p", "password": wire.secret("hush")}
    expected: Properties = {**complete, "host": "h", "privateKey": wire.secret("hush"), "proxy": proxy}
    assert inputs["connection"] == wire.secret(expected)


def test_what_cannot_be_meant_is_named_with_what_there_is_and_no_value_is_told() -> None:
    bad: Properties = {
        "create": 5,
        "interpretor": "sh",
        "environment": {"PORT": 80},
        "connection": {"port": "22", "password": 7, "privateKey": "hush"},
    }
    with pytest.raises(InvalidInputs) as refused:
        RemoteCommand(Running()).check(bad)
    assert set(refused.value.failures) == {
        "create",
        "interpretor",
        "environment.PORT",
        "connection.host",
        "connection.port",
        "connection.password",
    }
    assert "hush" not in str(refused.value)


def test_what_is_not_known_yet_is_not_refused() -> None:
    unknown: Properties = {"connection": {"host": UNKNOWN}, "create": UNKNOWN, "environment": {"A": UNKNOWN}}
    RemoteCommand(Running()).check(unknown)
    RemoteCommand(Running()).check(unknown | {"connection": UNKNOWN, "environment": wire.secret(UNKNOWN)})


@pytest.mark.parametrize(
    ("old", "new", "changes", "replaced"),
    [
        ({"create": "a"}, {"create": "a", "__internal": 1}, {}, False),
        ({"create": "a"}, {"create": "b"}, {"create": "update"}, False),
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, {"environment.A": "update"}, False),
        ({"dir": "/", "stdin": ""}, {"stdin": "", "update": "b"}, {"dir": "delete", "update": "add"}, False),
        ({"triggers": [1, {"x": 1}]}, {"triggers": [1, {"x": 2}]}, {"triggers[1].x": "update"}, True),
        ({}, {"triggers": [1]}, {"triggers": "add"}, True),
        ({"stdin": wire.secret("a")}, {"stdin": wire.secret("b")}, {"stdin": "update"}, False),
        ({"stdin": "a"}, {"stdin": wire.secret("a")}, {"stdin": "update"}, False),
    ],
)
def test_triggers_replace_and_everything_else_updates(
    old: Properties, new: Properties, changes: Mapping[str, str], replaced: bool
) -> None:
    kind = LocalCommand(Running())
    assert kind.diff({}, old, new) == changes
    assert any(map(kind.replaces, changes)) is replaced


def test_a_file_is_told_by_what_is_in_it() -> None:
    def source(path: str, content: str) -> Properties:
        return {"source": {wire.TAG: "c44067f5952c0a294b673a41bacd8c17", "path": path, "hash": content}}

    kind = CopyToRemote(Running())
    assert kind.diff({}, source("a", "1"), source("elsewhere/a", "1")) == {}
    assert kind.diff({}, source("a", "1"), source("a", "2")) == {"source": "update"}


@pytest.mark.parametrize(
    ("state", "inputs", "stdout"),
    [
        ({"create": "a"}, {"create": "b"}, UNKNOWN),
        ({"create": "a", "stdin": "s"}, {"create": "a"}, UNKNOWN),
        ({"create": "a", "environment": {"A": "1"}}, {"create": "a", "environment": {"A": UNKNOWN}}, UNKNOWN),
        ({"create": "a"}, {"create": "a", "stdin": UNKNOWN}, UNKNOWN),
        ({"create": "a"}, {"create": "a", "stdin": "s"}, "old"),
    ],
)
def test_the_preview_of_an_update_knows_outputs_only_when_inputs_are_but_added(
    user: User, state: Properties, inputs: Properties, stdout: str
) -> None:
    old = state | {"stdout": "old", "stderr": ""}
    assert LocalCommand(Running()).update(user.call(preview=True), old, inputs)["stdout"] == stdout


def test_output_is_kept_whole_but_for_its_last_newline(user: User) -> None:
    state = run({"create": r"printf ' a\n\n'; printf '\377' >&2"}, user)
    assert (state["stdout"], state["stderr"]) == (" a\n", "\ufffd")
    assert sorted(user.saw) == ["", " a", "\ufffd"]


def test_a_command_that_writes_much_to_both_streams_and_reads_nothing_ends(user: User) -> None:
    write = "head -c 1000000 /dev/zero | tr '\\0' x"
    state = run({"create": f"{write} >&2 & {write}; wait", "stdin": "y" * 1_000_000, "logging": "none"}, user)
    assert (len(str(state["stdout"])), len(str(state["stderr"]))) == (1_000_000, 1_000_000)


def test_lines_are_shown_when_they_are_whole_and_the_rest_at_the_end() -> None:
    shown: list[str] = []
    output = Output(frozenset({"stdout"}), shown.append)
    output.take("stdout", b"one\r\ntw")
    output.take("stderr", b"not asked for\n")
    assert shown == ["one"]
    output.take("stdout", b"o")
    output.take("stdout", b"")
    assert shown == ["one", "two"]


def test_a_command_does_not_see_what_the_launcher_added(monkeypatch: pytest.MonkeyPatch, user: User) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:/theirs")
    assert run({"create": "echo $PYTHONPATH"}, user)["stdout"] == "/theirs"


def test_variables_may_be_secret_and_need_no_value(user: User) -> None:
    state = run({"create": "echo $A${B-unset}", "environment": {"A": wire.secret("hush"), "B": None}}, user)
    assert state["stdout"] == "hushunset"
    assert state["environment"] == {"A": wire.secret("hush"), "B": None}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"create": "kill -TERM $$"}, 'signal: terminated: running "kill -TERM $$":\n'),
        ({"create": "x", "interpreter": ["no-such"]}, 'exec: "no-such": executable file not found in $PATH'),
        ({"create": "x", "interpreter": ["/etc/passwd"]}, "fork/exec /etc/passwd: permission denied"),
        ({"create": "x", "dir": "/no/such"}, "chdir /no/such: no such file or directory"),
    ],
)
def test_a_command_that_could_not_run_says_why(user: User, inputs: Properties, words: str) -> None:
    with pytest.raises(ProviderError) as failed:
        run(inputs, user)
    assert words in str(failed.value)


def test_a_command_that_is_told_to_stop_ends_and_none_is_started_after_it(user: User) -> None:
    running = Running()
    user.then = running.stop
    with pytest.raises(ProviderError, match="signal: terminated"):
        run({"create": "echo ready; sleep 600 & wait"}, user, running)
    with pytest.raises(ProviderError, match="context canceled"):
        run({"create": "true"}, user, running)


def test_a_command_that_will_not_stop_is_killed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.standins.command.running._SECONDS_TO_LEAVE", 0.1)
    running = Running()
    user.then = running.stop
    with pytest.raises(ProviderError, match="signal: killed"):
        run({"create": "trap '' TERM; echo ready; while :; do sleep 1; done"}, user, running)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["*"], ["a.txt"]),
        (["**"], ["a.txt", "d/b.js", "d/e/c.js"]),
        (["d/*.js"], ["d/b.js"]),
        (["d/**.js", "!**c*"], ["d/b.js"]),
        (["!**", "*.txt"], ["a.txt"]),
        (["{a,z}.t?t"], ["a.txt"]),
        (["[!b].txt", "d/[a-c].js"], ["a.txt", "d/b.js"]),
        ([r"\a.txt"], ["a.txt"]),
        (["a,txt", "atxt"], []),
    ],
)
def test_patterns_choose_files_in_their_order(tmp_path: Path, patterns: list[str], found: list[str]) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    for name in ("a.txt", "d/b.js", "d/e/c.js"):
        (tmp_path / name).touch()
    assert sorted(files(str(tmp_path), patterns)) == found


def test_a_function_runs_and_gives_back_its_arguments_too(user: User) -> None:
    call = function(Running())
    returned = call(user.call(), {"command": "print(1)", "interpreter": [sys.executable, "-c"]})
    assert (returned["stdout"], returned["command"]) == ("1", "print(1)")
    with pytest.raises(InvalidInputs, match="command: is required"):
        call(user.call(), {})


def test_a_command_without_scripts_does_nothing(user: User) -> None:
    kind = LocalCommand(Running())
    _, state = kind.create(user.call(), {"stdin": "x"})
    assert state == {"stdin": "x", "stdout": "", "stderr": ""}
    assert kind.update(user.call(), state, {"stdin": "y"}) == {"stdin": "y", "stdout": "", "stderr": ""}
    kind.delete(user.call(), state)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n"}, "connection.privateKey cannot be read"),
        ({"hostKey": "ssh-ed25519"}, "failed to parse host key"),
        ({"hostKey": "hush AAAAC3NzaC1lZDI1NTE5"}, "failed to parse host key"),
    ],
)
def test_a_key_that_cannot_be_read_is_named_and_not_shown(user: User, connection: Properties, words: str) -> None:
    pytest.importorskip("paramiko")
    kind = RemoteCommand(Running())
    inputs = kind.check({"create": "true", "connection": {"host": "127.0.0.1", "port": 1} | connection})
    with pytest.raises(ProviderError) as failed:
        kind.create(user.call(), inputs)
    assert words in str(failed.value)
    assert "hush" not in str(failed.value)
