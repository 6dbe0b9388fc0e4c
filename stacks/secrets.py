"""Secrets that a user sets: each is a configuration key of its own, and never part of the settings."""

import secrets

import pulumi

from stacks.settings import Settings

SECRETS = {
    "storeSecretKey": "Secret of the external store's read-only user (`store.accessKey`).",
}
"""Every secret that a user may have to set, and what it is."""


def secret(key: str, settings: Settings) -> pulumi.Output[str]:
    """The secret `inference:KEY`, which loading the settings has asked for; a rehearsal makes one up."""
    if settings.rehearsal:
        return pulumi.Output.secret(secrets.token_urlsafe(24))
    return pulumi.Config("inference").require_secret(key)
