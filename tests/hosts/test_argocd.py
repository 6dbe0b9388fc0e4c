"""Argo CD itself in pods on a real host, as our component deploys it, with a Git repository that it keeps to."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from components.gitops.versions import ARGO_CD, REDIS
from tests import operators
from tests.api_server import ApiServer
from tests.e2e import small_stacks
from tests.e2e.small_stacks import SmallStack
from tests.hosts import git, images, k3s, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.git import Repository
from tests.hosts.machine import Machine, Site
from tests.hosts.mirror import Mirror
from tests.unit.recording import REPOSITORY
from toolchain import bring, catalogue, definitions
from toolchain.download import Network
from toolchain.problems import ToolchainError

PARTS = ("redis", "repo-server", "application-controller", "applicationset-controller", "server")
PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
import pulumi_kubernetes as kubernetes
import yaml
from components.gitops.argocd import ArgoCdService
from components.gitops.repository import repository_secret
from components.gitops.settings import ArgoCd
from components.workload.namespace import Quota

cluster = kubernetes.Provider("cluster", kubeconfig=Path({kubeconfig!r}).read_text(), cluster_identifier="home")
on = pulumi.ResourceOptions(providers=[cluster])
argo = ArgoCdService(
    "argocd",
    ArgoCd.model_validate({settings!r}),
    definitions=[yaml.safe_load(file.read_text()) for file in sorted(Path({definitions!r}).glob("*.yaml"))],
    quota=Quota(),
    opts=on,
)
pulumi.export("password", argo.admin_password)
inside = pulumi.ResourceOptions(provider=cluster, depends_on=argo.ready)
source = repository_secret("source", "source", url={url!r}, namespace=argo.namespace, opts=inside)
place = kubernetes.core.v1.Namespace(
    "place", metadata={{"name": "place"}}, opts=pulumi.ResourceOptions(provider=cluster)
)
project = kubernetes.apiextensions.CustomResource(
    "project",
    api_version="argoproj.io/v1alpha1",
    kind="AppProject",
    metadata={{"name": "tests", "namespace": argo.namespace}},
    spec={{
        "sourceRepos": [{url!r}],
        "destinations": [{{"server": "https://kubernetes.default.svc", "namespace": "place"}}],
    }},
    opts=inside,
)
kubernetes.apiextensions.CustomResource(
    "application",
    api_version="argoproj.io/v1alpha1",
    kind="Application",
    metadata={{
        "name": "shop",
        "namespace": argo.namespace,
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        "annotations": {{"pulumi.com/waitFor": "jsonpath={{.status.health.status}}=Healthy"}},
    }},
    spec={{
        "project": "tests",
        "source": {{"repoURL": {url!r}, "path": "shop", "targetRevision": "main"}},
        "destination": {{"server": "https://kubernetes.default.svc", "namespace": "place"}},
        "syncPolicy": {{"automated": {{"prune": True, "selfHeal": True}}}},
    }},
    opts=inside.merge(pulumi.ResourceOptions(depends_on=[project, source, place])),
)
"""


def config_map(said: str) -> str:
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sign"}, "data": {"says": said}}
    )


@dataclass(frozen=True, kw_only=True)
class Running:
    """Argo CD on a host, with one application."""

    machine: Machine
    api: ApiServer
    stack: SmallStack
    repository: Repository

    def application(self) -> dict[str, Any]:
        return self.api.get("application.argoproj.io", "shop", "--namespace", "argocd")


@pytest.fixture(scope="module")
def running(
    new_host: NewHost, mirror: Mirror, place: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("argocd")
    try:
        program = bring.ensure([catalogue.ARGOCD], Network(), quiet=True)[0].path
        scripts = operators.source("argocd", "github.com/argoproj/argo-cd/v3", "hack")
        defined = definitions.argocd()
    except ToolchainError as error:
        pytest.skip(f"no Argo CD: {error}")
    mirror.add_image(ARGO_CD, images.argocd(program.resolve(), scripts), entrypoint=["/usr/bin/tini", "--"])
    mirror.add_image(REDIS, images.redis(), entrypoint=["/usr/bin/env"])
    machine = new_host("argo")
    (directory / "host").mkdir()
    host = onprem.created(directory / "host", onprem.settings(mirror, {"home": (machine,)}), machine.private_key)
    host.up()
    api = host.api_server("home")
    with git.serving(directory, place.gateway) as repository:
        web = k3s.web(unsatisfiable="ScheduleAnyway").replace("namespace: default", "namespace: place")
        repository.commit({"shop/sign.yaml": config_map("open"), "shop/web.yaml": web})
        stack = small_stacks.made(directory / "stack")
        stack.write(
            PROGRAM.format(
                repository=str(REPOSITORY),
                kubeconfig=str(api.kubeconfig_path),
                settings={"admin": True, "nodePort": 30443, "ports": [int(repository.url.split(":")[2].split("/")[0])]},
                definitions=str(defined),
                url=repository.url,
            )
        )
        done = stack.up()
        assert done.status == 0, done.text
        yield Running(machine=machine, api=api, stack=stack, repository=repository)


def eventually(look: Callable[[], bool], seconds: int = 60) -> None:
    give_up = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < give_up
        time.sleep(0.5)


def test_all_its_pods_are_ready_and_none_has_been_restarted(running: Running) -> None:
    pods = running.api.get("pods", "--namespace", "argocd")["items"]
    seen = {
        pod["metadata"]["labels"]["app.kubernetes.io/name"]: [
            (one["ready"], one["restartCount"]) for one in pod["status"]["containerStatuses"]
        ]
        for pod in pods
    }
    assert seen == {f"argocd-{part}": [(True, 0)] for part in PARTS}
    labels = running.api.get("namespace", "argocd")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_stands_in_git_runs_in_the_cluster(running: Running) -> None:
    status = running.application()["status"]
    assert (status["sync"]["status"], status["health"]["status"]) == ("Synced", "Healthy")
    assert running.api.get("configmap", "sign", "--namespace", "place")["data"] == {"says": "open"}
    assert running.api.get("deployment", "web", "--namespace", "place")["status"]["readyReplicas"] == 2
