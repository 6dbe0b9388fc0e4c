"""What a user is told about mistakes in the settings."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from stacks import reference
from stacks.files import load_file
from stacks.loading import SettingsError, checked
from tests.unit.recording import REPOSITORY, stack_settings

STACKS = ("dev", "onprem", "eks")
Change = Callable[[dict[str, Any]], None]


def problems(change: Change, stack: str = "dev") -> list[str]:
    """The report's lines about a stack's settings after a change."""
    settings = copy.deepcopy(stack_settings(stack))
    change(settings)
    with pytest.raises(SettingsError) as caught:
        checked(settings, set(), f"Pulumi.{stack}.yaml")
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in Pulumi.{stack}.yaml:"
    assert last == "Nothing was changed."
    return [" ".join(line.split()) for line in lines]


def put(*path: str | int, to: object) -> Change:
    """A change of one value."""

    def change(settings: Any) -> None:
        for part in path[:-1]:
            settings = settings[part]
        settings[path[-1]] = to

    return change


@pytest.mark.parametrize("stack", STACKS)
def test_the_shipped_settings_have_no_problems(stack: str) -> None:
    assert load_file(REPOSITORY / f"Pulumi.{stack}.yaml").target == stack


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("enginse", to=[]), 'inference:enginse unknown key; did you mean "engines"?'),
        (
            put("engines", 0, "contextlength", to=1),
            'inference:engines[0] unknown key "contextlength"; did you mean "contextLength"?',
        ),
        (
            put("clusters", 0, "simulated", 0, "acelerator", to={}),
            'inference:clusters[0].simulated[0] unknown key "acelerator"; did you mean "accelerator"?',
        ),
        (put("engines", 0, "replicas", to="two"), 'inference:engines[0].replicas "two" should be a valid integer'),
        (put("engines", 0, "kind", to="vlm"), 'inference:engines[0].kind "vlm" is not one of: vllm, llamacpp'),
        (put("target", to="prod"), "inference:target \"prod\" is not one of: 'dev', 'onprem', 'eks'"),
        (put("engines", to={}), 'inference:engines "{}" should be a list'),
        (
            put("engines", 0, "model", to="legal-9b"),
            'inference:engines[0].model "legal-9b" is not a model; did you mean "legal-8b"?',
        ),
        (
            put("engines", 0, "cluster", to="hoem"),
            'inference:engines[0].cluster "hoem" is not a cluster; there are: dev',
        ),
        (
            put("engines", 0, "accelerator", to={"kind": "tpu"}),
            "inference:engines[0].accelerator.kind \"tpu\" is not one of: 'cuda', 'rocm', 'cpu'",
        ),
        (
            put("engines", 0, "accelerator", to={"kind": "cpu"}),
            "inference:engines[0].accelerator.kind vllm has no image for cpu; there are: cuda, rocm",
        ),
        (
            put("engines", 0, "accelerator", "count", to=4),
            'inference:engines[0].accelerator asks for 4 cuda GPUs on one node; the largest node in "dev" has 2',
        ),
        (
            put("engines", 0, "accelerator", "product", to="h100"),
            'inference:engines[0].accelerator.product no node in "dev" has product "h100"; there are: rtx-4090',
        ),
        (
            put("engines", 2, "nodeSelector", to={"disk": "fast"}),
            'inference:engines[2].nodeSelector no node in "dev" has these labels',
        ),
        (
            put("engines", 2, "resources", to={"cpu": "400"}),
            'inference:engines[2].resources asks for more CPU or memory than any fitting node in "dev" has',
        ),
        (
            put("engines", 2, "resources", to={"memory": "4Gi", "memoryLimit": "2Gi"}),
            "inference:engines[2].resources.memoryLimit is less than memory (4Gi)",
        ),
        (
            put("engines", 2, "file", to="other.gguf"),
            'inference:engines[2].file "other.gguf" is not among the files of chat-gguf: chat-q4_k_m.gguf',
        ),
        (
            put("engines", 1, "name", to="legal"),
            'inference:engines[1].name "legal" is taken: engines[0] has it already',
        ),
        (
            put("clusters", 0, "simulated", 1, "name", to="rocm-1"),
            'inference:clusters[0] two machines are called "rocm-1"',
        ),
        (
            put("store", "node", to="cpu-9"),
            'inference:store.node "cpu-9" is not a node of "dev"; did you mean "cpu-1"?',
        ),
        (
            put("store", to={"kind": "s3"}),
            "inference:store.kind s3 is Amazon's and belongs to the target eks; use minio or external",
        ),
        (
            put("store", to={"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}),
            "inference:storeSecretKey the secret is missing; run: pulumi config set --secret inference:storeSecretKey",
        ),
        (
            put("models", 0, "source", to="hf://org/repo@main"),
            'inference:models[0].source "hf://org/repo@main" must be hf://ORG/REPO@COMMIT with the 40 digits of a '
            "commit, "
            "which `git ls-remote https://huggingface.co/ORG/REPO` shows, or s3://BUCKET/PREFIX@REVISION",
        ),
        (put("clusters", to=[]), "inference:clusters is missing: at least one cluster is needed"),
        (put("gateway", "openWebui", "placement", to="sidecar"), "inference:gateway a sidecar keeps its data on one"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(change: Change, expected: str) -> None:
    (found,) = problems(change)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("clusters", 0, "nodes", 1, "host", to="192.168.1.20"),
            'inference:clusters[0].nodes[1].host "192.168.1.20" is the host of clusters[0].nodes[0] too',
        ),
        (
            put("clusters", 0, "nodes", 0, "host", to="192.168.1.300/24"),
            'inference:clusters[0].nodes[0].host "192.168.1.300/24"',
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="AAAA"),
            'inference:clusters[0].nodes[0].hostKey "AAAA" must be a public key as ssh-keyscan prints it',
        ),
        (
            put("clusters", 0, "nodes", 1, "role", to="server"),
            "inference:clusters[0].nodes 2 nodes have the role server; a cluster has 1, or 3 for high availability",
        ),
        (put("store", "url", to=None), "inference:store url is missing: engines in geforce, radeon reach the store"),
        (
            put("clusters", 1, "simulated", to=[{"name": "extra"}]),
            "inference:clusters[1].simulated belongs to another target; onprem takes nodes",
        ),
    ],
)
def test_a_mistake_about_hosts_is_named(change: Change, expected: str) -> None:
    (found,) = problems(change, "onprem")
    assert found.startswith(expected)


def test_a_missing_host_key_comes_with_the_command_that_gets_it() -> None:
    def forget(settings: Any) -> None:
        del settings["clusters"][0]["nodes"][1]["hostKey"]

    (found,) = problems(forget, "onprem")
    where = "inference:clusters[0].nodes[1]"
    assert found == f"{where} hostKey is missing; get it with: ssh-keyscan -t ed25519 192.168.1.21"


def test_everything_wrong_is_reported_at_once_and_nothing_twice() -> None:
    def break_everything(settings: Any) -> None:
        settings["engines"][0]["cluster"] = "hoem"
        settings["engines"][1]["replicas"] = -1
        settings["engines"][2]["model"] = "nothing"
        settings["surprise"] = 1
        del settings["clusters"][0]["simulated"][0]["name"]

    found = problems(break_everything)
    assert len(found) == 5
    # The cluster is broken, but it is there: engines in it name something that exists.
    assert not any("engines[2].cluster" in line for line in found)


@pytest.mark.parametrize(
    "name", ["ünïcode", "a;rm -rf /", "$(id)", "a\nb", "\x1b[31mred", "UPPER", "", "x" * 300, "日本"]
)
def test_a_hostile_name_is_refused_and_shown_without_what_a_terminal_would_act_on(name: str) -> None:
    (found,) = problems(put("engines", 0, "name", to=name))
    assert found.startswith("inference:engines[0].name")
    assert found.isascii() or "…" in found
    assert found.isprintable()


def test_a_secret_in_plain_text_is_refused_and_not_shown() -> None:
    (found,) = problems(put("storeSecretKey", to="hunter2"))
    assert (
        found == "inference:storeSecretKey is in plain text; run: pulumi config set --secret inference:storeSecretKey"
    )


def test_a_setting_that_was_stored_as_a_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"inference:store\s+must not be a secret; run: pulumi config set"):
        checked(stack_settings("dev"), {"store"}, "Pulumi.dev.yaml")


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
        (b"config: " + b"[" * 5000, "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_settings_is_refused_in_one_sentence(content: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_file(file)
    assert expected in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed.")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_file(tmp_path / "Pulumi.dev.yaml")


def test_a_file_of_ten_megabytes_is_refused_without_reading_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n" + "  inference:a: b\n" * 600_000)
    started = time.monotonic()
    with pytest.raises(SettingsError, match="at most 1048576"):
        load_file(file)
    assert time.monotonic() - started < 1


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    levels = ["  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n" + "\n".join(levels) + "\n")
    with pytest.raises(SettingsError, match="more than 100000 values"):
        load_file(file)


@pytest.mark.parametrize("made", [reference.SCHEMA, reference.PAGE], ids=["schema", "reference"])
def test_what_is_made_from_the_models_is_up_to_date(made: reference.Generated) -> None:
    assert made.path.read_text() == made.text(), f"stale; run: {made.command}"


@pytest.mark.parametrize("stack", STACKS)
def test_editors_accept_the_shipped_settings_by_the_schema(stack: str) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text()
    schema = json.loads(reference.SCHEMA.path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = yaml.safe_load(text)
    document.pop("encryptionsalt", None)
    cast(Any, jsonschema.Draft202012Validator(schema)).validate(document)
    assert text.startswith("# yaml-language-server: $schema=docs/settings.schema.json")
