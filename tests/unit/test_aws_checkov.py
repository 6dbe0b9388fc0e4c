"""What is made at Amazon against checkov's checks of Terraform plans."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

import components.aws
from components.unmet import Unmet
from tests.unit.eks_stack import autoscale, eks_of, made
from tests.unit.recording import REPOSITORY, Recording, Registration, recorded
from tests.unit.terraform_plan import address, terraform_plan, terraform_type


@dataclass(frozen=True, kw_only=True)
class Report:
    """What checkov says of one plan."""

    passed: list[Any]
    failed: list[Any]


Judged = list[tuple[Recording, Report]]
CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; get it with: make lint")
MODULES = ["components.storage.s3", *(f"components.aws.{one.name}" for one in iter_modules(components.aws.__path__))]
REGION = "us-east-1"
ACCOUNT = "123456789012"
EVERYTHING: dict[str, Any] = {
    "account": ACCOUNT,
    "network": {
        "zones": ["a", "b", "c"],
        "nat": "each",
        "endpoints": ["s3", "ecr", "sts", "logs", "ec2", "eks-auth"],
    },
    "registry": {},
    "observability": {"containerInsights": True, "prometheus": True, "grafana": {}},
    "entrance": {
        "internet": True,
        "clients": ["198.51.100.0/24"],
        "domain": "api.example.com",
        "zone": "Z0123456789ABCDEFGHIJ",
    },
    "database": {},
}
"""Settings of an account that ask for whatever there is."""
UNCHECKED = {
    "aws_acm_certificate_validation",
    "aws_cloudwatch_event_rule",
    "aws_db_subnet_group",
    "aws_default_route_table",
    "aws_ecr_pull_through_cache_rule",
    "aws_ecr_repository_creation_template",
    "aws_eks_access_entry",
    "aws_eks_access_policy_association",
    "aws_eks_addon",
    "aws_eks_pod_identity_association",
    "aws_fsx_data_repository_association",
    "aws_iam_instance_profile",
    "aws_iam_openid_connect_provider",
    "aws_internet_gateway",
    "aws_prometheus_workspace",
    "aws_prometheus_workspace_configuration",
    "aws_route_table_association",
}
"""Types that checkov says nothing of. A wrong spelling would be another: look a new one up before it comes here, at
registry.terraform.io/providers/hashicorp/aws."""


def shipped(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The stack as it is in the repository."""
    return made(monkeypatch)


def everything(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The stack with whatever there is."""

    def change(settings: dict[str, Any]) -> None:
        _ask_for_everything(settings, entrance="application", files="efs")

    return made(monkeypatch, change)


def others(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The same of other kinds, where there are several."""

    def change(settings: dict[str, Any]) -> None:
        _ask_for_everything(settings, entrance="network", files="lustre")
        settings["aws"]["identity"] = "pod-identity"
        autoscale(settings, "karpenter")

    return made(monkeypatch, change)


def _ask_for_everything(settings: dict[str, Any], *, entrance: str, files: str) -> None:
    kinds = {"entrance": {**EVERYTHING["entrance"], "kind": entrance}, "files": {"kind": files}}
    settings["aws"] = {**EVERYTHING, **kinds}
    settings["clusters"][0]["cache"] = {"size": "500Gi"}
    settings["gateway"]["litellm"]["nodePort"] = 30400
    model = {"kind": "sagemaker", "name": "mistral", "endpoint": "mistral-7b", "region": REGION}
    settings["gateway"]["amazon"] = [model]
    settings["store"]["replica"] = {"bucket": "spare", "region": "eu-west-1"}
    eks_of(settings)["administrators"] = [f"arn:aws:iam::{ACCOUNT}:role/platform"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What is made, and checkov's report on it, for each of the above."""
    return [judge(program, tmp_path_factory.mktemp("plan")) for program in (shipped, everything, others)]


def test_no_check_fails_without_a_reason_beside_the_resource(judged: Judged) -> None:
    for recording, report in judged:
        assert len(report.passed) > 100
        failed = failures(recording, report)
        unexplained = [one for one in failed if not any(covers(reason, *one) for reason in reasons())]
        assert [f"{check} {resource.type} {resource.name}" for check, resource in unexplained] == []


def test_every_reason_is_of_a_check_that_fails(judged: Judged) -> None:
    found = [one for recording, report in judged for one in failures(recording, report)]
    assert [reason for reason in reasons() if not any(covers(reason, *one) for one in found)] == []


def test_checkov_sees_what_belongs_together(judged: Judged) -> None:
    _, report = judged[1]
    assert {
        "CKV2_AWS_11 aws_vpc.network",  # has a flow log
        "CKV2_AWS_12 aws_vpc.network",  # has a default security group without rules
        "CKV2_AWS_19 aws_eip.network-nat-a",  # belongs to a NAT gateway
        "CKV2_AWS_5 aws_security_group.network-endpoints",  # is used
        "CKV2_AWS_6 aws_s3_bucket.store-replica",  # has a block of public access
    } <= verdicts(report.passed)


def test_checkov_knows_every_type_of_resource_but_some_that_it_has_nothing_to_say_of(judged: Judged) -> None:
    (package,) = (REPOSITORY / ".venv-checkov").glob("lib/python3*/site-packages/checkov/terraform")
    files = [file for suffix in ("py", "json", "yaml") for file in package.rglob(f"*.{suffix}")]
    known = {name for file in files for name in re.findall(r"\baws_[a-z0-9_]+", file.read_text())}
    ours = {terraform_type(one.type) for recording, _ in judged for one in of_amazon(recording)}
    assert ours - known == UNCHECKED


def test_what_is_wrong_is_found_wherever_it_stands_in_a_resource(tmp_path: Path) -> None:
    everybody = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    reader = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site-models/legal/*"}

    def program() -> None:
        _samples("wrong", careful=False, network="0.0.0.0/0", statement=everybody)
        _samples("right", careful=True, network="10.0.0.0/16", statement=reader)

    _, report = judge(lambda monkeypatch: recorded(program, monkeypatch=monkeypatch), tmp_path)
    expected = {
        "CKV_AWS_24 aws_security_group.NAME-group",  # SSH from everywhere, in a list of blocks
        "CKV_AWS_39 aws_eks_cluster.NAME-cluster",  # a public endpoint, in a block
        "CKV_AWS_38 aws_eks_cluster.NAME-cluster",  # from everywhere, in a list in a block
        "CKV_AWS_58 aws_eks_cluster.NAME-cluster",  # secrets not encrypted, in a block that is missing
        "CKV_AWS_79 aws_launch_template.NAME-template",  # version 1 of the metadata service
        "CKV_AWS_341 aws_launch_template.NAME-template",  # which containers reach
        "CKV_AWS_16 aws_db_instance.NAME-database",  # not encrypted
        "CKV_AWS_17 aws_db_instance.NAME-database",  # public
        "CKV_AWS_42 aws_efs_file_system.NAME-files",  # not encrypted
        "CKV_AWS_62 aws_iam_role_policy.NAME-policy",  # everything, in a document
    }
    assert {one.replace("NAME", "wrong") for one in expected} <= verdicts(report.failed)
    assert {one.replace("NAME", "right") for one in expected} <= verdicts(report.passed)


def _samples(name: str, *, careful: bool, network: str, statement: dict[str, str]) -> None:
    """One resource of each kind of spelling."""
    opts = pulumi.ResourceOptions(provider=aws.Provider(name, region=REGION))
    ssh: Any = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": [network]}
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    metadata: Any = {
        "http_tokens": "required" if careful else "optional",
        "http_put_response_hop_limit": 1 if careful else 2,
    }
    aws.ec2.SecurityGroup(f"{name}-group", ingress=[ssh], opts=opts)
    aws.eks.Cluster(
        f"{name}-cluster",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/cluster",
        vpc_config={"subnet_ids": [], "endpoint_public_access": not careful, "public_access_cidrs": [network]},
        encryption_config={"provider": {"key_arn": key}, "resources": ["secrets"]} if careful else None,
        opts=opts,
    )
    aws.ec2.LaunchTemplate(f"{name}-template", metadata_options=metadata, opts=opts)
    aws.rds.Instance(
        f"{name}-database",
        identifier=name,
        instance_class="db.t4g.micro",
        publicly_accessible=not careful,
        storage_encrypted=careful,
        opts=opts,
    )
    aws.efs.FileSystem(f"{name}-files", encrypted=careful, opts=opts)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.iam.RolePolicy(f"{name}-policy", role="cluster", policy=document, opts=opts)


def judge(program: Callable[[pytest.MonkeyPatch], Recording], directory: Path) -> tuple[Recording, Report]:
    """What it makes, and what checkov says of that."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        recording = program(monkeypatch)
    plan = directory / "tfplan.json"
    plan.write_text(json.dumps(terraform_plan(recording)))
    command = [CHECKOV, "--file", plan, "--framework", "terraform_plan", "--output", "json", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.stdout.startswith("{"), done.stderr
    said = json.loads(done.stdout)
    assert said["summary"]["parsing_errors"] == 0
    return recording, Report(passed=said["results"]["passed_checks"], failed=said["results"]["failed_checks"])


def verdicts(checks: list[Any]) -> set[str]:
    return {f"{check['check_id']} {check['resource']}" for check in checks}


def failures(recording: Recording, report: Report) -> list[tuple[str, Registration]]:
    """Each failed check with its resource."""
    by_address = {address(one): one for one in of_amazon(recording)}
    return [(check["check_id"], by_address[check["resource"]]) for check in report.failed]


def of_amazon(recording: Recording) -> list[Registration]:
    return [one for one in recording.resources if one.type.startswith("aws:")]


def reasons() -> list[Unmet]:
    """What the modules say of their resources."""
    return [reason for module in MODULES for reason in getattr(import_module(module), "UNMET", ())]


def covers(reason: Unmet, check: str, resource: Registration) -> bool:
    return (reason.check, reason.type) == (check, resource.type) and fnmatchcase(resource.name, reason.name)
