"""What is rendered for Git: the same objects as would go straight to a cluster, without secrets, always alike."""

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.gitops.application import KINDS
from components.gitops.route import APPLICATION
from rendering import tree
from tests.unit.recording import REPOSITORY, Recording, record, stack_settings

GITOPS: Mapping[str, Any] = {
    "delivery": {"mode": "gitops", "repository": "https://git.example.com/platform.git"},
    "argocd": {},
    "aws": {"account": "123456789012"},
}
STACKS = ["dev", "onprem", "eks"]
DIGESTS = Path(__file__).with_name("rendered.sha256")
"""Of what each stack renders, whichever Python does it."""
Object = Mapping[str, Any]


@pytest.fixture(scope="module", params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def through_git(stack: str) -> Recording:
    return on_paper(stack, **GITOPS)


@pytest.fixture(scope="module")
def direct(stack: str) -> Recording:
    return on_paper(stack, aws=GITOPS["aws"])


def on_paper(stack: str, **settings: Any) -> Recording:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return record({**stack_settings(stack), **settings, "rendering": True}, stack=stack, monkeypatch=monkeypatch)


def rendered(recording: Recording) -> list[Object]:
    return [one.object for one in recording.kubernetes() if "-renderer::" in one.provider]


def identity(one: Object) -> tuple[str, str, str, str]:
    metadata = one["metadata"]
    application = metadata.get("labels", {}).get(APPLICATION, "")
    return one["kind"], metadata.get("namespace", ""), metadata["name"], application


def as_read(one: Object) -> Object:
    """An object as Git has it."""
    return next(yaml.safe_load(text) for path, text in tree.files([one]).items() if path.name != tree.KUSTOMIZATION)


def test_each_object_is_the_one_that_goes_straight_to_the_cluster(through_git: Recording, direct: Recording) -> None:
    in_git = {identity(one): as_read(one) for one in rendered(through_git)}
    objects = [one.object for one in direct.kubernetes()]
    of_applications = [one for one in objects if APPLICATION in one["metadata"].get("labels", {})]
    assert in_git == {identity(one): as_read(one) for one in of_applications}
    assert {kind for kind, _, _, _ in in_git} >= {"Deployment", "Service", "NetworkPolicy", "ServiceAccount"}


def test_all_else_stays_with_pulumi_as_it_was(through_git: Recording, direct: Recording) -> None:
    sent = {identity(one) for one in rendered(through_git)}
    kept = {identity(one.object) for one in through_git.kubernetes() if "-renderer::" not in one.provider}
    before = {identity(one.object) for one in direct.kubernetes()}
    assert before - sent == kept & before
    assert {kind for kind, *_ in kept - before} == {"Application", "AppProject"}


def test_no_secret_namespace_or_volume_is_rendered(through_git: Recording) -> None:
    kinds = {one["kind"] for one in rendered(through_git)}
    assert kinds.isdisjoint({"Secret", "Namespace", "PersistentVolumeClaim", "ResourceQuota"})


def test_argo_cd_may_touch_the_kinds_that_are_rendered_and_no_others(through_git: Recording) -> None:
    found = [one.object for one in through_git.kubernetes() if one.object["kind"] == "AppProject"]
    projects = [one["spec"] for one in found if one["metadata"]["name"] != "default"]
    assert projects
    for one in rendered(through_git):
        group = one["apiVersion"].rpartition("/")[0]
        assert one["kind"] in KINDS[group]
    for project in projects:
        assert project["clusterResourceWhitelist"] == []
        assert {one["namespace"] for one in project["destinations"]} == {"inference", "gateway"}
        assert project["sourceRepos"] == ["https://git.example.com/platform.git"]


def test_every_engine_and_every_gateway_is_an_application_of_its_own() -> None:
    recording = on_paper("eks", **GITOPS)
    found = {one.object["metadata"]["name"]: one.object for one in recording.kubernetes() if is_application(one.object)}
    assert set(found) == {"eks-vllm", "eks-judge", "eks-judge-large", "eks-gateway"}
    assert found["eks-vllm"]["spec"]["source"]["path"] == "clusters/eks/eks-vllm"
    assert found["eks-vllm"]["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


def test_one_argo_cd_for_all_clusters_is_told_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**stack_settings("onprem"), **GITOPS, "argocd": {"cluster": "home"}}
    recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "key"})
    applications = {one.object["metadata"]["name"]: one for one in recording.kubernetes() if is_application(one.object)}
    assert applications["radeon-legal"].provider == applications["home-chat"].provider
    assert applications["radeon-legal"].object["spec"]["destination"] == {"name": "radeon", "namespace": "inference"}
    servers = {"server": "https://kubernetes.default.svc", "namespace": "inference"}
    assert applications["home-chat"].object["spec"]["destination"] == servers
    secrets = [one.object["metadata"] for one in recording.kubernetes() if one.object["kind"] == "Secret"]
    known = [one["name"] for one in secrets if one.get("labels", {}).get("argocd.argoproj.io/secret-type") == "cluster"]
    assert known == ["cluster-radeon", "cluster-geforce"]
    projects = [one.object["metadata"]["name"] for one in recording.kubernetes() if one.object["kind"] == "AppProject"]
    assert sorted(projects) == ["default", "geforce", "home", "radeon"]


def test_what_waits_for_an_evaluation_may_be_scaled_by_hand() -> None:
    recording = on_paper("eks", **GITOPS)
    found = {one.object["metadata"]["name"]: one.object for one in recording.kubernetes() if is_application(one.object)}
    assert found["eks-judge"]["spec"]["ignoreDifferences"] == [
        {"group": "apps", "kind": "Deployment", "name": "judge", "jsonPointers": ["/spec/replicas"]}
    ]
    assert "ignoreDifferences" not in found["eks-vllm"]["spec"]


def test_handed_over_an_application_removes_and_syncs_nothing() -> None:
    handed = {"delivery": {**GITOPS["delivery"], "handOver": True}, "argocd": {}}
    for one in on_paper("dev", **handed).kubernetes():
        if is_application(one.object):
            assert not one.object["metadata"].get("finalizers")
            assert "automated" not in one.object["spec"]["syncPolicy"]


def test_handed_over_objects_stay_when_pulumi_forgets_them() -> None:
    for one in on_paper("dev", delivery={"handOver": True}).kubernetes():
        assert one.retained == (APPLICATION in one.object["metadata"].get("labels", {}))


@pytest.mark.parametrize(("held_by", "wanted"), [("direct", "gitops"), ("gitops", "direct")])
def test_another_mode_is_refused_before_whoever_has_the_objects_lets_go(
    held_by: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**stack_settings("dev"), **(GITOPS if wanted == "gitops" else {"argocd": {}})}
    before = {"delivery": {"mode": held_by, "handOver": False}}
    with pytest.raises(pulumi.RunError, match=f"is {wanted}, and everything is still held by {held_by}: first set"):
        record(settings, stack="dev", monkeypatch=monkeypatch, before=before)
    record(
        settings, stack="dev", monkeypatch=monkeypatch, before={"delivery": {**before["delivery"], "handOver": True}}
    )


def test_nothing_for_pulumi_alone_is_in_git(through_git: Recording) -> None:
    texts = tree.files(rendered(through_git))
    assert not [path for path, text in texts.items() if "pulumi.com" in text]


def test_a_kustomization_lists_every_file_of_its_application(through_git: Recording) -> None:
    files = tree.files(rendered(through_git))
    for folder in {path.parent for path in files}:
        others = sorted(path.name for path in files if path.parent == folder and path.name != tree.KUSTOMIZATION)
        assert yaml.safe_load(files[folder / tree.KUSTOMIZATION])["resources"] == others


def test_what_is_no_longer_rendered_goes_and_other_files_stay(tmp_path: Path) -> None:
    def config_map(name: str, application: str) -> Object:
        metadata = {"name": name, "namespace": "inference", "labels": {APPLICATION: application}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}

    tree.write(tmp_path, tree.files([config_map("one", "legal"), config_map("two", "chat")]))
    (tmp_path / "README.md").write_text("ours")
    tree.write(tmp_path, tree.files([config_map("one", "legal")]))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "README.md",
        "legal",
        "legal/configmap-one.yaml",
        "legal/kustomization.yaml",
    ]


def test_programs_and_configurations_are_shown_line_by_line() -> None:
    files = tree.files(rendered(on_paper("dev", **GITOPS)))
    assert '\n      "model_list": [\n' in files[Path("dev-gateway/configmap-litellm-config.yaml")]


def test_the_same_settings_give_the_same_bytes_however_python_shuffles() -> None:
    program = (
        "import hashlib, pytest\n"
        "from rendering import tree\n"
        "from tests.unit.test_rendering import GITOPS, on_paper, rendered\n"
        "files = tree.files(rendered(on_paper('dev', **GITOPS)))\n"
        "print(hashlib.sha256(''.join(f'{path}{text}' for path, text in files.items()).encode()).hexdigest())\n"
    )

    def run(seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert len(set(pool.map(run, range(10)))) == 1


def test_every_python_renders_the_same_bytes(stack: str, through_git: Recording) -> None:
    files = tree.files(rendered(through_git))
    digest = sha256("".join(f"{path}{text}" for path, text in files.items()).encode()).hexdigest()
    known = {name: one for one, name in (line.split() for line in DIGESTS.read_text().splitlines())}
    assert digest == known[stack], f"objects have changed, or this Python is another; put {digest} into {DIGESTS.name}"


def test_a_rehearsal_has_every_pod_on_the_simulated_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**stack_settings("eks"), **GITOPS, "rehearsal": True}
    objects = [one.object for one in record(settings, stack="eks", monkeypatch=monkeypatch).kubernetes()]
    assert {"vllm", "judge"} <= {one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"}
    assert not any(is_application(one) for one in objects)


def is_application(one: Object) -> bool:
    return one["kind"] == "Application"
