"""Local commands, random values and the language host, as the real engine and a user see them."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.small_stacks import Outcome, SmallStack, lines, made

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine has for a value that only an update will tell."""
PROGRAM = """
generation = pulumi.Config().require_int("generation")
G = {"G": str(generation)}

def local(name, create, **arguments):
    made = command.local.Command(name, create=create, **arguments)
    pulumi.export(name, made.stdout)
    return made

local("fed", "cat; echo $G; echo warned >&2", stdin="in\\n", environment=G)
pulumi.export("errors", local("loud", "echo shown; echo also shown >&2").stderr)
local("hushed", "echo hidden", logging=command.local.Logging.NONE)
local("interpreted", "print(6 * 7)", interpreter=["python3", "-c"])
local("placed", "pwd", dir="/")
local("added", "cat", **({"stdin": "only now"} if generation > 1 else {}))
local("updated", "echo create >> journal; echo first",
      update="echo update after $PULUMI_COMMAND_STDOUT >> journal; echo second", environment=G)
local("forgetful", "echo ${PULUMI_COMMAND_STDOUT-nothing}", environment=G, add_previous_output_in_env=False)
local("replaced", "echo create $G >> journal", delete="echo delete $G >> journal", environment=G, triggers=[generation])
local("unchanged", "echo once >> journal", delete="echo delete unchanged >> journal")
local("secret", "wc -c", stdin=pulumi.Output.secret("hush-stdin"), environment={"S": pulumi.Output.secret("hush-env")})
if generation == 1:  # the SDK cannot read assets back from the state
    kept = local("kept", "mkdir -p out/deep && touch out/a out/deep/b out/secret.txt",
                 asset_paths=["out/**", "!**secret*"], archive_paths=["out/*"])
    pulumi.export("assets", kept.assets.apply(lambda assets: sorted(assets)))
pulumi.export("invoked", command.local.run_output(command="cat", stdin="asked").stdout)

def draw(name, kind, *results, **arguments):
    drawn = kind(name, **arguments)
    pulumi.export(name, {"id": drawn.id, **{result: getattr(drawn, result) for result in results}})

draw("password", random.RandomPassword, "result", "bcrypt_hash", length=20, special=False, min_upper=5)
draw("keeper", random.RandomString, "result", length=8, override_special="_", keepers=G)
draw("number", random.RandomInteger, "result", min=3, max=5)
draw("bytes", random.RandomBytes, "base64", "hex", length=4)
draw("identity", random.RandomId, "hex", "dec", "b64_url", byte_length=4, prefix="p-")
draw("uuid", random.RandomUuid, "result")
draw("pet", random.RandomPet, length=3, separator="_")
draw("adopted", random.RandomPassword, "result", length=11, opts=pulumi.ResourceOptions(import_="supersecret"))
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A preview, the update after it, and what was there then."""

    preview: Outcome
    journal_after_preview: tuple[str, ...]
    update: Outcome
    journal: tuple[str, ...]
    outputs: dict[str, Any]
    state: str


def _step(stack: SmallStack, generation: int) -> Step:
    preview = stack.preview(generation=generation)
    after_preview = tuple(lines(stack.journal))
    update = stack.up(generation=generation)
    assert update.status == 0, update.text
    return Step(
        preview=preview,
        journal_after_preview=after_preview,
        update=update,
        journal=tuple(lines(stack.journal)),
        outputs=stack.outputs(),
        state=stack.state(),
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> SmallStack:
    stack = made(tmp_path_factory.mktemp("standins"))
    stack.write(PROGRAM)
    return stack


@pytest.fixture(scope="module")
def first(stack: SmallStack) -> Step:
    """Everything is new."""
    return _step(stack, 1)


@pytest.fixture(scope="module")
def second(stack: SmallStack, first: Step) -> Step:
    """The same, but for the generation."""
    assert first.outputs
    return _step(stack, 2)


@pytest.fixture(scope="module")
def destroyed(stack: SmallStack, second: Step) -> tuple[str, ...]:
    """What was written down while everything was destroyed."""
    assert stack.destroy().status == 0
    return tuple(lines(stack.journal))[len(second.journal) :]


def test_a_preview_runs_no_command_and_does_not_know_what_one_will_write(first: Step) -> None:
    assert first.preview.status == 0, first.preview.text
    assert first.journal_after_preview == ()
    assert first.preview.outputs("fed")["stdout"] == UNKNOWN
    assert first.preview.outputs("keeper")["result"] == UNKNOWN


def test_a_local_command_is_given_its_input_and_variables_and_its_output_is_kept(first: Step) -> None:
    assert first.outputs["fed"] == "in\n1"
    assert first.update.outputs("fed")["stderr"] == "warned"


def test_a_local_command_runs_by_its_interpreter_and_in_its_directory(first: Step) -> None:
    assert (first.outputs["interpreted"], first.outputs["placed"]) == ("42", "/")


def test_the_user_sees_each_line_of_a_command_while_it_runs_unless_that_is_turned_off(first: Step) -> None:
    assert sorted(first.update.messages("loud")) == ["also shown", "shown"]
    assert first.outputs["errors"] == "also shown"
    assert (first.update.messages("hushed"), first.outputs["hushed"]) == ([], "hidden")


def test_files_that_a_command_leaves_are_its_assets(first: Step) -> None:
    assert first.outputs["assets"] == ["out/a", "out/deep/b"]
    assert sorted(first.update.outputs("kept")["archive"]["assets"]) == ["out/a", "out/secret.txt"]


def test_a_command_can_be_run_as_a_function(first: Step) -> None:
    assert first.outputs["invoked"] == "asked"


def test_what_is_secret_when_it_goes_into_a_command_is_encrypted_in_the_state(first: Step) -> None:
    assert first.outputs["secret"] == "10"
    assert [secret for secret in ("hush-stdin", "hush-env") if secret in first.state] == []


@pytest.mark.usefixtures("first")
def test_a_second_up_changes_nothing(stack: SmallStack) -> None:
    assert stack.up("--expect-no-changes").status == 0


@pytest.mark.usefixtures("first")
def test_a_refresh_changes_nothing(stack: SmallStack) -> None:
    refreshed = stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    assert refreshed.status == 0, refreshed.text


def test_only_triggers_replace_a_command_and_other_changes_update_it(second: Step) -> None:
    done = second.update.operations()
    updated = {name for name, operation in done.items() if operation == "update"}
    assert updated == {"fed", "added", "updated", "forgetful"}
    assert done["replaced"] == "delete-replaced"


def test_a_preview_of_a_change_runs_nothing_and_says_the_same(first: Step, second: Step) -> None:
    assert second.journal_after_preview == first.journal
    assert second.preview.operations() == second.update.operations()


def test_an_update_runs_the_update_script_with_what_the_last_run_wrote(first: Step, second: Step) -> None:
    new = second.journal[len(first.journal) :]
    assert [line for line in new if line.startswith("update")] == ["update after first"]
    assert second.outputs["updated"] == "second"


def test_an_update_without_an_update_script_creates_again(second: Step) -> None:
    assert second.outputs["fed"] == "in\n2"


def test_a_command_is_not_given_its_last_output_when_that_is_turned_off(second: Step) -> None:
    assert second.outputs["forgetful"] == "nothing"


def test_the_preview_of_an_update_does_not_know_outputs_that_may_change(second: Step) -> None:
    assert second.preview.outputs("fed")["stdout"] == UNKNOWN


def test_the_preview_of_an_update_keeps_outputs_when_inputs_are_only_added(second: Step) -> None:
    assert second.preview.outputs("added")["stdout"] == ""
    assert second.outputs["added"] == "only now"


def test_a_replaced_command_is_deleted_as_it_was_after_the_new_one_is_made(first: Step, second: Step) -> None:
    new = second.journal[len(first.journal) :]
    assert [line for line in new if "update" not in line] == ["create 2", "delete 1"]


def test_destroying_runs_the_delete_scripts_and_nothing_else(destroyed: tuple[str, ...]) -> None:
    assert sorted(destroyed) == ["delete 2", "delete unchanged"]


def test_a_random_value_is_as_it_was_asked_for(first: Step) -> None:
    password = first.outputs["password"]["result"]
    assert len(password) == 20
    assert password.isalnum()
    assert sum(letter.isupper() for letter in password) >= 5
    assert 3 <= first.outputs["number"]["result"] <= 5
    assert len(first.outputs["pet"]["id"].split("_")) == 3
    assert first.outputs["uuid"]["result"].count("-") == 4


def test_one_random_value_is_spelt_in_several_ways(first: Step) -> None:
    assert b64decode(first.outputs["bytes"]["base64"]).hex() == first.outputs["bytes"]["hex"]
    identity = first.outputs["identity"]
    assert {identity[name][:2] for name in ("hex", "dec", "b64_url")} == {"p-"}
    assert int(identity["hex"][2:], 16) == int(identity["dec"][2:])
    assert identity["b64_url"][2:] == identity["id"]


def test_a_random_value_stays_until_one_of_its_inputs_changes(first: Step, second: Step) -> None:
    assert second.outputs["password"] == first.outputs["password"]
    assert second.outputs["keeper"] != first.outputs["keeper"]


def test_a_password_and_its_hash_are_encrypted_in_the_state_and_hidden_from_the_user(first: Step) -> None:
    password = first.outputs["password"]
    assert password["bcrypt_hash"].startswith("$2a$10$")
    assert [text for text in (password["result"], password["bcrypt_hash"]) if text in first.state] == []
    assert password["result"] not in first.update.text


def test_a_password_from_elsewhere_is_adopted_and_stays(first: Step, second: Step) -> None:
    assert first.outputs["adopted"] == second.outputs["adopted"] == {"id": "none", "result": "supersecret"}
    assert first.update.operations()["adopted"] == "import"
