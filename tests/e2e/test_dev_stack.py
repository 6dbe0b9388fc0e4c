"""The dev stack from nothing to running and back, by the real Pulumi engine on a real API server."""

import copy
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from placement import deployed as placement
from placement.text import style_for
from tests.e2e.deployment import STACK, Deployment
from tests.unit.recording import REPOSITORY, stack_settings

OURS = ("storage", "inference", "gateway")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The dev stack, up, with every policy held against it."""
    deployment = Deployment(state=tmp_path_factory.mktemp("state"))
    deployment.create(stack_settings("dev"))
    try:
        deployment.up("--policy-pack", "policy")
        yield deployment
    finally:
        deployment.destroy()


def test_every_engine_runs_on_a_node_with_its_accelerator(deployed: Deployment) -> None:
    pods = deployed.api_server().get("pods", "--namespace", "inference")["items"]
    placed = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod["spec"]["nodeName"] for pod in pods}
    assert placed == {"legal": "cuda-1", "legal-rocm": "rocm-1", "chat": "cpu-1"}
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}


def test_the_outputs_name_every_endpoint(deployed: Deployment) -> None:
    endpoints = deployed.outputs()["endpoints"]["dev"]
    assert endpoints["api"] == "http://litellm.gateway:4000/v1"
    assert endpoints["engines"]["legal"] == {"url": "http://legal.inference:8000/v1", "model": "legal-8b"}


def test_the_tables_show_every_endpoint_and_every_pod_with_its_node(deployed: Deployment) -> None:
    found = placement.deployed(STACK, deployed.outputs())
    lines = placement.report(found, placement.clusters(found), style_for()).splitlines()
    assert any(line.split() == ["legal", "legal-8b", "http://legal.inference:8000/v1"] for line in lines)
    assert any(re.match(r" +legal-rocm-\S+ +inference +rocm-1 +Running", line) for line in lines)


def test_a_second_up_changes_nothing(deployed: Deployment) -> None:
    deployed.up("--expect-no-changes")


def test_a_changed_argument_updates_that_engine_and_nothing_else(deployed: Deployment) -> None:
    settings = copy.deepcopy(stack_settings("dev"))
    settings["engines"][0]["contextLength"] = 4096
    deployed.write_settings(settings)
    try:
        assert deployed.preview() == {"dev-legal": "update"}
    finally:
        deployed.write_settings(stack_settings("dev"))


def test_no_secret_is_in_plain_text_in_the_state(deployed: Deployment) -> None:
    outputs = deployed.outputs()
    kubernetes = deployed.api_server()
    secrets = [outputs["gatewayKeys"]["dev"], outputs["kubeconfigs"]["dev"]]
    for name, namespace in (("minio-credentials", "storage"), ("gateway-keys", "gateway")):
        secrets += kubernetes.get("secret", name, "--namespace", namespace)["data"].values()
    files = [path for path in (deployed.state / ".pulumi").rglob("*") if path.is_file()]
    assert files
    text = "\n".join(path.read_text(errors="replace") for path in files)
    assert [secret for secret in secrets if secret in text] == []


def test_a_control_plane_that_died_is_started_again_with_everything_in_it(deployed: Deployment) -> None:
    before = {pod["metadata"]["uid"] for pod in deployed.api_server().get("pods", "--namespace", "inference")["items"]}
    _kill_control_plane(deployed.state / STACK)
    deployed.up()
    deployed.up("--expect-no-changes")
    after = {pod["metadata"]["uid"] for pod in deployed.api_server().get("pods", "--namespace", "inference")["items"]}
    assert after == before


def test_an_up_that_was_killed_is_repaired_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    deployment = Deployment(state=tmp_path)
    deployment.create(stack_settings("dev"))
    try:
        _kill_up_half_way(deployment)
        assert not list((deployment.state / ".pulumi").rglob("*.attrs")), "a kill may leave such a file half written"
        deployment.pulumi("cancel", "--yes", check=False)
        deployment.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        deployment.up()
        deployment.up("--expect-no-changes")
        urns = [resource["urn"] for resource in deployment.resources()]
        assert len(urns) == len(set(urns))
        kubernetes = deployment.api_server()
        for namespace in OURS:
            for workload in kubernetes.get("deployments", "--namespace", namespace)["items"]:
                assert workload["status"]["readyReplicas"] == workload["spec"]["replicas"]
    finally:
        deployment.destroy()


def test_destroy_deletes_every_object_and_empties_the_state(tmp_path: Path) -> None:
    deployment = Deployment(state=tmp_path)
    deployment.create(stack_settings("dev"))
    try:
        deployment.up()
        kubernetes = deployment.api_server()
        # Everything but the control plane, so that it can still be asked what is left.
        objects = [one["urn"] for one in deployment.resources() if one["type"].startswith("kubernetes:")]
        targets = [word for urn in objects for word in ("--target", urn)]
        deployment.pulumi("destroy", "--yes", "--skip-preview", "--target-dependents", *targets)
        assert kubernetes.get("nodes,persistentvolumes,storageclasses,runtimeclasses")["items"] == []
        names = {namespace["metadata"]["name"] for namespace in kubernetes.get("namespaces")["items"]}
        assert not names.intersection(OURS)
    finally:
        deployment.destroy()
    assert deployment.resources() == []
    assert not (tmp_path / STACK / "dev").exists()


def _kill_up_half_way(deployment: Deployment) -> None:
    """SIGKILL the engine and its plugins while engines are being made."""
    process = subprocess.Popen(
        deployment.command("up", "--yes", "--skip-preview"),
        cwd=REPOSITORY,
        env=deployment.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_first_namespace(deployment, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_first_namespace(deployment: Deployment, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 120
    journal = deployment.state / ".pulumi" / "stacks"
    while time.monotonic() < give_up:
        assert process.poll() is None, "up ended before it could be killed"
        if any(b"core/v1:Namespace" in path.read_bytes() for path in journal.rglob("*.json")):
            return
        time.sleep(0.05)
    raise AssertionError("no namespace was made within 120 s")


def _kill_control_plane(directory: Path) -> None:
    """What a reboot does to it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in command and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
