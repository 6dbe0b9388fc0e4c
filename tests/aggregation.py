"""APIs that the control plane serves, and a server on this machine answers."""

from typing import Any


def registration(group: str, version: str, *, namespace: str, port: int) -> list[dict[str, Any]]:
    """Objects by which the API server hands requests for the group on to this machine; a Service is in `namespace`."""
    name = group.partition(".")[0] + "-metrics"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    registered = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}"},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": name, "namespace": namespace, "port": port},
        },
    }
    return [service, registered]
