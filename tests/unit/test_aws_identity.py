"""Who pods are at Amazon: which role takes which service account, and what pods get to show it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import policies
from components.aws.names import ROLE_LIMIT
from components.aws.roles import role_name
from tests.unit.aws_identities import CHOSEN, eks_settings, roles
from tests.unit.iam import ACCOUNT, ISSUER, PROVIDER, trusted, trusts
from tests.unit.kserve_stack import kserve_settings
from tests.unit.manifests import manifests, plain
from tests.unit.mistakes import put, told
from tests.unit.ray_stack import ray_settings
from tests.unit.recording import Recording, record

WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
FEDERATED = {"Federated": PROVIDER}
AGENT = {"Service": "pods.eks.amazonaws.com"}
CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/eks"
ROLE = "eks.amazonaws.com/role-arn"
NAMES = st.text("ab-", min_size=1, max_size=4)
S3 = {"kind": "s3", "bucket": "my-inference-models", "region": "us-east-1"}


def token(namespace: str, account: str, audience: str = "sts.amazonaws.com") -> dict[str, str]:
    """What a pod's token says to STS."""
    return {f"{ISSUER}:sub": f"system:serviceaccount:{namespace}:{account}", f"{ISSUER}:aud": audience}


def session(namespace: str, account: str, cluster: str = CLUSTER) -> dict[str, str]:
    """Tags that EKS's agent gives a pod's session."""
    return {
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/eks-cluster-name": cluster.rpartition("/")[2],
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": account,
        "aws:RequestTag/kubernetes-pod-name": "any",
    }


def rehearsed(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Recording:
    return record(eks_settings(rehearsal=True, **changed), stack="eks", monkeypatch=monkeypatch)


def of_kind(recording: Recording, kind: str, namespace: str) -> dict[str, dict[str, Any]]:
    found = (one for one in manifests(recording) if one["kind"] == kind)
    return {one["metadata"]["name"]: one for one in found if one["metadata"].get("namespace") == namespace}


def accounts(recording: Recording, namespace: str) -> dict[str, str | None]:
    """Roles by service account."""
    found = of_kind(recording, "ServiceAccount", namespace)
    return {name: one["metadata"].get("annotations", {}).get(ROLE) for name, one in found.items()}


def egress(recording: Recording, namespace: str, name: str) -> list[dict[str, Any]]:
    return of_kind(recording, "NetworkPolicy", namespace)[name]["spec"]["egress"]


@pytest.mark.parametrize(
    ("resource", "namespace", "account"),
    [
        ("eks-vllm", "inference", "vllm"),
        ("eks-judge", "inference", "judge"),
        ("eks-judge-large", "inference", "judge-large"),
        ("eks-models", "models", "sync"),
        ("eks-workflows", "workflows", "workflows"),
    ],
)
def test_a_role_takes_the_pods_of_its_service_account_and_no_others(
    monkeypatch: pytest.MonkeyPatch, resource: str, namespace: str, account: str
) -> None:
    irsa = dict(trusts(roles(monkeypatch)[0]))
    agent = dict(trusts(roles(monkeypatch, "pod-identity")[0]))
    assert set(irsa) == set(agent)
    for role, document in irsa.items():
        assert trusted(document, WEB_IDENTITY, FEDERATED, token(namespace, account)) is (role == resource)
        assert not trusted(document, "sts:AssumeRole", AGENT, session(namespace, account))
    for role, document in agent.items():
        for action in ("sts:AssumeRole", "sts:TagSession"):
            assert trusted(document, action, AGENT, session(namespace, account)) is (role == resource)
        assert not trusted(document, WEB_IDENTITY, FEDERATED, token(namespace, account))


@given(namespace=NAMES, account=NAMES)
def test_no_other_namespace_or_name_is_taken_for_the_service_account(namespace: str, account: str) -> None:
    own = (namespace, account) == ("ab", "a-b")
    irsa = policies.irsa_trust(provider_arn=PROVIDER, issuer=ISSUER, namespace="ab", account="a-b")
    agent = policies.pod_identity_trust(owner=ACCOUNT, cluster="eks", namespace="ab", account="a-b")
    assert trusted(irsa, WEB_IDENTITY, FEDERATED, token(namespace, account)) is own
    assert trusted(agent, "sts:AssumeRole", AGENT, session(namespace, account)) is own


def test_a_token_for_somebody_else_or_of_another_cluster_is_refused() -> None:
    document = policies.irsa_trust(provider_arn=PROVIDER, issuer=ISSUER, namespace="inference", account="vllm")
    ours = token("inference", "vllm")
    assert trusted(document, WEB_IDENTITY, FEDERATED, ours)
    assert not trusted(document, WEB_IDENTITY, FEDERATED, token("inference", "vllm", audience="vault"))
    assert not trusted(document, WEB_IDENTITY, {"Federated": PROVIDER.replace("0123", "3210")}, ours)
    assert not trusted(document, "sts:AssumeRole", FEDERATED, ours)
    for missing in ours:
        assert not trusted(document, WEB_IDENTITY, FEDERATED, {key: ours[key] for key in ours if key != missing})


@pytest.mark.parametrize(
    "cluster",
    [
        f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/eks-2",
        f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/other",
        "arn:aws:eks:us-east-1:999999999999:cluster/eks",
    ],
)
def test_eks_agent_in_another_cluster_or_account_is_refused(cluster: str) -> None:
    document = policies.pod_identity_trust(owner=ACCOUNT, cluster="eks", namespace="inference", account="vllm")
    assert trusted(document, "sts:AssumeRole", AGENT, session("inference", "vllm"))
    assert not trusted(document, "sts:AssumeRole", AGENT, session("inference", "vllm", cluster))


def test_roles_are_called_as_the_settings_say_and_after_the_stack_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    recording, _ = roles(monkeypatch)
    names = {one.inputs["name"] for one in recording.resources if one.type == "aws:iam/role:Role"}
    assert names == {*CHOSEN.values(), "eks-judge-large", "eks-models"}


@given(stack=st.text("ab", min_size=1, max_size=100), engine=st.text("ab-", min_size=1, max_size=40))
def test_names_of_roles_are_within_the_limit_and_begin_with_the_stack(stack: str, engine: str) -> None:
    name = role_name(stack, engine, {})
    assert 0 < len(name) <= ROLE_LIMIT
    assert name.startswith(stack[:50])


@given(engines=st.sets(st.text("ab-", min_size=1, max_size=40), min_size=2))
def test_no_two_engines_have_a_role_of_the_same_name_however_long_theirs_are(engines: set[str]) -> None:
    assert len({role_name("a" * 60, engine, {}) for engine in engines}) == len(engines)


def test_with_pod_identity_eks_keeps_who_is_who_and_service_accounts_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording, store = roles(monkeypatch, "pod-identity")
    kept = [plain(one.inputs) for one in recording.resources if one.type.endswith(":PodIdentityAssociation")]
    assert {(one["clusterName"], one["namespace"], one["serviceAccount"]) for one in kept} == {
        ("eks", "inference", "vllm"),
        ("eks", "inference", "judge"),
        ("eks", "inference", "judge-large"),
        ("eks", "models", "sync"),
        ("eks", "workflows", "workflows"),
    }
    assert not any(one.annotations for one in store.identities.values())
    assert not [one for one in roles(monkeypatch)[0].resources if one.type.endswith(":PodIdentityAssociation")]


def test_what_reads_from_the_store_waits_for_its_role_and_what_that_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    recording, store = roles(monkeypatch)
    parents = {one.parent for one in recording.resources if one.type.endswith(":RolePolicy")}
    waited = {one.urn for one in recording.resources if one.type == "inference:aws:PodRole"}
    assert parents == waited
    assert len(store.ready) == len(waited) == 5


def test_each_engine_has_a_service_account_with_its_own_role_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = rehearsed(monkeypatch)
    arn = f"arn:aws:iam::{ACCOUNT}:role/"
    assert accounts(recording, "inference") == {
        "vllm": f"{arn}my-vllm-s3-read",
        "judge": f"{arn}my-judge-s3-read",
        "judge-large": f"{arn}eks-judge-large",
    }
    assert accounts(recording, "models")["sync"] == f"{arn}eks-models"
    assert accounts(recording, "workflows") == {"workflows": f"{arn}my-ml-models-argo-workflows"}
    assert not [name for name in of_kind(recording, "Secret", "inference") if name.endswith("-store")]


def test_pods_of_engines_and_of_the_sync_have_the_service_account_and_no_token_of_kubernetes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = rehearsed(monkeypatch)
    runs = {**of_kind(recording, "Deployment", "inference"), **of_kind(recording, "Job", "models")}
    pods = {name: one["spec"]["template"]["spec"] for name, one in runs.items()}
    assert len(pods) == 6
    for name, pod in pods.items():
        assert pod["serviceAccountName"] == ("sync" if name.startswith("sync-") else name)
        # The token for STS is another, which EKS's webhook mounts; the group may read it.
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["fsGroup"] == 10001


def variables(pod: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        yield {one["name"]: one.get("value", "") for one in container.get("env", ())}


def test_programs_ask_sts_in_the_stores_region_and_nothing_of_theirs_hides_the_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = rehearsed(monkeypatch)
    pod = of_kind(recording, "Deployment", "inference")["vllm"]["spec"]["template"]["spec"]
    readers = [one for one in variables(pod) if "AWS_REGION" in one]
    assert len(readers) >= 2
    for one in readers:
        assert one["AWS_DEFAULT_REGION"] == one["AWS_REGION"] == "us-east-1"
        assert one["AWS_STS_REGIONAL_ENDPOINTS"] == "regional"
        # Each of these would be asked before the role, or in its place.
        assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} & set(one)


def test_pods_with_another_role_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def marks(**aws: Any) -> tuple[Any, Any]:
        recording = rehearsed(monkeypatch, aws={"account": ACCOUNT, **aws})
        engine = of_kind(recording, "Deployment", "inference")["vllm"]
        sync = of_kind(recording, "Job", "models")["sync-mistral-7b-awq"]
        first, second = (one["spec"]["template"]["metadata"]["annotations"] for one in (engine, sync))
        return first["inference/identity"], second["inference/identity"]

    before = marks()
    assert marks() == before
    assert marks(roles={"vllm": "another"}) == (marks(roles={"vllm": "another"})[0], before[1])
    assert marks(roles={"vllm": "another"})[0] != before[0]
    agent = marks(identity="pod-identity")
    assert agent[0] != before[0]
    assert agent[1] != before[1]


@pytest.mark.parametrize("identity", ["irsa", "pod-identity"])
def test_they_may_reach_sts_and_with_pod_identity_eks_agent_on_their_node(
    monkeypatch: pytest.MonkeyPatch, identity: str
) -> None:
    recording = rehearsed(monkeypatch, aws={"account": ACCOUNT, "identity": identity})
    https = {"ports": [{"protocol": "TCP", "port": 443}]}
    agent = {
        "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}],
        "ports": [{"protocol": "TCP", "port": 80}],
    }
    for namespace, name in (("inference", "vllm"), ("models", "sync-mistral-7b-awq"), ("workflows", "evaluate")):
        rules = egress(recording, namespace, name)
        assert https in rules
        assert (agent in rules) is (identity == "pod-identity")


@pytest.mark.parametrize("settings", [ray_settings, kserve_settings])
def test_pods_that_an_operator_makes_have_the_engines_service_account_with_its_role(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {**settings(), "target": "eks", "rendering": True, "store": S3, "aws": {"account": ACCOUNT}}
    given["clusters"] = [{"name": one["name"], "nodeGroups": _groups(one)} for one in given["clusters"]]
    recording = record(given, stack="eks", monkeypatch=monkeypatch)
    found = accounts(recording, "inference")
    named = [name for name in found if found[name]]
    assert named
    for name in named:
        assert found[name] == f"arn:aws:iam::{ACCOUNT}:role/eks-{name}"
        (resource,) = [
            one
            for one in manifests(recording)
            if one["kind"] in ("RayService", "InferenceService") and one["metadata"]["name"] == name
        ]
        assert f"'serviceAccountName': '{name}'" in str(resource["spec"])


def _groups(cluster: Mapping[str, Any]) -> list[dict[str, Any]]:
    machines = [*cluster.get("nodes", ()), *cluster.get("simulated", ())]
    keys = ("name", "accelerator", "taint", "labels")
    return [
        {key: one[key] for key in keys if key in one}
        | {"instanceType": "g5.12xlarge", "size": 2, "cpu": 64, "memory": "512Gi"}
        for one in machines
    ]


def test_an_annotation_in_git_is_the_one_that_an_up_would_make(monkeypatch: pytest.MonkeyPatch) -> None:
    in_git = accounts(rehearsed(monkeypatch), "inference")["vllm"]
    recording, store = roles(monkeypatch)
    assert isinstance(store.identities["vllm"].annotations[ROLE], pulumi.Output)
    (made,) = [one for one in recording.resources if (one.type, one.name) == ("aws:iam/role:Role", "eks-vllm")]
    assert in_git == f"arn:aws:iam::{ACCOUNT}:role/{made.inputs['name']}"


def test_what_goes_into_git_needs_to_know_the_account_of_its_roles() -> None:
    git = {"mode": "gitops", "repository": "https://git.example.com/platform.git"}
    by_git = (put("delivery", to=git), put("argocd", to={}))
    (line,) = told(*by_git, stack="eks")
    assert line.startswith("inference:aws.account is missing: service accounts in Git name roles with it")
    assert told(*by_git, put("aws", to={"account": ACCOUNT}), stack="eks") == []
    assert told(*by_git, put("aws", to={"identity": "pod-identity"}), stack="eks") == []
