"""What kwokctl is told about the five components of the embedded control plane.

Flags and settings: kwokctl 0.8.0, Kubernetes 1.36, etcd 3.7 (their `--help`; kwok's KwokctlConfiguration v1alpha1).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

COMPONENTS: Mapping[str, str] = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kwok-controller": "kwok",
}
"""kwokctl's name of each component, and its binary."""

FOUNDATION = ("etcd", "kube-apiserver")
"""When one of these dies while starting, something is wrong; the others may only have been too early."""

LAUNCHER = "kwokctl"

STOP_ORDER = (
    # Clients first: an API server with open watches, or without its etcd, takes minutes to end.
    (LAUNCHER, "kwok-controller", "kube-scheduler", "kube-controller-manager"),
    ("kube-apiserver",),
    ("etcd",),
)

BINARIES = (*COMPONENTS.values(), LAUNCHER, "kubectl")
"""All that a start needs; kwokctl asks the API server through kubectl, and would download a missing one."""

CREATE = (
    "create",
    "cluster",
    "--kubeconfig=",  # touch no kubeconfig of the user's
    # Status heartbeats instead of leases: after kill -9 a new kwok would wait for the old leases to run out (200 s).
    "--node-lease-duration-seconds=0",
)
START = ("start", "cluster")

_NODES = "kwok.x-k8s.io/node=fake"
_SERVICES = "10.43.0.0/16"  # as k3s; the default, 10.0.0.0/24, ends at 254 Services
_PODS = "10.42.0.1/16"  # as k3s; the default overlaps the Services'
_NOBODY = "192.0.2.1"  # TEST-NET-1, RFC 5737


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of one component: `replaced` are those that kwokctl sets itself, `added` those that it does not."""

    component: str
    replaced: Mapping[str, str]
    added: Mapping[str, str] = field(default_factory=dict[str, str])

    def patch(self) -> dict[str, object]:
        """This as an element of KwokctlConfiguration's `componentsPatches`."""
        replaced = [{"key": key, "value": value, "override": True} for key, value in self.replaced.items()]
        added = [{"key": key, "value": value} for key, value in self.added.items()]
        return {"name": self.component, "extraArgs": [*replaced, *added]}


FLAGS = (
    # Unix sockets: etcd has no password here, and over TCP every user of the machine could read the cluster's secrets.
    # They are relative to the working directory, because a socket's path has at most 107 characters.
    Flags(
        component="etcd",
        replaced={
            "listen-client-urls": "unix://client.sock",
            "advertise-client-urls": "unix://client.sock",
            "listen-peer-urls": "unix://peer.sock",
            "initial-advertise-peer-urls": "unix://peer.sock",
            "initial-cluster": "node0=unix://peer.sock",
        },
    ),
    Flags(
        component="kube-apiserver",
        replaced={"etcd-servers": "unix://client.sock"},
        added={
            # Nothing connects to it. When it is not set, the API server needs a default route and fails offline.
            "advertise-address": _NOBODY,
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": _SERVICES,
            "enable-admission-plugins": "NodeRestriction",
        },
    ),
    # No election: after kill -9 the next one would wait for the dead holder's lease to run out (15 s).
    Flags(component="kube-controller-manager", replaced={"secure-port": "0"}, added={"leader-elect": "false"}),
    Flags(component="kube-scheduler", replaced={"secure-port": "0"}, added={"leader-elect": "false"}),
    Flags(
        component="kwok-controller",
        # Relative: kwok takes a comma in it for the beginning of a second file.
        replaced={"config": "kwok.yaml", "manage-all-nodes": "false", "server-address": "", "node-port": "0"},
        # A line for every heartbeat would be 4 MB of log a day for ten nodes.
        added={"manage-nodes-with-annotation-selector": _NODES, "cidr": _PODS, "v": "WARN"},
    ),
)


def configuration(binaries: Mapping[str, Path], *, port: int) -> str:
    """kwokctl's configuration file (JSON, which is YAML): every binary local, only loopback, one TCP port."""
    options: dict[str, object] = {
        "runtime": "binary",
        "bindAddress": "127.0.0.1",
        "kubeApiserverPort": port,
        "disableQPSLimits": True,
        "etcdBinary": str(binaries["etcd"]),
        "kubeApiserverBinary": str(binaries["kube-apiserver"]),
        "kubeControllerManagerBinary": str(binaries["kube-controller-manager"]),
        "kubeSchedulerBinary": str(binaries["kube-scheduler"]),
        "kwokControllerBinary": str(binaries["kwok"]),
        "kubectlBinary": str(binaries["kubectl"]),
    }
    document = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": options,
        "componentsPatches": [flags.patch() for flags in FLAGS],
    }
    return json.dumps(document, indent=2) + "\n"
