"""Argo CD itself on a real host: what it does with a repository, and for the people around it."""

import json
from collections.abc import Iterator

import pytest

from components.workload.pod import USER
from tests.hosts import policies
from tests.hosts.argocd import TOKEN, Running, config_map, deployed
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Site
from tests.hosts.mirror import Mirror
from tests.waiting import until

PARTS = (
    "redis",
    "repo-server",
    "application-controller",
    "applicationset-controller",
    "notifications-controller",
    "server",
)
REPLICAS = {
    "ha": dict.fromkeys(PARTS, 1) | {"repo-server": 2, "server": 2},
    "core": dict.fromkeys(("redis", "repo-server", "application-controller", "applicationset-controller"), 1),
}


@pytest.fixture(scope="module")
def running(
    new_host: NewHost, mirror: Mirror, place: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """With two applications: `shop`, and `vault` from a private repository."""
    with deployed(new_host("argo"), mirror, tmp_path_factory.mktemp("argocd"), place.gateway) as made:
        yield made


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
    assert running.application()["status"]["sync"]["status"] == "Synced"
    until(lambda: running.application()["status"]["health"]["status"] == "Healthy")
    assert running.says() == "open"
    assert running.api.get("deployment", "web", "--namespace", "place")["status"]["readyReplicas"] == 2


def test_a_repository_is_fetched_over_ssh_with_its_key_from_a_host_that_settings_know(running: Running) -> None:
    status = running.api.get("application.argoproj.io", "vault", "--namespace", "argocd")["status"]
    assert status["sync"]["status"] == "Synced"
    assert running.api.get("configmap", "vault", "--namespace", "place")["data"] == {"says": "locked"}


def test_a_manual_change_is_taken_back_and_a_commit_is_applied(running: Running) -> None:
    patch = json.dumps({"data": {"says": "closed"}})
    running.api.kubectl("patch", "configmap", "sign", "--namespace", "place", "--type=merge", f"--patch={patch}")
    until(lambda: running.says() == "open")
    commit = running.repository.commit({"shop/sign.yaml": config_map("open until ten")})
    running.look()
    until(lambda: running.says() == "open until ten")
    until(lambda: running.application()["status"]["sync"]["revision"] == commit)


def test_somebody_is_told_when_a_commit_cannot_be_applied(running: Running) -> None:
    elsewhere = config_map("elsewhere").replace("name: sign", "name: sign\n  namespace: default")
    running.repository.commit({"shop/elsewhere.yaml": elsewhere})
    running.look()
    until(lambda: bool(running.receiver.bodies))
    told = running.receiver.bodies[0]
    assert (told["application"], told["event"]) == ("shop", "sync-failed")
    assert "default" in told["message"]
    assert running.receiver.authorizations[0] == f"Bearer {TOKEN}"
    running.repository.commit({"shop/elsewhere.yaml": None})
    running.look()
    until(lambda: running.application()["status"]["sync"]["status"] == "Synced")


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
    until(lambda: bool(running.api.get(*where).get("status", {}).get("conditions")))
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
        f"argocd-repo-server -> outside TCP {running.git_port}",
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


def test_settings_take_it_to_two_of_each_and_to_its_core_and_it_goes_on(running: Running) -> None:
    for availability, keys in (("ha", running.settings), ("core", ("knownHosts",))):
        done = running.up(availability=availability, **{key: running.settings[key] for key in keys})
        assert done.status == 0, done.text
        found = running.api.get("deployments", "--namespace", "argocd")["items"]
        replicas = {one["metadata"]["name"].removeprefix("argocd-"): one["status"]["readyReplicas"] for one in found}
        assert replicas == REPLICAS[availability]
        running.repository.commit({"shop/sign.yaml": config_map(availability)})
        running.look()
        until(lambda availability=availability: running.says() == availability)


def test_destroy_takes_applications_first_and_leaves_nothing(running: Running) -> None:
    done = running.stack.destroy()
    assert done.status == 0, done.text
    left = running.api.kubectl("get", "namespaces,customresourcedefinitions", "--output=name").split()
    assert not [one for one in left if "argo" in one or one == "namespace/place"]
    everywhere = running.api.kubectl("get", "clusterroles,clusterrolebindings", "--output=name")
    assert "argocd" not in everywhere
