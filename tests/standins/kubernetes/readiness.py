"""When an object is ready, by kind, and why it is not."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.kubernetes.api import Api, ApiError, NoSuchKind, Object

SERVICE_SETTLES = 10.0
"""Seconds that the official provider waits once a Service has endpoints, whatever happens."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class NotReady(Exception):
    """The object exists and is not ready; the message says why."""


class Failed(NotReady):
    """It will not become ready."""


Check = Callable[[Api, Object], str | None]
"""None for ready, else what is missing; raises `Failed`."""


def await_ready(
    api: Api, live: Object, *, seconds: float, say: Callable[[str], None], stopped: Callable[[], bool]
) -> Object:
    """Wait until the object is ready, and return it as it is then. Raises NotReady."""
    check = CHECKS.get(live["kind"])
    if check is None:
        return live
    kind = api.type_of(live["apiVersion"], live["kind"])
    metadata, ends, pause, told = live["metadata"], time.monotonic() + seconds, _FIRST_PAUSE, ""
    while missing := _missing(check, api, live):
        if missing != told:
            say(missing)
            told = missing
        if stopped():
            raise NotReady(f"cancelled while {missing}")
        if time.monotonic() > ends:
            raise NotReady(f"timed out after {seconds:.0f} s: {missing}{_why(api, live)}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        found = api.get(kind, metadata.get("namespace"), metadata["name"])
        if found is None:
            raise Failed("it was deleted while waiting for it")
        live = found
    if live["kind"] == "Service" and _has_endpoints_to_wait_for(live):
        time.sleep(SERVICE_SETTLES)
    return live


def is_ready(api: Api, live: Object) -> bool:
    """As it is now."""
    check = CHECKS.get(live["kind"])
    try:
        return check is None or check(api, live) is None
    except Failed:
        return False


def _missing(check: Check, api: Api, live: Object) -> str | None:
    try:
        return check(api, live)
    except Failed as failure:
        raise Failed(f"{failure}{_why(api, live)}") from failure


def _conditions(live: Object) -> dict[str, Object]:
    listed: list[Object] = _status(live).get("conditions") or []
    return {one["type"]: one for one in listed}


def _status(live: Object) -> Object:
    return live.get("status") or {}


def _observed(live: Object) -> bool:
    return _status(live).get("observedGeneration", 0) >= live["metadata"].get("generation", 0)


def _deployment(api: Api, live: Object) -> str | None:
    del api
    status, wanted = _status(live), live["spec"].get("replicas", 1)
    progress = _conditions(live).get("Progressing", {})
    if _observed(live) and progress.get("reason") == "ProgressDeadlineExceeded":
        raise Failed(progress.get("message", "its progress deadline is exceeded"))
    ready = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    if _observed(live) and ready >= wanted and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return None
    return f"waiting for replicas: {ready} of {wanted} are up to date and available"


def _stateful_set(api: Api, live: Object) -> str | None:
    del api
    status, wanted = _status(live), live["spec"].get("replicas", 1)
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", status.get("readyReplicas", 0)))
    same = status.get("currentRevision") == status.get("updateRevision")
    if _observed(live) and same and ready >= wanted:
        return None
    return f"waiting for replicas: {ready} of {wanted} are up to date and ready"


def _daemon_set(api: Api, live: Object) -> str | None:
    del api
    status = _status(live)
    wanted = status.get("desiredNumberScheduled", 0)
    ready = min(status.get("numberAvailable", 0), status.get("updatedNumberScheduled", 0))
    if _observed(live) and ready >= wanted:
        return None
    return f"waiting for pods: {ready} of {wanted} are up to date and available"


def _job(api: Api, live: Object) -> str | None:
    del api
    conditions = _conditions(live)
    if conditions.get("Failed", {}).get("status") == "True":
        raise Failed(f"the job failed: {conditions['Failed'].get('message', '')}")
    return None if conditions.get("Complete", {}).get("status") == "True" else "waiting for the job to complete"


def _claim(api: Api, live: Object) -> str | None:
    if _status(live).get("phase") == "Bound" or _binds_late(api, live):
        return None
    return "waiting for the claim to be bound"


def _binds_late(api: Api, live: Object) -> bool:
    name = live["spec"].get("storageClassName")
    found = api.get(api.type_of("storage.k8s.io/v1", "StorageClass"), None, name) if name else None
    return bool(found) and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def _definition(api: Api, live: Object) -> str | None:
    del api
    return None if _conditions(live).get("Established", {}).get("status") == "True" else "waiting to be established"


def _has_endpoints_to_wait_for(live: Object) -> bool:
    return bool(live["spec"].get("selector")) and live["spec"].get("type") != "ExternalName"


def _service(api: Api, live: Object) -> str | None:
    if live["spec"].get("type") == "LoadBalancer" and not _status(live).get("loadBalancer", {}).get("ingress"):
        return "waiting for the load balancer's address"
    if not _has_endpoints_to_wait_for(live):
        return None
    slices = api.type_of("discovery.k8s.io/v1", "EndpointSlice")
    labels = {"kubernetes.io/service-name": live["metadata"]["name"]}
    for one in api.list(slices, live["metadata"]["namespace"], labels):
        endpoints: list[Object] = one.get("endpoints") or []
        conditions: list[Object] = [endpoint.get("conditions") or {} for endpoint in endpoints]
        if any(condition.get("ready", True) for condition in conditions):
            return None
    return "waiting for endpoints: no pod that it selects is ready"


def _pod(api: Api, live: Object) -> str | None:
    del api
    phase = _status(live).get("phase")
    if phase == "Failed":
        raise Failed(f"the pod failed: {live['status'].get('message', '')}")
    ready = _conditions(live).get("Ready", {}).get("status") == "True"
    return None if ready or phase == "Succeeded" else "waiting for the pod to be ready"


CHECKS: Mapping[str, Check] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "CustomResourceDefinition": _definition,
    "Service": _service,
    "Pod": _pod,
}


def _why(api: Api, live: Object) -> str:
    """What its pods say about themselves."""
    spec: Object = live.get("spec") or {}
    selector: Object = spec.get("selector") or {}
    labels: Mapping[str, str] = selector.get("matchLabels") or {}
    try:
        pods = api.list(api.type_of("v1", "Pod"), live["metadata"].get("namespace"), labels) if labels else []
    except (ApiError, NoSuchKind):
        return ""
    reasons = sorted({reason for pod in pods for reason in _complaints(pod)})
    return "".join(f"\n  {reason}" for reason in reasons)


def _complaints(pod: Object) -> list[str]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    found = [
        f"pod {name}: {one.get('reason')}: {one.get('message')}"
        for one in _conditions(pod).values()
        if one["type"] == "PodScheduled" and one["status"] == "False"
    ]
    containers: list[Any] = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for container in containers:
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            found.append(f"pod {name}: {waiting.get('reason')}: {waiting.get('message', '')}")
        ended = container.get("state", {}).get("terminated")
        if ended and ended.get("exitCode"):
            found.append(f"pod {name}: {ended.get('reason')}: {ended.get('message', '').strip()}")
    return found
