"""Whatever is written into the settings: they are valid, or there is a report."""

import json
import re
from typing import Any, cast

import jsonschema
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks.files import parse
from stacks.loading import checked
from stacks.problems import SettingsError
from stacks.schema import file_schema
from tests.unit.recording import REPOSITORY
from tests.unit.settings_strategies import ANYTHING, HOSTILE, STACKS, mutated, right

EDITOR: Any = jsonschema.Draft7Validator(cast("Any", file_schema()))
FILES = {stack: (REPOSITORY / f"Pulumi.{stack}.yaml").read_bytes() for stack in STACKS}
slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def refusal(raw: dict[str, Any]) -> str | None:
    """The report on these settings; None if they are valid."""
    try:
        checked(raw, set(), "Pulumi.fuzz.yaml")
    except SettingsError as error:
        return str(error)
    return None


def assert_readable(report: str) -> None:
    first, *lines, last = report.split("\n")
    assert re.match(r"[1-9][0-9]* problems? in Pulumi\.fuzz\.yaml:$", first)
    assert last == "Nothing was changed."
    assert [line for line in lines if not line.startswith("  ") or not line.isprintable() or not line.isascii()] == []
    assert max(map(len, lines)) < 600


@settings(slow, max_examples=300)
@given(mutated())
def test_mutated_settings_are_valid_or_reported(raw: dict[str, Any]) -> None:
    report = refusal(raw)
    if report:
        assert_readable(report)
    else:
        EDITOR.validate({"config": {f"inference:{key}": value for key, value in raw.items()}})


@settings(slow, max_examples=100)
@given(st.dictionaries(st.text(max_size=15) | st.sampled_from(["engines", "clusters", "target", "store"]), ANYTHING))
def test_nonsense_is_reported(raw: dict[str, Any]) -> None:
    assert_readable(refusal(raw) or "")


@settings(slow, max_examples=150)
@given(right())
def test_settings_without_a_mistake_load_and_editors_accept_them(raw: dict[str, Any]) -> None:
    assert refusal(raw) is None
    document = {"config": {f"inference:{key}": value for key, value in raw.items()}}
    EDITOR.validate(document)
    assert parse(json.dumps(document, ensure_ascii=False).encode(), file="Pulumi.fuzz.yaml").target == raw["target"]


@settings(slow, max_examples=100)
@given(st.sampled_from(["clusters", "models", "engines"]), st.text(max_size=30) | st.sampled_from(HOSTILE))
def test_a_name_is_a_name_or_is_refused_in_plain_ascii(section: str, name: str) -> None:
    raw: dict[str, Any] = json.loads(json.dumps(STACKS["dev"]))
    raw[section][0]["name"] = name
    report = refusal(raw)
    if re.fullmatch(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", name):
        return
    assert_readable(report or "")
    assert f"inference:{section}[0].name" in (report or "")


@settings(slow, max_examples=200)
@given(st.data())
def test_a_damaged_file_is_valid_or_reported(data: st.DataObject) -> None:
    content = FILES[data.draw(st.sampled_from(sorted(FILES)))]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 40)))
        content = content[:start] + data.draw(st.binary(max_size=8) | st.sampled_from(YAML)) + content[end:]
    try:
        parse(content, file="Pulumi.fuzz.yaml")
    except SettingsError as error:
        assert_readable(str(error))


YAML = [
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!set ",
    b"? ",
    b": ",
    b"- ",
    b"\t",
    b"[",
    b"}",
    b"'",
    b"|\n",
    b"---\n",
    b"%YAML 1.1\n",
]


@settings(slow, max_examples=100)
@given(mutated())
def test_a_file_means_the_same_as_its_values(raw: dict[str, Any]) -> None:
    config = {f"inference:{key}": value for key, value in raw.items()}
    text = yaml.safe_dump({"config": config}, allow_unicode=True)
    try:
        parse(text.encode(errors="surrogatepass"), file="Pulumi.fuzz.yaml")
        found = None
    except SettingsError as error:
        found = str(error)
    assert (found is None) == (refusal(raw) is None)
