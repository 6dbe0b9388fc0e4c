"""Files that are no settings, and what the command line says of them."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stacks.files import load_file, parse
from stacks.problems import SettingsError
from tests.unit.mistakes import report
from tests.unit.recording import REPOSITORY

DEV = (REPOSITORY / "Pulumi.dev.yaml").read_bytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- a\n- b\n", "the file   is not a mapping but a list; it begins with `config:`"),
        (b"hello\n", "the file   is not a mapping but a single value; it begins with `config:`"),
        (b"", "the file   is empty; it begins with `config:`"),
        (b"# only a comment\n", "the file   is empty; it begins with `config:`"),
        (b"encryptionsalt: v1:x\n", "config   is missing; below it stand inference:target and the others"),
        (
            b"config: 7\n",
            "config   is not a mapping but a single value; below it stand inference:target and the others",
        ),
        (b"config:\n", "config   is not a mapping but empty; below it stand inference:target and the others"),
        (b"confg: {}\n", 'the file   unknown key "confg"; did you mean "config"?'),
        (b"config: {a: b", "line 2, column 1   is not valid YAML: did not find expected"),
        (b"config:\n\tinference:target: dev\n", "line 2, column 1   is indented with a tab; use spaces"),
        (b"config:\n  a:b: 1\n  a:b: 2\n", 'line 3, column 3   the key "a:b" stands twice in one mapping; remove one'),
        (b"config: {a: {b: 1, b: 2}}\n", 'line 1, column 20   the key "b" stands twice in one mapping; remove one'),
        (b"config:\n  a: \xff\xfe\n", "line 2   has bytes that are not UTF-8; save it as UTF-8"),
        (b"\xff\xfec\0o\0", "line 1   has bytes that are not UTF-8; save it as UTF-8"),
        (b"config:\n  a: \x00\n", "line 2   has a control character; remove it"),
        (b"config: " + b"[" * 5000, "line 1, column 59   is nested more than 50 levels deep"),
        (b"config: !!python/object/apply:os.system [id]\n", "line 1, column 9   has the tag"),
        (b"config: *nothing\n", 'line 1, column 9   uses "nothing", which is not defined before'),
        (b"config: {a: &a [*a]}\n", 'line 1, column 17   uses "a", which is not defined before'),
        (b"config: {? [a] : b}\n", "line 1, column 12   has a key that is not text"),
        (b"config: {}\n---\nconfig: {}\n", "line 2, column 1   begins a second document; one file has one"),
    ],
)
def test_a_file_that_is_not_settings_is_refused_with_the_line(content: bytes, expected: str) -> None:
    text = report(content)
    assert " in Pulumi.dev.yaml:\n" in text
    assert " ".join(expected.split()) in " ".join(text.split())
    assert text.endswith("\nNothing was changed.")


def test_a_file_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").touch()
    with pytest.raises(SettingsError, match=r"there is no such file; in .* there are: Pulumi\.dev\.yaml"):
        load_file(tmp_path / "Pulumi.prod.yaml")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_file(tmp_path)


def test_a_file_of_ten_megabytes_is_refused_without_parsing_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n" + "  inference:a: b\n" * 600_000)
    started = time.process_time()
    with pytest.raises(SettingsError, match=r"has more than 1 MiB; settings are a page or two: is it another file\?"):
        load_file(file)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "content",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)),
        "a0: &a0 {x: 1}\n"
        + "".join(f"a{n}: &a{n} {{y{n}: 1, <<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 20)),
        f"a: &a {'x' * 500_000}\nb: [*a, *a, *a, *a]\n",
    ],
    ids=["lists", "merged mappings", "text"],
)
def test_aliases_that_multiply_are_refused_before_they_do(content: str) -> None:
    assert "the file is too large once its aliases are followed; write less of it by alias" in report(content.encode())


def test_aliases_and_merged_mappings_mean_what_they_mean_to_pulumi(tmp_path: Path) -> None:
    text = DEV.decode().replace("accelerator: {kind: rocm}", "<<: &more {accelerator: {kind: rocm}, replicas: 0}")
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    assert text != DEV.decode()
    engine = load_file(tmp_path / "Pulumi.dev.yaml").engines[1]
    assert (engine.accelerator.kind, engine.replicas) == ("rocm", 0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0x10", 16),
        ("0o20", 16),
        ("020", 16),
        ("1e2", 100),
        ("'1'", None),
        ("yes", None),
        ("1:30", None),
        ("1_0", 10),
        ("+2", 2),
        ("08", 8),
        ("-0x1", None),
    ],
)
def test_plain_values_mean_what_they_mean_to_pulumi(written: str, expected: int | None) -> None:
    data = DEV.replace(b"replicas: 2}", f"replicas: {written}}}".encode(), 1)
    if expected is None:
        assert "must be a whole number of at least" in report(data)
    else:
        assert parse(data, file="Pulumi.dev.yaml").engines[2].replicas == expected


def test_a_key_without_a_namespace_is_ours_and_those_of_others_are_left_alone() -> None:
    text = DEV.replace(b"inference:target:", b"target:").replace(b"config:", b"config:\n  aws:region: x", 1)
    assert parse(text, file="Pulumi.dev.yaml").target == "dev"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_bytes(b"\xef\xbb\xbf" + DEV)
    assert load_file(tmp_path / "Pulumi.dev.yaml").target == "dev"


def test_the_command_line_checks_every_file_and_fails_if_one_is_wrong(tmp_path: Path) -> None:
    wrong, right = tmp_path / "Pulumi.wrong.yaml", tmp_path / "Pulumi.dev.yaml"
    wrong.write_bytes(DEV.replace(b"kind: vllm", b"kind: vlm"))
    right.write_bytes(DEV)
    done = subprocess.run(
        [sys.executable, "-m", "stacks", "check", wrong, right],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "2 problems in " in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == f"{right}: no problems\n"


def test_the_settings_in_the_readme_are_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    assert [engine.name for engine in parse(example.encode(), file="README.md").engines] == ["legal"]
