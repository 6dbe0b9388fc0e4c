"""From Pulumi's configuration to checked settings, or to everything that is wrong with it."""

import json
from collections.abc import Mapping, Set
from typing import Any, cast

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from components.storage.settings import ExternalStore
from stacks.checks import across
from stacks.drafts import Draft, drafted
from stacks.problems import PREFIX, Problem, plain, report
from stacks.secrets import SECRETS
from stacks.settings import Settings
from stacks.wording import shape_problems, unknown

MOST_BYTES = 2**20
"""A settings file is a page or two; a megabyte is a mistake, and would take minutes to check."""
NOTHING_CHANGED = "Nothing was changed."


class SettingsError(Exception):
    """The settings cannot be used; the message is the whole report."""


def load(stack: str) -> Settings:
    """The settings of the running program. RunError with every problem where there are any."""
    secret_keys: set[str] = set(cast(Any, runtime_config)._SECRET_KEYS.get())
    values: Mapping[str, str] = cast(Any, runtime_config).CONFIG.get()
    ours = {key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)}
    hidden = {key.removeprefix(PREFIX) for key in secret_keys if key.startswith(PREFIX)}
    file = f"Pulumi.{stack}.yaml"
    try:
        refuse_size(sum(map(len, ours.values())), file)
        return checked({key: _decoded(value) for key, value in ours.items()}, hidden, file)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def checked(raw: Mapping[str, object], hidden: Set[str], file: str) -> Settings:
    """Settings from values by key; `hidden` are keys stored as secrets. SettingsError with every problem."""
    readable = {key: value for key, value in raw.items() if key not in hidden and key not in SECRETS}
    draft = drafted(readable, hidden)
    problems = [*draft.problems, *across(draft), *_misplaced(raw, hidden, file), *_missing(draft, raw)]
    if problems:
        raise SettingsError(report(problems, file))
    try:
        return Settings.model_validate(readable)
    except ValidationError as error:
        raise SettingsError(report(shape_problems(error, (), readable), file)) from error


def refuse_size(size: int, file: str) -> None:
    """SettingsError for settings that are too large to be meant, before any of them is read."""
    if size > MOST_BYTES:
        words = f"{file}: is {size} bytes; settings have at most {MOST_BYTES}. Is it the right file?"
        raise SettingsError(f"{words}\n{NOTHING_CHANGED}")


def _misplaced(raw: Mapping[str, object], hidden: Set[str], file: str) -> list[Problem]:
    """Settings that are secret, which previews could not show, and secrets that are not."""
    settings = {info.alias for info in Settings.model_fields.values()}
    wrong: list[Problem] = []
    for key in sorted(hidden - set(SECRETS)):
        if key in settings:
            command = f"pulumi config rm {PREFIX}{key}"
            words = f"must not be a secret, nor hold one; run: {command}, and write it into {file} in plain text"
            wrong.append(Problem(path=plain(key), message=words))
        else:
            wrong.append(unknown((key,), {}))
    return wrong + [
        Problem(path=key, message=f"is in plain text; run: pulumi config set --secret {PREFIX}{key}")
        for key in SECRETS
        if key in raw and key not in hidden
    ]


def _missing(draft: Draft, raw: Mapping[str, object]) -> list[Problem]:
    needed = ["storeSecretKey"] if isinstance(draft.store, ExternalStore) and not draft.rehearsal else []
    return [
        Problem(path=key, message=f"the secret is missing; run: pulumi config set --secret {PREFIX}{key}")
        for key in needed
        if key not in raw
    ]


def _decoded(value: str) -> object:
    """Pulumi hands objects, numbers and booleans over as JSON, and text as it is."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
