"""Asking a registry which digest a tag has: the OCI distribution specification, https://github.com/opencontainers."""

import json
import re
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode

from toolchain.download import Document, Network
from toolchain.problems import Unauthorized, Unavailable

_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Registries that are not where their images' names say."""
# One of several platforms first: without these a registry gives the manifest of one of them.
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def digest(image: str, network: Network) -> str:
    """The sha256 of what the image's tag means today: for several platforms, of the index that lists them.

    It is that of the manifest which came, whatever the registry says; raises `Unavailable` where the two differ.
    """
    registry, _, rest = image.partition("/")
    repository, _, tag = rest.rpartition(":")
    manifest = _manifest(f"https://{_HOSTS.get(registry, registry)}/v2/{repository}/manifests/{tag}", network)
    if not _is_manifest(manifest.content):
        raise Unavailable(f"{registry} sent what is no manifest")
    got = sha256(manifest.content).hexdigest()
    said = manifest.headers.get("Docker-Content-Digest", "").strip() or f"sha256:{got}"
    if said != f"sha256:{got}":
        raise Unavailable(f"{registry} says {said}, and sent what has sha256:{got}")
    return got


def _manifest(url: str, network: Network) -> Document:
    headers = {"Accept": ", ".join(_ACCEPT)}
    try:
        return network.document(url, headers)
    except Unauthorized as error:
        return network.document(url, {**headers, "Authorization": f"Bearer {_token(error, network)}"})


def _token(denied: Unauthorized, network: Network) -> str:
    """One for anybody, from where the registry says: https://distribution.github.io/distribution/spec/auth/token."""
    scheme, _, rest = denied.challenge.partition(" ")
    asked = dict(_CHALLENGE.findall(rest))
    realm = asked.pop("realm", "")
    if scheme.lower() != "bearer" or not realm:
        raise Unavailable(f"{denied}, and gives no token to just anybody")
    query = urlencode({name: asked[name] for name in ("service", "scope") if name in asked})
    answer = _json(network.text(f"{realm}{'&' if '?' in realm else '?'}{query}"))
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str):
        raise Unavailable(f"{denied}, and {realm} gave no token")
    return token


def _is_manifest(content: bytes) -> bool:
    """And not a portal's page, half of one, or version 1, whose digest is not that of its bytes."""
    return _json(content).get("schemaVersion") == 2


def _json(content: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
