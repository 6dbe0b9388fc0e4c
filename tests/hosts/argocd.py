"""Argo CD in pods on a host, as our component deploys it, with Git repositories that it keeps to."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.gitops.versions import ARGO_CD, REDIS
from tests import operators
from tests.api_server import ApiServer
from tests.e2e import small_stacks, ssh_server
from tests.e2e.small_stacks import Outcome, SmallStack
from tests.git import Repository
from tests.git import repository as repository_in
from tests.hosts import git, images, k3s, onprem
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror
from tests.hosts.receiver import Receiver, receiving
from tests.unit.recording import REPOSITORY
from toolchain import bring, catalogue, definitions
from toolchain.download import Network
from toolchain.problems import ToolchainError

PORT = 30443
TOKEN = "told-with-this-token"
PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
import pulumi_kubernetes as kubernetes
import yaml
from components.gitops.argocd import ArgoCdService
from components.gitops.repository import SshKey, repository_secret
from components.gitops.settings import ArgoCd
from components.workload.namespace import Quota

cluster = kubernetes.Provider("cluster", kubeconfig=Path({kubeconfig!r}).read_text(), cluster_identifier="home")
on = pulumi.ResourceOptions(providers=[cluster])
argo = ArgoCdService(
    "argocd",
    ArgoCd.model_validate({settings!r}),
    definitions=[yaml.safe_load(file.read_text()) for file in sorted(Path({definitions!r}).glob("*.yaml"))],
    quota=Quota(),
    repositories=[{url!r}, {private!r}],
    sso_secret=pulumi.Output.secret("secret-of-the-client"),
    notification_token=pulumi.Output.secret({token!r}),
    opts=on,
)
pulumi.export("password", argo.admin_password)
inside = pulumi.ResourceOptions(provider=cluster, depends_on=argo.ready)
source = repository_secret("source", "source", url={url!r}, namespace=argo.namespace, opts=inside)
private = repository_secret(
    "private",
    "private",
    url={private!r},
    credential=SshKey(),
    value=pulumi.Output.secret(Path({key!r}).read_text()),
    namespace=argo.namespace,
    opts=inside,
)
place = kubernetes.core.v1.Namespace(
    "place", metadata={{"name": "place"}}, opts=pulumi.ResourceOptions(provider=cluster)
)
project = kubernetes.apiextensions.CustomResource(
    "project",
    api_version="argoproj.io/v1alpha1",
    kind="AppProject",
    metadata={{"name": "tests", "namespace": argo.namespace}},
    spec={{
        "sourceRepos": [{url!r}, {private!r}],
        "destinations": [{{"server": "https://kubernetes.default.svc", "namespace": "place"}}],
    }},
    opts=inside,
)
for name, url, path in (("shop", {url!r}, "shop"), ("vault", {private!r}, "vault")):
    kubernetes.apiextensions.CustomResource(
        name,
        api_version="argoproj.io/v1alpha1",
        kind="Application",
        metadata={{
            "name": name,
            "namespace": argo.namespace,
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "annotations": {{"pulumi.com/waitFor": "jsonpath={{.status.sync.status}}=Synced"}},
        }},
        spec={{
            "project": "tests",
            "source": {{"repoURL": url, "path": path, "targetRevision": "main"}},
            "destination": {{"server": "https://kubernetes.default.svc", "namespace": "place"}},
            "syncPolicy": {{
                "automated": {{"prune": True, "selfHeal": True}},
                "retry": {{"limit": 1, "backoff": {{"duration": "2s"}}}},
            }},
        }},
        opts=inside.merge(pulumi.ResourceOptions(depends_on=[project, source, private, place])),
    )
"""


def config_map(said: str, name: str = "sign") -> str:
    """A ConfigMap that says this."""
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"says": said}})


@dataclass(frozen=True, kw_only=True)
class Running:
    """Argo CD on a host, with one application."""

    machine: Machine
    api: ApiServer
    stack: SmallStack
    program: Mapping[str, str]
    """What the stack's program has beside the settings."""
    settings: Mapping[str, Any]
    repository: Repository
    git_port: int
    receiver: Receiver

    def up(self, **settings: Any) -> Outcome:
        """With these settings."""
        self.stack.write(PROGRAM.format(settings=settings, **self.program))
        return self.stack.up()

    def application(self) -> dict[str, Any]:
        """The one that tests change."""
        return self.api.get("application.argoproj.io", "shop", "--namespace", "argocd")

    def look(self) -> None:
        """At Git now, not in three minutes."""
        now = "argocd.argoproj.io/refresh=normal"
        self.api.kubectl("annotate", "--overwrite", "application.argoproj.io/shop", now, "--namespace", "argocd")

    def says(self) -> str:
        """What the sign in the cluster says."""
        return self.api.get("configmap", "sign", "--namespace", "place")["data"]["says"]

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Argo CD's API, from outside the cluster."""
        # It made its certificate itself, a moment ago.
        trusting = ssl._create_unverified_context()  # pyright: ignore[reportPrivateUsage]
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://{self.machine.address}:{PORT}{path}", data)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10, context=trusting) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@contextmanager
def deployed(machine: Machine, mirror: Mirror, directory: Path, address: str) -> Generator[Running]:
    """Bring it up on a host without k3s; what it fetches is served at `address`. Skips where there is no Argo CD."""
    try:
        program = bring.ensure([catalogue.ARGOCD], Network(), quiet=True)[0].path
        scripts = operators.source("argocd", "github.com/argoproj/argo-cd/v3", "hack")
        defined = definitions.argocd()
    except ToolchainError as error:
        pytest.skip(f"no Argo CD: {error}")
    mirror.add_image(ARGO_CD, images.argocd(program.resolve(), scripts), entrypoint=["/usr/bin/tini", "--"])
    mirror.add_image(REDIS, images.redis(), entrypoint=["/usr/bin/env"])
    (directory / "host").mkdir()
    host = onprem.created(directory / "host", onprem.settings(mirror, {"home": (machine,)}), machine.private_key)
    host.up()
    api = host.api_server("home")
    (directory / "ssh").mkdir()
    repository = repository_in(directory)
    with (
        git.serving(directory, address) as port,
        ssh_server.serving(directory / "ssh", address) as ssh,
        receiving(address) as receiver,
    ):
        url = f"git://{address}:{port}/{repository.bare.name}"
        web = k3s.web(unsatisfiable="ScheduleAnyway").replace("namespace: default", "namespace: place")
        vault = {"vault/vault.yaml": config_map("locked", "vault")}
        repository.commit({"shop/sign.yaml": config_map("open"), "shop/web.yaml": web, **vault})
        settings = {
            "url": f"https://{machine.address}:{PORT}",
            "admin": True,
            "nodePort": PORT,
            "knownHosts": [f"[{address}]:{ssh.port} {ssh.host_key}"],
            "sso": {"issuer": "https://login.invalid", "clientId": "argocd", "others": "readonly"},
            "notifications": {"kind": "webhook", "url": receiver.url},
        }
        made = Running(
            machine=machine,
            api=api,
            stack=small_stacks.made(directory / "stack"),
            program={
                "repository": str(REPOSITORY),
                "kubeconfig": str(api.kubeconfig_path),
                "token": TOKEN,
                "definitions": str(defined),
                "url": url,
                "private": f"ssh://{ssh.user}@{address}:{ssh.port}{repository.bare}",
                "key": str(ssh.private_key),
            },
            settings=settings,
            repository=repository,
            git_port=port,
            receiver=receiver,
        )
        done = made.up(**settings)
        assert done.status == 0, done.text
        yield made
