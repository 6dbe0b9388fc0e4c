"""What becomes of a stack's file before and besides its settings, and of what is made from the models."""

import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from stacks import reference
from stacks.__main__ import main
from stacks.files import load_file
from stacks.loading import SettingsError
from stacks.schema import settings_schema
from tests.unit.recording import REPOSITORY

STACKS = ("dev", "onprem", "eks")


def refusal(file: Path) -> str:
    """What the user is told about a file."""
    with pytest.raises(SettingsError) as caught:
        load_file(file)
    assert str(caught.value).endswith("Nothing was changed.")
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack's file that is not there yet."""
    return tmp_path / "Pulumi.dev.yaml"


@pytest.mark.parametrize("stack", STACKS)
def test_the_shipped_settings_have_no_problems(stack: str) -> None:
    assert load_file(REPOSITORY / f"Pulumi.{stack}.yaml").target == stack


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- a\n- b\n", "is not a mapping"),
        (b"", "is not a mapping"),
        (b"config: 7\n", "has no mapping `config:`"),
        (b"config: {a: b", "is not valid YAML: line 1, column"),
        (b"config:\n\tinference:target: dev\n", "is not valid YAML: line 2, column 1"),
        (b"config:\n  a: 1\n  a: 2\n", 'the key "a" stands twice'),
        (b"config: {\xff\xfe: 1}\n", "is not UTF-8 text"),
        (b"config:\n  a: 1\n  b: {c: 1, c: 2}\n", 'line 3, column 13: the key "c" stands twice'),
        (b"config: " + b"[" * 5000, "is not valid YAML"),
        (b"config: \x00", "is not valid YAML"),
        (b"config: {a: !!python/object:os.system x}\n", "is not valid YAML"),
        (b"config: &a {inference:target: *a}\n", "more than 100000 values"),
        (b"config: {inference:target: " + b"9" * 9000 + b"}\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_settings_is_refused_in_one_sentence(content: bytes, expected: str, file: Path) -> None:
    file.write_bytes(content)
    assert expected in refusal(file)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    assert "No such file" in refusal(file)


def test_what_is_not_a_file_is_refused_without_reading_it() -> None:
    assert "is not a file" in refusal(Path("/dev/zero"))


def test_a_file_of_ten_megabytes_is_refused_without_reading_it(file: Path) -> None:
    # Not UTF-8, which nobody finds out.
    file.write_bytes(b"config: \xff" + b"x" * 10_000_000)
    assert "is 10000009 bytes; settings have at most 1048576. Is it the right file?" in refusal(file)


def test_aliases_that_multiply_are_refused(file: Path) -> None:
    levels = ["  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file.write_text("config:\n" + "\n".join(levels) + "\n")
    assert "more than 100000 values" in refusal(file)


def test_merges_that_multiply_are_refused(file: Path) -> None:
    levels = ["  a0: &a0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10}"]
    levels += [f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    file.write_text("config:\n" + "\n".join(levels) + "\n")
    assert "merges too many values" in refusal(file)


def test_a_key_may_override_a_merged_one(file: Path) -> None:
    text = (REPOSITORY / "Pulumi.dev.yaml").read_text()
    node = "- {<<: &shape {name: cpu-2, cpu: 8}, name: cpu-3}\n        - *shape\n"
    file.write_text(text.replace("- name: cpu-1\n", f"{node}        - name: cpu-1\n"))
    names = [node.name for node in load_file(file).clusters[0].simulated]
    assert names[-3:] == ["cpu-3", "cpu-2", "cpu-1"]


def test_keys_of_other_namespaces_are_left_alone_and_those_without_one_are_ours(file: Path) -> None:
    text = (REPOSITORY / "Pulumi.dev.yaml").read_text()
    file.write_text(text.replace("inference:target:", "target:").replace("config:", "config:\n  aws:region: x", 1))
    assert load_file(file).target == "dev"


@pytest.mark.parametrize("where", ["kind: minio", "size: 500Gi"])
def test_a_setting_that_holds_a_secret_is_refused(where: str, file: Path) -> None:
    text = (REPOSITORY / "Pulumi.dev.yaml").read_text()
    file.write_text(text.replace(where, f"{where.split(':', maxsplit=1)[0]}: {{secure: v1:abc}}"))
    message = refusal(file)
    assert message.startswith("1 problem in Pulumi.dev.yaml:")
    assert "run: pulumi config rm inference:store, and write it into Pulumi.dev.yaml in plain text" in message


def test_the_command_line_checks_every_file_it_is_given(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("config: {}\n")
    monkeypatch.setattr("sys.argv", ["stacks", "check", str(file), str(REPOSITORY / "Pulumi.dev.yaml")])
    assert main() == 1
    printed = capsys.readouterr()
    assert "2 problems in Pulumi.dev.yaml:" in printed.err
    assert "Pulumi.dev.yaml: no problems" in printed.out


@pytest.mark.parametrize("made", [reference.SCHEMA, reference.PAGE], ids=["schema", "reference"])
def test_what_is_made_from_the_models_is_up_to_date(made: reference.Generated) -> None:
    assert made.path.read_text() == made.text(), f"stale; run: {made.command}"


@pytest.mark.parametrize("stack", STACKS)
def test_editors_accept_the_shipped_settings_by_the_schema(stack: str) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text()
    schema = json.loads(reference.SCHEMA.path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    cast(Any, jsonschema.Draft202012Validator(schema)).validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=docs/settings.schema.json")


def test_a_stale_page_comes_with_the_command_that_renews_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = reference.Generated(path=tmp_path / "page.md", text=lambda: "new", command="python -m stacks reference")
    assert reference.write(page, only_check=True) == 1
    assert "page.md is stale. Next: python -m stacks reference" in capsys.readouterr().err
    assert reference.write(page, only_check=False) == 0
    assert reference.write(page, only_check=True) == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("inference:enginse",), []),
        (("inference:engines", 0, "kind"), "vlm"),
        (("inference:engines", 0, "contextlength"), 1),
        (("inference:models", 0, "source"), "hf://org/repo@main"),
        (("inference:store",), {"size": "1Gi"}),
        (("inference:storeSecretKey",), "in plain text"),
    ],
)
def test_editors_refuse_by_the_schema_what_loading_refuses(place: tuple[str | int, ...], value: object) -> None:
    document: Any = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text())
    section = document["config"]
    for part in place[:-1]:
        section = section[part]
    section[place[-1]] = value
    schema = json.loads(reference.SCHEMA.path.read_text())
    assert not cast(Any, jsonschema.Draft202012Validator(schema)).is_valid(document)


def test_the_schema_knows_encrypted_secrets_and_leaves_other_namespaces_alone() -> None:
    document: Any = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text())
    document["encryptionsalt"] = "v1:abc"
    document["config"] |= {"inference:storeSecretKey": {"secure": "v1:abc"}, "aws:region": "us-east-1"}
    schema = json.loads(reference.SCHEMA.path.read_text())
    cast(Any, jsonschema.Draft202012Validator(schema)).validate(document)


def test_every_setting_says_what_it_means_and_every_pattern_what_it_wants() -> None:
    empty = [line for line in reference.PAGE.path.read_text().splitlines() if line.endswith("|  |")]
    assert empty == []
    wordless: list[Any] = []
    pending: list[Any] = [settings_schema()]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            fields = cast(dict[str, Any], node)
            wordless += [fields] if "pattern" in fields and "patternErrorMessage" not in fields else []
            pending += fields.values()
        elif isinstance(node, list):
            pending += cast(list[Any], node)
    assert wordless == []
