"""GPU operators of the vendors in place of our device plugins: what they are told, and who waits for them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.accelerators.versions import AMD
from components.cluster.settings import ClusterSettings
from components.gitops.versions import AMD_GPU_OPERATOR, NVIDIA_GPU_OPERATOR
from tests.unit.manifests import plain
from tests.unit.mistakes import put, told
from tests.unit.recording import Recording, Registration, record, stack_settings

SECRETS = {"sshPrivateKey": "key", "storeSecretKey": "key"}
NVIDIA = {"name": "nvidia-gpu-operator", "cluster": "geforce"}
APPLICATIONS = ("geforce-nvidia-gpu-operator-chart", "radeon-amd-gpu-operator-chart")
BOTH = [NVIDIA, {"name": "amd-gpu-operator", "cluster": "radeon"}]


@pytest.fixture(scope="module")
def both() -> Recording:
    """Each operator in a cluster of its own, beside one without."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return stack(monkeypatch)


def stack(monkeypatch: pytest.MonkeyPatch, charts: Sequence[Mapping[str, Any]] = BOTH, **changed: Any) -> Recording:
    settings: dict[str, Any] = {**stack_settings("onprem"), "argocd": {}, "charts": [*charts], **changed}
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def named(recording: Recording, name: str) -> Registration:
    (found,) = [one for one in recording.resources if one.name == name]
    return found


def names(recording: Recording) -> set[str]:
    return {one.name for one in recording.resources}


def values(recording: Recording, name: str) -> dict[str, Any]:
    return plain(named(recording, name).object["spec"]["source"]["helm"]["valuesObject"])


def shared(parts: int) -> list[dict[str, Any]]:
    """The clusters of the stack, with GPUs of `geforce` in parts."""
    clusters = stack_settings("onprem")["clusters"]
    (node,) = next(one for one in clusters if one["name"] == "geforce")["nodes"]
    node["accelerator"]["sharing"] = {"kind": "timeSlices", "parts": parts}
    return clusters


def test_device_plugins_of_its_vendor_are_left_out_in_its_cluster_alone(both: Recording) -> None:
    made = names(both)
    assert {"home-device-plugins-amd", "home-device-plugins-nvidia"} <= made
    assert not any(name.startswith(("geforce-device-plugins", "radeon-device-plugins")) for name in made)


def test_device_plugins_of_the_other_vendor_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    made = names(stack(monkeypatch, [{"name": "amd-gpu-operator", "cluster": "home"}]))
    assert {"home-device-plugins-nvidia", "geforce-device-plugins-nvidia"} <= made
    assert "home-device-plugins-amd" not in made


def test_the_runtime_that_pods_ask_for_outlives_our_plugin(both: Recording) -> None:
    (runtime,) = [one for one in both.kubernetes() if one.object["kind"] == "RuntimeClass"]
    assert runtime.retained


def test_charts_are_those_of_their_publishers_in_exact_versions(both: Recording) -> None:
    sources = [named(both, one).object["spec"]["source"] for one in APPLICATIONS]
    assert [(one["repoURL"], one["chart"], one["targetRevision"]) for one in sources] == [
        ("https://helm.ngc.nvidia.com/nvidia", "gpu-operator", NVIDIA_GPU_OPERATOR),
        ("https://rocm.github.io/gpu-operator", "gpu-operator-charts", AMD_GPU_OPERATOR),
    ]


def test_nodes_have_their_driver_and_toolkit_when_nvidias_operator_comes(both: Recording) -> None:
    given = values(both, "geforce-nvidia-gpu-operator-chart")
    assert not given["driver"]["enabled"]
    assert given["toolkit"] == {"enabled": False}
    assert not given["migManager"]["enabled"]


def test_a_toolkit_that_nodes_do_not_have_comes_to_k3ss_containerd(monkeypatch: pytest.MonkeyPatch) -> None:
    given = values(stack(monkeypatch, drivers={"install": False}), "geforce-nvidia-gpu-operator-chart")
    assert not given["driver"]["enabled"]  # which is proven before the node joins
    assert given["toolkit"]["enabled"]
    environment = {one["name"]: one["value"] for one in given["toolkit"]["env"]}
    assert environment["CONTAINERD_SOCKET"] == "/run/k3s/containerd/containerd.sock"
    assert environment["RUNTIME_DROP_IN_CONFIG"].startswith(
        "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d/"
    )


def test_time_slices_of_a_node_are_what_its_label_names_to_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = shared(4)
    recording = stack(monkeypatch, clusters=clusters, engines=[])
    config = values(recording, "geforce-nvidia-gpu-operator-chart")["devicePlugin"]["config"]
    node = ClusterSettings.model_validate(clusters[-1]).shapes[0]
    label = node.labels["nvidia.com/device-plugin.config"]
    (resource,) = json.loads(config["data"][label])["sharing"]["timeSlicing"]["resources"]
    assert resource == {"name": "nvidia.com/gpu", "replicas": 4}
    assert config["data"][config["default"]] == "version: v1\n"


def test_operators_reach_reserved_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = stack_settings("onprem")["clusters"]
    for cluster in clusters:
        for node in cluster["nodes"]:
            node["taint"] = f"{node['accelerator']['kind']}-inference"
    recording = stack(monkeypatch, clusters=clusters)
    given = values(recording, "geforce-nvidia-gpu-operator-chart")
    reserved = {"key": "cuda-inference", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    assert reserved in given["daemonsets"]["tolerations"]
    assert reserved in given["node-feature-discovery"]["worker"]["tolerations"]
    plugin = named(recording, "radeon-amd-gpu-operator-config").object["spec"]["devicePlugin"]
    assert plugin["devicePluginTolerations"] == [reserved | {"key": "rocm-inference"}]


def test_amds_operator_serves_the_nodes_that_we_labelled_with_our_plugins_version(both: Recording) -> None:
    spec = named(both, "radeon-amd-gpu-operator-config").object["spec"]
    assert spec["selector"] == {"inference/accelerator": "rocm"}
    assert spec["driver"] == {"enable": False}
    assert spec["devicePlugin"]["devicePluginImage"] == AMD


def test_engines_wait_until_the_operators_gpus_are_counted(both: Recording) -> None:
    counted = named(both, "geforce-cuda-gpus")
    assert named(both, "geforce-nvidia-gpu-operator-chart").urn in counted.dependencies
    engines = [one for one in both.resources if one.type == "inference:engines:InferenceService"]
    there = [one for one in engines if one.name.startswith("geforce-")]
    assert there
    assert all(counted.urn in one.dependencies for one in there)
    assert "app=nvidia-device-plugin-daemonset" in str(counted.object["stdin"])
    counted = named(both, "radeon-rocm-gpus")
    assert named(both, "radeon-amd-gpu-operator-config").urn in counted.dependencies


def test_argo_cd_does_not_wait_for_gpus_that_it_brings_itself(both: Recording) -> None:
    assert "geforce-gpus" not in names(both)
    assert "home-gpus" in names(both)


def test_an_operator_for_all_clusters_goes_where_there_are_gpus_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = names(stack(monkeypatch, [{"name": "amd-gpu-operator"}]))
    assert {"home-amd-gpu-operator-chart", "radeon-amd-gpu-operator-chart"} <= made
    assert "geforce-amd-gpu-operator-chart" not in made


def test_nothing_of_it_is_in_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [name for name in names(stack(monkeypatch, rehearsal=True)) if "gpu-operator" in name]


def test_nvidias_operator_cannot_be_had_with_a_jetson() -> None:
    (said,) = told(put("charts", to=[{"name": "nvidia-gpu-operator"}]), put("argocd", to={}), stack="onprem")
    assert said.startswith("inference:charts[0].name nvidia-gpu-operator finds GPUs on the PCI bus")
    assert '"thor"' in said


def test_an_operator_without_gpus_to_serve_is_refused() -> None:
    charts = [NVIDIA | {"cluster": "radeon"}]
    (said,) = told(put("charts", to=charts), put("argocd", to={}), stack="onprem")
    assert 'has nothing to serve: no node of cluster "radeon" has cuda GPUs; remove it' in said
