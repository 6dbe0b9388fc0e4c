"""Workflows on a real API server: it takes the template, lets workflows do what they need, and their script scales."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_server import ApiServer, SimulatedNode
from tests.operators import defined, definitions
from tests.unit.aws_identities import eks_settings
from tests.unit.manifests import manifests
from tests.unit.recording import record
from toolchain.problems import Unavailable

MODULE = ("argo-workflows-definitions", "github.com/argoproj/argo-workflows/v4")
NAMESPACES = ("inference", "workflows")
KINDS = {
    *("Namespace", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"),
    *("ConfigMap", "Deployment", "WorkflowTemplate"),
}
NODE = SimulatedNode(
    name="judging",
    gpus={"nvidia.com/gpu": 4},
    labels={"workload": "gpu-vllm", "inference/accelerator": "cuda"},
)
RUNTIME = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}
ALLOWED = [
    ("workflows", "create", "argoproj.io/workflowtaskresults"),
    ("workflows", "patch", "argoproj.io/workflowtaskresults"),
    ("workflows", "get", "/pods"),
    ("workflows", "list", "/pods"),
    ("workflows", "watch", "/pods"),
    ("workflows", "delete", "/pods"),
    ("workflows", "get", "/pods/log"),
    ("workflows", "create", "/pods/exec"),
    ("workflows", "patch", "apps/deployments"),
    ("inference", "get", "apps/deployments judge"),
    ("inference", "get", "apps/deployments judge-large"),
    ("inference", "patch", "apps/deployments/scale judge"),
    ("inference", "patch", "apps/deployments/scale judge-large"),
]
FORBIDDEN = [
    ("workflows", "get", "/secrets"),
    ("workflows", "create", "/pods"),
    ("workflows", "create", "/serviceaccounts/token workflows"),
    ("workflows", "create", "rbac.authorization.k8s.io/rolebindings"),
    ("workflows", "create", "argoproj.io/workflows"),
    ("workflows", "create", "apps/deployments"),
    ("inference", "get", "/pods"),
    ("inference", "get", "/pods/log"),
    ("inference", "create", "/pods/exec"),
    ("inference", "get", "/secrets"),
    ("inference", "get", "/secrets judge-api-key"),
    ("inference", "list", "apps/deployments"),
    ("inference", "patch", "apps/deployments judge"),
    ("inference", "get", "apps/deployments vllm"),
    ("inference", "patch", "apps/deployments/scale vllm"),
    ("inference", "patch", "apps/deployments/scale"),
    ("models", "get", "/pods"),
    ("kube-system", "get", "/secrets"),
    ("default", "create", "/pods"),
]
"""Namespace, verb, and what: group, resource, subresource and name of one object."""


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """Workflows and the judges of the stack eks, applied with strict field validation."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        recording = record(eks_settings(rendering=True), stack="eks", monkeypatch=monkeypatch)
    objects = [
        one
        for one in manifests(recording)
        if one["kind"] in KINDS
        and (one["metadata"].get("namespace") in NAMESPACES or one["metadata"]["name"] in NAMESPACES)
    ]
    try:
        files = [one for one in definitions(*MODULE, "manifests/base/crds/full") if "_workflowtemplates" in one.name]
    except Unavailable as error:
        pytest.skip(f"no definitions: {error}")
    with defined(api_server, files):
        api_server.apply(RUNTIME, NODE.manifest())
        api_server.apply(*objects)
        yield objects
        api_server.kubectl("delete", "namespace", "--timeout=60s", *NAMESPACES)
        api_server.kubectl("delete", "node,runtimeclass", "--ignore-not-found", NODE.name, "nvidia")


def may(api_server: ApiServer, namespace: str, verb: str, what: str) -> bool:
    """What the API server itself says of the workflows' service account."""
    path, _, name = what.partition(" ")
    group, resource, subresource = (*path.split("/"), "")[:3]
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:workflows:workflows",
            "resourceAttributes": {**asked, "subresource": subresource, "name": name},
        },
    }
    answer = api_server.kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(review))
    return json.loads(answer)["status"]["allowed"]


def test_the_template_is_taken_with_nothing_dropped_or_added(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    (wanted,) = [one["spec"] for one in applied if one["kind"] == "WorkflowTemplate"]
    assert api_server.get("workflowtemplate", "evaluate", "-n", "workflows")["spec"] == wanted


@pytest.mark.parametrize(("namespace", "verb", "what"), ALLOWED)
def test_workflows_may(
    api_server: ApiServer, applied: list[dict[str, Any]], namespace: str, verb: str, what: str
) -> None:
    del applied
    assert may(api_server, namespace, verb, what)


@pytest.mark.parametrize(("namespace", "verb", "what"), FORBIDDEN)
def test_workflows_may_not(
    api_server: ApiServer, applied: list[dict[str, Any]], namespace: str, verb: str, what: str
) -> None:
    del applied
    assert not may(api_server, namespace, verb, what)


def scaled(api_server: ApiServer, directory: Path, name: str, replicas: int) -> subprocess.CompletedProcess[str]:
    """The script as a pod of a workflow runs it, with the service account's own token."""
    cluster = yaml.safe_load(api_server.kubeconfig)["clusters"][0]["cluster"]
    token = api_server.kubectl("create", "token", "workflows", "-n", "workflows")
    (directory / "token").write_text(token)
    authority = api_server.kubectl("get", "configmap", "kube-root-ca.crt", "-n", "workflows", "-o", "json")
    (directory / "ca.crt").write_text(json.loads(authority)["data"]["ca.crt"])
    files = api_server.get("configmap", "evaluate", "-n", "workflows")["data"]
    judges = directory / "judges.json"
    judges.write_text(files["judges.json"])
    script = directory / "scale.py"
    script.write_text(files["scale.py"])
    return subprocess.run(
        [sys.executable, script, judges, name, str(replicas)],
        env={**os.environ, "SERVICE_ACCOUNT": str(directory), "API_SERVER": cluster["server"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_judge_is_turned_on_until_it_is_ready_and_off_again(
    api_server: ApiServer, applied: list[dict[str, Any]], tmp_path: Path
) -> None:
    del applied
    judge = ("deployment", "judge", "-n", "inference")
    assert api_server.get(*judge)["spec"]["replicas"] == 0
    done = scaled(api_server, tmp_path, "judge", 1)
    assert (done.returncode, done.stdout) == (0, "judge: 1 replicas wanted\njudge: ready\n"), done.stderr
    assert api_server.get(*judge)["status"]["readyReplicas"] == 1
    done = scaled(api_server, tmp_path, "judge", 0)
    assert (done.returncode, done.stdout) == (0, "judge: 0 replicas wanted\n")
    assert api_server.get(*judge)["spec"]["replicas"] == 0


def test_an_engine_that_is_no_judge_is_left_alone(
    api_server: ApiServer, applied: list[dict[str, Any]], tmp_path: Path
) -> None:
    del applied
    before = api_server.get("deployment", "vllm", "-n", "inference")["spec"]["replicas"]
    done = scaled(api_server, tmp_path, "vllm", before + 1)
    assert done.returncode == 2
    assert "vllm is no judge; there are: judge, judge-large" in done.stdout
    assert api_server.get("deployment", "vllm", "-n", "inference")["spec"]["replicas"] == before
