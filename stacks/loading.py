"""From Pulumi's configuration to checked settings, or to everything that is wrong with it."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pulumi
from pulumi.runtime import config as runtime_config

from components.storage.settings import ExternalStore
from stacks.checks import across
from stacks.drafts import Draft, drafted
from stacks.problems import PREFIX, Problem, report, shown
from stacks.secrets import SECRETS
from stacks.settings import Settings

MOST_BYTES = 2**20
"""A settings file is a page or two; a megabyte is a mistake, and would take minutes to parse."""


class SettingsError(Exception):
    """The settings cannot be used; the message is the whole report."""


def load(stack: str) -> Settings:
    """The settings of the running program. RunError with every problem where there are any."""
    secret_keys: set[str] = set(cast(Any, runtime_config)._SECRET_KEYS.get())
    values: Mapping[str, str] = cast(Any, runtime_config).CONFIG.get()
    ours = {key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)}
    hidden = {key.removeprefix(PREFIX) for key in secret_keys if key.startswith(PREFIX)}
    try:
        return checked({key: _decoded(value) for key, value in ours.items()}, hidden, f"Pulumi.{stack}.yaml")
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def checked(raw: Mapping[str, object], hidden: set[str], file: str) -> Settings:
    """Settings from values by key; `hidden` are keys stored as secrets. SettingsError with every problem."""
    plain = {key: value for key, value in raw.items() if key not in hidden and key not in SECRETS}
    draft = drafted(plain)
    problems = [*draft.problems, *across(draft), *_misplaced(raw, hidden), *_missing(draft, raw)]
    if problems:
        raise SettingsError(report(problems, file))
    return Settings.model_validate(plain)


def _misplaced(raw: Mapping[str, object], hidden: set[str]) -> list[Problem]:
    """Settings that are secret, which previews could not show, and secrets that are not."""
    wrong = [
        Problem(path=shown(key)[1:-1], message=f"must not be a secret; run: pulumi config set {PREFIX}{key} VALUE")
        for key in sorted(hidden - set(SECRETS))
        if key in {info.alias for info in Settings.model_fields.values()}
    ]
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
        return json.loads(value) if len(value) <= MOST_BYTES else value
    except ValueError:
        return value
