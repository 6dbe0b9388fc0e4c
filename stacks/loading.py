"""From Pulumi's configuration to checked settings."""

import json
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from stacks.settings import Settings


def load(stack: str) -> Settings:
    raw: dict[str, Any] = {}
    for key, value in CONFIG.get().items():
        if key.startswith("inference:"):
            try:
                raw[key.removeprefix("inference:")] = json.loads(value)
            except ValueError:
                raw[key.removeprefix("inference:")] = value
    return Settings.model_validate(raw)
