"""What Argo CD's own controller makes of a Git repository and of a chart: what delivery through Git relies on."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_server import ApiServer, KubectlError, SimulatedNode
from tests.argocd import FINALIZER, NAMESPACE, ArgoCd, argocd
from tests.charts import chart_repository
from tests.git import BRANCH, Repository, repository
from toolchain.problems import ToolchainError

FOLDER = "clusters/home"
MANAGER = "argocd-controller"
"""The name under which Argo CD's server-side apply owns fields."""
OTHER = "pulumi-kubernetes-0a1b2c3d"
"""Such a name as Pulumi's provider has: another one for each object."""


@pytest.fixture(scope="module")
def argo(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCd]:
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server; get it with: apt-get install redis-server")
    try:
        with argocd(api_server, tmp_path_factory.mktemp("argocd")) as running:
            yield running
    except ToolchainError as error:
        pytest.skip(f"no Argo CD: {error}")


@pytest.fixture
def git(tmp_path: Path) -> Repository:
    return repository(tmp_path)


@pytest.fixture
def node(simulate: Callable[[SimulatedNode], None]) -> None:
    simulate(SimulatedNode(name="argocd-1"))


def config(namespace: str, name: str, **data: object) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(namespace: str, name: str, replicas: int = 2) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "server", "image": "registry.invalid/server:1", "ports": [{"containerPort": 8000}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def files(*objects: dict[str, Any]) -> dict[str, str | None]:
    """Rendered as Pulumi does it: a file for each object."""
    return {f"{FOLDER}/{one['kind'].lower()}-{one['metadata']['name']}.yaml": yaml.safe_dump(one) for one in objects}


def folder_of(git: Repository) -> dict[str, object]:
    return {"repoURL": git.url, "targetRevision": BRANCH, "path": FOLDER, "directory": {"recurse": True}}


def deliver(
    argo: ArgoCd, namespace: str, source: Mapping[str, object], *, cascading: bool = True, **policy: object
) -> str:
    """Make an Application of this source; its name."""
    argo.api_server.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": namespace, "namespace": NAMESPACE, "finalizers": [FINALIZER] if cascading else []},
            "spec": {
                "project": "default",
                "source": source,
                "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
                "syncPolicy": {
                    "automated": {"prune": True, "selfHeal": True},
                    "syncOptions": ["ServerSideApply=true"],
                    **policy,
                },
            },
        }
    )
    return namespace


def delete(argo: ArgoCd, application: str) -> None:
    argo.api_server.kubectl("delete", "application", application, "--namespace", NAMESPACE, "--timeout=60s")


def names(argo: ArgoCd, kind: str, namespace: str) -> set[str]:
    """Of the objects of a kind but for those that Kubernetes itself makes."""
    found = argo.api_server.get(kind, "--namespace", namespace)["items"]
    return {one["metadata"]["name"] for one in found} - {"kube-root-ca.crt"}


def data(argo: ArgoCd, namespace: str, name: str) -> dict[str, str]:
    return argo.api_server.get("configmap", name, "--namespace", namespace)["data"]


def pods(argo: ArgoCd, namespace: str) -> set[str]:
    """Their UIDs."""
    return {one["metadata"]["uid"] for one in argo.api_server.get("pods", "--namespace", namespace)["items"]}


def owners(argo: ArgoCd, namespace: str, name: str, key: str) -> set[str]:
    """The managers of one key of a ConfigMap's data."""
    found = argo.api_server.get("configmap", name, "--namespace", namespace, "--show-managed-fields")
    fields = {one["manager"]: one["fieldsV1"].get("f:data", {}) for one in found["metadata"]["managedFields"]}
    return {manager for manager, owned in fields.items() if f"f:{key}" in owned}


def apply_as(argo: ArgoCd, manager: str, *objects: dict[str, Any]) -> None:
    manifest = yaml.safe_dump_all(objects)
    argo.api_server.kubectl("apply", "--server-side", f"--field-manager={manager}", "--filename=-", stdin=manifest)


@pytest.mark.usefixtures("node")
def test_a_folder_of_rendered_files_becomes_healthy_and_synced(argo: ArgoCd, git: Repository, namespace: str) -> None:
    revision = git.commit(files(config(namespace, "settings", a="1"), deployment(namespace, "chat")))

    application = argo.wait(deliver(argo, namespace, folder_of(git)), revision=revision)

    assert names(argo, "configmaps", namespace) == {"settings"}
    assert len(names(argo, "pods", namespace)) == 2
    assert application["status"]["operationState"]["phase"] == "Succeeded"


def test_a_change_by_hand_is_undone(argo: ArgoCd, git: Repository, namespace: str) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    argo.api_server.kubectl(
        "patch", "configmap", "settings", "--namespace", namespace, "--type=merge", '--patch={"data": {"a": "by hand"}}'
    )

    argo.api_server.await_condition("jsonpath={.data.a}=1", "configmap/settings", "--namespace", namespace)
    argo.wait(application)


def test_what_was_deleted_by_hand_comes_back(argo: ArgoCd, git: Repository, namespace: str) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    argo.api_server.kubectl("delete", "configmap", "settings", "--namespace", namespace)

    argo.api_server.await_condition("create", "configmap/settings", "--namespace", namespace)
    argo.wait(application)


def test_what_is_removed_from_git_is_pruned(argo: ArgoCd, git: Repository, namespace: str) -> None:
    gone = config(namespace, "gone", a="1")
    git.commit(files(config(namespace, "kept", a="1"), gone))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    revision = git.commit(dict.fromkeys(files(gone)))
    argo.refresh(application)

    argo.wait(application, revision=revision)
    assert names(argo, "configmaps", namespace) == {"kept"}


def test_a_commit_comes_by_itself_too(argo: ArgoCd, git: Repository, namespace: str) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    revision = git.commit(files(config(namespace, "settings", a="2")))

    argo.wait(application, revision=revision)
    assert data(argo, namespace, "settings") == {"a": "2"}


def service(namespace: str, name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def await_operation(argo: ArgoCd, application: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The Application's last or present operation, once it is as wanted."""
    give_up = time.monotonic() + 30
    while True:
        operation = argo.application(application).get("status", {}).get("operationState")
        if operation and wanted(operation):
            return operation
        assert time.monotonic() < give_up, operation
        time.sleep(0.2)


def test_a_commit_that_cannot_be_applied_is_tried_again_and_then_reported_and_a_good_one_mends_it(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    retry = {"limit": 2, "backoff": {"duration": "1s", "factor": 1}}
    bad = git.commit(files(service(namespace, "chat", 70_000)))
    application = deliver(argo, namespace, folder_of(git), retry=retry)

    operation = await_operation(argo, application, lambda one: one["phase"] == "Failed")

    assert operation["syncResult"]["revision"] == bad
    assert operation["retryCount"] == 2
    assert 'Service "chat" is invalid' in operation["message"]
    assert "must be between 1 and 65535" in operation["message"]
    assert operation["message"].endswith("(retried 2 times).")
    conditions = {one["type"]: one["message"] for one in argo.application(application)["status"]["conditions"]}
    assert f"Failed last sync attempt to [{bad}]" in conditions["SyncError"]

    good = git.commit(files(service(namespace, "chat", 7000)))
    argo.refresh(application)

    mended = argo.wait(application, revision=good)
    assert mended["status"]["operationState"]["phase"] == "Succeeded"
    assert "conditions" not in mended["status"]


@pytest.mark.parametrize(("refresh", "phase"), [(True, "Succeeded"), (False, "Running")])
def test_while_a_bad_commit_is_tried_again_a_good_one_is_taken_only_if_retries_refresh(
    argo: ArgoCd, git: Repository, namespace: str, refresh: bool, phase: str
) -> None:
    retry = {"limit": 1000, "backoff": {"duration": "1s", "factor": 1}, "refresh": refresh}
    git.commit(files(service(namespace, "chat", 70_000)))
    application = deliver(argo, namespace, folder_of(git), retry=retry)
    tried = await_operation(argo, application, lambda one: one.get("retryCount", 0) > 0)

    good = git.commit(files(service(namespace, "chat", 7000)))
    argo.refresh(application)

    def again(operation: dict[str, Any]) -> bool:
        return operation["phase"] == "Succeeded" or operation.get("retryCount", 0) > tried["retryCount"] + 3

    operation = await_operation(argo, application, again)
    assert operation["phase"] == phase
    assert (operation["syncResult"]["revision"] == good) == refresh


def test_a_manifest_that_the_schema_does_not_know_is_reported_and_nothing_is_touched(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    git.commit(files(config(namespace, "settings", a={"not": "text"})))
    argo.refresh(application)

    (condition,) = argo.wait(application, sync="Unknown")["status"]["conditions"]
    assert condition["type"] == "ComparisonError"
    assert ".data.a: expected string" in condition["message"]
    assert data(argo, namespace, "settings") == {"a": "1"}


def test_a_chart_of_a_repository_is_installed_with_values_and_updated_with_its_version(
    argo: ArgoCd, namespace: str, tmp_path: Path
) -> None:
    template = config("{{ .Release.Namespace }}", "{{ .Release.Name }}-settings", a="{{ .Values.a }}")
    chart = {"values.yaml": "a: default\n", "templates/settings.yaml": yaml.safe_dump(template)}
    with chart_repository(tmp_path) as charts:
        charts.publish("web", "1.2.0", chart)
        helm = {"releaseName": "web", "valuesObject": {"a": "given"}}
        source = {"repoURL": charts.url, "chart": "web", "targetRevision": "1.2.0", "helm": helm}
        application = deliver(argo, namespace, source)
        argo.wait(application, revision="1.2.0")
        assert data(argo, namespace, "web-settings") == {"a": "given"}

        changed = yaml.safe_dump(template | {"data": {"b": "new"}})
        charts.publish("web", "1.3.0", chart | {"templates/settings.yaml": changed})
        deliver(argo, namespace, source | {"targetRevision": "1.3.0"})

        argo.wait(application, revision="1.3.0")
        assert data(argo, namespace, "web-settings") == {"b": "new"}


def test_deleting_an_application_with_the_finalizer_deletes_what_it_made(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git), cascading=True)
    argo.wait(application)

    delete(argo, application)

    assert names(argo, "configmaps", namespace) == set()


def test_deleting_an_application_without_it_leaves_what_it_made(argo: ArgoCd, git: Repository, namespace: str) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git), cascading=False)
    argo.wait(application)

    delete(argo, application)

    assert data(argo, namespace, "settings") == {"a": "1"}


@pytest.mark.usefixtures("node")
def test_what_another_manager_applied_is_taken_over_and_its_pods_stay(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    chat = deployment(namespace, "chat")
    apply_as(argo, OTHER, chat)
    argo.api_server.await_condition("condition=Available", "deployment/chat", "--namespace", namespace)
    before = pods(argo, namespace)
    assert len(before) == 2

    git.commit(files(chat))
    argo.wait(deliver(argo, namespace, folder_of(git)))

    assert pods(argo, namespace) == before
    found = argo.api_server.get("deployment", "chat", "--namespace", namespace, "--show-managed-fields")
    applied = {one["manager"] for one in found["metadata"]["managedFields"] if one["operation"] == "Apply"}
    assert applied == {OTHER, MANAGER}


def test_fields_of_another_manager_are_taken_without_a_conflict_and_then_refused_to_it(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    apply_as(argo, OTHER, config(namespace, "settings", a="theirs", same="1"))

    git.commit(files(config(namespace, "settings", a="ours", same="1")))
    argo.wait(deliver(argo, namespace, folder_of(git)))

    assert data(argo, namespace, "settings") == {"a": "ours", "same": "1"}
    assert owners(argo, namespace, "settings", "a") == {MANAGER}
    assert owners(argo, namespace, "settings", "same") == {OTHER, MANAGER}
    with pytest.raises(KubectlError, match=f'conflict with "{MANAGER}": .data.a'):
        apply_as(argo, OTHER, config(namespace, "settings", a="theirs", same="1"))


def test_a_field_that_git_does_not_name_is_left_to_others(argo: ArgoCd, git: Repository, namespace: str) -> None:
    git.commit(files(config(namespace, "settings", a="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    apply_as(argo, OTHER, config(namespace, "settings", b="theirs"))
    argo.refresh(application)

    argo.wait(application)
    assert data(argo, namespace, "settings") == {"a": "1", "b": "theirs"}


def test_a_field_removed_from_git_stays_while_another_manager_has_it_too(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    apply_as(argo, OTHER, config(namespace, "settings", shared="1", kept="1"))
    git.commit(files(config(namespace, "settings", shared="1", ours="1", kept="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)
    assert data(argo, namespace, "settings") == {"shared": "1", "ours": "1", "kept": "1"}

    revision = git.commit(files(config(namespace, "settings", kept="1")))
    argo.refresh(application)

    argo.wait(application, revision=revision)
    assert data(argo, namespace, "settings") == {"shared": "1", "kept": "1"}
    assert owners(argo, namespace, "settings", "shared") == {OTHER}


def test_a_manager_that_applies_nothing_more_lets_go_of_what_git_then_removes(
    argo: ArgoCd, git: Repository, namespace: str
) -> None:
    apply_as(argo, OTHER, config(namespace, "settings", shared="1", kept="1"))
    git.commit(files(config(namespace, "settings", shared="1", kept="1")))
    application = deliver(argo, namespace, folder_of(git))
    argo.wait(application)

    apply_as(argo, OTHER, config(namespace, "settings"))
    assert data(argo, namespace, "settings") == {"shared": "1", "kept": "1"}

    revision = git.commit(files(config(namespace, "settings", kept="1")))
    argo.refresh(application)
    argo.wait(application, revision=revision)
    assert data(argo, namespace, "settings") == {"kept": "1"}
