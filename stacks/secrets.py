"""Secrets that a user sets: each is a configuration key of its own, and never part of the settings."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One secret that a user may have to set."""

    meaning: str
    source: str = ""
    """Where the command that sets it reads the value; asked for on the terminal when empty."""


SECRETS: Mapping[str, Secret] = {
    "storeSecretKey": Secret(meaning="Secret of the external store's read-only user (`store.accessKey`)."),
    "storeWriterSecretKey": Secret(meaning="Secret of the external store's user that syncs (`store.writerAccessKey`)."),
    "sshPrivateKey": Secret(
        meaning="Private key of the `user` on every host, for the target `onprem`.", source=" < ~/.ssh/id_ed25519"
    ),
    "huggingFaceToken": Secret(meaning="Token for gated and private models on Hugging Face, sources `hf://`."),
    "ngcApiKey": Secret(meaning="API key for private models in NVIDIA's registry, sources `ngc://`."),
    "mlflowToken": Secret(meaning="Token for MLflow, or the password of `sources.mlflow.username`."),
    "gitCredential": Secret(meaning="Key or token of `delivery.credential`, with which Argo CD reads the repository."),
    "argocdSsoSecret": Secret(meaning="Secret of Argo CD's client at the provider of `argocd.sso`."),
    "argocdNotificationToken": Secret(meaning="Token for `argocd.notifications`: a Slack bot's, or a webhook's."),
    "sourceSecretKey": Secret(meaning="Secret of the user who reads from `sources.s3` (its `accessKey`)."),
}
"""By configuration key, without `inference:`."""


def set_command(key: str, stack: str | None = None) -> str:
    """The command that sets it."""
    options = f" --stack {stack}" if stack else ""
    source = SECRETS[key].source if key in SECRETS else ""
    return f"pulumi config set --secret inference:{key}{options}{source}"


def secret(key: str, settings: Settings) -> pulumi.Output[str]:
    """The secret `inference:KEY`, or one made up. RunError with the command that sets it if it is missing."""
    if settings.pretended:
        return pulumi.Output.secret(secrets.token_urlsafe(24))
    found = pulumi.Config("inference").get_secret(key)
    if found is None:
        command = set_command(key, pulumi.get_stack())
        raise pulumi.RunError(f"inference:{key}   the secret is missing; run: {command}\nNothing was changed.")
    return found


def optional_secret(key: str, settings: Settings) -> pulumi.Output[str] | None:
    """The secret `inference:KEY`, if it is set; a rehearsal has none."""
    return None if settings.rehearsal else pulumi.Config("inference").get_secret(key)
