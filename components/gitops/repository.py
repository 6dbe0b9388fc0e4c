"""How Argo CD gets at a repository: the Secret that it finds by a label."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic import Field, PositiveInt

from components.node.settings import Url
from components.section import Section


class SshKey(Section):
    """A private key, for a URL such as `git@git.lan:org/repo.git`."""

    kind: Literal["ssh"] = "ssh"
    """Always `ssh`. The key is a secret of the stack."""


class Token(Section):
    """A user and a token or password, over HTTPS."""

    kind: Literal["token"] = "token"
    """Always `token`. The token is a secret of the stack."""
    user: Annotated[str, Field(min_length=1, examples=["deploy"])] = "git"
    """Who the token belongs to; GitHub and GitLab take any name."""


class GithubApp(Section):
    """An app of GitHub that is installed for the repository."""

    kind: Literal["githubApp"] = "githubApp"
    """Always `githubApp`. The app's private key is a secret of the stack."""
    app: PositiveInt
    """The app's number."""
    installation: PositiveInt
    """The number of its installation."""
    enterprise: Url | None = Field(default=None, examples=["https://github.example.com/api/v3"])
    """API of an own GitHub Enterprise Server; github.com when not set."""


_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418, "oci": 443}

Credential = Annotated[SshKey | Token | GithubApp, Field(discriminator="kind")]


def ports_of(urls: Iterable[str]) -> set[int]:
    """Where repositories, registries or providers are connected to: `git@git.lan:a.git` at 22, a file nowhere."""
    addresses = [urlsplit(url if "://" in url else "ssh://") for url in urls]
    return {port for one in addresses if (port := one.port or _PORTS.get(one.scheme))}


def repository_secret(
    name: str,
    called: str,
    *,
    url: str,
    credential: Credential | None = None,
    value: pulumi.Input[str] | None = None,
    content: Literal["git", "helm"] = "git",
    every: bool = False,
    namespace: str,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Secret:
    """The Secret `called` for the repository at `url`, or for `every` one whose URL begins so.

    `value` is the key or token of the `credential`; `content` is what the repository has in it. Raises ValueError where
    a credential has no value or cannot work with the URL.
    """
    if credential is not None and value is None:
        raise ValueError(f"{url}: a credential of kind {credential.kind} needs its key or token")
    if credential is None and every:
        raise ValueError(f"{url}: nothing to share among repositories without a credential")
    if credential is not None and (credential.kind == "ssh") == url.startswith(("http://", "https://")):
        wanted = "git@HOST:PATH or ssh://…" if credential.kind == "ssh" else "https://…"
        raise ValueError(f"{url}: a credential of kind {credential.kind} is for URLs such as {wanted}")
    return kubernetes.core.v1.Secret(
        name,
        metadata={
            "name": called,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/part-of": "argocd",
                "argocd.argoproj.io/secret-type": "repo-creds" if every else "repository",
            },
        },
        string_data={"type": content, "url": url, **_fields(credential, value)},
        opts=opts,
    )


def _fields(credential: Credential | None, value: pulumi.Input[str] | None) -> Mapping[str, pulumi.Input[str]]:
    """In Argo CD's names: util/db/repository_secrets.go of v3.5.1."""
    if credential is None or value is None:
        return {}
    secret = pulumi.Output.secret(value)
    match credential:
        case SshKey():
            return {"sshPrivateKey": secret}
        case Token():
            return {"username": credential.user, "password": secret}
        case GithubApp():
            return {
                "githubAppID": str(credential.app),
                "githubAppInstallationID": str(credential.installation),
                "githubAppPrivateKey": secret,
                **({"githubAppEnterpriseBaseUrl": credential.enterprise} if credential.enterprise else {}),
            }
