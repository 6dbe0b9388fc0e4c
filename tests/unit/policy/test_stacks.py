"""Everything that the program registers, against every rule."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.aws.network import Network
from components.aws.settings import NetworkSettings
from components.gitops.charts import PUBLISHED
from components.storage.s3 import S3Buckets
from components.storage.settings import S3Store
from policy.rules import RULES
from policy.rules.exemptions import EXEMPTIONS
from policy.rules.pods import pods
from policy.rules.resource import STACK, Resource, mapping, seen, text
from policy.rules.rule import ResourceRule
from policy.rules.settings import PolicySettings
from tests.unit.argocd import argocd
from tests.unit.distributed_stack import distributed_settings
from tests.unit.eks_stack import autoscale, made
from tests.unit.kserve_stack import kserve_settings
from tests.unit.policy.samples import settings as read
from tests.unit.ray_stack import SECRETS, ray_settings
from tests.unit.recording import Recording, Registration, record, recorded, stack_settings
from toolchain import checksums, images

SMALL = {"ray-serve": ray_settings, "kserve": kserve_settings, "vllm-distributed": distributed_settings}
GITOPS = {
    "delivery": {"mode": "gitops", "repository": "https://git.example.com/platform.git"},
    "argocd": {},
    "aws": {"account": "123456789012"},
}


def of(recording: Recording) -> list[Resource]:
    """What the policy pack would be told, and whether it is retained."""
    outputs = mapping(seen(recording.outputs.get("exports", {})))
    stack = Resource(type=STACK, name="inference", inputs=outputs)
    return [stack, *(_resource(one) for one in recording.resources)]


def _resource(one: Registration) -> Resource:
    return Resource(
        type=one.type,
        name=one.name,
        inputs=mapping(seen(one.inputs)),
        urn=one.urn,
        protected=one.protected,
        retained=one.retained,
        provider=one.provider,
        dependencies=frozenset(one.dependencies),
    )


def violations(resources: list[Resource], settings: PolicySettings) -> list[str]:
    """All of them, by rule."""
    found: list[str] = []
    for rule in RULES:
        every = (
            [one for resource in resources for one in rule.violations(resource, settings)]
            if isinstance(rule, ResourceRule)
            else list(rule.violations(resources, settings))
        )
        found += [f"{rule.name}: {one.message}" for one in every]
    return found


@pytest.mark.parametrize("given", ["dev", "dev, rehearsed", "onprem", "onprem, rehearsed", "eks", "eks, rehearsed"])
def test_no_stack_has_anything_that_a_rule_forbids(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, _, rehearsed = given.partition(", ")
    settings = stack_settings(stack) | ({"rehearsal": True} if rehearsed else {})
    secrets = SECRETS if stack == "onprem" else {}
    recording = record(settings, stack=stack, monkeypatch=monkeypatch, secrets=secrets)
    assert len(recording.resources) > 100
    assert violations(of(recording), read(**settings)) == []


@pytest.mark.parametrize("autoscaler", ["cluster-autoscaler", "karpenter"])
@pytest.mark.parametrize("identity", ["irsa", "pod-identity"])
def test_no_way_to_add_nodes_at_amazon_has_anything_that_a_rule_forbids(
    autoscaler: str, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(settings: dict[str, Any]) -> None:
        autoscale(settings, autoscaler)
        settings["aws"]["identity"] = identity

    assert violations(of(made(monkeypatch, change)), read(**stack_settings("eks"))) == []


@pytest.mark.parametrize("stack", ["dev", "onprem", "eks"])
def test_what_comes_through_git_has_nothing_that_a_rule_forbids(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**stack_settings(stack), **GITOPS}
    recording = record({**settings, "rendering": True}, stack=stack, monkeypatch=monkeypatch)
    assert violations(of(recording), read(**settings)) == []


@pytest.mark.parametrize("network", ["closed", "open"])
def test_no_chart_of_others_comes_with_anything_that_a_rule_forbids(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in PUBLISHED if name not in ("karpenter", "nvidia-gpu-operator")]
    charts = [
        *({"name": name, "cluster": "radeon", "network": network} for name in names),
        {"name": "nvidia-gpu-operator", "cluster": "geforce", "network": network},
    ]
    settings: dict[str, Any] = {**stack_settings("onprem"), "argocd": {}, "charts": charts}
    recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)
    assert violations(of(recording), read(**settings)) == []


@pytest.mark.parametrize("kind", SMALL)
def test_no_engine_with_an_operator_has_anything_that_a_rule_forbids(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SMALL[kind]()
    recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)
    assert violations(of(recording), read(**settings)) == []


@pytest.mark.parametrize("given", ["onprem", *SMALL])
def test_all_that_runs_on_real_machines_has_the_digest_that_is_locked(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "images.lock"
    digests = {image: sha256(image.encode()).hexdigest() for image in images.in_use()}
    checksums.write(lock, digests)
    monkeypatch.setenv("INFERENCE_IMAGE_LOCK", str(lock))
    settings = SMALL[given]() if given in SMALL else stack_settings(given)

    made = of(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))

    containers = [one for resource in made for pod in pods(resource) for _, one in pod.containers]
    ran = {text(one.get("image")).partition("@") for one in containers}
    assert len(ran) > 2
    assert {digest for _, _, digest in ran} == {f"sha256:{digests[image]}" for image, _, _ in ran}
    assert violations(made, replace(read(**settings), digests=digests)) == []


@pytest.mark.parametrize("availability", ["normal", "ha", "core"])
def test_argo_cd_has_nothing_that_a_rule_forbids(availability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"availability": availability}
    if availability != "core":
        settings |= {"admin": True, "nodePort": 30443, "url": "https://argocd.example.com"}
    made = argocd(monkeypatch, **settings)
    assert violations(of(made), read(target="onprem", delivery={"argocd": settings})) == []


def test_no_bucket_at_amazon_has_anything_that_a_rule_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    store = {
        "kind": "s3",
        "bucket": "site-models",
        "region": "eu-central-1",
        "buckets": [{"name": "site-scratch", "versioning": False, "purge": True}],
        "replica": {"bucket": "site-models-replica", "region": "eu-west-1"},
    }

    def program() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
        S3Buckets("store", S3Store.model_validate(store), readers={}, writes=[], opts=opts)

    recording = recorded(program, monkeypatch=monkeypatch)
    assert violations(of(recording), read(target="eks", store=store)) == []


def test_no_network_at_amazon_has_anything_that_a_rule_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
        network = NetworkSettings(endpoints=("s3", "ecr", "sts"))
        Network("network", network, region="eu-central-1", clusters=["home"], opts=opts)

    recording = recorded(program, monkeypatch=monkeypatch)
    assert violations(of(recording), read(target="eks")) == []


def test_every_exemption_names_rules_that_there_are_and_a_reason() -> None:
    names = {rule.name for rule in RULES}
    assert all(set(one.rules) <= names and one.reason for one in EXEMPTIONS)


def test_without_the_exemptions_the_device_plugins_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = record(stack_settings("onprem"), stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)
    monkeypatch.setattr("policy.rules.exemptions.EXEMPTIONS", ())
    found = violations(of(recording), read(**stack_settings("onprem")))
    assert {one.partition(":")[0] for one in found} == {"no-host-access", "no-root"}
    assert all("DaemonSet accelerators/" in one for one in found)
