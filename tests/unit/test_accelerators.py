"""GPUs from settings to what nodes are called and pods ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.accelerators import AcceleratorRequest, NodeAccelerator
from components.engines.service import placement
from tests.unit.manifests import manifests
from tests.unit.mistakes import put, told
from tests.unit.recording import Recording, record, stack_settings
from tests.unit.test_engine_placement import cluster, vllm

SLICED = {"kind": "cuda", "count": 2, "sharing": {"kind": "timeSlices", "parts": 4}}
CUT = {"kind": "cuda", "count": 2, "sharing": {"kind": "mig", "profile": "1g.10gb", "parts": 7}}
WHOLE = {"kind": "cuda", "count": 2}


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The onprem stack with a third sort of node: GPUs in time slices."""
    settings = stack_settings("onprem")
    settings["clusters"][0]["nodes"][1]["accelerator"]["sharing"] = SLICED["sharing"]
    settings["engines"][1]["accelerator"]["shared"] = True
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "key"})


def daemon_sets(recording: Recording, cluster: str) -> dict[str, dict[str, Any]]:
    """By name."""
    found = [one for one in recording.kubernetes() if one.inputs["kind"] == "DaemonSet"]
    assert all(one.name.startswith(("home", "radeon", "geforce")) for one in found)
    return {one.object["metadata"]["name"]: dict(one.object) for one in found if one.name.startswith(cluster)}


def test_a_node_advertises_its_gpus_or_their_parts() -> None:
    offered = [NodeAccelerator.model_validate(one).advertised for one in (WHOLE, SLICED, CUT, {"kind": "cpu"})]
    assert offered == [2, 8, 14, 0]


@given(st.integers(1, 1024), st.integers(2, 64), st.sampled_from(["cuda", "rocm"]))
def test_a_node_says_of_itself_what_it_offers(count: int, parts: int, kind: str) -> None:
    sharing = {"kind": "timeSlices", "parts": parts} if kind == "cuda" else None
    node = NodeAccelerator.model_validate({"kind": kind, "count": count, "memory": "24Gi", "sharing": sharing})
    assert node.labels["inference/vram-mib"] == "24576"
    assert node.labels["inference/shared"] == ("true" if sharing else "false")
    assert node.advertised == count * (parts if sharing else 1)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kind": "rocm", "sharing": SLICED["sharing"]}, "sharing works with cuda only"),
        ({**CUT, "product": "jetson-thor"}, "does not serve MIG instances of a Jetson"),
    ],
)
def test_gpus_that_cannot_be_shared_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        NodeAccelerator.model_validate(settings)


def test_more_than_one_part_of_a_gpu_is_refused() -> None:
    with pytest.raises(ValidationError, match="asked for one at a time"):
        AcceleratorRequest(kind="cuda", count=2, shared=True)


def test_an_engine_gets_whole_gpus_unless_it_asks_for_a_part() -> None:
    home = cluster(sliced={"accelerator": SLICED}, whole={"accelerator": WHOLE, "taint": "whole"})
    alone = placement(vllm(accelerator={"kind": "cuda"}), home)
    assert alone.node_selector["inference/shared"] == "false"
    assert alone.taints == ("whole",)
    shared = placement(vllm(accelerator={"kind": "cuda", "shared": True}), home)
    assert shared.node_selector["inference/shared"] == "true"


@pytest.mark.parametrize(
    ("sharing", "shared", "problem"),
    [
        (None, True, 'asks for a part of a GPU in "dev", and no node there shares its GPUs'),
        (SLICED["sharing"], False, 'asks for whole GPUs in "dev", and all nodes there share theirs'),
    ],
)
def test_an_engine_for_which_no_gpu_is_of_its_sort_is_refused(sharing: object, shared: bool, problem: str) -> None:
    changes = (
        put("clusters", 0, "simulated", 1, "accelerator", "sharing", to=sharing),
        put("engines", 0, "accelerator", to={"kind": "cuda", "shared": shared}),
    )
    assert f"inference:engines[0].accelerator.shared {problem}" in told(*changes)


def test_every_gpu_node_has_the_plugin_of_its_vendor_and_its_configuration(recording: Recording) -> None:
    home = daemon_sets(recording, "home")
    assert home.keys() == {"amd", "nvidia-4-slices"}
    for name, plugin in home.items():
        pod = plugin["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"inference/device-plugin": name}
    sliced = home["nvidia-4-slices"]["spec"]["template"]["spec"]
    assert sliced["runtimeClassName"] == "nvidia"
    assert [one["key"] for one in sliced["tolerations"]] == ["cuda-inference"]
    assert daemon_sets(recording, "radeon").keys() == {"amd"}
    assert daemon_sets(recording, "geforce").keys() == {"nvidia"}


def test_time_slices_are_what_the_plugin_is_told(recording: Recording) -> None:
    (config,) = (
        one
        for one in manifests(recording)
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "nvidia-4-slices"
    )
    assert '"replicas": 4' in config["data"]["config.yaml"]
    assert '"failRequestsGreaterThanOne": true' in config["data"]["config.yaml"]


def test_engines_wait_until_their_gpus_were_counted(recording: Recording) -> None:
    counted = {one.name: one.urn for one in recording.resources if one.name.endswith("-gpus")}
    assert counted.keys() == {"home-gpus", "radeon-gpus", "geforce-gpus"}
    for name in ("home", "radeon", "geforce"):
        # A component waits, and with it all that is in it.
        (namespace,) = (one for one in recording.resources if one.name == f"{name}-engines" and not one.custom)
        assert counted[f"{name}-gpus"] in namespace.dependencies
