"""From Pulumi's configuration to checked settings, or to everything that is wrong with it."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn, cast

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from components.storage.settings import ExternalStore
from stacks.checks import across
from stacks.documents import MOST_BYTES
from stacks.drafts import Draft, drafted, parsed
from stacks.explanations import explained, unknown
from stacks.problems import PREFIX, Problem, SettingsError
from stacks.schema import find
from stacks.secrets import SECRETS, set_command
from stacks.settings import Settings


def load(stack: str) -> Settings:
    """The settings of the running program. RunError with every problem where there are any."""
    try:
        return _of_the_engine(stack)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def _of_the_engine(stack: str) -> Settings:
    file = f"Pulumi.{stack}.yaml"
    values: Mapping[str, str] = cast("Any", runtime_config).CONFIG.get()
    ours = {key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)}
    if sum(len(key) + len(value) for key, value in ours.items()) > MOST_BYTES:
        message = f"have more than {MOST_BYTES // 2**20} MiB; they are a page or two: is it another file?"
        raise SettingsError(file, [Problem(place="the settings", message=message)])
    hidden = {key for key in ours if runtime_config.is_config_secret(f"{PREFIX}{key}")}
    raw = {key: value if key in hidden else _decoded(value) for key, value in ours.items()}
    return checked(raw, hidden, file, stack=stack)


def checked(
    raw: Mapping[str, object],
    hidden: Collection[str],
    file: str,
    *,
    stack: str | None = None,
    problems: Collection[Problem] = (),
) -> Settings:
    """Settings from values by key, without `inference:`. SettingsError with every problem, `problems` among them.

    `hidden` are the keys that are stored as secrets.
    """
    plain = {key: value for key, value in raw.items() if key not in hidden and key not in SECRETS}
    draft = drafted(plain, unreadable=hidden)
    found = [*problems, *_misplaced(raw, hidden, stack), *_missing(draft, raw, stack), *across(draft)]
    try:
        settings = parsed(plain)
    except ValidationError as error:
        known = set(find(()).keys)
        # What is hidden is not missing: it is told above that it must not be hidden.
        found += [one for one in explained(error, plain) if one.place not in {(key,) for key in known & set(hidden)}]
        _refuse(file, found)
    except ValueError:
        message = "are nested too deeply, or hold an endless number"
        _refuse(file, [*found, Problem(place="the settings", message=message)])
    return settings if not found else _refuse(file, found)


def _refuse(file: str, problems: list[Problem]) -> NoReturn:
    raise SettingsError(file, problems)


def _misplaced(raw: Mapping[str, object], hidden: Collection[str], stack: str | None) -> Iterator[Problem]:
    """Settings that are secret, which no preview could show, and secrets that are not."""
    on = f" --stack {stack}" if stack else ""
    for key in sorted(set(hidden) - set(SECRETS)):
        if key in find(()).keys:
            name = f"{PREFIX}{key}"
            command = f'pulumi config set --plaintext{on} {name} "$(pulumi config get{on} {name})"'
            yield Problem(place=(key,), message=f"must not be a secret; run: {command}")
        else:
            yield unknown(find(()), key)
    for key in SECRETS:
        if key in raw and key not in hidden:
            yield Problem(place=(key,), message=f"is in plain text; run: {set_command(key, stack)}")


def _missing(draft: Draft, raw: Mapping[str, object], stack: str | None) -> Iterator[Problem]:
    store, sources = draft.store, draft.sources
    external = store.value if isinstance(store.value, ExternalStore) and store.knows("kind") else None
    needed = {
        "storeSecretKey": external,
        "storeWriterSecretKey": external and store.knows("writerAccessKey") and external.writer_access_key,
        "sourceSecretKey": sources.value and sources.knows("s3") and sources.value.s3,
        "mlflowToken": sources.value
        and sources.knows("mlflow")
        and sources.value.mlflow
        and sources.value.mlflow.username,
    }
    for key in needed if not draft.pretended else ():
        if needed[key] and key not in raw:
            yield Problem(place=(key,), message=f"the secret is missing; run: {set_command(key, stack)}")


def _decoded(value: str) -> object:
    """Pulumi hands objects, numbers and booleans over as JSON, text as it is, and null as nothing."""
    if not value:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
