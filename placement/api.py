"""The API server of a cluster, by its kubeconfig.

Plain HTTPS: Kubernetes' own Python client takes six times as long to import as this takes to read a cluster.
"""

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from placement.problems import PlacementError

Json = Mapping[str, Any]

_SECONDS = 30


class ClusterError(PlacementError):
    """A cluster could not be asked; the text says which, why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class _Access:
    host: str
    port: int
    trust: ssl.SSLContext
    headers: Mapping[str, str]


class Api:
    """Asks one API server. One thread at a time."""

    def __init__(self, name: str, kubeconfig: str) -> None:
        """`name` is the cluster's, for messages. Raises ClusterError for a kubeconfig that does not say enough."""
        self.name = name
        try:
            access = _access(cast(Json, yaml.safe_load(kubeconfig)))
        except (yaml.YAMLError, StopIteration, LookupError, TypeError, ValueError, OSError) as error:
            # The error's text may quote the file, and with it a key.
            raise ClusterError(
                f"The kubeconfig of cluster {name} cannot be used ({type(error).__name__}). It must name a server with "
                f"its certificate authority, and a user with a client certificate or a token."
            ) from None
        self._address = f"https://{access.host}:{access.port}"
        self._headers = access.headers
        self._connection = http.client.HTTPSConnection(access.host, access.port, timeout=_SECONDS, context=access.trust)

    def get(self, path: str) -> Json:
        """The object at `path`. Raises ClusterError."""
        return self._ask("GET", path, None, {})

    def scale(self, namespace: str, deployment: str, replicas: int) -> None:
        """Set a Deployment's replicas. Raises ClusterError."""
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale"
        body = json.dumps({"spec": {"replicas": replicas}})
        self._ask("PATCH", path, body, {"Content-Type": "application/merge-patch+json"})

    def close(self) -> None:
        """Close the connection; a later request opens another."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Json:
        try:
            self._connection.request(method, path, body, {**self._headers, **headers})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ClusterError(
                f"Cluster {self.name} does not answer at {self._address}: {error or type(error).__name__}.\n"
                "Next: see that it runs and that this machine can reach it."
            ) from None
        if response.status != http.client.OK:
            raise ClusterError(f"Cluster {self.name} refuses {method} {path}: {_message(answer)}")
        return cast(Json, json.loads(answer))


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, LookupError, TypeError):
        return answer.decode(errors="replace")[:200].strip() or "no reason given"


def _access(config: Json) -> _Access:
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    url = urlsplit(str(cluster["server"]))
    if url.scheme != "https" or not url.hostname:
        raise ValueError("not https")
    trust = ssl.create_default_context()
    if authority := _content(cluster, "certificate-authority"):
        trust = ssl.create_default_context(cadata=authority.decode())
    headers = {"Accept": "application/json"}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    else:
        _identify(trust, certificate=_content(user, "client-certificate"), key=_content(user, "client-key"))
    return _Access(host=url.hostname, port=url.port or 443, trust=trust, headers=headers)


def _named(entries: list[Json], name: str) -> Json:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: Json, key: str) -> bytes:
    """What is in the kubeconfig, or in the file that it names; nothing where it says neither."""
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(str(data))
    return Path(str(entry[key])).expanduser().read_bytes() if key in entry else b""


def _identify(trust: ssl.SSLContext, *, certificate: bytes, key: bytes) -> None:
    # Python reads client certificates from files only: this one is ours alone, and gone at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        trust.load_cert_chain(file.name)
