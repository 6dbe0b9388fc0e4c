"""Creating, updating and deleting objects on a cluster."""

import contextlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, cast

from tests.standins.kubernetes import FIELD_MANAGER
from tests.standins.kubernetes.api import Api, ApiError, NoSuchKind, Object, ResourceType
from tests.standins.kubernetes.objects import annotation
from tests.standins.kubernetes.readiness import NotReady, await_ready, is_ready

DEFAULT_SECONDS = 600.0
"""The official provider's time-out for most kinds."""
_ATTEMPTS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between tries to create what depends on something that is only just there, such as its definition."""
_CONFLICT, _NOT_FOUND = 409, 404


class Conflict(ApiError):
    """Somebody else owns a field, or the object."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Objects on one API server."""

    api: Api
    namespace: str = "default"
    upsert: bool = False
    """Take over objects that exist, instead of failing."""
    stopping: Event = field(default_factory=Event)

    def located(self, manifest: Object) -> tuple[ResourceType, str | None]:
        """The object's type and namespace; the default one where it names none."""
        kind = self.api.type_of(manifest["apiVersion"], manifest["kind"])
        return kind, (manifest["metadata"].get("namespace") or self.namespace) if kind.namespaced else None

    def create(self, manifest: Object, say: Callable[[str], None]) -> Object:
        """Apply a new object. Tries again while its kind or namespace is only just appearing."""
        for pause in (*_ATTEMPTS, None):
            try:
                kind, namespace = self.located(manifest)
                patches = annotation(manifest, "patchForce") is not None
                if not self.upsert and not patches and self.api.get(kind, namespace, manifest["metadata"]["name"]):
                    raise Conflict(_CONFLICT, f"{_title(manifest)} already exists; import it, or give it another name")
                return self._apply(kind, namespace, manifest, say)
            except (NoSuchKind, ApiError) as error:
                missing = isinstance(error, NoSuchKind) or error.status == _NOT_FOUND
                if pause is None or not missing or self.stopping.is_set():
                    raise
                say(f"trying again: {error}")
                time.sleep(pause)
        raise AssertionError("unreachable")

    def update(self, manifest: Object, say: Callable[[str], None]) -> Object:
        """Apply a changed object."""
        return self._apply(*self.located(manifest), manifest, say)

    def _apply(self, kind: ResourceType, namespace: str | None, manifest: Object, say: Callable[[str], None]) -> Object:
        force = annotation(manifest, "patchForce") == "true"
        try:
            manager = annotation(manifest, "patchFieldManager") or FIELD_MANAGER
            live, warnings = self.api.apply(kind, namespace, manifest, manager=manager, force=force)
        except ApiError as error:
            if error.status == _CONFLICT:
                how = 'to take the fields over, set the annotation pulumi.com/patchForce to "true"'
                raise Conflict(_CONFLICT, f"{_title(manifest)}: {error}; {how}") from error
            raise
        for warning in warnings:
            say(warning)
        return live

    def replaces_unready(self, manifest: Object) -> bool:
        """Whether it is a Job that did not become ready, and `pulumi.com/replaceUnready` says to make another."""
        if manifest["kind"] != "Job" or annotation(manifest, "replaceUnready") != "true":
            return False
        kind, namespace = self.located(manifest)
        live = self.api.get(kind, namespace, manifest["metadata"]["name"])
        return live is not None and not is_ready(self.api, live)

    def settled(self, live: Object, manifest: Object, *, seconds: float | None, say: Callable[[str], None]) -> Object:
        """The object once it is ready, unless `pulumi.com/skipAwait` says not to wait. Raises NotReady."""
        if annotation(manifest, "skipAwait") == "true":
            return live
        given = annotation(manifest, "timeoutSeconds")
        limit = seconds or (float(given) if given else DEFAULT_SECONDS)
        condition = annotation(manifest, "waitFor")
        if condition:
            return self._until(live, condition, limit)
        return await_ready(self.api, live, seconds=limit, say=say, stopped=self.stopping.is_set)

    def _until(self, live: Object, condition: str, seconds: float) -> Object:
        kind, namespace = self.located(live)
        wanted: list[str] = json.loads(condition) if condition.startswith("[") else [condition]
        ends = time.monotonic() + seconds
        while not all(_met(live, one) for one in wanted):
            if time.monotonic() > ends or self.stopping.is_set():
                raise NotReady(f"timed out after {seconds:.0f} s waiting for {condition}")
            time.sleep(0.2)
            live = self.api.get(kind, namespace, live["metadata"]["name"]) or live
        return live

    def delete(self, manifest: Object, *, seconds: float | None) -> None:
        """Delete an object and wait until it is gone."""
        try:
            kind, namespace = self.located(manifest)
        except NoSuchKind:
            return
        name = manifest["metadata"]["name"]
        policy = (annotation(manifest, "deletionPropagationPolicy") or "foreground").capitalize()
        try:
            self.api.request("DELETE", kind.url(namespace, name), {"propagationPolicy": policy})
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return
            raise
        if annotation(manifest, "skipAwait") != "true":
            self._await_gone(kind, namespace, manifest, seconds or DEFAULT_SECONDS)

    def _await_gone(self, kind: ResourceType, namespace: str | None, manifest: Object, seconds: float) -> None:
        ends, pause = time.monotonic() + seconds, 0.05
        uid = manifest["metadata"].get("uid")
        while live := self.api.get(kind, namespace, manifest["metadata"]["name"]):
            if uid and live["metadata"]["uid"] != uid:
                return
            if time.monotonic() > ends or self.stopping.is_set():
                held = ", ".join(live["metadata"].get("finalizers") or []) or "none"
                what = f"{_title(manifest)} is not gone after {seconds:.0f} s"
                raise NotReady(f"{what}; finalizers that hold it: {held}{_blockers(live)}")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def find(self, api_version: str, kind: str, identity: str) -> Object | None:
        """The object of an ID, `namespace/name` or `name`; None where there is none."""
        namespace, _, name = identity.rpartition("/")
        with contextlib.suppress(NoSuchKind):
            return self.api.get(self.api.type_of(api_version, kind), namespace or None, name)
        return None


def _title(manifest: Object) -> str:
    metadata = manifest["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {where}{metadata['name']}"


def _blockers(live: Object) -> str:
    conditions: list[Any] = live.get("status", {}).get("conditions") or []
    return "".join(f"\n  {one.get('message')}" for one in conditions if one.get("status") == "True")


def _met(live: Object, condition: str) -> bool:
    if condition.startswith("condition="):
        name, _, wanted = condition.removeprefix("condition=").partition("=")
        conditions: list[Any] = live.get("status", {}).get("conditions") or []
        return any(one["type"] == name and one["status"] == (wanted or "True") for one in conditions)
    path, _, wanted = condition.removeprefix("jsonpath=").partition("=")
    value: Any = live
    for part in re.findall(r"[^.{}\[\]]+", path):
        value = cast(Object, value).get(part) if isinstance(value, dict) else None
    return str(value) == wanted if wanted else value is not None
