"""Secrets that a user sets: each is a configuration key of its own, and never part of the settings."""

import secrets

import pulumi

from stacks.settings import Settings


def secret(key: str, settings: Settings) -> pulumi.Output[str]:
    """The secret `inference:KEY`; a rehearsal makes one up. RunError where a user must set it first."""
    if settings.rehearsal:
        return pulumi.Output.secret(secrets.token_urlsafe(24))
    try:
        return pulumi.Config("inference").require_secret(key)
    except pulumi.ConfigMissingError:
        raise pulumi.RunError(
            f"The secret inference:{key} is missing. Set it with:\n  pulumi config set --secret inference:{key}"
        ) from None
