"""What Amazon has in the place of our own parts: off unless asked for, and narrow when it is there."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.aws.beside import Counterparts
from components.aws.counterparts import Database, Entrance, Lustre, Observability, PullThrough
from components.aws.federation import Federation
from components.aws.images import LONGEST, mirrored, renamed, repository_prefix
from components.aws.nodes import Nodes
from components.aws.settings import Aws
from components.gateway.settings import Gateway
from tests.unit.recording import Recording, Registration, recorded

ACCOUNT = "123456789012"
REGION = "eu-central-1"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/01234567-89ab-cdef-0123-456789abcdef"
LOGIN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"
Made = Callable[..., Recording]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A VPC over two zones."""

    vpc_id: pulumi.Output[str]
    private: Mapping[str, pulumi.Output[str]]
    public: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """All that these settings of an account and of the gateway come to, for one cluster."""

    def make(settings: Mapping[str, object], gateway: Mapping[str, object] | None = None) -> Recording:
        account = Aws.model_validate({"region": REGION, "account": ACCOUNT, **settings})

        def program() -> Mapping[str, Any]:
            passwords = random.Provider("passwords")
            amazon = aws.Provider("aws", region=REGION)
            text = pulumi.Output.from_input
            result = Counterparts(
                "beside",
                account,
                Gateway.model_validate(gateway or {}),
                network=Network(
                    vpc_id=text("vpc-1"),
                    private={f"{REGION}a": text("private-a"), f"{REGION}b": text("private-b")},
                    public={f"{REGION}a": text("public-a"), f"{REGION}b": text("public-b")},
                ),
                nodes={
                    "eks": Nodes(
                        federation=Federation(
                            how=account.identity,
                            cluster="test-eks",
                            account=ACCOUNT,
                            provider_arn="arn:provider",
                            issuer="issuer",
                        ),
                        security_group="sg-nodes",
                        role="nodes-role",
                        autoscaling_groups={"cpu": "asg-cpu"},
                    )
                },
                bucket="models",
                opts=pulumi.ResourceOptions(providers=[amazon, passwords]),
            )
            return {
                "endpoints": result.endpoints,
                "database": result.surroundings["eks"].database,
                "charts": result.charts,
            }

        return recorded(program, monkeypatch=monkeypatch)

    return make


def all_of(recording: Recording, kind: str) -> list[Registration]:
    return [one for one in recording.resources if one.type.rpartition(":")[2] == kind]


def one_of(recording: Recording, kind: str) -> Mapping[str, Any]:
    (found,) = all_of(recording, kind)
    return found.object


def statements(recording: Recording, role: str) -> list[dict[str, Any]]:
    documents = [one.object["policy"] for one in all_of(recording, "RolePolicy") if role in one.name]
    return [statement for document in documents for statement in json.loads(document)["Statement"]]


def test_nothing_is_made_that_nobody_asked_for(made: Made) -> None:
    recording = made({})

    assert {one.type for one in recording.resources if one.custom and not one.type.startswith("pulumi:")} == set()


# ECR


def test_each_upstream_has_a_rule_and_logins_where_it_asks_for_them(made: Made) -> None:
    recording = made({"registry": {"upstreams": ["quay.io", "docker.io"], "logins": {"docker.io": LOGIN}}})

    rules = {one.object["upstreamRegistryUrl"]: one.object for one in all_of(recording, "PullThroughCacheRule")}
    assert rules["quay.io"]["ecrRepositoryPrefix"] == "test/quay"
    assert "credentialArn" not in rules["quay.io"]
    assert rules["registry-1.docker.io"]["credentialArn"] == LOGIN


def test_nodes_may_have_the_stacks_own_repositories_made_and_no_others(made: Made) -> None:
    (statement,) = statements(made({"registry": {}}), "images-eks")

    assert statement["Action"] == ["ecr:CreateRepository"]
    assert statement["Resource"] == [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/test/*"]


def test_an_upstream_that_wants_a_login_is_refused_without_one() -> None:
    with pytest.raises(ValueError, match=r"create-secret --name ecr-pullthroughcache/NAME"):
        PullThrough(upstreams=("ghcr.io",))


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("ghcr.io/berriai/litellm:v1.89.0", "test/ghcr/berriai/litellm:v1.89.0"),
        ("vllm/vllm-openai:v0.30.0", "test/docker/vllm/vllm-openai:v0.30.0"),
        ("python:3.12.1", "test/docker/library/python:3.12.1"),
        ("docker.io/library/python@sha256:00", "test/docker/library/python@sha256:00"),
    ],
)
def test_images_are_named_where_ecr_keeps_them(image: str, there: str) -> None:
    settings = PullThrough.model_validate(
        {"upstreams": ["docker.io", "ghcr.io"], "logins": {"docker.io": LOGIN, "ghcr.io": LOGIN}}
    )

    found = mirrored(image, settings, stack="test", account=ACCOUNT, region=REGION)

    assert found == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{there}"


@pytest.mark.parametrize("image", ["nvcr.io/nvidia/tritonserver:26.07-py3", "localhost:5000/mine:v1", "quay.io.lan/x"])
def test_images_of_other_registries_keep_their_names(image: str) -> None:
    assert mirrored(image, PullThrough(), stack="test", account=ACCOUNT, region=REGION) == image


def test_images_are_renamed_however_deep_their_pods_are() -> None:
    pod = {"containers": [{"image": "a", "env": [{"name": "image", "value": "a"}]}], "initContainers": [{"image": "a"}]}
    ray = {"rayClusterConfig": {"workerGroupSpecs": [{"template": {"spec": pod}}]}, "image": "a"}

    found = renamed({"spec": ray}, lambda _: "b")["spec"]

    changed = found["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    assert [changed["containers"][0]["image"], changed["initContainers"][0]["image"]] == ["b", "b"]
    assert changed["containers"][0]["env"] == [{"name": "image", "value": "a"}]
    assert found["image"] == "a"


@given(some.text(min_size=1, max_size=100, alphabet=some.characters(codec="ascii", categories=("L", "N", "P"))))
def test_prefixes_of_repositories_keep_to_ecrs_length(stack: str) -> None:
    assert len(repository_prefix(stack, "public.ecr.aws")) <= LONGEST


# Monitoring


def test_the_cloudwatch_agent_writes_its_own_metrics_and_the_clusters_own_logs(made: Made) -> None:
    recording = made({"observability": {"containerInsights": True}})

    assert one_of(recording, "Addon")["addonName"] == "amazon-cloudwatch-observability"
    metrics, lookups, logs = statements(recording, "container-insights")
    assert metrics["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": ["ContainerInsights", "ContainerInsights/Prometheus"]}
    }
    assert lookups["Action"] == ["ec2:DescribeTags", "ec2:DescribeVolumes"]
    assert logs["Resource"] == [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/containerinsights/test-eks/*"]


def test_the_charts_prometheus_writes_to_the_workspace_as_itself(made: Made) -> None:
    recording = made({"observability": {"prometheus": True}})

    (role,) = all_of(recording, "Role")
    trusted = json.loads(role.object["assumeRolePolicy"])["Statement"][0]["Condition"]["StringEquals"]
    assert trusted["issuer:sub"] == "system:serviceaccount:monitoring:kube-prometheus-stack-prometheus"
    (statement,) = statements(recording, "writer")
    assert statement["Action"] == ["aps:RemoteWrite"]
    values = cast(Any, recording.outputs["exports"])["charts"]["eks"]["kube-prometheus-stack"]["prometheus"]
    assert values["prometheusSpec"]["remoteWrite"][0]["sigv4"] == {"region": REGION}


def test_grafana_reads_and_writes_nothing(made: Made) -> None:
    recording = made({"observability": {"prometheus": True, "grafana": {}}})

    (statement,) = statements(recording, "grafana")
    assert all(action.startswith(("aps:Get", "aps:Query")) for action in statement["Action"])


def test_grafana_without_a_prometheus_is_refused() -> None:
    with pytest.raises(ValueError, match="set prometheus to true"):
        Observability.model_validate({"grafana": {}})


# Entrance


ENTRANCE = {"clients": ["198.51.100.0/24"], "certificate": CERTIFICATE}
NODE_PORT = {"litellm": {"nodePort": 30400}}


def test_the_entrance_speaks_tls_alone_and_is_inside_unless_asked(made: Made) -> None:
    recording = made({"entrance": ENTRANCE}, NODE_PORT)

    balancer, listener = one_of(recording, "LoadBalancer"), one_of(recording, "Listener")
    assert (balancer["internal"], balancer["subnets"]) == (True, ["private-a", "private-b"])
    assert (listener["port"], listener["protocol"], listener["certificateArn"]) == (443, "HTTPS", CERTIFICATE)
    assert listener["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-")


def test_the_entrance_takes_its_clients_alone_and_nodes_take_the_entrance(made: Made) -> None:
    recording = made({"entrance": ENTRANCE}, NODE_PORT)

    rules = [one.object for one in all_of(recording, "SecurityGroupIngressRule")]
    assert {(rule.get("cidrIpv4"), rule["fromPort"]) for rule in rules} == {("198.51.100.0/24", 443), (None, 30400)}
    (out,) = all_of(recording, "SecurityGroupEgressRule")
    assert (out.object["referencedSecurityGroupId"], out.object["toPort"]) == ("sg-nodes", 30400)


def test_nodes_that_come_later_take_requests_too(made: Made) -> None:
    attached = one_of(made({"entrance": ENTRANCE}, NODE_PORT), "Attachment")

    assert attached["autoscalingGroupName"] == "asg-cpu"


def test_a_network_load_balancer_hands_on_what_it_took_out_of_tls(made: Made) -> None:
    recording = made({"entrance": {**ENTRANCE, "kind": "network", "internet": True}}, NODE_PORT)

    assert one_of(recording, "Listener")["protocol"] == "TLS"
    assert one_of(recording, "TargetGroup")["protocol"] == "TCP"
    assert one_of(recording, "LoadBalancer")["subnets"] == ["public-a", "public-b"]


def test_everybody_is_let_in_only_when_that_is_said() -> None:
    with pytest.raises(ValueError, match="set everybody to true"):
        Entrance.model_validate({**ENTRANCE, "clients": ["0.0.0.0/0"]})
    assert Entrance.model_validate({**ENTRANCE, "clients": ["0.0.0.0/0"], "everybody": True}).everybody


@pytest.mark.parametrize("wrong", [{}, {"domain": "api.example.com"}, {"certificate": CERTIFICATE, "zone": "Z0"}])
def test_an_entrance_without_one_certificate_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="either a certificate, or a domain with its zone"):
        Entrance.model_validate({"clients": ["198.51.100.0/24"], **wrong})


# Database


def test_the_database_is_private_encrypted_and_leaves_a_snapshot(made: Made) -> None:
    database = one_of(made({"database": {}}), "Instance")

    assert (database["publiclyAccessible"], database["storageEncrypted"]) == (False, True)
    assert (database["deletionProtection"], database["skipFinalSnapshot"], database["multiAz"]) == (True, False, True)


def test_only_nodes_reach_the_database(made: Made) -> None:
    rule = one_of(made({"database": {}}), "SecurityGroupIngressRule")

    assert (rule["referencedSecurityGroupId"], rule["fromPort"], rule["toPort"]) == ("sg-nodes", 5432, 5432)


def test_the_databases_password_is_nowhere_in_plain_text(made: Made) -> None:
    recording = made({"database": {}})

    (database,) = all_of(recording, "Instance")
    assert "made-up" not in json.dumps(database.object)
    url = cast(Mapping[str, Any], recording.outputs["exports"]["database"])
    assert "4dabf18193072939515e22adb298388d" in url


def test_sizes_that_rds_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 20"):
        Database(size=5)


# Files


def test_efs_is_in_every_zone_and_its_directory_belongs_to_our_pods(made: Made) -> None:
    recording = made({"files": {"kind": "efs"}})

    assert one_of(recording, "FileSystem")["encrypted"] is True
    assert {one.object["subnetId"] for one in all_of(recording, "MountTarget")} == {"private-a", "private-b"}
    assert one_of(recording, "AccessPoint")["posixUser"] == {"uid": 10001, "gid": 10001}
    assert one_of(recording, "SecurityGroupIngressRule")["referencedSecurityGroupId"] == "sg-nodes"


def test_lustre_shows_the_models_bucket(made: Made) -> None:
    recording = made({"files": {"kind": "lustre", "size": 2400}})

    association = one_of(recording, "DataRepositoryAssociation")
    assert (association["dataRepositoryPath"], association["fileSystemPath"]) == ("s3://models", "/")
    assert one_of(recording, "LustreFileSystem")["storageCapacity"] == 2400
    assert one_of(recording, "Addon")["addonName"] == "aws-fsx-csi-driver"


def test_sizes_of_lustre_that_are_not_sold_are_refused() -> None:
    with pytest.raises(ValueError, match="3600 is not sold"):
        Lustre(kind="lustre", size=3600)


# Models of Amazon's


MODELS = [
    {"kind": "bedrock", "name": "claude", "model": "anthropic.claude-3-haiku-20240307-v1:0", "region": REGION},
    {"kind": "sagemaker", "name": "mistral", "endpoint": "mistral-7b", "region": REGION},
]


def test_the_gateway_may_ask_the_models_that_are_listed_and_no_other(made: Made) -> None:
    bedrock, sagemaker = statements(made({}, {"amazon": MODELS}), "gateway")

    assert bedrock["Resource"] == [f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"]
    assert sagemaker["Action"] == ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"]
    assert sagemaker["Resource"] == [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/mistral-7b"]


def test_an_inference_profile_is_the_profile_and_its_model_in_each_region(made: Made) -> None:
    profile = {
        **MODELS[0],
        "model": "eu.anthropic.claude-3-haiku-20240307-v1:0",
        "profileRegions": [REGION, "eu-west-1"],
    }

    (statement,) = statements(made({}, {"amazon": [profile]}), "gateway")

    assert statement["Resource"] == [
        f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0",
        f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
    ]


def test_an_inference_profile_without_its_regions_is_refused_with_where_to_find_them() -> None:
    with pytest.raises(ValueError, match="aws bedrock get-inference-profile"):
        Gateway.model_validate({"amazon": [{**MODELS[0], "model": "us.anthropic.claude-3-haiku-20240307-v1:0"}]})


def test_every_resource_that_has_names_keeps_to_amazons_lengths(made: Made) -> None:
    recording = made(
        {
            "entrance": ENTRANCE,
            "database": {},
            "files": {"kind": "efs"},
            "observability": {"containerInsights": True, "prometheus": True, "grafana": {}},
        },
        {**NODE_PORT, "amazon": MODELS},
    )

    limits = {
        "LoadBalancer": 32,
        "TargetGroup": 32,
        "Role": 64,
        "Instance": 63,
        "SubnetGroup": 255,
        "SecurityGroup": 255,
    }
    for one in recording.resources:
        kind = one.type.rpartition(":")[2]
        named = one.object.get("identifier") or one.object.get("name") or ""
        if kind in limits:
            assert len(named) <= limits[kind], one.name
