"""What roles at Amazon may do: by their words, as two tools judge them, and as moto enforces them."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import pulumi
import pulumi_aws as aws
import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]
from cloudsplaining.scan.policy_document import PolicyDocument

from components.storage.s3 import S3Buckets
from components.storage.settings import S3Store
from components.storage.sync.bucket import code
from tests.unit.aws_identities import BUCKET, eks_settings, roles
from tests.unit.iam import rights, trusts
from tests.unit.moto_account import account
from tests.unit.recording import Recording, record, recorded

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of how it looks for its own files
    import parliament  # pyright: ignore[reportMissingTypeStubs]

REASONS: Mapping[tuple[str, str], str] = {
    ("*", "UNKNOWN_FEDERATION_SOURCE"): "parliament knows Cognito, Google and the like, and no provider of one's own",
}
"""Why a finding stands, by the resource's name and the finding's; `*` for all."""
WHO = {
    "vllm": ["general/mistral-7b-awq"],
    "judge": ["general/mistral-7b-instruct-awq"],
    "judge-large": ["general/llama-70b-instruct-awq"],
}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("acm", "list_certificates", {}),
    ("autoscaling", "describe_auto_scaling_groups", {}),
    ("backup", "list_backup_vaults", {}),
    ("athena", "list_work_groups", {}),
    ("cloudtrail", "describe_trails", {}),
    ("cloudwatch", "list_metrics", {}),
    ("dynamodb", "list_tables", {}),
    ("ec2", "describe_instances", {}),
    ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}),
    ("ecr", "describe_repositories", {}),
    ("ecs", "list_clusters", {}),
    ("eks", "list_clusters", {}),
    ("elbv2", "describe_load_balancers", {}),
    ("events", "list_rules", {}),
    ("firehose", "list_delivery_streams", {}),
    ("iam", "attach_role_policy", {"RoleName": "eks-vllm", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("iam", "create_access_key", {"UserName": "somebody"}),
    ("iam", "create_user", {"UserName": "somebody"}),
    ("iam", "list_roles", {}),
    ("iam", "put_role_policy", {"RoleName": "eks-vllm", "PolicyName": "store", "PolicyDocument": "{}"}),
    ("iam", "update_assume_role_policy", {"RoleName": "eks-vllm", "PolicyDocument": "{}"}),
    ("kinesis", "list_streams", {}),
    ("kms", "create_key", {}),
    ("kms", "list_keys", {}),
    ("logs", "describe_log_groups", {}),
    ("organizations", "list_accounts", {}),
    ("rds", "describe_db_instances", {}),
    ("efs", "describe_file_systems", {}),
    ("s3", "create_bucket", {"Bucket": "another"}),
    ("s3", "delete_bucket", {"Bucket": BUCKET}),
    ("s3", "delete_bucket_policy", {"Bucket": BUCKET}),
    ("s3", "get_object", {"Bucket": "somebody-elses", "Key": "x"}),
    ("s3", "list_buckets", {}),
    ("s3", "put_bucket_versioning", {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}}),
    ("s3", "put_object", {"Bucket": "somebody-elses", "Key": "x", "Body": b""}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "elsewhere/x", "Body": b""}),
    ("secretsmanager", "list_secrets", {}),
    ("sns", "create_topic", {"Name": "somebody"}),
    ("sqs", "create_queue", {"QueueName": "somebody"}),
    ("ssm", "get_parameter", {"Name": "somebody"}),
    ("stepfunctions", "list_state_machines", {}),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/eks-models", "RoleSessionName": "somebody"}),
]


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """All that a stack at Amazon makes, as far as it does, in each way that pods come to their roles."""

    def buckets() -> None:
        replica = {"bucket": "spare", "region": "eu-west-1"}
        store = S3Store.model_validate({"kind": "s3", "bucket": BUCKET, "region": "us-east-1", "replica": replica})
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
        S3Buckets("store", store, readers={}, writes=[], opts=opts)

    found = [roles(monkeypatch)[0], roles(monkeypatch, "pod-identity")[0], recorded(buckets, monkeypatch=monkeypatch)]
    return [*found, *_stacks(monkeypatch)]


def _stacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    for identity in ("irsa", "pod-identity"):
        settings = eks_settings(aws={"account": "123456789012", "identity": identity})
        # Until there is a foundation on which it stands.
        with suppress(pulumi.RunError):
            yield record(settings, stack="eks", monkeypatch=monkeypatch)


def findings(document: Mapping[str, Any], **settings: Any) -> list[str]:
    """What parliament has to say."""
    return [one.issue for one in cast(Any, parliament).analyze_policy_string(json.dumps(document), **settings).findings]


def reasoned(name: str, issues: list[str]) -> list[str]:
    return [one for one in issues if (name, one) not in REASONS and ("*", one) not in REASONS]


def test_parliament_finds_nothing_in_what_roles_may_do(every: list[Recording]) -> None:
    documents = [found for recording in every for found in rights(recording)]
    assert len(documents) >= 11
    left = {name: reasoned(name, findings(said)) for name, said in documents}
    assert {name: issues for name, issues in left.items() if issues} == {}


def test_parliament_finds_nothing_in_who_may_take_a_role(every: list[Recording]) -> None:
    documents = [found for recording in every for found in trusts(recording)]
    assert len(documents) >= 11
    # It takes every policy for one that names a resource, which the trust of a role does not.
    left = {name: set(reasoned(name, findings(said))) - {"MALFORMED"} for name, said in documents}
    assert {name: issues for name, issues in left.items() if issues} == {}


def test_cloudsplaining_finds_nothing_in_what_roles_may_do(every: list[Recording]) -> None:
    for name, said in (found for recording in every for found in rights(recording)):
        seen = PolicyDocument(dict(said))
        found = {
            "PRIVILEGE_ESCALATION": seen.allows_privilege_escalation,
            "DATA_EXFILTRATION": seen.allows_data_exfiltration_actions,
            "INFRASTRUCTURE_MODIFICATION": seen.infrastructure_modification,
            "PERMISSIONS_MANAGEMENT": seen.permissions_management_without_constraints,
            "CREDENTIALS_EXPOSURE": seen.credentials_exposure,
            "SERVICE_WILDCARD": seen.service_wildcard,
        }
        assert reasoned(name, [issue for issue, what in found.items() if what]) == []


def test_the_judges_of_policies_do_find_what_is_too_wide() -> None:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "iam:PassRole"], "Resource": "*"}
    wide = {"Version": "2012-10-17", "Statement": [statement]}
    assert PolicyDocument(wide).allows_data_exfiltration_actions
    mistaken = {"Version": "2012-10-17", "Statement": [statement | {"Action": ["s3:GetObjects"]}]}
    assert findings(mistaken) == ["UNKNOWN_ACTION"]
    assert reasoned("any", findings(mistaken)) == ["UNKNOWN_ACTION"]


@pytest.fixture(scope="module")
def pods() -> Iterator[Callable[..., Any]]:
    """Clients with the roles of the stack, by the role and the service; IAM is enforced."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        documents = dict(rights(roles(monkeypatch)[0]))
    with account() as amazon:
        s3, iam, sts = (amazon.client(service) for service in ("s3", "iam", "sts"))
        for bucket in (BUCKET, "somebody-elses"):
            s3.create_bucket(Bucket=bucket)
        for prefixes in (*WHO.values(), ["workflows"]):
            s3.put_object(Bucket=BUCKET, Key=f"{prefixes[0]}/1/x", Body=b"weights")
        keys: dict[str, dict[str, str]] = {}
        for policy, document in documents.items():
            name = policy.removesuffix("-store")
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
            iam.put_role_policy(RoleName=name, PolicyName="store", PolicyDocument=json.dumps(document))
            arn = f"arn:aws:iam::123456789012:role/{name}"
            key = sts.assume_role(RoleArn=arn, RoleSessionName="a-pod")["Credentials"]
            keys[name] = {
                "aws_access_key_id": key["AccessKeyId"],
                "aws_secret_access_key": key["SecretAccessKey"],
                "aws_session_token": key["SessionToken"],
            }
        amazon.let_through("0")

        def pod(role: str, service: str = "s3") -> Any:
            return amazon.client(service, keys[role])

        yield pod


def refused(request: Any, **arguments: Any) -> bool:
    with pytest.raises(ClientError) as problem:
        request(**arguments)
    return code(problem.value) in ("AccessDenied", "403", "AccessDeniedException", "UnauthorizedOperation")


@pytest.mark.parametrize("engine", WHO)
def test_an_engine_reads_its_own_model_and_no_other_and_changes_nothing(pods: Callable[..., Any], engine: str) -> None:
    s3 = pods(f"eks-{engine}")
    for other, (prefix,) in WHO.items():
        if other == engine:
            assert s3.get_object(Bucket=BUCKET, Key=f"{prefix}/1/x")["Body"].read() == b"weights"
        else:
            assert refused(s3.get_object, Bucket=BUCKET, Key=f"{prefix}/1/x")
        assert refused(s3.put_object, Bucket=BUCKET, Key=f"{prefix}/1/x", Body=b"")
        assert refused(s3.delete_object, Bucket=BUCKET, Key=f"{prefix}/1/x")
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{WHO[engine][0]}/")["KeyCount"] == 1
    assert refused(s3.get_object, Bucket=BUCKET, Key="workflows/1/x")


def test_the_sync_writes_models_and_not_what_workflows_have(pods: Callable[..., Any]) -> None:
    s3 = pods("eks-models")
    for (prefix,) in WHO.values():
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/2/x", Body=b"")
        s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/2/x")
    assert refused(s3.put_object, Bucket=BUCKET, Key="workflows/1/x", Body=b"")


def test_workflows_write_below_their_prefix_and_read_no_model(pods: Callable[..., Any]) -> None:
    s3 = pods("eks-workflows")
    s3.put_object(Bucket=BUCKET, Key="workflows/results/x", Body=b"{}")
    assert s3.get_object(Bucket=BUCKET, Key="workflows/results/x")["Body"].read() == b"{}"
    s3.delete_object(Bucket=BUCKET, Key="workflows/results/x")
    for (prefix,) in WHO.values():
        assert refused(s3.get_object, Bucket=BUCKET, Key=f"{prefix}/1/x")
        assert refused(s3.put_object, Bucket=BUCKET, Key=f"{prefix}/1/x", Body=b"")


@pytest.mark.parametrize("role", [*(f"eks-{engine}" for engine in WHO), "eks-models", "eks-workflows"])
def test_no_role_may_do_anything_else_of_40_calls(pods: Callable[..., Any], role: str) -> None:
    assert len(CALLS) >= 40
    for service, call, told in CALLS:
        assert refused(getattr(pods(role, service), call), **told), f"{service}:{call}"
