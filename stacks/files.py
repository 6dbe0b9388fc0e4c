"""A stack's file, read without Pulumi: every way in which it can be broken ends in a sentence."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from stacks.loading import NOTHING_CHANGED, SettingsError, checked, refuse_size
from stacks.problems import PREFIX, plain, shown
from stacks.settings import Settings

MOST_VALUES = 100_000
"""Values after YAML's aliases are followed."""
_LONGEST = 300
"""Characters of what the YAML reader says."""


def load_file(file: Path) -> Settings:
    """The settings in a stack's file. SettingsError with every problem where there are any."""
    # As for Pulumi, a key without a namespace is one of the project's own.
    config = {key if ":" in key else f"{PREFIX}{key}": value for key, value in _config(file).items()}
    ours = {key.removeprefix(PREFIX): value for key, value in config.items() if key.startswith(PREFIX)}
    return checked(ours, {key for key, value in ours.items() if _holds_secret(value)}, file.name)


def _config(file: Path) -> Mapping[str, Any]:
    def refuse(what: str) -> SettingsError:
        return SettingsError(f"{file}: {what}\n{NOTHING_CHANGED}")

    try:
        refuse_size(file.stat().st_size, str(file))
        if not file.is_file():
            raise refuse("is not a file")
        document: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise refuse(f"is not UTF-8 text (byte {error.start})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise refuse(f"is not valid YAML: {_where(error)}") from error
    if not isinstance(document, dict):
        raise refuse("is not a mapping; a stack's file begins with `config:`")
    config: Any = cast(dict[str, Any], document).get("config")
    if not isinstance(config, dict):
        raise refuse("has no mapping `config:`; see docs/settings.md")
    if sum(1 for _ in _values(cast(object, config))) > MOST_VALUES:
        raise refuse(f"has more than {MOST_VALUES} values once its aliases are followed")
    return {str(key): value for key, value in cast(dict[Any, Any], config).items()}


class _Loader(yaml.SafeLoader):
    """YAML's safe types; a key that stands twice is an error, since one of them would be ignored."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = cast(Any, super()).compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                words = f"the key {shown(cast(str, key.value))} stands twice"
                raise yaml.MarkedYAMLError(problem=words, problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise yaml.MarkedYAMLError(problem="merges too many values", problem_mark=node.start_mark)


def _where(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {plain(error.problem or '', most=_LONGEST)}"
    return plain(str(error) or type(error).__name__, most=_LONGEST)


def _holds_secret(value: object) -> bool:
    """Whether Pulumi has encrypted the value or something in it."""
    return any(isinstance(one, dict) and list(cast(Any, one)) == ["secure"] for one in _values(value))


def _values(tree: object) -> Iterator[object]:
    """Each value in a tree, and no more than are allowed, since YAML's aliases can make it endless."""
    pending = [tree]
    for _ in range(MOST_VALUES + 1):
        if not pending:
            return
        node = pending.pop()
        yield node
        if isinstance(node, dict):
            pending += cast(dict[Any, object], node).values()
        elif isinstance(node, list):
            pending += cast(list[object], node)
