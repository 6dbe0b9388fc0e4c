"""A host, made ready to be a node: looked over, set up, with a driver that is proven to work."""

from base64 import b64encode
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_command import remote

from components.node.connection import TRIES_AFTER_REBOOT, connection
from components.node.driver import driver_step, mig_step, proof
from components.node.firewall import rules
from components.node.ports import API, ETCD, KUBELET
from components.node.settings import ContainerRuntime, Drivers, Host, Mirror
from components.node.step import SCRIPTS, Step, inspect, run_step
from components.node.system import AptSource, ServiceAccount, System
from components.section import byte_count
from components.workload.pod import USER


class GpuNode(pulumi.ComponentResource):
    """Everything that a host needs before Kubernetes. Destroying it gives the host back as it was."""

    ready: pulumi.Resource
    """The last step: what comes next on this host depends on it."""
    connection: remote.ConnectionArgsDict
    driver: str = ""
    """Changes whenever the driver does; empty where nothing is installed."""

    def __init__(
        self,
        name: str,
        host: Host,
        *,
        system: System,
        drivers: Drivers,
        mirror: Mirror,
        private_key: pulumi.Output[str],
        peers: Sequence[Host] = (),
        container_runtime: ContainerRuntime = "containerd",
        cache: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`peers` are the nodes of its cluster, itself among them; `cache` is the directory for models, if any."""
        super().__init__("inference:node:GpuNode", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._name, self._host, self._child = name, host, child
        self.connection = connection(host, private_key)
        preflight = inspect(
            f"{name}-preflight",
            SCRIPTS / "preflight.sh",
            preflight_variables(host, mirror.lookups()),
            self.connection,
            opts=child,
        )
        self.ready = run_step(
            f"{name}-system",
            Step(name="system", script=SCRIPTS / "system.sh", variables=system_variables(system, host, peers)),
            self.connection,
            after=[preflight],
            opts=child,
        )
        if host.accelerator.kind != "cpu":
            self._driver(driver_step(host, drivers, mirror), connection(host, private_key, tries=TRIES_AFTER_REBOOT))
        if system.service_account:  # after the driver, which may bring the groups that own GPUs
            self.ready = self._run(account_step(system.service_account))
        if container_runtime == "docker":
            self.ready = self._run(docker_step(host))
        if cache:
            self.ready = self._run(cache_step(cache))
        self.register_outputs({})

    def _run(self, step: Step) -> remote.Command:
        return run_step(f"{self._name}-{step.name}", step, self.connection, after=[self.ready], opts=self._child)

    def _driver(self, step: Step | None, patient: remote.ConnectionArgsDict) -> None:
        """Install, restart if need be, prove: each on a connection of its own, since a restart cuts them all."""
        proven = proof(self._host)
        if step:
            driver = self._run(step)
            # Once more whenever the driver changes: whether a restart is needed, the host knows.
            self.driver = step.identity({name: str(value) for name, value in step.variables.items()})
            changed = {"DRIVER": self.driver}
            self.ready = self._inspect("reboot", {"NODE": self._host.name, **changed}, self.connection, after=driver)
            proven |= changed
        self.ready = self._inspect("prove", proven, patient, after=self.ready)
        if partition := mig_step(self._host):
            self.ready = self._run(partition)

    def _inspect(
        self, script: str, variables: Mapping[str, str], reached: remote.ConnectionArgsDict, *, after: pulumi.Resource
    ) -> pulumi.Resource:
        opts = self._child.merge(pulumi.ResourceOptions(depends_on=[after]))
        return inspect(f"{self._name}-{script}", SCRIPTS / f"{script}.sh", variables, reached, opts=opts)


def preflight_variables(host: Host, lookups: tuple[str, ...]) -> Mapping[str, str]:
    """What `preflight.sh` compares the host with."""
    ports = (API, *ETCD, KUBELET) if host.role == "server" else (KUBELET,)
    return {
        "NODE": host.name,
        "ARCH": host.arch,
        "CPUS": str(host.cpu),
        "MEMORY_MIB": str(byte_count(host.memory) // 2**20),
        "DISK_GIB": str(byte_count(host.disk) // 2**30),
        "KIND": host.accelerator.kind,
        "GPUS": str(host.accelerator.count),
        "LOOKUPS": " ".join(lookups),
        "PORTS": " ".join(map(str, ports)),
    }


def system_variables(system: System, host: Host, peers: Sequence[Host]) -> Mapping[str, str]:
    """What `system.sh` is to do; an empty variable is a part that is left alone."""
    return {
        "PACKAGES": " ".join(system.packages),
        "SOURCES": "\n".join(map(_source, system.apt_sources)),
        "ONLY_SOURCES": "yes" if system.only_apt_sources else "",
        "UPGRADES": "yes" if system.security_upgrades else "",
        "TIME": "yes" if system.time_sync else "",
        "LOG_SIZE": str(byte_count(system.journal_size)) if system.journal_size else "",
        "LOG_DAYS": str(system.journal_days or ""),
        "LIMITS": "yes" if system.limits else "",
        "SSH": "yes" if system.ssh_by_key else "",
        "FIREWALL": rules(system.firewall, host, peers) if system.firewall else "",
    }


def account_step(account: ServiceAccount) -> Step:
    """The step that makes it, and takes it away."""
    variables = {"NAME": account.name, "KEYS": "\n".join(account.keys)}
    return Step(name="account", script=SCRIPTS / "account.sh", variables=variables)


def docker_step(host: Host) -> Step:
    """The step that installs Docker, with NVIDIA's runtime where there are cards for it."""
    variables = {"NVIDIA": "yes" if host.accelerator.kind == "cuda" else ""}
    return Step(name="docker", script=SCRIPTS / "docker.sh", variables=variables)


def cache_step(directory: str) -> Step:
    """The step that makes the directory which engines share their models in."""
    variables = {"DIRECTORY": directory, "OWNER": str(USER)}
    return Step(name="cache", script=SCRIPTS / "cache.sh", variables=variables)


def _source(source: AptSource) -> str:
    key = b64encode(source.key.encode()).decode()
    return "|".join((source.name, source.url, " ".join(source.suites), " ".join(source.components), key))
