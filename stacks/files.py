"""A stack's file, read without Pulumi: every way in which it can be broken ends in a sentence."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from stacks.documents import MOST_BYTES, DocumentError, read_document
from stacks.loading import checked
from stacks.problems import PREFIX, Problem, SettingsError, echo, listed, nearest
from stacks.schema import OWN_KEYS
from stacks.settings import Settings

_KEYS = ("config", *OWN_KEYS)
_NAME = re.compile(r"Pulumi\.([A-Za-z0-9_.-]+)\.ya?ml")


def load_file(file: Path) -> Settings:
    """The settings in a stack's file. SettingsError with every problem where there are any."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        there = listed(sorted(path.name for path in file.parent.glob("Pulumi.*.yaml")))
        message = f"there is no such file; in {file.parent} there are: {there or 'none'}"
        raise SettingsError(str(file), [Problem(place="the file", message=message)]) from None
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise SettingsError(str(file), [Problem(place="the file", message=message)]) from None
    return parse(data, file=str(file))


def parse(data: bytes, *, file: str) -> Settings:
    """The settings in the text of a stack's file, which is called `file` in errors. SettingsError."""
    try:
        document = read_document(data)
    except DocumentError as error:
        raise SettingsError(file, [error.problem]) from None
    problems = list(_around(document))
    config = cast("dict[str, object]", document).get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(file, problems)
    settings = cast("dict[str, object]", config)
    # As for Pulumi, a key without a namespace is one of the project's own.
    named = {key if ":" in key else f"{PREFIX}{key}": value for key, value in settings.items()}
    ours = {key.removeprefix(PREFIX): value for key, value in named.items() if key.startswith(PREFIX)}
    hidden = {key for key, value in ours.items() if _holds_secret(value)}
    stack = _NAME.fullmatch(Path(file).name)
    return checked(ours, hidden, file, stack=stack[1] if stack else None, problems=problems)


def _around(document: object) -> Iterator[Problem]:
    """What is wrong outside of our own settings."""
    if not isinstance(document, dict):
        yield Problem(place="the file", message=f"is not a mapping but {_kind(document)}; it begins with `config:`")
        return
    whole = cast("dict[str, object]", document)
    for key in whole.keys() - set(_KEYS):
        yield Problem(place="the file", message=f"unknown key {echo(key)}{nearest(key, _KEYS)}")
    config = whole.get("config")
    if not isinstance(config, dict):
        what = "is missing" if "config" not in whole else f"is not a mapping but {_kind(config)}"
        yield Problem(place="config", message=f"{what}; below it stand {PREFIX}target and the others")


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else "a single value"


def _holds_secret(value: object) -> bool:
    """Whether Pulumi's `{secure: …}` stands anywhere in it: then Pulumi hides all of it."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return (set(fields) == {"secure"} and isinstance(fields["secure"], str)) or any(
            _holds_secret(inner) for inner in fields.values()
        )
    return isinstance(value, list) and any(_holds_secret(inner) for inner in cast("list[object]", value))
