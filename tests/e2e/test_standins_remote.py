"""Commands and copies on another host, as the real engine, a real SSH server and a user see them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.small_stacks import Outcome, SmallStack, lines, made
from tests.e2e.ssh_server import PASSWORD, SshServer, free_port, serving

PROGRAM = """
generation = pulumi.Config().require_int("generation")
remote = command.remote

def connection(**arguments):
    return remote.ConnectionArgs(**{"host": "127.0.0.1", "port": PORT, "user": USER, "host_key": HOST_KEY,
                                    "private_key": KEY, "dial_error_limit": 1, **arguments})

def run(name, create, **arguments):
    made = remote.Command(name, **{"connection": connection(), "create": create, **arguments})
    pulumi.export(name, made.stdout)
    return made

def copy(name, source, path, **options):
    return remote.CopyToRemote(name, connection=connection(), source=source, remote_path=f"{REMOTE}/{path}",
                               opts=pulumi.ResourceOptions(**options))
"""
WELL = """
G = {"ACCEPTED": str(generation)}
fed = run("fed", "cat; echo $ACCEPTED; echo warned >&2", stdin="in\\n", environment=G)
pulumi.export("errors", fed.stderr)
run("updated", f"echo first; echo err >&2; echo create >> {JOURNAL}",
    update=f"echo update after $PULUMI_COMMAND_STDOUT >> {JOURNAL}; echo second", environment=G)
run("replaced", f"echo create $ACCEPTED >> {JOURNAL}", delete=f"echo delete $ACCEPTED >> {JOURNAL}", environment=G,
    triggers=[generation])
run("unchanged", f"echo once >> {JOURNAL}")
run("hushed", "echo hidden", logging=remote.Logging.NONE)
run("secret", "wc -c", stdin=pulumi.Output.secret("hush-stdin"))
run("encrypted", "echo in", connection=connection(private_key=ENCRYPTED, private_key_password=PASSWORD))
run("trusting", "echo in", connection=connection(host_key=None))
run("beyond", "echo in", connection=connection(proxy=remote.ProxyConnectionArgs(
    host="127.0.0.1", port=PORT, user=USER, private_key=KEY, host_key=HOST_KEY, dial_error_limit=1)))

os.makedirs("tree/deep", exist_ok=True)
for path in ("one", "tree/a", "tree/deep/b"):
    with open(path, "w") as file:
        file.write(f"{path} {generation}")
renamed = copy("file", pulumi.FileAsset("one"), "new/parents/renamed")
copy("into", pulumi.FileAsset("one"), "new/parents", depends_on=renamed)
copy("tree", pulumi.FileArchive("tree"), "trees")
copy("content", pulumi.FileArchive("tree/"), "content")
copy("text", pulumi.StringAsset("said"), "text/file")
"""
BADLY = """
run("mismatch", f"echo mismatch >> {JOURNAL}", connection=connection(host_key=STRANGER_PUBLIC))
run("unreachable", f"echo unreachable >> {JOURNAL}", connection=connection(port=CLOSED))
run("stranger", f"echo stranger >> {JOURNAL}", connection=connection(private_key=STRANGER))
run("mangled", f"echo mangled >> {JOURNAL}", connection=connection(private_key=KEY.replace("A", "")))
run("refused", f"echo refused >> {JOURNAL}", environment={"REFUSED": "x"})
run("failing", "echo one; echo two >&2; exit 3", logging=remote.Logging.NONE)
run("killed", "echo one; kill -9 $$")
copy("misplaced", pulumi.StringAsset("text"), "")
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A preview, the update after it, and what was there then."""

    preview: Outcome
    update: Outcome
    new_in_journal: tuple[str, ...]
    outputs: dict[str, Any]
    state: str
    files: dict[str, str]
    """On the host, by path, with their content."""


def _step(stack: SmallStack, generation: int) -> Step:
    before = tuple(lines(stack.journal))
    preview = stack.preview(generation=generation)
    assert tuple(lines(stack.journal)) == before
    update = stack.up(generation=generation)
    assert update.status == 0, update.text
    remote = stack.directory / "remote"
    return Step(
        preview=preview,
        update=update,
        new_in_journal=tuple(lines(stack.journal))[len(before) :],
        outputs=stack.outputs(),
        state=stack.state(),
        files={str(path.relative_to(remote)): path.read_text() for path in remote.rglob("*") if path.is_file()},
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> SmallStack:
    stack = made(tmp_path_factory.mktemp("standins"))
    if "command" not in stack.official:
        pytest.importorskip("paramiko", reason="the stand-in reaches no host without paramiko: pip install paramiko")
    return stack


@pytest.fixture(scope="module")
def first(stack: SmallStack, server: SshServer) -> Step:
    """Everything is new."""
    stack.write(_facts(stack, server) + PROGRAM + WELL)
    return _step(stack, 1)


@pytest.fixture(scope="module")
def second(stack: SmallStack, first: Step) -> Step:
    """The same, but for the generation."""
    assert stack.up("--expect-no-changes").status == 0, first.update.text
    return _step(stack, 2)


@pytest.fixture(scope="module")
def failed(second: Step, server: SshServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Everything that goes wrong, at once."""
    assert second.update.status == 0
    stack = made(tmp_path_factory.mktemp("failing"))
    stack.write(_facts(stack, server) + PROGRAM + BADLY)
    outcome = stack.up("--continue-on-error")
    assert outcome.status != 0
    assert tuple(lines(stack.journal)) == ()
    assert server.private_key.read_text().splitlines()[2] not in outcome.text
    return outcome


def _facts(stack: SmallStack, server: SshServer) -> str:
    remote = stack.directory / "remote"
    remote.mkdir(exist_ok=True)
    facts = {
        "PORT": server.port,
        "CLOSED": free_port(),
        "USER": server.user,
        "HOST_KEY": server.host_key,
        "KEY": server.private_key.read_text(),
        "ENCRYPTED": server.encrypted_key.read_text(),
        "PASSWORD": PASSWORD,
        "STRANGER": server.stranger.read_text(),
        "STRANGER_PUBLIC": server.stranger.with_suffix(".pub").read_text().strip(),
        "JOURNAL": str(stack.journal),
        "REMOTE": str(remote),
    }
    return "".join(f"{name} = {value!r}\n" for name, value in facts.items())


def test_a_remote_command_is_given_its_input_and_accepted_variables_and_its_output_is_kept(first: Step) -> None:
    assert (first.outputs["fed"], first.outputs["errors"]) == ("in\n1", "warned")
    assert sorted(first.update.messages("fed")) == ["1", "in", "warned"]


def test_a_remote_command_that_is_not_to_be_logged_is_not_shown(first: Step) -> None:
    assert (first.update.messages("hushed"), first.outputs["hushed"]) == ([], "hidden")


@pytest.mark.parametrize("name", ["encrypted", "trusting", "beyond"])
def test_a_host_is_reached_by_an_encrypted_key_and_without_a_host_key_and_through_a_proxy(
    first: Step, name: str
) -> None:
    assert first.outputs[name] == "in"


def test_keys_and_secret_input_are_encrypted_in_the_state(first: Step, server: SshServer) -> None:
    assert first.outputs["secret"] == "10"
    keys = [path.read_text().splitlines()[2] for path in (server.private_key, server.encrypted_key)]
    assert [secret for secret in ("hush-stdin", PASSWORD, *keys) if secret in first.state] == []


def test_files_and_directories_arrive_where_they_were_sent(first: Step) -> None:
    assert first.files == {
        "new/parents/renamed": "one 1",
        "new/parents/one": "one 1",
        "trees/tree/a": "tree/a 1",
        "trees/tree/deep/b": "tree/deep/b 1",
        "content/a": "tree/a 1",
        "content/deep/b": "tree/deep/b 1",
        "text/file": "said",
    }


def test_a_changed_file_is_copied_again(first: Step, second: Step) -> None:
    assert second.files == {path: content.replace("1", "2") for path, content in first.files.items()}
    assert second.update.operations().get("text") is None


def test_only_triggers_replace_a_remote_command_and_other_changes_update_it(second: Step) -> None:
    done = second.update.operations()
    assert {name: done.get(name) for name in ("fed", "updated", "replaced", "unchanged")} == {
        "fed": "update",
        "updated": "update",
        "replaced": "delete-replaced",
        "unchanged": None,
    }
    assert second.preview.operations() == done


def test_scripts_run_once_for_each_step_of_a_remote_commands_life(first: Step, second: Step) -> None:
    assert sorted(first.new_in_journal) == ["create", "create 1", "once"]
    assert sorted(second.new_in_journal) == ["create 2", "delete 1", "update after first"]


def test_a_variable_with_the_last_output_that_the_server_does_not_take_is_but_a_warning(second: Step) -> None:
    assert second.outputs["updated"] == "second"
    assert "Unable to set 'PULUMI_COMMAND_STDERR'" in "\n".join(second.update.messages("updated"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mismatch", "after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch"),
        ("unreachable", "connection refused"),
        ("stranger", "ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain"),
        ("mangled", "ssh: "),
        ("refused", 'could not set environment variable "REFUSED": ssh: setenv failed'),
        ("failing", 'Process exited with status 3: running "echo one; echo two >&2; exit 3":\n'),
        ("killed", 'running "echo one; kill -9 $$":\none'),
        ("misplaced", "is a directory; when using a text asset, remotePath must be a file path"),
    ],
)
def test_what_went_wrong_with_a_host_is_told(failed: Outcome, name: str, words: str) -> None:
    assert words in "\n".join(failed.messages(name))


def test_a_host_that_cannot_be_reached_is_dialled_as_often_as_was_asked(failed: Outcome) -> None:
    told = failed.messages("unreachable")
    assert [line for line in told if line.startswith("Dial")] == ["Dial 1/1 failed: retrying"]
    assert "after 1 failed attempts: dial tcp 127.0.0.1:" in "\n".join(told)


def test_a_failure_holds_all_that_a_command_wrote_whatever_is_logged(failed: Outcome) -> None:
    assert {"one", "two"} <= set("\n".join(failed.messages("failing")).splitlines())


def test_destroying_runs_the_delete_scripts_on_the_host(stack: SmallStack, second: Step) -> None:
    before = len(tuple(lines(stack.journal)))
    assert stack.destroy().status == 0, second.update.text
    assert tuple(lines(stack.journal))[before:] == ("delete 2",)
