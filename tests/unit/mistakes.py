"""Settings with something wrong in them, and what the user is told."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from stacks.files import parse
from stacks.loading import checked
from stacks.problems import SettingsError
from tests.unit.recording import stack_settings

Change = Callable[[Any], object]


def told(*changes: Change, stack: str = "dev") -> list[str]:
    """The report's lines about a stack's settings after these changes; none where they are still right."""
    settings = copy.deepcopy(stack_settings(stack))
    for change in changes:
        change(settings)
    try:
        checked(settings, set(), f"Pulumi.{stack}.yaml")
    except SettingsError as error:
        first, *lines, last = str(error).splitlines()
        assert first == f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in Pulumi.{stack}.yaml:"
        assert last == "Nothing was changed."
        return [" ".join(line.split()) for line in lines]
    return []


def put(*path: str | int, to: object) -> Change:
    """A change of one value."""

    def change(settings: Any) -> None:
        for part in path[:-1]:
            settings = settings[part]
        settings[path[-1]] = to

    return change


def drop(*path: str | int) -> Change:
    """A change that leaves one value out."""

    def change(settings: Any) -> None:
        for part in path[:-1]:
            settings = settings[part]
        del settings[path[-1]]

    return change


def add(*path: str | int, value: object) -> Change:
    """A change that puts one more entry at the end of a list."""

    def change(settings: Any) -> None:
        for part in path:
            settings = settings[part]
        settings.append(value)

    return change


def rename(*path: str | int, to: str) -> Change:
    """A change of one key."""

    def change(settings: Any) -> None:
        for part in path[:-1]:
            settings = settings[part]
        settings[to] = settings.pop(path[-1])

    return change


def report(data: bytes, file: str = "Pulumi.dev.yaml") -> str:
    """What is told about a file with this content."""
    with pytest.raises(SettingsError) as caught:
        parse(data, file=file)
    return str(caught.value)
