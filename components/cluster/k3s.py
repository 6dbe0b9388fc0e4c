"""Hosts over SSH become a k3s cluster: servers first, one after the other, then all agents side by side."""

import json
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import yaml
from pulumi_command import remote

from components.accelerators import Kind
from components.cluster.cluster import Cluster
from components.cluster.gpus import advertised_gpus, gpu_counter
from components.cluster.settings import ClusterSettings, K3s
from components.node.gpu_node import GpuNode
from components.node.ports import API
from components.node.settings import Drivers, Host, Mirror
from components.node.step import SCRIPTS, Step, finish_step, query, run_step
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
        operated: Collection[Kind] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it; GPUs of `operated` kinds are for operators to serve, which come later."""
        super().__init__("inference:cluster:K3sCluster", name, None, opts)
        self._name, self._settings, self._k3s, self._mirror = name, settings, k3s, mirror
        self._child = pulumi.ResourceOptions(parent=self)
        self._nodes: list[pulumi.Resource] = []
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
                cache=settings.cache.path if settings.cache else None,
                opts=self._child,
            )
            for host in settings.nodes
        }
        servers = [host for host in settings.nodes if host.role == "server"]
        agents = [host for host in settings.nodes if host.role == "agent"]
        self._endpoint = settings.endpoint or servers[0].host
        last = self._servers(servers, hosts)
        access = self._access(hosts[servers[0].name], last)
        for agent in agents:
            self._agent(agent, hosts[agent.name], access, last)
        kubeconfig = access["kubeconfig"]
        provider = kubernetes.Provider(
            f"{name}-provider",
            kubeconfig=kubeconfig,
            cluster_identifier=name,
            enable_server_side_apply=True,
            upsert_existing_objects=True,
            opts=self._child,
        )
        connection = hosts[servers[0].name].connection
        gpus = advertised_gpus(
            name, settings, connection, operated=operated, provider=provider, after=self._nodes, opts=self._child
        )
        self.cluster = Cluster(
            settings=settings,
            provider=provider,
            kubeconfig=kubeconfig,
            ready=(*self._nodes, *gpus),
            toolkit=drivers.install,
            count_gpus=gpu_counter(name, settings, connection, self._child),
        )
        self.register_outputs({})

    def _servers(self, servers: Sequence[Host], nodes: Mapping[str, GpuNode]) -> remote.Command:
        """One after the other, when they join and when they are upgraded. The last of them."""
        tokens = {
            "token": self._token("server-token"),
            "agent-token": self._token("agent-token"),
        }
        names = dict.fromkeys(str(name) for name in (*(server.host for server in servers), self._endpoint))
        first = servers[0]
        step: remote.Command | None = None
        for host in servers:
            config: dict[str, pulumi.Input[object]] = {
                **self._common(host),
                **tokens,
                "tls-san": list(names),
                "write-kubeconfig-mode": "0600",
                "secrets-encryption": True,
                "disable": ["traefik", "servicelb"],
                "default-local-storage-path": self._k3s.volumes,
            }
            if len(servers) > 1:
                config |= {"cluster-init": True} if host is first else {"server": _url(first.host)}
            peer = next((_url(other.host) for other in servers if other is not host), "")
            alone: dict[str, pulumi.Input[str]] = {"PEER": peer, "FIRST": "yes" if host is first else ""}
            step = self._step(host, nodes[host.name], config, alone, after=[step] if step else [])
        assert step, "a cluster without servers is refused with the settings"
        return step

    def _agent(
        self,
        host: Host,
        node: GpuNode,
        access: Mapping[str, pulumi.Output[str]],
        after: remote.Command,
    ) -> None:
        config: dict[str, pulumi.Input[object]] = {
            **self._common(host),
            "server": _url(self._endpoint),
            "token": access["agentToken"],
        }
        self._step(host, node, config, {"MAINTENANCE": access["maintenance"]}, after=[after])

    def _common(self, host: Host) -> Mapping[str, pulumi.Input[object]]:
        docker = {"docker": True} if self._k3s.container_runtime == "docker" else {}
        taints = {"node-taint": self._settings.taints(host)} if host.taint else {}
        return {"node-name": host.name} | docker | taints

    def _step(
        self,
        host: Host,
        node: GpuNode,
        config: Mapping[str, pulumi.Input[object]],
        more: Mapping[str, pulumi.Input[str]],
        *,
        after: Sequence[pulumi.Resource],
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
            "ADDRESS": str(self._endpoint),
            "LABELS": " ".join(f"{key}={value}" for key, value in sorted(ours.items())),
            "TAINTS": " ".join(self._settings.taints(host)),
            "DRAIN_SECONDS": str(self._k3s.drain_seconds),
            "PASSWORDS": ", ".join(f"{one.name}.node-password.k3s" for one in self._settings.nodes),
            "VOLUMES": self._k3s.volumes,
            "PURGE": "yes" if self._k3s.purge_data else "",
            # A container runtime that came later is found by a restart, which the script sees to.
            "DRIVER": node.driver,
            "CERTIFICATES": str(self._k3s.rotation.certificates),
            **more,
        }
        name, step = f"{self._name}-{host.name}-k3s", Step(name="k3s", script=K3S_SCRIPT, variables=variables)
        # Others join a new cluster before its first node is Ready.
        until = "joinable" if more.get("FIRST") else ""
        begun = run_step(name, step, node.connection, until=until, after=[node.ready, *after], opts=self._child)
        self._nodes.append(begun)
        if until:
            self._nodes.append(finish_step(f"{name}-ready", step, node.connection, begun, opts=self._child))
        return begun

    def _access(self, node: GpuNode, after: remote.Command) -> Mapping[str, pulumi.Output[str]]:
        """Secrets of the cluster: `kubeconfig`, `maintenance` (a lesser one, for agents) and `agentToken`.

        Asked for once more after every rotation.
        """
        rotation = self._k3s.rotation
        said = query(
            f"{self._name}-access",
            SCRIPTS / "access.sh",
            {
                "SERVER": _url(self._endpoint),
                "ROTATION": f"{rotation.tokens} {rotation.certificates}",
            },
            node.connection,
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=[after])),
        )
        return {key: _part(said, key) for key in ("kubeconfig", "maintenance", "agentToken")}

    def _token(self, suffix: str) -> pulumi.Output[str]:
        """Kept in the stack's state: a server that is installed again takes the same."""
        number = self._k3s.rotation.tokens
        return random.RandomPassword(
            f"{self._name}-{suffix}",
            length=TOKEN_LENGTH,
            special=False,
            keepers={"rotation": str(number)} if number > 1 else None,
            opts=self._child,
        ).result


def registries(mirror: str) -> Mapping[str, object]:
    """k3s's registries.yaml for one mirror of every registry: https://docs.k3s.io/installation/private-registry."""
    url = mirror if "://" in mirror else f"https://{mirror}"
    return {"mirrors": {"*": {"endpoint": [url]}}}


def _part(said: remote.Command, key: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(said.stdout.apply(lambda text: b64decode(json.loads(text)[key]).decode().strip()))


def _url(address: IPv4Address | IPv6Address | str) -> str:
    host = str(address)
    return f"https://{f'[{host}]' if ':' in host else host}:{API}"


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True)
