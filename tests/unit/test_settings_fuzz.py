"""Whatever is written into the settings: they are valid, or there is a report."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks.files import load_file
from stacks.loading import SettingsError, checked
from tests.unit.recording import REPOSITORY, stack_settings

STACKS = {stack: stack_settings(stack) for stack in ("dev", "onprem", "eks")}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["cuda", "vllm", "dev"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
FRAGMENTS = st.text(max_size=8) | st.sampled_from(
    ["\n", "  ", "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "*weights", "<<: *a", "!!set ", "? ", "|", "\t", "'", "~"]
)
"""What YAML is made of."""


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Shipped settings with up to five values replaced, removed or added, anywhere."""
    whole = copy.deepcopy(STACKS[draw(st.sampled_from(sorted(STACKS)))])
    for _ in range(draw(st.integers(1, 5))):
        places = list(_places(whole))
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                container[key] = draw(ANYTHING)
            case "remove":
                del container[key]
            case _ if isinstance(container, dict):
                container[draw(st.text(max_size=12))] = draw(ANYTHING)
            case _:
                container.insert(0, draw(ANYTHING))
    return whole


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys: list[Any] = []
    if isinstance(node, dict):
        keys = list(cast(dict[Any, Any], node))
    elif isinstance(node, list):
        keys = list(range(len(cast(list[Any], node))))
    for key in keys:
        yield node, key
        yield from _places(node[key])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_settings_are_valid_or_reported(raw: dict[str, Any]) -> None:
    try:
        checked(raw, set(), "Pulumi.fuzz.yaml")
    except SettingsError as error:
        _assert_readable(str(error))


def _assert_readable(report: str) -> None:
    first, *lines, _ = report.splitlines()
    assert " problem" in first
    assert [line for line in lines if not line.startswith("  inference:") or not line.isprintable()] == []


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=15) | st.sampled_from(["engines", "clusters", "target", "store"]), ANYTHING))
def test_nonsense_is_reported(raw: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"Nothing was changed\.$"):
        checked(raw, set(), "Pulumi.fuzz.yaml")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stack=st.sampled_from(sorted(STACKS)),
    edits=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 40), FRAGMENTS), max_size=3),
)
def test_a_mutated_file_is_valid_or_refused(stack: str, edits: list[tuple[int, int, str]], tmp_path: Path) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text()
    for place, length, fragment in edits:
        start = place % len(text)
        text = text[:start] + fragment + text[start + length :]
    file = tmp_path / f"Pulumi.{stack}.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        load_file(file)
    except SettingsError as error:
        _assert_refused(str(error))


def _assert_refused(message: str) -> None:
    assert message.endswith("Nothing was changed.")
    assert [line for line in message.splitlines() if not line.isprintable()] == []
