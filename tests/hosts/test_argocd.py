"""Argo CD itself in pods on a real host, as our component deploys it, with a Git repository that it keeps to."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from components.gitops.versions import ARGO_CD, REDIS
from components.workload.pod import USER
from tests import operators
from tests.api_server import ApiServer
from tests.e2e import small_stacks
from tests.e2e.small_stacks import SmallStack
from tests.hosts import git, images, k3s, onprem, policies
from tests.hosts.conftest import NewHost
from tests.hosts.git import Repository
from tests.hosts.machine import Machine, Site
from tests.hosts.mirror import Mirror
from tests.hosts.receiver import Receiver, receiving
from tests.unit.recording import REPOSITORY
from toolchain import bring, catalogue, definitions
from toolchain.download import Network
from toolchain.problems import ToolchainError

PARTS = (
    "redis",
    "repo-server",
    "application-controller",
    "applicationset-controller",
    "notifications-controller",
    "server",
)
PORT = 30443
TOKEN = "told-with-this-token"
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
    sso_secret=pulumi.Output.secret("secret-of-the-client"),
    notification_token=pulumi.Output.secret({token!r}),
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
        "syncPolicy": {{
            "automated": {{"prune": True, "selfHeal": True}},
            "retry": {{"limit": 1, "backoff": {{"duration": "2s"}}}},
        }},
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
    receiver: Receiver

    def application(self) -> dict[str, Any]:
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
    with git.serving(directory, place.gateway) as repository, receiving(place.gateway) as receiver:
        web = k3s.web(unsatisfiable="ScheduleAnyway").replace("namespace: default", "namespace: place")
        repository.commit({"shop/sign.yaml": config_map("open"), "shop/web.yaml": web})
        settings = {
            "url": f"https://{machine.address}:{PORT}",
            "admin": True,
            "nodePort": PORT,
            "ports": [repository.port],
            "sso": {"issuer": "https://login.invalid", "clientId": "argocd", "others": "readonly"},
            "notifications": {"kind": "webhook", "url": receiver.url},
        }
        stack = small_stacks.made(directory / "stack")
        stack.write(
            PROGRAM.format(
                repository=str(REPOSITORY),
                kubeconfig=str(api.kubeconfig_path),
                settings=settings,
                token=TOKEN,
                definitions=str(defined),
                url=repository.url,
            )
        )
        done = stack.up()
        assert done.status == 0, done.text
        yield Running(machine=machine, api=api, stack=stack, repository=repository, receiver=receiver)


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


def test_a_manual_change_is_taken_back_and_a_commit_is_applied(running: Running) -> None:
    patch = json.dumps({"data": {"says": "closed"}})
    running.api.kubectl("patch", "configmap", "sign", "--namespace", "place", "--type=merge", f"--patch={patch}")
    eventually(lambda: running.says() == "open")
    commit = running.repository.commit({"shop/sign.yaml": config_map("open until ten")})
    running.look()
    eventually(lambda: running.says() == "open until ten")
    eventually(lambda: running.application()["status"]["sync"]["revision"] == commit)


def test_somebody_is_told_when_a_commit_cannot_be_applied(running: Running) -> None:
    elsewhere = config_map("elsewhere").replace("name: sign", "name: sign\n  namespace: default")
    running.repository.commit({"shop/elsewhere.yaml": elsewhere})
    running.look()
    eventually(lambda: bool(running.receiver.bodies))
    told = running.receiver.bodies[0]
    assert (told["application"], told["event"]) == ("shop", "sync-failed")
    assert "default" in told["message"]
    assert running.receiver.authorizations[0] == f"Bearer {TOKEN}"
    running.repository.commit({"shop/elsewhere.yaml": None})
    running.look()
    eventually(lambda: running.application()["status"]["sync"]["status"] == "Synced")


def test_the_admin_signs_in_with_the_password_of_the_stack_and_nobody_else_does(running: Running) -> None:
    password = running.stack.outputs()["password"]
    status, answer = running.ask("/api/v1/session", {"username": "admin", "password": password})
    assert (status, set(answer)) == (200, {"token"})
    status, _ = running.ask("/api/v1/session", {"username": "admin", "password": "admin"})
    assert status == 401
    status, _ = running.ask("/api/v1/applications")
    assert status == 401


def test_the_page_offers_the_sign_in_that_settings_ask_for(running: Running) -> None:
    _, settings = running.ask("/api/v1/settings")
    assert settings["oidcConfig"]["issuer"] == "https://login.invalid"
    assert settings["oidcConfig"]["clientID"] == "argocd"


def test_an_application_in_the_project_default_may_do_nothing(running: Running) -> None:
    shop = running.application()
    mine = {
        "apiVersion": shop["apiVersion"],
        "kind": "Application",
        "metadata": {"name": "intruder", "namespace": "argocd"},
        "spec": {**shop["spec"], "project": "default"},
    }
    running.api.apply(mine)
    where = ("application.argoproj.io", "intruder", "--namespace", "argocd")
    eventually(lambda: bool(running.api.get(*where).get("status", {}).get("conditions")))
    said = " ".join(one["message"] for one in running.api.get(*where)["status"]["conditions"])
    assert "not permitted in project 'default'" in said
    running.api.kubectl("delete", *where)


def test_its_pods_connect_to_nothing_that_their_policies_do_not_allow(running: Running) -> None:
    connections = policies.seen(running.machine, running.api, "argocd")
    assert connections.refused == frozenset()
    assert {
        "argocd-repo-server -> argocd-redis TCP 6379",
        "argocd-application-controller -> argocd-repo-server TCP 8081",
        "argocd-application-controller -> outside TCP 6443",
        f"argocd-repo-server -> outside TCP {running.repository.port}",
    } <= connections.allowed


def test_everything_runs_as_somebody_without_rights_on_a_root_that_cannot_be_written(running: Running) -> None:
    for part, user in (("application-controller", USER), ("server", USER), ("repo-server", 999)):
        process = running.machine.run(f"pgrep --oldest --full '^/usr/local/bin/argocd-{part}'")
        status = dict(line.split(":", 1) for line in running.machine.run(f"cat /proc/{process}/status").splitlines())
        assert status["Uid"].split() == [str(user)] * 4
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        mounts = [line.split() for line in running.machine.run(f"cat /proc/{process}/mounts").splitlines()]
        assert next(mount for mount in mounts if mount[1] == "/")[3].startswith("ro,")


def test_no_secret_of_its_is_in_the_state_in_plain_text(running: Running) -> None:
    state = running.stack.state()
    assert running.stack.outputs()["password"] not in state
    assert TOKEN not in state


def test_a_second_up_changes_nothing(running: Running) -> None:
    done = running.stack.up("--expect-no-changes")
    assert done.status == 0, done.text


def test_destroy_takes_applications_first_and_leaves_nothing(running: Running) -> None:
    done = running.stack.destroy()
    assert done.status == 0, done.text
    left = running.api.kubectl("get", "namespaces,customresourcedefinitions", "--output=name").split()
    assert not [one for one in left if "argo" in one or one == "namespace/place"]
    everywhere = running.api.kubectl("get", "clusterroles,clusterrolebindings", "--output=name")
    assert "argocd" not in everywhere
