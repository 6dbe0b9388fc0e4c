"""What is made from the settings' models: JSON Schema and reference page."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import pytest
import yaml

from stacks import matrix, reference
from stacks.schema import file_schema, settings_schema
from tests.unit.recording import REPOSITORY

STACKS = ("dev", "onprem", "eks")
SCHEMA = json.loads(reference.SCHEMA.path.read_text())


@pytest.mark.parametrize(
    "made", [reference.SCHEMA, reference.PAGE, matrix.TABLE], ids=["schema", "reference", "table of engines"]
)
def test_what_is_made_from_the_models_is_up_to_date(made: reference.Generated) -> None:
    assert made.path.read_text() == made.text(), f"stale; run: {made.command}"


def test_the_schema_is_one_that_every_editor_knows() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("stack", STACKS)
def test_editors_accept_the_shipped_settings_and_are_told_where_the_schema_is(stack: str) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text()
    _editor(SCHEMA).validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=docs/settings.schema.json\n")


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("inference:storeSecretKey", {"secure": "v1:abc"}, True),
        ("inference:storeSecretKey", "hunter2", False),
        ("inference:enginse", [], False),
        ("aws:region", "eu-central-1", True),
        ("inference:store", {"size": "1Ti"}, False),
        ("inference:store", {"kind": "minio", "size": "1TB"}, False),
        ("inference:gateway", None, True),
        ("inference:target", "prod", False),
    ],
)
def test_editors_see_secrets_other_namespaces_and_mistakes(key: str, value: object, accepted: bool) -> None:
    document = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text())
    document["config"][key] = value
    assert _editor(SCHEMA).is_valid(document) is accepted


def test_every_setting_says_what_it_means() -> None:
    assert [place for place, node in _settings() if not node.get("description") and "$ref" not in node] == []


def test_every_pattern_is_explained_in_words() -> None:
    texts = [(place, node) for place, node in _nodes(settings_schema(), "") if "pattern" in node]
    assert texts
    assert [place for place, node in texts if "patternErrorMessage" not in node] == []


def test_every_example_in_the_schema_is_right() -> None:
    schema = settings_schema()
    for place, node in _nodes(schema, ""):
        for example in node.get("examples", []):
            rules = {key: value for key, value in node.items() if key != "discriminator"} | {"$defs": schema["$defs"]}
            assert _editor(rules).is_valid(example), place


def test_every_setting_is_on_the_reference_page() -> None:
    page = reference.PAGE.path.read_text()
    assert [place for place, _ in _settings() if f"| `{place.rpartition('.')[2]}` |" not in page] == []


def test_every_link_on_the_reference_page_leads_to_a_heading() -> None:
    page = reference.PAGE.path.read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\((#[^)]*)\)", page)) <= anchors
    assert len(anchors) == len(headings)


def test_a_stale_file_is_told_with_the_command_that_renews_it(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = reference.Generated(path=tmp_path / "settings.md", text=lambda: "new", command="python -m stacks reference")
    stale.path.write_text("old")
    assert reference.write(stale, only_check=True) == 1
    assert capsys.readouterr().err == "settings.md is stale; run: python -m stacks reference\n"
    assert reference.write(stale, only_check=False) == 0
    assert reference.write(stale, only_check=True) == 0


def test_making_the_schema_leaves_what_errors_are_explained_from_as_it_is() -> None:
    before = json.dumps(settings_schema())
    file_schema()
    assert json.dumps(settings_schema()) == before


def _editor(schema: object) -> Any:
    return jsonschema.Draft7Validator(cast("Any", schema))


def _settings() -> Iterator[tuple[str, dict[str, Any]]]:
    schema = settings_schema()
    sections = {"": schema, **schema["$defs"]}
    for name, section in sections.items():
        for key, node in section.get("properties", {}).items():
            yield f"{name}.{key}", node


def _nodes(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        fields = cast("dict[str, Any]", node)
        yield place, fields
        for key, inner in fields.items():
            yield from _nodes(inner, f"{place}.{key}")
    elif isinstance(node, list):
        for inner in cast("list[Any]", node):
            yield from _nodes(inner, place)
