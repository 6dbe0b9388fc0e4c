"""What a user is told about mistakes in the settings."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from stacks.loading import SettingsError, checked
from tests.unit.recording import stack_settings

Change = Callable[[dict[str, Any]], None]


def problems(change: Change, stack: str = "dev") -> list[str]:
    """The report's lines about a stack's settings after a change."""
    settings = copy.deepcopy(stack_settings(stack))
    change(settings)
    with pytest.raises(SettingsError) as caught:
        checked(settings, set(), f"Pulumi.{stack}.yaml")
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in Pulumi.{stack}.yaml:"
    assert last == "Nothing was changed."
    return [" ".join(line.split()) for line in lines]


def put(*path: str | int, to: object) -> Change:
    """A change of one value."""

    def change(settings: Any) -> None:
        for part in path[:-1]:
            settings = settings[part]
        settings[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("enginse", to=[]), 'inference:enginse unknown key; did you mean "engines"?'),
        (
            put("engines", 0, "contextlength", to=1),
            'inference:engines[0] unknown key "contextlength"; did you mean "contextLength"?',
        ),
        (
            put("clusters", 0, "simulated", 0, "acelerator", to={}),
            'inference:clusters[0].simulated[0] unknown key "acelerator"; did you mean "accelerator"?',
        ),
        (put("engines", 0, "replicas", to="two"), 'inference:engines[0].replicas "two" must be a whole number'),
        (put("engines", 0, "kind", to="vlm"), 'inference:engines[0].kind "vlm" is not one of: vllm, llamacpp'),
        (put("target", to="prod"), 'inference:target "prod" is not one of: dev, onprem, eks'),
        (put("engines", to={}), "inference:engines a mapping must be a list"),
        (
            put("engines", 0, "model", to="legal-9b"),
            'inference:engines[0].model "legal-9b" is not a model; did you mean "legal-8b"?',
        ),
        (
            put("engines", 0, "cluster", to="hoem"),
            'inference:engines[0].cluster "hoem" is not a cluster; there are: dev',
        ),
        (
            put("engines", 0, "accelerator", to={"kind": "tpu"}),
            'inference:engines[0].accelerator.kind "tpu" is not one of: cuda, rocm, cpu',
        ),
        (
            put("engines", 0, "accelerator", to={"kind": "cpu"}),
            "inference:engines[0].accelerator.kind vllm has no image for cpu; there are: cuda, rocm",
        ),
        (
            put("engines", 0, "accelerator", "count", to=4),
            'inference:engines[0].accelerator asks for 4 cuda GPUs on one node; the largest node in "dev" has 2',
        ),
        (
            put("engines", 0, "accelerator", "product", to="h100"),
            'inference:engines[0].accelerator.product no node in "dev" has product "h100"; there are: rtx-4090',
        ),
        (
            put("engines", 2, "nodeSelector", to={"disk": "fast"}),
            'inference:engines[2].nodeSelector no node in "dev" has disk=fast; give it to a machine in its labels',
        ),
        (
            put("engines", 2, "resources", to={"cpu": "400"}),
            "inference:engines[2].resources asks for 400 CPUs and 8Gi; fitting nodes have: 16 and 64Gi, 32 and 128Gi",
        ),
        (
            put("engines", 2, "resources", to={"memory": "4Gi", "memoryLimit": "2Gi"}),
            "inference:engines[2].resources.memoryLimit is less than memory (4Gi)",
        ),
        (
            put("engines", 2, "file", to="other.gguf"),
            'inference:engines[2].file "other.gguf" is not among the files of chat-gguf: chat-q4_k_m.gguf',
        ),
        (
            put("engines", 1, "name", to="legal"),
            'inference:engines[1].name "legal" is taken: engines[0] has it already',
        ),
        (
            put("clusters", 0, "simulated", 1, "name", to="rocm-1"),
            'inference:clusters[0].simulated[1].name "rocm-1" is taken: clusters[0].simulated[0] has it already',
        ),
        (
            put("store", "node", to="cpu-9"),
            'inference:store.node "cpu-9" is not a node of "dev"; did you mean "cpu-1"?',
        ),
        (
            put("store", to={"kind": "s3"}),
            "inference:store.kind s3 is Amazon's and belongs to the target eks; use minio or external",
        ),
        (
            put("store", to={"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}),
            "inference:storeSecretKey the secret is missing; run: pulumi config set --secret inference:storeSecretKey",
        ),
        (
            put("models", 0, "source", to="hf://org/repo@main"),
            'inference:models[0].source "hf://org/repo@main" must be hf://ORG/REPO@COMMIT with the 40 digits of a '
            "commit, "
            "which `git ls-remote https://huggingface.co/ORG/REPO` shows, or s3://BUCKET/PREFIX@REVISION",
        ),
        (put("clusters", to=[]), "inference:clusters is missing: at least one cluster is needed"),
        (put("clusters", 0, "simulated", to=[]), "inference:clusters[0] has no machines; add simulated"),
        (put("models", to=7), "inference:models 7 must be a list"),
        (put("engines", 0, to="legal"), 'inference:engines[0] "legal" must be a mapping'),
        (put("models", 0, "files", to="*.json"), 'inference:models[0].files "*.json" must be a list'),
        (put("store", to={"size": "1Gi"}), "inference:store kind is missing; one of: minio, s3, external"),
        (put("store", "kind", to="gcs"), 'inference:store.kind "gcs" is not one of: minio, s3, external'),
        (put("store", "region", to="US EAST"), 'inference:store.region "US EAST" must be a region\'s name'),
        (put("store", "cluster", to="edge"), 'inference:store.cluster "edge" is not a cluster; there are: dev'),
        (
            put("engines", 0, "resources", to={"cpu": 4}),
            'inference:engines[0].resources.cpu 4 must be text: put it in quotes, "4"',
        ),
        (
            put("engines", 2, to={"kind": "llamacpp", "name": "chat", "model": "chat-gguf", "cluster": "dev"}),
            "inference:engines[2] file is missing: The GGUF file among the model's files; of a split model, its first",
        ),
        (put("gateway", "litellm", "replicas", to=0), "inference:gateway.litellm.replicas 0 must be more than 0"),
        (put("gateway", "openWebui", "placement", to="sidecar"), "inference:gateway a sidecar keeps its data on one"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(change: Change, expected: str) -> None:
    (found,) = problems(change)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("clusters", 0, "nodes", 1, "host", to="192.168.1.20"),
            'inference:clusters[0].nodes[1].host "192.168.1.20" is the host of clusters[0].nodes[0] too',
        ),
        (
            put("clusters", 0, "nodes", 0, "host", to="192.168.1.300/24"),
            'inference:clusters[0].nodes[0].host "192.168.1.300/24"',
        ),
        (
            put("clusters", 0, "nodes", 0, "host", to="192.168.1.300"),
            'inference:clusters[0].nodes[0].host "192.168.1.300" must be an IP address or a host name',
        ),
        (
            put("clusters", 0, "nodes", 0, "host", to=3232235796),
            "inference:clusters[0].nodes[0].host must be an IP address or a host name, in quotes",
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLE"),
            "inference:clusters[0].nodes[0].hostKey is not a whole ssh-ed25519 key: some of it is missing or altered; "
            "get it with: ssh-keyscan -t ed25519 192.168.1.20",
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="AAAA"),
            'inference:clusters[0].nodes[0].hostKey "AAAA" must be a public key as ssh-keyscan prints it',
        ),
        (
            put("clusters", 0, "nodes", 1, "role", to="server"),
            "inference:clusters[0].nodes 2 nodes have the role server; a cluster has 1, or 3 for high availability",
        ),
        (put("store", "url", to=None), "inference:store url is missing: engines in geforce, radeon reach the store"),
        (
            put("clusters", 1, "simulated", to=[{"name": "extra"}]),
            "inference:clusters[1].simulated belongs to another target; onprem takes nodes",
        ),
        (
            put("clusters", 0, "nodes", 0, "arch", to="arm64"),
            "inference:engines[0].accelerator.kind ROCm images are for amd64 only, and no fitting node is",
        ),
    ],
)
def test_a_mistake_about_hosts_is_named(change: Change, expected: str) -> None:
    (found,) = problems(change, "onprem")
    assert found.startswith(expected)
