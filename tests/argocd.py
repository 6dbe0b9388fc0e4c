"""Argo CD's own repo server and application controller for tests, as processes beside the control plane."""

import os
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.api_server import ApiServer
from tests.operators import await_port, defined, free_port, running
from toolchain import bring, catalogue, definitions
from toolchain.download import Network

NAMESPACE = "argocd"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""With it, deleting an Application deletes what it has made."""
_REFRESH = "argocd.argoproj.io/refresh"
_PART = {"app.kubernetes.io/part-of": "argocd"}  # the settings are looked for by this label


@dataclass(frozen=True, kw_only=True)
class ArgoCd:
    """A running Argo CD, that of the cluster it runs beside. Applications are in its namespace."""

    api_server: ApiServer
    namespace: str = NAMESPACE

    def application(self, name: str) -> Any:
        """An Application as it is now."""
        return self.api_server.get("application", name, "--namespace", self.namespace)

    def refresh(self, name: str, *, seconds: float = 30) -> None:
        """Have its sources looked at now, instead of at the next of the regular times; returns when they were."""
        annotation = f"{_REFRESH}=normal"
        self.api_server.kubectl(
            "annotate", "application", name, annotation, "--overwrite", "--namespace", self.namespace
        )
        give_up = time.monotonic() + seconds
        while _REFRESH in (application := self.application(name))["metadata"].get("annotations", {}):
            said = _described(application)
            assert time.monotonic() < give_up, f"{name} was not refreshed within {seconds:g} s: {said}"
            time.sleep(0.2)

    def wait(
        self,
        name: str,
        *,
        sync: str = "Synced",
        health: str = "Healthy",
        revision: str | None = None,
        seconds: float = 60,
    ) -> Any:
        """The Application once it is in this state, at this commit or chart version if one is given.

        Fails with what it says of itself.
        """
        wanted = f"{sync} and {health}" + (f" at {revision}" if revision else "")
        give_up = time.monotonic() + seconds
        while True:
            application = self.application(name)
            status = application.get("status", {})
            there = status.get("sync", {}), status.get("health", {}).get("status")
            if (there[0].get("status"), there[1]) == (sync, health) and revision in (None, there[0].get("revision")):
                return application
            said = _described(application)
            assert time.monotonic() < give_up, f"{name} is not {wanted} after {seconds:g} s: {said}"
            time.sleep(0.3)


def _described(application: Mapping[str, Any]) -> str:
    status = application.get("status", {})
    operation = status.get("operationState", {})
    sync, health = status.get("sync", {}), status.get("health", {})
    lines = [f"{sync.get('status')} at {sync.get('revision')}, {health.get('status')} {health.get('message', '')}"]
    lines += [f"  {condition['type']}: {condition['message']}" for condition in status.get("conditions", [])]
    if operation:
        lines.append(f"  operation {operation['phase']}: {operation.get('message', '')}")
    for one in status.get("resources", []):
        state = one.get("status"), one.get("health", {}).get("status"), one.get("health", {}).get("message", "")
        lines.append(f"  {one['kind']} {one['name']}: {' '.join(str(part) for part in state if part)}")
    return "\n".join(lines)


@contextmanager
def argocd(api_server: ApiServer, directory: Path, *, installed: bool = False) -> Generator[ArgoCd]:
    """Argo CD with the definitions that users get, until the block ends; its logs are in `directory`.

    Where it is `installed` already, as far as that goes without a node that runs anything, definitions and settings
    are left alone.

    It looks at its sources every five seconds. Needs `redis-server` and git on PATH. Raises ToolchainError where Argo
    CD or helm cannot be had.
    """
    program, helm = (one.path for one in bring.ensure([catalogue.ARGOCD, catalogue.HELM], Network(), quiet=True))
    files = sorted(definitions.argocd().iterdir())
    redis, repo_server, metrics_of_repo_server, metrics = (free_port() for _ in range(4))

    def command(name: str, *options: str) -> list[str]:
        (link := directory / name).symlink_to(program)  # what it is depends on its name
        return [str(link), *options, f"--redis=127.0.0.1:{redis}"]

    kept = ["--save", "", "--appendonly", "no", "--dir", str(directory)]
    with ExitStack() as stack:
        sockets = Path(stack.enter_context(TemporaryDirectory(prefix="argocd-")))
        environment = _environment(directory, sockets, helm.parent)
        if not installed:
            stack.enter_context(defined(api_server, files))
            api_server.apply(*_settings())
            stack.callback(_clear, api_server)

        def run(log: str, *arguments: str) -> None:
            stack.enter_context(running(arguments, api_server, directory / f"{log}.log", **environment))

        run("redis", "redis-server", "--bind", "127.0.0.1", "--port", str(redis), *kept)
        listening = ["--address=127.0.0.1", f"--port={repo_server}", "--disable-tls"]
        measured = ["--metrics-address=127.0.0.1", f"--metrics-port={metrics_of_repo_server}"]
        run("repo-server", *command("argocd-repo-server", *listening, *measured))
        await_port(redis)
        await_port(repo_server)
        found = [f"--repo-server=127.0.0.1:{repo_server}", "--repo-server-plaintext", f"--metrics-port={metrics}"]
        # Without a growing pause before an object is healed again.
        quick = [
            "--app-resync=5",
            "--app-resync-jitter=0",
            "--self-heal-timeout-seconds=1",
            "--self-heal-backoff-timeout-seconds=0",
        ]
        controller = command("argocd-application-controller", f"--namespace={NAMESPACE}", *found, *quick)
        run("application-controller", *controller)
        yield ArgoCd(api_server=api_server)


def _environment(directory: Path, sockets: Path, helm: Path) -> dict[str, str]:
    """What it would read or write elsewhere, where other runs do too, is below `directory`.

    Not its socket: that path may have 107 characters at most.
    """
    for name in ("tls", "ssh", "plugins", "keys", "keyring", "temporary"):
        (directory / name).mkdir()
    return {
        "PATH": f"{helm}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(directory),
        "TMPDIR": str(directory / "temporary"),
        "REDIS_PASSWORD": "",
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_RECONCILIATION_TIMEOUT": "2s",  # how long the repo server believes that a branch has not moved
        "ARGOCD_SYNC_WAVE_DELAY": "0",
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_GNUPGHOME": str(directory / "keyring"),
        "ARGOCD_GPG_DATA_PATH": str(directory / "keys"),
        "ARGOCD_TLS_DATA_PATH": str(directory / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(directory / "ssh"),
        "ARGOCD_PLUGINSOCKFILEPATH": str(directory / "plugins"),
        "ARGOCD_ASK_PASS_SOCK": str(sockets / "ask-pass"),
    }


def _settings() -> list[dict[str, object]]:
    """What an installation has beside its workloads, and the project that Argo CD's server would make."""

    def labelled(kind: str, name: str, **more: object) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": _PART},
            **more,
        }

    everything = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        labelled("ConfigMap", "argocd-cm"),
        labelled("ConfigMap", "argocd-rbac-cm"),
        labelled("Secret", "argocd-secret", stringData={"server.secretkey": "for-tests-only"}),
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": everything,
        },
    ]


def _clear(api_server: ApiServer) -> None:
    """Let go of Applications that a test has left, without what they made: their finalizers would hold up the end."""
    kinds = "applications.argoproj.io,appprojects.argoproj.io"
    for one in api_server.get(kinds, "--namespace", NAMESPACE)["items"]:
        if one["metadata"].get("finalizers"):
            patch = '{"metadata": {"finalizers": null}}'
            name = f"{one['kind'].lower()}/{one['metadata']['name']}"
            api_server.kubectl("patch", name, "--namespace", NAMESPACE, "--type=merge", f"--patch={patch}")
    # Waited for: the next one wants it again.
    api_server.kubectl("delete", "--wait", "--timeout=60s", "namespace", NAMESPACE)
