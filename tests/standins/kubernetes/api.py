"""The Kubernetes API over HTTPS, as far as a provider needs it."""

import base64
import contextlib
import json
import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import urllib3
import yaml

Object = dict[str, Any]
_AT_ONCE = 64
"""Connections kept open."""


class ApiError(Exception):
    """The API server refused; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Exception):
    """No API server answered."""


class NoSuchKind(Exception):
    """The API server serves no such kind."""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """Where objects of one kind live."""

    path: str
    """For example `/apis/apps/v1`."""
    plural: str
    namespaced: bool

    def url(self, namespace: str | None, name: str = "") -> str:
        """The path of one object, or of all in the namespace."""
        where = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.path}{where}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Api:
    """One API server."""

    def __init__(self, kubeconfig: str, context: str | None = None) -> None:
        """`kubeconfig` is its text or a path. ValueError where it does not name a server."""
        cluster, user = _chosen(_document(kubeconfig), context)
        user = _asked(user["exec"]) if "exec" in user else user
        self.server: str = cluster["server"].rstrip("/")
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._pool = urllib3.PoolManager(
            maxsize=_AT_ONCE,
            ssl_context=_tls(cluster, user),
            retries=urllib3.Retry(connect=2, read=0, redirect=0, status=0, backoff_factor=0.2),
            timeout=urllib3.Timeout(connect=5, read=60),
        )
        self._types: dict[tuple[str, str], ResourceType] = {}
        self._discovering = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> tuple[Object, list[str]]:
        """The answer and the warnings in it."""
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers | {"Content-Type": content_type, "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self.server} does not answer: {_reason(error)}") from error
        content: Object = {}
        with contextlib.suppress(ValueError):
            content = json.loads(answer.data)
        if answer.status >= 400:
            raise ApiError(answer.status, str(content.get("message") or f"{method} {path}: HTTP {answer.status}"))
        return content, answer.headers.getlist("Warning")

    def type_of(self, api_version: str, kind: str) -> ResourceType:
        """Where objects of this kind live. NoSuchKind where there are none."""
        key = (api_version, kind)
        with self._discovering:
            if key not in self._types:
                self._discover(api_version)
            if key not in self._types:
                raise NoSuchKind(f'the API server has no kind "{kind}" in "{api_version}"')
            return self._types[key]

    def _discover(self, api_version: str) -> None:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listing, _ = self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        for entry in listing["resources"]:
            if "/" not in entry["name"]:
                self._types[api_version, entry["kind"]] = ResourceType(
                    path=path, plural=entry["name"], namespaced=entry["namespaced"]
                )

    def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object | None:
        """An object, or None where there is none."""
        try:
            return self.request("GET", kind.url(namespace, name))[0]
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(
        self, kind: ResourceType, namespace: str | None, manifest: Object, *, manager: str, force: bool
    ) -> tuple[Object, list[str]]:
        """Server-side apply."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Warn"}
        path = kind.url(namespace, manifest["metadata"]["name"])
        return self.request("PATCH", path, manifest, query=query, content_type="application/apply-patch+yaml")

    def list(self, kind: ResourceType, namespace: str | None, labels: Mapping[str, str]) -> list[Object]:
        """Objects with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found, _ = self.request("GET", kind.url(namespace), query={"labelSelector": selector})
        return found["items"]


def _document(kubeconfig: str) -> Object:
    text = kubeconfig
    if "\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{"):
        text = Path(kubeconfig).expanduser().read_text(encoding="utf-8")
    document: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(document, dict) or not document:
        raise ValueError("the kubeconfig is not a mapping")
    return cast(Object, document)


def _chosen(document: Object, context: str | None) -> tuple[Object, Object]:
    def named(kind: str, name: str) -> Object:
        entries: list[Object] = document.get(f"{kind}s") or []
        for entry in entries:
            if entry["name"] == name:
                return entry[kind]
        raise ValueError(f'the kubeconfig has no {kind} "{name}"')

    wanted = named("context", context or document.get("current-context") or "")
    return named("cluster", wanted["cluster"]), named("user", wanted["user"]) or {}


def _asked(how: Object) -> Object:
    """A user's credentials as the program that the kubeconfig names prints them."""
    listed, arguments = cast("list[Object]", how.get("env") or []), cast("list[str]", how.get("args") or [])
    variables: dict[str, str] = {one["name"]: one["value"] for one in listed}
    command: list[str] = [how["command"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    if done.returncode:
        raise ValueError(f"{' '.join(command)}: {done.stderr.strip()}")
    status = json.loads(done.stdout)["status"]
    parts = {"client-certificate-data": "clientCertificateData", "client-key-data": "clientKeyData"}
    pem = {
        ours: base64.b64encode(status[theirs].encode()).decode() for ours, theirs in parts.items() if theirs in status
    }
    return pem | ({"token": status["token"]} if "token" in status else {})


def _tls(cluster: Object, user: Object) -> ssl.SSLContext:
    authority = cluster.get("certificate-authority-data")
    trusted = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(authority).decode() if authority else None
    )
    if "client-certificate-data" in user:
        # The only way to give Python a key is a file: readable by us alone, and gone at once.
        descriptor, name = tempfile.mkstemp()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
                file.write(base64.b64decode(user["client-key-data"]))
            trusted.load_cert_chain(name)
        finally:
            Path(name).unlink()
    elif "client-certificate" in user:
        trusted.load_cert_chain(user["client-certificate"], user["client-key"])
    return trusted


def _reason(error: Exception) -> str:
    while isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason:
        error = error.reason
    return str(error).rpartition(": ")[2]
