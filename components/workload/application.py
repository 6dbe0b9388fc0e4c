"""A server in the cluster with everything around it: Deployment, Service, identity, network, disruption budget."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.around import (
    config_map,
    disruption_budget,
    file_key,
    network_policy,
    service,
    service_account,
    service_port,
    spread,
)
from components.workload.fields import stated
from components.workload.pod import labels, pod_spec
from components.workload.spec import Peer, Pod, Update


@dataclass(frozen=True, kw_only=True)
class Server:
    """What runs, how often, and who may talk to whom."""

    name: str
    part: str
    """What it does, for example `engine`: the label `app.kubernetes.io/component`."""
    pod: Pod
    ports: Mapping[str, int]
    """Ports of the Service by name, the same as the container's."""
    clients: Sequence[Peer]
    """Who may connect from inside the cluster."""
    node_ports: Mapping[str, int] = field(default_factory=dict[str, int])
    """Ports of every node by the name of the port behind: anybody may connect there."""
    egress: Sequence[Peer] = ()
    """Where it may connect to, beside DNS."""
    replicas: int = 1
    """How many; where it is `scaled`, the most."""
    scaled: bool = False
    """Something else decides how many there are: their number is left alone."""
    update: Update = "surge"
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Text by path, in the ConfigMap `config_map` below `file_key(path)`; another one needs a restart."""
    restart_on: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other content by name that needs a restart when it changes."""
    account: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Annotations of its service account, by which a cloud knows it."""
    prepare_seconds: int = 0
    """What init containers may take before the server's own start, at most."""

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap with its `files`."""
        return f"{self.name}-config"


class Application(pulumi.ComponentResource):
    """Runs a `Server` in a namespace."""

    service: kubernetes.core.v1.Service

    def __init__(
        self, name: str, server: Server, *, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:workload:Application", name, None, opts)
        self._name, self._server, self._namespace = name, server, namespace
        self._labels = labels(server.name, server.part)
        self._child = pulumi.ResourceOptions(parent=self)
        account = service_account(name, self._metadata(server.account), self._child)
        policy = self._network_policy()
        if server.replicas > 1:
            disruption_budget(name, self._metadata(), self._labels, {"max_unavailable": 1}, self._child)
        files = [self._config_map()] if server.files else []
        self._deployment(pulumi.ResourceOptions(parent=self, depends_on=[account, policy, *files]))
        self.service = self._service()
        if server.node_ports:
            self._node_port_service()
        self.register_outputs({})

    def _metadata(
        self, annotations: Mapping[str, pulumi.Input[str]] | None = None
    ) -> kubernetes.meta.v1.ObjectMetaArgsDict:
        fields: kubernetes.meta.v1.ObjectMetaArgsDict = {
            "name": self._server.name,
            "namespace": self._namespace,
            "labels": self._labels,
            "annotations": annotations,
        }
        return stated(fields)

    def _deployment(self, opts: pulumi.ResourceOptions) -> None:
        pod = pod_spec(self._server.pod)
        pod["service_account_name"] = self._server.name
        if self._server.replicas > 1:
            pod["topology_spread_constraints"] = [spread(self._labels)]
        spec: kubernetes.apps.v1.DeploymentSpecArgsDict = {
            "replicas": None if self._server.scaled else self._server.replicas,
            "revision_history_limit": 3,
            "progress_deadline_seconds": progress_deadline(self._server),
            "selector": {"match_labels": self._labels},
            "strategy": _strategy(self._server.update),
            "template": {
                "metadata": stated({"labels": self._labels, "annotations": restart_annotations(self._server)}),
                "spec": pod,
            },
        }
        kubernetes.apps.v1.Deployment(
            self._name,
            metadata=self._metadata(exceptions(_not_hardened(self._server.pod))),
            spec=stated(spec),
            opts=opts,
        )

    def _config_map(self) -> kubernetes.core.v1.ConfigMap:
        metadata = self._metadata()
        metadata["name"] = self._server.config_map
        return config_map(f"{self._name}-config", metadata, self._server.files, self._child)

    def _service(self) -> kubernetes.core.v1.Service:
        return service(self._name, self._metadata(), self._labels, ports=self._server.ports, opts=self._child)

    def _node_port_service(self) -> None:
        """Beside the other, which as a NodePort would open all of its ports, those that nobody asked for too."""
        kubernetes.core.v1.Service(
            f"{self._name}-node-port",
            metadata={
                **self._metadata({"pulumi.com/skipAwait": "true"}),
                "name": f"{self._server.name}-node-port",
            },
            spec={
                "type": "NodePort",
                "selector": self._labels,
                "ports": [
                    {**service_port(name, self._server.ports[name]), "node_port": number}
                    for name, number in self._server.node_ports.items()
                ],
            },
            opts=self._child,
        )

    def _network_policy(self) -> kubernetes.networking.v1.NetworkPolicy:
        # A node hands on what comes to its port under an address of its own, so no client can be told from another.
        outside = [Peer(port=self._server.ports[name]) for name in self._server.node_ports]
        return network_policy(
            self._name,
            self._metadata(),
            self._labels,
            clients=(*self._server.clients, *outside),
            egress=self._server.egress,
            opts=self._child,
        )


def digest(content: str) -> str:
    """A short fingerprint of `content`, for an annotation."""
    return sha256(content.encode()).hexdigest()[:16]


def restart_annotations(server: Server) -> dict[str, str]:
    """For its pods: another value makes new ones."""
    content = {**server.files, **server.restart_on}
    return {f"inference/{file_key(what)}": digest(text) for what, text in content.items()}


def exceptions(reasons: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Annotations for what is not hardened, where people and checkov look: checks, each with the reason."""
    return {f"checkov.io/skip{number}": f"{check}={why}" for number, (check, why) in enumerate(reasons, start=1)}


def _not_hardened(pod: Pod) -> Iterator[tuple[str, str]]:
    yield from (("CKV_K8S_22", one.writable_root) for one in pod.containers if one.writable_root)
    if pod.api_token:
        yield "CKV_K8S_38", "it speaks with Kubernetes' API, with the rights of its service account"
    if pod.user:
        yield "CKV_K8S_40", pod.user.why


def _strategy(update: Update) -> kubernetes.apps.v1.DeploymentStrategyArgsDict:
    if update == "recreate":
        return {"type": "Recreate"}
    surge, unavailable = (1, 0) if update == "surge" else (0, 1)
    return {"type": "RollingUpdate", "rolling_update": {"max_surge": surge, "max_unavailable": unavailable}}


def progress_deadline(server: Server) -> int:
    """Seconds: a rollout has failed when the slowest start is over, with 5 minutes for pulling images."""
    starts = (container.health.startup_seconds for container in server.pod.containers if container.health)
    return 300 + server.prepare_seconds + max(starts, default=0)
