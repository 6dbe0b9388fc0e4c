"""What a user is told about parts of the settings that are right by themselves, and wrong together."""

import copy
from typing import Any

import pytest

from tests.unit.mistakes import Change, add, drop, put, told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("engines", 0, "model", to="legal-9b"),
            'engines[0].model "legal-9b" is not a model; there are: legal-8b, ch',
        ),
        (put("engines", 0, "cluster", to="hoem"), 'engines[0].cluster "hoem" is not a cluster; there are: dev'),
        (put("engines", 1, "name", to="legal"), 'engines[1].name "legal" is taken: engines[0] has it already'),
        (
            add("models", value={"name": "legal-8b", "source": f"hf://org/repo@{0:040}"}),
            'models[2].name "legal-8b" is taken: models[0] has it already',
        ),
        (
            put("clusters", 0, "simulated", 1, "name", to="rocm-1"),
            'clusters[0].simulated[1].name "rocm-1" is taken: clusters[0].simulated[0] has it already',
        ),
        (
            put("engines", 0, "name", to="default"),
            'engines[0].name "default" is taken: the engines\' namespace has a service account of this name;',
        ),
        (
            put("engines", 0, "name", to="allow-dns"),
            'engines[0].name "allow-dns" is taken: the engines\' namespace has a network policy of this name;',
        ),
        (put("clusters", 0, "simulated", to=[]), "clusters[0] has no machines; list them under simulated"),
        (
            put("engines", 0, "accelerator", "count", to=4),
            'engines[0].accelerator asks for 4 cuda GPUs on one node; the largest node in "dev" has 2',
        ),
        (
            put("clusters", 0, "simulated", 1, "accelerator", "kind", to="rocm"),
            'engines[0].accelerator no node in "dev" has cuda GPUs; there are: cpu, rocm',
        ),
        (
            put("engines", 0, "accelerator", "product", to="h100"),
            'engines[0].accelerator.product no cuda node in "dev" has product "h100"; there are: rtx-4090',
        ),
        (
            put("engines", 2, "nodeSelector", to={"disk": "fast"}),
            'engines[2].nodeSelector no node in "dev" has these labels; there are none',
        ),
        (
            put("engines", 0, "nodeSelector", to={"kubernetes.io/hostname": "rocm-1"}),
            'engines[0].accelerator no node in "dev" with these labels has cuda GPUs; there are: rocm',
        ),
        (
            put("clusters", 0, "simulated", 0, "arch", to="arm64"),
            'engines[1].accelerator.kind the rocm image of vllm is for amd64; the fitting nodes in "dev" are arm64',
        ),
        (
            put("engines", 2, "resources", to={"cpu": "400"}),
            'engines[2].resources asks for 400 CPUs; the largest fitting node in "dev" has 16',
        ),
        (
            put("engines", 0, "resources", to={"memory": "200Gi"}),
            'engines[0].resources asks for 200Gi of memory; the largest fitting node in "dev" has 128Gi',
        ),
        (
            put("engines", 2, "resources", to={"memory": "4Gi", "memoryLimit": "2Gi"}),
            "engines[2].resources.memoryLimit is less than memory (4Gi)",
        ),
        (
            put("gateway", "litellm", "resources", to={"cpu": "1500m", "cpuLimit": "1"}),
            "gateway.litellm.resources.cpuLimit is less than cpu (1500m)",
        ),
        (
            put("gateway", "litellm", "resources", to={"cpu": "20"}),
            'gateway.litellm.resources asks for 20 CPUs; the largest node for it in "dev" has 16',
        ),
        (
            put("engines", 2, "file", to="other.gguf"),
            'engines[2].file "other.gguf" is not among the files of "chat-gguf": chat-q4_k_m.gguf',
        ),
        (
            put("store", "node", to="cpu-9"),
            'store.node "cpu-9" is not a node of "dev"; there are: rocm-1, cuda-1, cpu-1',
        ),
        (put("store", "cluster", to="edge"), 'store.cluster "edge" is not a cluster; there are: dev'),
        (put("store", "size", to="9Ti"), 'store.size is 9Ti; the largest disk for it in "dev" has 1Ti'),
        (
            put("models", 1, "purge", to=True),
            'engines[2].model "chat-gguf" is to be purged; remove the engine, or the purge',
        ),
        (put("store", "path", to="/srv/models"), "store node is missing: `path` is a directory of one node"),
        (
            put("store", to={"kind": "minio", "node": "cpu-1", "path": "/srv/models", "storageClass": "fast"}),
            "store.storageClass cannot go with `path`, which needs no class",
        ),
        (
            put("store", "buckets", to=[{"name": "backups"}, {"name": "backups", "quota": "1Ti"}]),
            'store.buckets[1].name "backups" is taken: store.buckets[0] has it already',
        ),
        (
            put("store", "buckets", to=[{"name": "inference-models", "purge": True}]),
            "store.buckets[0].purge would delete all models; set another `bucket` for them first",
        ),
        (put("store", to={"kind": "s3"}), "store.kind s3 belongs to the target eks; for dev, use minio or external"),
    ],
)
def test_parts_that_do_not_go_together_are_named(change: Change, expected: str) -> None:
    (found,) = told(change)
    assert found.startswith(f"inference:{expected}")


def test_an_adapter_that_is_to_be_purged_cannot_be_served() -> None:
    def change(settings: Any) -> None:
        settings["models"].append({**settings["models"][0], "name": "lora", "purge": True})
        settings["engines"][0]["adapters"] = [{"name": "contracts", "model": "lora"}]

    (found,) = told(change)
    assert found == ('inference:engines[0].adapters[0].model "lora" is to be purged; remove the adapter, or the purge')


def test_a_model_in_an_external_store_is_purged_only_with_a_key_that_may_delete() -> None:
    def change(settings: Any) -> None:
        settings["store"] = {"kind": "external", "endpoint": "https://s3.lan", "accessKey": "reader"}
        settings["models"].append({**settings["models"][0], "name": "old", "purge": True})

    assert "inference:models[2].purge needs a key that may delete: set `writerAccessKey` in store" in told(change)


def test_a_bucket_at_amazon_takes_no_quota() -> None:
    quota = put("store", "buckets", to=[{"name": "backups", "quota": "1Ti"}])
    (found,) = told(quota, stack="eks")
    assert found.startswith("inference:store.buckets[0].quota Amazon S3 has no quotas; leave it out")


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (
            {"bucket": "models", "buckets": [{"name": "models", "versioning": False}]},
            "buckets[0].versioning must be true: Amazon copies to a replica only what has versions",
        ),
        (
            {"buckets": [{"name": "spare"}]},
            'replica.bucket "spare" is one of the buckets already; a replica needs one of its own',
        ),
    ],
)
def test_a_replica_needs_versions_and_a_bucket_of_its_own(store: dict[str, Any], expected: str) -> None:
    replicated = {"kind": "s3", **store, "replica": {"bucket": "spare", "region": "eu-west-1"}}
    (found,) = told(put("store", to=replicated), stack="eks")
    assert found.startswith(f"inference:store.{expected}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("clusters", 1, "nodes", 0, "host", to="192.168.1.20"),
            'clusters[1].nodes[0].host "192.168.1.20" is the host of clusters[0].nodes[0] too',
        ),
        (
            put("clusters", 0, "nodes", 0, "role", to="agent"),
            "clusters[0].nodes no node has the role server; give it to one, or to three for high availability",
        ),
        (
            put("clusters", 0, "nodes", 1, "role", to="server"),
            "clusters[0].nodes 2 nodes have the role server, which is no majority when one fails; use 1 or 3",
        ),
        (
            put("clusters", 1, "simulated", to=[{"name": "extra"}]),
            "clusters[1].simulated belong to another target; machines of onprem are listed under nodes",
        ),
        (
            drop("store", "url"),
            "store url is missing: engines in geforce, radeon read from the store in home; set the address at which",
        ),
        (
            put("gateway", "openWebui", "nodePort", to=30400),
            "gateway.openWebui.nodePort 30400 is taken: gateway.litellm.nodePort has it already",
        ),
        (
            put("gateway", "litellm", "nodePort", to=30900),
            "store.nodePort 30900 is taken: gateway.litellm.nodePort has it already",
        ),
        (
            put("gateway", "litellm", "nodePort", to=8080),
            "gateway.litellm.nodePort must be a whole number of at least 30000 and at most 32767; it is 8080",
        ),
        (
            drop("store", "nodePort"),
            "store nodePort is missing, and url names port 30900 of a node in home: make them the same",
        ),
        (
            put("store", "url", to="http://192.168.1.20:30900"),
            "store.url names a node in home, where the store answers over https alone: begin it with https://",
        ),
        (
            put("store", "tls", to=False),
            "store.url names a node in home, where the store answers over http alone: begin it with http://",
        ),
        (
            put("store", "nodePort", to=31900),
            "store nodePort is 31900, and url names port 30900 of a node in home: make them the same",
        ),
        (
            put("clusters", 0, "nodes", 0, "arch", to="arm64"),
            'engines[0].accelerator.kind the rocm image of llamacpp is for amd64; the fitting nodes in "home" are arm',
        ),
    ],
)
def test_hosts_that_do_not_go_together_are_named(change: Change, expected: str) -> None:
    (found,) = told(change, stack="onprem")
    assert found.startswith(f"inference:{expected}")


def test_labels_that_no_node_group_has_are_named_with_those_there_are() -> None:
    (found,) = told(put("engines", 0, "nodeSelector", to={"workload": "gpu-vlm"}), stack="eks")
    groups = ("cpu-compute", "gpu", "gpu-vllm", "gpu-vllm-large")
    labels = ", ".join(f"workload={group}" for group in groups)
    assert found == f'inference:engines[0].nodeSelector no node in "eks" has these labels; there are: {labels}'


def test_a_node_group_cannot_be_given_hosts_of_the_same_name() -> None:
    (found,) = told(
        add("clusters", 0, "nodeGroups", value={"name": "gpu-vllm-1", "instanceType": "m6i.large"}),
        stack="eks",
    )
    assert found.startswith('inference:clusters[0].nodeGroups[4].name "gpu-vllm-1" is the name of a node in the group')


def test_more_replicas_than_there_are_gpus_for_are_left_to_the_rehearsal() -> None:
    assert told(put("engines", 0, "replicas", to=7)) == []


def test_the_stores_address_may_be_that_of_something_in_front_of_it() -> None:
    assert told(put("store", "url", to="http://192.168.1.9:30900"), drop("store", "nodePort"), stack="onprem") == []
    assert told(put("store", "url", to="http://192.168.1.20:9000"), drop("store", "nodePort"), stack="onprem") == []


def test_a_port_may_be_used_again_in_another_cluster() -> None:
    def no_engines_beside_the_store(settings: Any) -> None:
        settings["engines"] = [engine for engine in settings["engines"] if engine["cluster"] != "home"]

    assert told(no_engines_beside_the_store, put("gateway", "litellm", "nodePort", to=30900), stack="onprem") == []


def test_three_servers_are_right() -> None:
    def three(settings: Any) -> None:
        host = settings["clusters"][1]["nodes"][0]
        settings["clusters"][1]["nodes"] = [host | {"name": f"r{n}", "host": f"10.0.0.{n}"} for n in range(3)]

    assert told(three, stack="onprem") == []


def test_names_that_meet_once_the_cluster_is_in_front_of_them_are_refused() -> None:
    def clash(settings: Any) -> None:
        settings["clusters"].append(copy.deepcopy(settings["clusters"][0]) | {"name": "dev-legal"})
        settings["engines"][1] |= {"cluster": "dev-legal", "name": "rocm"}
        settings["engines"][0]["name"] = "legal-rocm"
        settings["store"]["url"] = "http://store.lan:9000"

    (found,) = told(clash)
    assert found.startswith(
        'inference:engines[1].name "rocm" in "dev-legal" and "legal-rocm" in "dev" would both be cal'
    )


def test_a_pod_meant_for_no_node_does_not_count_on_a_reserved_one() -> None:
    (found,) = told(put("engines", 2, "resources", to={"cpu": "30"}))
    assert 'the largest fitting node in "dev" has 16' in found
    assert told(put("engines", 2, "resources", to={"cpu": "30"}), *_reserve_all()) == []


def _reserve_all() -> list[Change]:
    return [put("clusters", 0, "simulated", 2, "taint", to="cpu-inference")]


def test_cpu_and_memory_must_be_there_on_one_and_the_same_node() -> None:
    (found,) = told(
        put("clusters", 0, "simulated", 2, to={"name": "wide", "cpu": 64, "memory": "32Gi"}),
        add("clusters", 0, "simulated", value={"name": "deep", "cpu": 8, "memory": "512Gi"}),
        put("engines", 2, "resources", to={"cpu": "32", "memory": "256Gi"}),
    )
    assert found.startswith(
        "inference:engines[2].resources asks for 32 CPUs and 256Gi of memory on one node; the larges"
    )


def test_the_list_of_what_there_is_ends_somewhere_and_has_the_likely_name() -> None:
    def many(settings: Any) -> None:
        settings["models"] += [settings["models"][0] | {"name": f"other-{n}"} for n in range(100)]
        settings["engines"][0]["model"] = "othr-77"

    (found,) = told(many)
    assert "other-77" in found
    assert found.endswith("and 90 more")


@pytest.mark.parametrize(
    ("adapter", "problem"),
    [
        (
            {"name": "lora", "model": "legl-8b"},
            'adapters[0].model "legl-8b" is not a model; there are: legal-8b, chat-gguf',
        ),
        ({"name": "chat", "model": "legal-8b"}, 'adapters[0].name "chat" is taken by an engine'),
        ({"name": "lora", "source": "mlflow://lora@best"}, "adapters[0].source needs the address of the registry"),
        ({"name": "lora"}, "adapters[0] needs either `model` or `source`"),
        ({"name": "lora", "source": "hf://org/lora@main"}, "must be mlflow://MODEL@ALIAS or mlflow://MODEL@VERSION"),
    ],
)
def test_an_adapter_that_cannot_be_had_or_named_is_refused(adapter: dict[str, str], problem: str) -> None:
    found = told(put("engines", 0, "adapters", to=[adapter]))
    assert any(problem in one for one in found), found
