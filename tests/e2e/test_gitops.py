"""The dev stack through Git and a real Argo CD, and from one way of delivery to the other without a pod's noticing."""

import copy
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from rendering.__main__ import main as rendering
from tests.api_server import ApiServer
from tests.argocd import ArgoCd, argocd
from tests.e2e.deployment import Deployment
from tests.git import Repository, repository
from tests.unit.recording import stack_settings
from tests.waiting import until

APPLICATIONS = ("dev-legal", "dev-legal-rocm", "dev-chat", "dev-gateway")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Somebody with a stack, a clone of a repository, and Argo CD beside the control plane."""

    deployment: Deployment
    git: Repository
    argo: ArgoCd

    @property
    def cluster(self) -> ApiServer:
        """The stack's."""
        return self.argo.api_server

    def settings(self, engines: list[Any] | None = None, **delivery: Any) -> dict[str, Any]:
        """The dev stack's own, with another way of delivery."""
        more = {"engines": engines} if engines is not None else {}
        return {**copy.deepcopy(stack_settings("dev")), "delivery": delivery, "argocd": {}, **more}

    def through_git(self, **more: Any) -> dict[str, Any]:
        """The same as `settings`, through Git."""
        return self.settings(mode="gitops", repository=self.git.url, **more)

    def render(self) -> None:
        """`make render`, and push."""
        options = ["--config-file", str(self.deployment.settings_file), "--repository", str(self.git.clone)]
        assert rendering(["render", "--no-commit", "--stack", "dev", *options]) == 0
        self.git.commit({}, "Rendered")

    def deliver(self, settings: Mapping[str, Any]) -> None:
        """Render, commit, `up`, and wait for Argo CD."""
        self.deployment.write_settings(settings)
        self.render()
        self.deployment.up()

    def synced(self, *applications: str) -> None:
        """Wait until Argo CD has done what the newest commit says."""
        for name in applications or APPLICATIONS:
            self.argo.refresh(name)
        for name in applications or APPLICATIONS:
            self.argo.wait(name, revision=self.git.head())

    def pods(self) -> dict[str, str]:
        """The UID of each pod of engines and gateway, by its name."""
        found = [
            pod
            for namespace in ("inference", "gateway")
            for pod in self.cluster.get("pods", "--namespace", namespace)["items"]
        ]
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}

    def argument_of(self, engine: str) -> list[str]:
        """What its server is started with."""
        found = self.cluster.get("deployment", engine, "--namespace", "inference")
        return found["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The dev stack, delivered by Pulumi, and an Argo CD that has nothing to do."""
    assert shutil.which("redis-server"), "get it with: apt-get install redis-server"
    deployment = Deployment(state=tmp_path_factory.mktemp("state"))
    deployment.create({**stack_settings("dev"), "argocd": {}})
    try:
        deployment.up()
        with argocd(deployment.api_server(), tmp_path_factory.mktemp("argocd"), installed=True) as argo:
            yield Desk(deployment=deployment, git=repository(tmp_path_factory.mktemp("git")), argo=argo)
    finally:
        deployment.destroy()


def test_it_does_not_go_over_to_git_before_pulumi_has_let_go(desk: Desk) -> None:
    before = desk.pods()
    desk.deployment.write_settings(desk.through_git())
    refused = desk.deployment.up(check=False)
    assert refused.returncode != 0
    assert "first set mode back to direct with handOver: true" in refused.stdout + refused.stderr
    assert desk.pods() == before


def test_a_running_stack_goes_over_to_git_without_a_pod_that_restarts(desk: Desk) -> None:
    before = desk.pods()
    desk.deployment.write_settings(desk.settings(mode="direct", handOver=True))
    desk.deployment.up()
    desk.deliver(desk.through_git())
    desk.synced()
    assert desk.pods() == before
    desk.deployment.up("--expect-no-changes")


def test_what_somebody_changes_by_hand_is_healed(desk: Desk) -> None:
    desk.cluster.kubectl("scale", "deployment/chat", "--namespace", "inference", "--replicas=5")
    chat = ("deployment", "chat", "--namespace", "inference")
    until(lambda: desk.cluster.get(*chat)["spec"]["replicas"] == 2)


def test_a_changed_setting_is_a_commit_that_argo_cd_applies(desk: Desk) -> None:
    engines = copy.deepcopy(stack_settings("dev")["engines"])
    engines[0]["contextLength"] = 4096
    desk.deliver(desk.through_git() | {"engines": engines})
    desk.synced("dev-legal")
    assert "--max-model-len=4096" in desk.argument_of("legal")


def test_an_engine_that_is_removed_is_pruned_with_all_that_was_around_it(desk: Desk) -> None:
    engines = [one for one in stack_settings("dev")["engines"] if one["name"] != "legal-rocm"]
    desk.deliver(desk.through_git() | {"engines": engines})
    desk.synced("dev-legal", "dev-chat", "dev-gateway")
    for kind in ("deployment", "service", "networkpolicy", "serviceaccount", "secret"):
        names = [one["metadata"]["name"] for one in desk.cluster.get(kind, "--namespace", "inference")["items"]]
        assert not [name for name in names if name.startswith("legal-rocm")]
    desk.deliver(desk.through_git())
    desk.synced()


def test_a_commit_that_cannot_be_applied_is_reported_and_the_next_one_mends_it(desk: Desk) -> None:
    file = "clusters/dev/dev-chat/deployment-chat.yaml"
    good = desk.git.files()[file]
    desk.git.commit({file: good.replace("containers:", "containres:")}, "Broken by hand")
    desk.argo.refresh("dev-chat")
    until(lambda: "containres" in str(desk.argo.application("dev-chat")["status"]))
    desk.git.commit({file: good}, "Mended")
    desk.synced("dev-chat")


def test_it_comes_back_from_git_without_a_pod_that_restarts(desk: Desk) -> None:
    before = desk.pods()
    desk.deliver(desk.through_git(handOver=True))
    desk.deployment.write_settings(desk.settings(mode="direct"))
    desk.deployment.up()
    assert desk.pods() == before
    assert desk.cluster.get("applications.argoproj.io", "--all-namespaces")["items"] == []
    desk.deployment.up("--expect-no-changes")


def test_after_that_what_a_setting_no_longer_says_is_gone(desk: Desk) -> None:
    engines = copy.deepcopy(stack_settings("dev")["engines"])
    del engines[0]["contextLength"]
    desk.deployment.write_settings(desk.settings(engines, mode="direct"))
    desk.deployment.up()
    assert not [one for one in desk.argument_of("legal") if one.startswith("--max-model-len")]
    owners = desk.cluster.get("deployment", "legal", "--namespace", "inference", "--show-managed-fields")["metadata"]
    assert {one["manager"] for one in owners["managedFields"] if one["operation"] == "Apply"} == {"argocd-controller"}


def test_destroying_it_while_argo_cd_delivers_leaves_nothing(desk: Desk) -> None:
    desk.deployment.write_settings(desk.settings(mode="direct", handOver=True))
    desk.deployment.up()
    desk.deliver(desk.through_git())
    desk.synced()
    kept = [one for one in desk.deployment.resources() if one["type"].endswith(":Application") and one["custom"]]
    assert len(kept) == len(APPLICATIONS)
    desk.deployment.destroy()
    assert desk.deployment.resources() == []
