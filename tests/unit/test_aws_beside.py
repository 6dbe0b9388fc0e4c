"""The whole stack of the target eks with every counterpart at Amazon turned on."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from cloudsplaining.scan.policy_document import PolicyDocument

from stacks.checks import across
from stacks.drafts import drafted
from tests.unit.iam import rights
from tests.unit.policy.samples import settings as read
from tests.unit.policy.test_stacks import of, violations
from tests.unit.recording import Recording, record, stack_settings
from tests.unit.test_aws_policies import findings, reasoned

ACCOUNT = "123456789012"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/01234567-89ab-cdef-0123-456789abcdef"
LOGIN = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"
BESIDE = ("beside-", "eks-container-insights", "eks-gateway")
"""Begins the names of policies that are for counterparts."""
HERE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/eks"


def everything() -> dict[str, Any]:
    settings = stack_settings("eks")
    amazon: dict[str, Any] = {
        **settings.get("aws", {}),
        "account": ACCOUNT,
        "registry": {"upstreams": ["ghcr.io", "docker.io"], "logins": {"ghcr.io": LOGIN, "docker.io": LOGIN}},
        "observability": {"containerInsights": True, "prometheus": True, "grafana": {}},
        "entrance": {"clients": ["198.51.100.0/24"], "certificate": CERTIFICATE},
        "database": {},
        "files": {"kind": "efs"},
    }
    gateway = {
        "litellm": {"replicas": 2, "nodePort": 30400},
        "amazon": [{"kind": "sagemaker", "name": "mistral", "endpoint": "mistral-7b", "region": "us-east-1"}],
    }
    clusters = [{**settings["clusters"][0], "cache": {"size": "500Gi"}}]
    return {**settings, "aws": amazon, "gateway": gateway, "clusters": clusters}


@pytest.fixture(scope="module")
def stack() -> Recording:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return record(everything(), stack="eks", monkeypatch=monkeypatch)


@pytest.fixture(scope="module")
def rendered() -> Recording:
    delivery = {"mode": "gitops", "repository": "https://git.example.com/platform.git"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = {**everything(), "delivery": delivery, "argocd": {}, "rendering": True}
        return record(settings, stack="eks", monkeypatch=monkeypatch)


def objects(stack: Recording, kind: str, name: str) -> list[Mapping[str, Any]]:
    found = [one.object for one in stack.kubernetes() if one.object["kind"] == kind]
    return [one for one in found if one["metadata"]["name"] == name]


def pod(stack: Recording, name: str) -> Mapping[str, Any]:
    (deployment,) = objects(stack, "Deployment", name)
    return cast(Mapping[str, Any], deployment["spec"]["template"]["spec"])


def test_every_image_of_ours_is_pulled_from_ecr(stack: Recording) -> None:
    images = {
        container["image"]
        for one in stack.kubernetes()
        if one.object["kind"] == "Deployment"
        for container in one.object["spec"]["template"]["spec"]["containers"]
    }

    assert images
    assert all(image.startswith((f"{HERE}/ghcr/", f"{HERE}/docker/")) for image in images)


def test_the_gateway_finds_its_database_in_a_secret(stack: Recording) -> None:
    variables = {one["name"]: one for one in pod(stack, "litellm")["containers"][0]["env"]}

    assert variables["DATABASE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "gateway-keys", "key": "DATABASE_URL"}


def test_the_gateway_is_known_to_amazon_by_its_service_account(stack: Recording) -> None:
    (account,) = objects(stack, "ServiceAccount", "litellm")

    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith("role/eks-eks-gateway")


def test_the_gateway_reaches_its_database_and_amazon(stack: Recording) -> None:
    (policy,) = objects(stack, "NetworkPolicy", "litellm")

    ports = {port.get("port") for rule in policy["spec"]["egress"] for port in rule.get("ports", [])}
    assert {443, 5432} <= ports


def test_the_gateway_hands_on_to_the_endpoint(stack: Recording) -> None:
    (files,) = objects(stack, "ConfigMap", "litellm-config")

    models = json.loads(files["data"]["config.yaml"])["model_list"]
    assert models[-1] == {
        "model_name": "mistral",
        "litellm_params": {"model": "sagemaker_chat/mistral-7b", "aws_region_name": "us-east-1"},
    }


def test_engines_share_their_cache_on_efs(stack: Recording) -> None:
    (volume,) = objects(stack, "PersistentVolume", "inference-model-cache")

    assert volume["spec"]["csi"]["driver"] == "efs.csi.aws.com"
    assert volume["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "hostPath" not in volume["spec"]


def test_the_load_balancer_asks_the_machines_of_every_group(stack: Recording) -> None:
    attached = [one.object for one in stack.resources if one.type == "aws:autoscaling/attachment:Attachment"]

    groups = [group["name"] for group in stack_settings("eks")["clusters"][0]["nodeGroups"]]
    assert {one["autoscalingGroupName"] for one in attached} == {f"eks-eks-{group}" for group in groups}


def test_a_bucket_as_files_is_loaded_from_without_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = everything()
    engines = [{**one, "loading": "cache"} for one in settings["engines"]]
    amazon = {**settings["aws"], "files": {"kind": "lustre"}}

    stack = record({**settings, "aws": amazon, "engines": engines}, stack="eks", monkeypatch=monkeypatch)

    judge = pod(stack, "judge")
    assert [one["args"][0] for one in judge["initContainers"]] == ["check"]
    models = {"name": "models", "persistentVolumeClaim": {"claimName": "model-cache", "readOnly": True}}
    assert models in judge["volumes"]
    (volume,) = objects(stack, "PersistentVolume", "inference-model-cache")
    assert volume["spec"]["csi"]["volumeAttributes"]["mountname"]


@pytest.mark.parametrize("name", ["litellm", "vllm", "judge"])
def test_what_goes_into_git_is_what_would_go_to_the_cluster(name: str, stack: Recording, rendered: Recording) -> None:
    assert pod(rendered, name) == pod(stack, name)
    (there,), (here,) = objects(rendered, "NetworkPolicy", name), objects(stack, "NetworkPolicy", name)
    assert there["spec"] == here["spec"]
    (there,), (here,) = objects(rendered, "ServiceAccount", name), objects(stack, "ServiceAccount", name)
    assert there["metadata"]["annotations"].items() <= here["metadata"]["annotations"].items()
    assert "eks.amazonaws.com/role-arn" in there["metadata"]["annotations"]


def test_nothing_that_is_made_breaks_a_rule_of_the_policy_pack(stack: Recording) -> None:
    assert violations(of(stack), read(**everything())) == []


def test_parliament_and_cloudsplaining_find_nothing_in_what_stands_beside_may_do(stack: Recording) -> None:
    ours = [(name, said) for name, said in rights(stack) if name.startswith(BESIDE)]
    assert len(ours) == 5
    for name, said in ours:
        seen = PolicyDocument(dict(said))
        assert reasoned(name, findings(said)) == []
        assert not seen.allows_privilege_escalation
        assert not seen.service_wildcard
        assert not seen.allows_data_exfiltration_actions
        assert not seen.infrastructure_modification


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gateway": {}}, "leads nowhere: set inference:gateway.litellm.nodePort"),
        ({"aws": {**everything()["aws"], "account": None}}, "needs inference:aws.account"),
        ({"clusters": stack_settings("eks")["clusters"]}, "for example cache: {size: 500Gi}"),
        ({"target": "onprem"}, "is for the target eks, whose pods have roles at Amazon; this is onprem"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_made(change: dict[str, Any], message: str) -> None:
    problems = list(across(drafted({**everything(), **change})))

    assert any(message in one.message for one in problems), problems


def test_a_model_of_amazons_cannot_have_an_engines_name() -> None:
    settings = everything()
    settings["gateway"]["amazon"][0]["name"] = "champion"

    problems = list(across(drafted(settings)))

    assert [one.message for one in problems] == ["champion is taken: the engine vllm answers to it"]
