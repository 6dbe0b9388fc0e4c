"""Hosts over SSH become a k3s cluster: servers first, one after the other, then all agents side by side."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import yaml
from pulumi_command import remote

from components.cluster.cluster import Cluster
from components.cluster.settings import ClusterSettings, K3s
from components.node.gpu_node import GpuNode
from components.node.ports import API
from components.node.settings import Drivers, Host, Mirror
from components.node.step import SCRIPTS, Step, query, run_step
from components.node.system import System
from components.node.versions import K3S_DOWNLOADS, K3S_INSTALLER

K3S_SCRIPT = SCRIPTS / "k3s.sh"
TOKEN_LENGTH = 48


class K3sCluster(pulumi.ComponentResource):
    """One server with any number of agents, three servers, or a single node that is all of it."""

    cluster: Cluster

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        *,
        k3s: K3s,
        system: System,
        drivers: Drivers,
        mirror: Mirror,
        private_key: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:cluster:K3sCluster", name, None, opts)
        self._name, self._settings, self._k3s, self._mirror = name, settings, k3s, mirror
        self._child = pulumi.ResourceOptions(parent=self)
        hosts = {
            host.name: GpuNode(
                f"{name}-{host.name}",
                host,
                system=system,
                drivers=drivers,
                mirror=mirror,
                private_key=private_key,
                peers=settings.nodes,
                container_runtime=k3s.container_runtime,
                opts=self._child,
            )
            for host in settings.nodes
        }
        servers = [host for host in settings.nodes if host.role == "server"]
        agents = [host for host in settings.nodes if host.role == "agent"]
        last = self._servers(servers, hosts)
        access = self._access(servers[0], hosts[servers[0].name], last)
        joined = [self._agent(agent, hosts[agent.name], servers[0], access, last) for agent in agents]
        kubeconfig = access["kubeconfig"]
        provider = kubernetes.Provider(
            f"{name}-provider",
            kubeconfig=kubeconfig,
            cluster_identifier=name,
            enable_server_side_apply=True,
            upsert_existing_objects=True,
            opts=self._child,
        )
        self.cluster = Cluster(settings=settings, provider=provider, kubeconfig=kubeconfig, ready=(last, *joined))
        self.register_outputs({})

    def _servers(self, servers: Sequence[Host], nodes: Mapping[str, GpuNode]) -> remote.Command:
        """One after the other, when they join and when they are upgraded. The last of them."""
        tokens = {
            "token": self._token("server-token"),
            "agent-token": self._token("agent-token"),
        }
        first = servers[0]
        step: remote.Command | None = None
        for host in servers:
            config: dict[str, pulumi.Input[object]] = {
                **self._common(host),
                **tokens,
                "tls-san": [str(server.host) for server in servers],
                "write-kubeconfig-mode": "0600",
                "secrets-encryption": True,
                "disable": ["traefik", "servicelb"],
            }
            if len(servers) > 1:
                config |= {"cluster-init": True} if host is first else {"server": _url(first)}
            step = self._step(host, nodes[host.name], config, after=[step] if step else [])
        assert step, "a cluster without servers is refused with the settings"
        return step

    def _agent(
        self,
        host: Host,
        node: GpuNode,
        server: Host,
        access: Mapping[str, pulumi.Output[str]],
        after: remote.Command,
    ) -> remote.Command:
        config: dict[str, pulumi.Input[object]] = {
            **self._common(host),
            "server": _url(server),
            "token": access["agentToken"],
        }
        return self._step(host, node, config, after=[after], maintenance=access["maintenance"])

    def _common(self, host: Host) -> Mapping[str, pulumi.Input[object]]:
        docker = {"docker": True} if self._k3s.container_runtime == "docker" else {}
        return {"node-name": host.name} | docker | ({"node-taint": _taints(host)} if host.taint else {})

    def _step(
        self,
        host: Host,
        node: GpuNode,
        config: Mapping[str, pulumi.Input[object]],
        *,
        after: Sequence[pulumi.Resource],
        maintenance: pulumi.Input[str] = "",
    ) -> remote.Command:
        version, mirror = self._k3s.version, self._mirror
        shape = next(shape for shape in self._settings.shapes if shape.name == host.name)
        ours = {key: value for key, value in shape.labels.items() if not key.startswith("kubernetes.io/")}
        variables: dict[str, pulumi.Input[str]] = {
            "NODE": host.name,
            "ROLE": host.role,
            "VERSION": version,
            "DOWNLOADS": mirror.k3s or K3S_DOWNLOADS,
            "INSTALLER": "" if mirror.k3s else K3S_INSTALLER.format(version=version.replace("+", "%2B")),
            "CONFIG": pulumi.Output.all(**config).apply(_yaml),
            "REGISTRIES": _yaml(registries(mirror.images)) if mirror.images else "",
            "ADDRESS": str(self._settings.nodes[0].host),
            "LABELS": " ".join(f"{key}={value}" for key, value in sorted(ours.items())),
            "TAINTS": " ".join(_taints(host)),
            "DRAIN_SECONDS": str(self._k3s.drain_seconds),
            "PASSWORDS": ", ".join(f"{one.name}.node-password.k3s" for one in self._settings.nodes),
            "MAINTENANCE": maintenance,
        }
        return run_step(
            f"{self._name}-{host.name}-k3s",
            Step(name="k3s", script=K3S_SCRIPT, variables=variables),
            node.connection,
            after=[node.ready, *after],
            opts=self._child,
        )

    def _access(self, server: Host, node: GpuNode, after: remote.Command) -> Mapping[str, pulumi.Output[str]]:
        """Secrets of the new cluster: `kubeconfig`, `maintenance` (a lesser one, for agents) and `agentToken`."""
        said = query(
            f"{self._name}-access",
            SCRIPTS / "access.sh",
            {"SERVER": _url(server)},
            node.connection,
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=[after])),
        )
        return {key: _part(said, key) for key in ("kubeconfig", "maintenance", "agentToken")}

    def _token(self, suffix: str) -> pulumi.Output[str]:
        """Kept in the stack's state: a server that is installed again takes the same."""
        name = f"{self._name}-{suffix}"
        return random.RandomPassword(name, length=TOKEN_LENGTH, special=False, opts=self._child).result


def registries(mirror: str) -> Mapping[str, object]:
    """k3s's registries.yaml for one mirror of every registry: https://docs.k3s.io/installation/private-registry."""
    url = mirror if "://" in mirror else f"https://{mirror}"
    return {"mirrors": {"*": {"endpoint": [url]}}}


def _part(said: remote.Command, key: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(said.stdout.apply(lambda text: b64decode(json.loads(text)[key]).decode().strip()))


def _url(server: Host) -> str:
    host = str(server.host)
    return f"https://{f'[{host}]' if ':' in host else host}:{API}"


def _taints(host: Host) -> list[str]:
    return [f"{host.taint}=true:NoSchedule"] if host.taint else []


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True)
