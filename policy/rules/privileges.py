"""Pods that are no more than pods."""

from collections.abc import Iterator

from policy.rules.pods import pods
from policy.rules.resource import UNKNOWN, Resource, at, items, mapping, text
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_SHARED = {"hostNetwork": "the host's network", "hostPID": "the host's processes", "hostIPC": "the host's memory"}


def _host_access(resource: Resource, _: PolicySettings) -> Iterator[str]:
    next_step = "Next: do without, or say in policy/rules/exemptions.py why it must."
    for pod in pods(resource):
        for field, what in _SHARED.items():
            if pod.spec.get(field) is True:
                yield f"{pod.place} shares {what} ({field}). {next_step}"
        for volume in items(pod.spec.get("volumes")):
            if at(volume, "hostPath") is not None:
                path = text(at(volume, "hostPath", "path")) or "a directory"
                yield f"{pod.place} mounts {path} of the host. {next_step}"
        for where, container in pod.containers:
            for port in items(container.get("ports")):
                if at(port, "hostPort"):
                    yield f"{where} takes a port of the host (hostPort). Next: make a Service, or set nodePort."


def _added(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for pod in pods(resource):
        for where, container in pod.containers:
            context = mapping(container.get("securityContext"))
            if context.get("privileged") is True:
                yield f"{where} is privileged. Next: remove privileged, or exempt it in policy/rules/exemptions.py."
            if added := [text(one) for one in items(at(context, "capabilities", "add")) if text(one)]:
                yield f"{where} adds the capabilities {', '.join(added)}. Next: drop ALL and add none."
            if context.get("allowPrivilegeEscalation") not in (False, UNKNOWN):
                yield f"{where} may get more privileges than it has. Next: set allowPrivilegeEscalation: false."


def _root(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for pod in pods(resource):
        around = mapping(pod.spec.get("securityContext"))
        for where, container in pod.containers:
            context = {**around, **mapping(container.get("securityContext"))}
            if context.get("runAsUser") == 0:
                yield f"{where} runs as root. Next: set runAsUser to another number than 0."
            elif context.get("runAsNonRoot") not in (True, UNKNOWN):
                yield f"{where} may run as root, which its image decides. Next: set runAsNonRoot: true."


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="no-host-access",
        description="No pod shares the host's network, processes, memory, ports or directories.",
        remedy="Do without, or exempt the object with the reason.",
        check=_host_access,
    ),
    ResourceRule(
        name="no-added-privileges",
        description="No container is privileged, adds capabilities, or may get more privileges than it has.",
        remedy="Drop all capabilities, and set allowPrivilegeEscalation: false.",
        check=_added,
    ),
    ResourceRule(
        name="no-root",
        description="No container runs as root.",
        remedy="Set runAsNonRoot: true and a runAsUser, or exempt the object with the reason.",
        check=_root,
    ),
)
