"""GPUs in pods: a real kubelet, a stand-in for the vendors' device plugins, and drivers that are stubs."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.accelerators.versions import AMD, NVIDIA
from components.node.step import SCRIPTS
from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.hosts import k3s, layers, onprem, vendors
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

PLUGIN = Path(__file__).parents[1] / "standins" / "deviceplugin"
RESTART = """systemctl restart k3s
seen=0
until [ $seen = 4 ]; do
    sleep 1
    if k3s kubectl get --raw /readyz >/dev/null 2>&1; then seen=$((seen + 1)); else seen=0; fi
done"""
"""Until it is there to stay."""
POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: NAME, namespace: default}}
spec:
  runtimeClassName: nvidia
  containers:
  - name: web
    image: docker.io/{k3s.WEB}
    resources: {{limits: {{nvidia.com/gpu: COUNT}}}}
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A server with two NVIDIA cards and an agent with an AMD card."""

    cuda: Machine
    rocm: Machine
    before: Mapping[str, Mapping[str, frozenset[str]]]
    deployment: Deployment
    mirror: Mirror

    def settings(self, **cuda: Any) -> dict[str, Any]:
        stack = onprem.settings(self.mirror, {"lab": (self.cuda, self.rocm)})
        stack["mirror"]["apt"] = f"{self.mirror.url}/apt"
        cards = {"kind": "cuda", "product": "rtx-4090", "count": 2, "memory": "24Gi", **cuda}
        stack["clusters"][0]["nodes"][0]["accelerator"] = cards
        stack["clusters"][0]["nodes"][1] |= {"accelerator": {"kind": "rocm"}, "taint": "rocm-inference"}
        return stack

    @property
    def api(self) -> ApiServer:
        return self.deployment.api_server("lab")

    def offered(self) -> dict[str, str]:
        """GPUs that pods can ask for, by node."""
        nodes = self.api.get("nodes")["items"]
        return {
            node["metadata"]["name"]: ", ".join(
                f"{count} {name}" for name, count in node["status"]["allocatable"].items() if name.endswith("/gpu")
            )
            for node in nodes
        }


@pytest.fixture(scope="module")
def lab(new_host: NewHost, mirror: Mirror, go: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    vendors.publish(mirror, platform.release(), tmp_path_factory.mktemp("vendors"))
    directory = tmp_path_factory.mktemp("plugin")
    layer = layers.programs(directory / "layer.tar", {"plugin": k3s.compiled(PLUGIN, directory / "plugin", go)})
    for image, resource in ((NVIDIA, "nvidia.com/gpu"), (AMD, "amd.com/gpu")):
        mirror.add_image(image, layer, entrypoint=["/plugin", resource])
    cuda, rocm = new_host("cuda"), new_host("rocm")
    before = {machine.hostname: onprem.looks(machine) for machine in (cuda, rocm)}
    cuda.run(f"echo 2 >{vendors.GPUS}")
    vendors.plug_in(cuda, "cuda", cards=2)
    vendors.plug_in(rocm, "rocm", cards=1)
    state = tmp_path_factory.mktemp("lab")
    deployment = Deployment(state=state, stack="onprem")
    made = Lab(cuda=cuda, rocm=rocm, before=before, deployment=deployment, mirror=mirror)
    onprem.create(deployment, made.settings(), cuda.private_key)
    deployment.up()
    return made


def test_nodes_advertise_the_gpus_that_settings_promise(lab: Lab) -> None:
    assert lab.offered() == {"cuda": "2 nvidia.com/gpu", "rocm": "1 amd.com/gpu"}


def test_nodes_say_what_they_have(lab: Lab) -> None:
    labels = {node["metadata"]["name"]: node["metadata"]["labels"] for node in lab.api.get("nodes")["items"]}
    known = {key: value for key, value in labels["cuda"].items() if key.startswith("inference/")}
    assert known == {
        "inference/accelerator": "cuda",
        "inference/product": "rtx-4090",
        "inference/vram-mib": "24576",
        "inference/shared": "false",
        "inference/device-plugin": "nvidia",
    }
    assert labels["rocm"]["inference/accelerator"] == "rocm"


def test_a_pod_that_asks_for_a_gpu_gets_one_and_the_driver(lab: Lab) -> None:
    lab.api.kubectl("apply", "--filename", "-", stdin=POD.replace("NAME", "one").replace("COUNT", "1"))
    lab.api.kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    environment = lab.cuda.run("tr '\\0' '\\n' </proc/$(pgrep -f '^/k3s web$')/environ").splitlines()
    assert "STAND_IN_GPUS=2" in environment  # from the NVIDIA runtime
    assert any(line.startswith("NVIDIA_VISIBLE_DEVICES=gpu-") for line in environment)  # from the device plugin
    lab.api.kubectl("delete", "pod", "one", "--wait=true")


def test_a_second_up_changes_nothing(lab: Lab) -> None:
    lab.deployment.up("--expect-no-changes")


def test_a_driver_that_is_installed_again_changes_nothing(lab: Lab) -> None:
    for machine in (lab.cuda, lab.rocm):
        before = onprem.looks(machine)
        text = lab.deployment.sent(f"lab-{machine.hostname}-driver")
        onprem.assert_nothing_to_change(machine, "driver", text)
        assert onprem.differences(before, machine) == {}


@pytest.mark.parametrize(("node", "resource", "there"), [("cuda", "nvidia.com/gpu", 2), ("rocm", "amd.com/gpu", 1)])
def test_too_few_gpus_are_told_with_what_the_device_plugin_says(lab: Lab, node: str, resource: str, there: int) -> None:
    variables = f"WANTED='{node} {resource} {there + 1}' NAMESPACE=accelerators SECONDS_TO_WAIT=2"
    said = lab.cuda.run(f"{variables} bash -s 2>&1", stdin=(SCRIPTS / "advertised.sh").read_text(), check=False)
    assert f"node {node} advertises {there} x {resource}, settings promise {there + 1}" in said
    assert f"registered {there} x {resource}" in said


def test_more_gpus_than_settings_promise_are_told_too(lab: Lab) -> None:
    variables = "WANTED='cuda nvidia.com/gpu 1' NAMESPACE=accelerators SECONDS_TO_WAIT=2"
    said = lab.cuda.run(f"{variables} bash -s 2>&1", stdin=(SCRIPTS / "advertised.sh").read_text(), check=False)
    assert "node cuda advertises 2 x nvidia.com/gpu, settings promise 1" in said
    assert "Correct accelerator.count" in said


def test_a_runtime_that_k3s_does_not_know_is_named_with_the_remedy(lab: Lab) -> None:
    lab.cuda.run(f"mv /usr/bin/nvidia-container-runtime /root/ && {RESTART}")
    # In the place of a device plugin: those that run go on.
    lab.api.kubectl("apply", "--filename", "-", stdin=POD.replace("NAME", "lost").replace("COUNT", "1"))
    variables = "WANTED='cuda nvidia.com/gpu 3' NAMESPACE=default SECONDS_TO_WAIT=10"
    said = lab.cuda.run(f"{variables} bash -s 2>&1", stdin=(SCRIPTS / "advertised.sh").read_text(), check=False)
    assert 'no runtime for "nvidia" is configured' in said
    assert "k3s finds nvidia-container-runtime only when it starts" in said
    lab.cuda.run(f"mv /root/nvidia-container-runtime /usr/bin/ && {RESTART}")
    lab.api.kubectl("wait", "--for=condition=Ready", "pod/lost", "--timeout=60s")
    lab.api.kubectl("delete", "pod", "lost", "--wait=true")


def test_gpus_can_be_shared_in_time_slices(lab: Lab) -> None:
    lab.deployment.write_settings(lab.settings(sharing={"kind": "timeSlices", "parts": 4}))
    lab.deployment.up()
    assert lab.offered()["cuda"] == "8 nvidia.com/gpu"
    node = lab.api.get("node", "cuda")
    assert node["metadata"]["labels"]["inference/shared"] == "true"
    greedy = POD.replace("NAME", "greedy").replace("COUNT", "2")
    lab.api.kubectl("apply", "--filename", "-", stdin=greedy)
    lab.api.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/greedy", "--timeout=60s")
    lab.api.kubectl("delete", "pod", "greedy")


def test_gpus_can_be_cut_into_instances_which_a_reboot_makes_again(lab: Lab) -> None:
    lab.deployment.write_settings(lab.settings(sharing={"kind": "mig", "profile": "1g.10gb", "parts": 7}))
    lab.deployment.up()
    assert lab.offered()["cuda"] == "14 nvidia.com/gpu"
    lab.cuda.run("nvidia-smi mig --destroy-gpu-instance; systemctl restart inference-mig")  # as a reboot does
    assert lab.cuda.run("nvidia-smi --list-gpus | grep -c 'MIG 1g.10gb'") == "14"
    onprem.assert_nothing_to_change(lab.cuda, "mig", lab.deployment.sent("lab-cuda-mig"))
    lab.deployment.up("--expect-no-changes")

    lab.deployment.write_settings(lab.settings())
    lab.deployment.up()
    assert lab.offered()["cuda"] == "2 nvidia.com/gpu"
    assert "MIG" not in lab.cuda.run("nvidia-smi --list-gpus")


def test_destroy_gives_the_hosts_back(lab: Lab) -> None:
    lab.deployment.destroy()
    for machine in (lab.cuda, lab.rocm):
        assert onprem.differences(lab.before[machine.hostname], machine) == {}


def test_the_images_of_the_device_plugins_are_those_that_were_mirrored(lab: Lab) -> None:
    for image in (NVIDIA, AMD):
        repository, _, tag = image.partition("/")[2].rpartition(":")
        assert f"/v2/{repository}/manifests/{tag}" in lab.mirror.requests
