"""A stack's file, read without Pulumi: every way in which it can be broken ends in a sentence."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from stacks.loading import MOST_BYTES, SettingsError, checked
from stacks.problems import PREFIX, shown
from stacks.settings import Settings

MOST_VALUES = 100_000
"""Values after YAML's aliases are followed."""


def load_file(file: Path) -> Settings:
    """The settings in a stack's file. SettingsError with every problem where there are any."""
    config = _config(file)
    ours = {key.removeprefix(PREFIX): value for key, value in config.items() if ":" not in key or PREFIX in key}
    hidden = {key for key, value in ours.items() if isinstance(value, dict) and set(cast(Any, value)) == {"secure"}}
    return checked(ours, hidden, file.name)


def _config(file: Path) -> Mapping[str, Any]:
    def refuse(what: str) -> SettingsError:
        return SettingsError(f"{file}: {what}\nNothing was changed.")

    try:
        if file.stat().st_size > MOST_BYTES:
            raise refuse(f"is {file.stat().st_size} bytes; settings have at most {MOST_BYTES}. Is it the right file?")
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
    if _values(cast(object, config)) > MOST_VALUES:
        raise refuse(f"has more than {MOST_VALUES} values once its aliases are followed")
    return {str(key): value for key, value in cast(dict[Any, Any], config).items()}


class _Loader(yaml.SafeLoader):
    """YAML's safe types; a key that stands twice is an error, since one of them would be ignored."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep)
        keys = [cast(object, self.construct_object(key, deep=True)) for key, _ in node.value]  # pyright: ignore[reportUnknownMemberType]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key {shown(key)} stands twice", problem_mark=node.start_mark)
        return mapping


def _where(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return shown(str(error) or type(error).__name__)[1:-1]


def _values(tree: object) -> int:
    count, pending = 0, [tree]
    while pending and count <= MOST_VALUES:
        node = pending.pop()
        count += 1
        if isinstance(node, dict):
            pending += cast(dict[Any, object], node).values()
        elif isinstance(node, list):
            pending += cast(list[object], node)
    return count
