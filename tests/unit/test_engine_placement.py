"""Where an engine's pods may run, from its settings and the cluster's machines."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cluster.settings import ClusterSettings
from components.engines.llamacpp import LlamaCpp
from components.engines.service import placement
from components.engines.vllm import Vllm
from components.node.settings import SimulatedHost
from components.section import byte_count
from components.storage.settings import MinioStore
from tests.unit.recording import record, stack_settings

ROCM = {"kind": "rocm", "count": 1}
CUDA = {"kind": "cuda", "count": 2, "product": "thor"}


def cluster(**machines: dict[str, Any]) -> ClusterSettings:
    """A cluster of simulated machines by name."""
    nodes = tuple(SimulatedHost.model_validate({"name": name, **given}) for name, given in machines.items())
    return ClusterSettings(name="home", simulated=nodes)


def vllm(**given: Any) -> Vllm:
    """A vLLM of which only the placement matters."""
    return Vllm.model_validate({"kind": "vllm", "name": "e", "model": "m", "cluster": "home", **given})


def llamacpp(**given: Any) -> LlamaCpp:
    """A llama.cpp of which only the placement matters."""
    fields = {"kind": "llamacpp", "name": "e", "model": "m", "cluster": "home", "file": "m.gguf", **given}
    return LlamaCpp.model_validate(fields)


def test_a_gpu_engine_runs_on_its_accelerator_and_tolerates_that_nodes_taint() -> None:
    home = cluster(aimax={"accelerator": ROCM, "taint": "rocm"}, thor={"accelerator": CUDA, "taint": "cuda"})
    where = placement(vllm(accelerator={"kind": "rocm"}), home)
    assert where.node_selector == {"inference/accelerator": "rocm"}
    assert where.taints == ("rocm",)


def test_a_cpu_engine_keeps_off_reserved_nodes_where_another_is_free() -> None:
    home = cluster(thor={"accelerator": CUDA, "taint": "cuda"}, plain={})
    assert placement(llamacpp(), home).taints == ()


def test_a_cpu_engine_tolerates_taints_where_every_node_is_reserved() -> None:
    home = cluster(aimax={"accelerator": ROCM, "taint": "rocm"}, thor={"accelerator": CUDA, "taint": "cuda"})
    assert placement(llamacpp(), home).taints == ("cuda", "rocm")


def test_an_image_for_one_architecture_is_kept_from_nodes_of_the_other() -> None:
    home = cluster(
        old={"accelerator": {"kind": "rocm", "count": 1}, "arch": "arm64"}, aimax={"accelerator": ROCM, "arch": "amd64"}
    )
    assert placement(vllm(accelerator={"kind": "rocm"}), home).node_selector["kubernetes.io/arch"] == "amd64"


def test_an_image_for_both_architectures_runs_on_either() -> None:
    home = cluster(thor={"accelerator": CUDA, "arch": "arm64"}, tower={"accelerator": CUDA, "arch": "amd64"})
    assert "kubernetes.io/arch" not in placement(vllm(accelerator={"kind": "cuda"}), home).node_selector


def test_minio_on_a_chosen_node_tolerates_that_nodes_taint(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev")
    name = settings["clusters"][0]["name"]
    machines = [{"name": "disk", "taint": "storage-only"}, {"name": "free", "cpu": 64}]
    settings |= {
        "clusters": [{"name": name, "simulated": machines}],
        "store": {"kind": "minio", "node": "disk", "size": "10Gi"},
        "engines": [],
        "models": [],
    }
    recording = record(settings, stack="dev", monkeypatch=monkeypatch)
    (server,) = (one.object for one in recording.kubernetes() if one.type == "kubernetes:apps/v1:Deployment")
    pod = server["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == MinioStore(kind="minio", node="disk").node_selector
    assert [toleration["key"] for toleration in pod["tolerations"]] == ["storage-only"]


@given(st.integers(1, 10**6), st.sampled_from(["Ki", "Mi", "Gi", "Ti", "Pi", "k", "M", "G", "T", "P", ""]))
def test_a_quantity_is_its_number_times_its_unit(number: int, unit: str) -> None:
    base = 1024 if unit.endswith("i") else 1000
    power = "kMGTP".index(unit[0].replace("K", "k")) + 1 if unit else 0
    assert byte_count(f"{number}{unit}") == number * base**power


@given(st.decimals("0.1", "999", places=1))
def test_a_fraction_of_a_unit_is_rounded_down(number: Decimal) -> None:
    if number >= 1:
        assert byte_count(f"{number}Gi") == int(number * 2**30)


def test_a_server_takes_pods_of_k3s_itself_where_every_node_is_reserved() -> None:
    home = ClusterSettings.model_validate(stack_settings("onprem")["clusters"][0])
    server, agent = home.nodes
    assert home.taints(server) == ["rocm-inference=true:PreferNoSchedule"]
    assert home.taints(agent) == ["cuda-inference=true:NoSchedule"]
    free = home.model_copy(update={"nodes": (server, agent.model_copy(update={"taint": None}))})
    assert free.taints(server) == ["rocm-inference=true:NoSchedule"]
