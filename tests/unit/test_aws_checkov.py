"""What is made at Amazon against checkov's checks of Terraform plans."""

import json
import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

import components.aws
from components.aws.network import Network
from components.aws.settings import NetworkSettings
from components.storage.s3 import S3Buckets
from components.storage.settings import S3Store
from components.unmet import Unmet
from tests.unit.recording import REPOSITORY, Recording, Registration, recorded
from tests.unit.terraform_plan import address, terraform_plan, terraform_type

CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; get it with: make lint")
MODULES = ["components.storage.s3", *(f"components.aws.{one.name}" for one in iter_modules(components.aws.__path__))]
NETWORK = {"nat": "each", "zones": ("a", "b", "c"), "endpoints": ("s3", "ecr", "sts", "logs", "ec2", "eks-auth")}
STORE = {
    "kind": "s3",
    "bucket": "site-models",
    "region": "eu-central-1",
    "replica": {"bucket": "spare", "region": "eu-west-1"},
}
UNCHECKED = {
    "aws_default_route_table",
    "aws_internet_gateway",
    "aws_route_table_association",
}
"""Types that checkov says nothing of. A wrong spelling would be another: look a new one up before it comes here, at
registry.terraform.io/providers/hashicorp/aws."""


def program() -> None:
    """All that is made at Amazon, as settings make most of it."""
    opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
    network = NetworkSettings.model_validate(NETWORK)
    Network("network", network, region="eu-central-1", clusters=["home"], opts=opts)
    S3Buckets("store", S3Store.model_validate(STORE), readers={"legal": ["legal/a"]}, writes=["legal/a"], opts=opts)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Any]:
    """What is made, and checkov's report on it."""
    return judge(program, tmp_path_factory.mktemp("plan"))


def test_no_check_fails_without_a_reason_beside_the_resource(judged: tuple[Recording, Any]) -> None:
    recording, report = judged
    assert report["summary"]["passed"] > 80
    assert report["summary"]["parsing_errors"] == 0
    unexplained = [one for one in failures(recording, report) if not any(covers(reason, *one) for reason in reasons())]
    assert [f"{check} {resource.type} {resource.name}" for check, resource in unexplained] == []


def test_every_reason_is_of_a_check_that_fails(judged: tuple[Recording, Any]) -> None:
    found = failures(*judged)
    assert [reason for reason in reasons() if not any(covers(reason, *one) for one in found)] == []


def test_checkov_sees_what_belongs_together(judged: tuple[Recording, Any]) -> None:
    _, report = judged
    assert {
        "CKV2_AWS_11 aws_vpc.network",  # has a flow log
        "CKV2_AWS_12 aws_vpc.network",  # has a default security group without rules
        "CKV2_AWS_19 aws_eip.network-nat-a",  # belongs to a NAT gateway
        "CKV2_AWS_5 aws_security_group.network-endpoints",  # is used
        "CKV2_AWS_6 aws_s3_bucket.store-replica",  # has a block of public access
    } <= verdicts(report, "passed_checks")


def test_checkov_knows_every_type_of_resource_but_some_that_it_has_nothing_to_say_of(
    judged: tuple[Recording, Any],
) -> None:
    recording, _ = judged
    (package,) = (REPOSITORY / ".venv-checkov").glob("lib/python3*/site-packages/checkov/terraform")
    files = [file for suffix in ("py", "json", "yaml") for file in package.rglob(f"*.{suffix}")]
    known = {name for file in files for name in re.findall(r"\baws_[a-z0-9_]+", file.read_text())}
    assert {terraform_type(one.type) for one in of_amazon(recording)} - known == UNCHECKED


def test_what_is_wrong_is_found_wherever_it_stands_in_a_resource(tmp_path: Path) -> None:
    def careless() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
        _samples(
            opts,
            public=True,
            networks=["0.0.0.0/0"],
            encrypted=False,
            tokens="optional",
            hops=2,
            statement={"Effect": "Allow", "Action": "*", "Resource": "*"},
        )

    def careful() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site-models/legal/*"}
        _samples(
            opts,
            public=False,
            networks=["10.0.0.0/16"],
            encrypted=True,
            tokens="required",
            hops=1,
            statement=statement,
        )

    expected = {
        "CKV_AWS_24 aws_security_group.group",  # 22 from everywhere, in a list of blocks
        "CKV_AWS_39 aws_eks_cluster.cluster",  # public endpoint, in a block
        "CKV_AWS_38 aws_eks_cluster.cluster",  # from everywhere, in a list in a block
        "CKV_AWS_58 aws_eks_cluster.cluster",  # secrets not encrypted, in a block that is missing
        "CKV_AWS_79 aws_launch_template.template",  # version 1 of the metadata service
        "CKV_AWS_341 aws_launch_template.template",  # which containers reach
        "CKV_AWS_16 aws_db_instance.database",
        "CKV_AWS_17 aws_db_instance.database",
        "CKV_AWS_42 aws_efs_file_system.files",
        "CKV_AWS_62 aws_iam_role_policy.policy",  # everything, in a document
    }
    _, wrong = judge(careless, tmp_path / "wrong")
    _, right = judge(careful, tmp_path / "right")
    assert expected <= verdicts(wrong, "failed_checks")
    assert expected <= verdicts(right, "passed_checks")


def _samples(
    opts: pulumi.ResourceOptions,
    *,
    public: bool,
    networks: list[str],
    encrypted: bool,
    tokens: str,
    hops: int,
    statement: dict[str, str],
) -> None:
    """One resource of each kind of spelling."""
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    role = "arn:aws:iam::123456789012:role/cluster"
    ssh: Any = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": networks}
    aws.ec2.SecurityGroup("group", ingress=[ssh], opts=opts)
    aws.eks.Cluster(
        "cluster",
        role_arn=role,
        vpc_config={"subnet_ids": [], "endpoint_public_access": public, "public_access_cidrs": networks},
        encryption_config={"provider": {"key_arn": key}, "resources": ["secrets"]} if encrypted else None,
        opts=opts,
    )
    aws.ec2.LaunchTemplate(
        "template", metadata_options={"http_tokens": tokens, "http_put_response_hop_limit": hops}, opts=opts
    )
    aws.rds.Instance(
        "database", instance_class="db.t4g.micro", publicly_accessible=public, storage_encrypted=encrypted, opts=opts
    )
    aws.efs.FileSystem("files", encrypted=encrypted, opts=opts)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.iam.RolePolicy("policy", role="cluster", policy=document, opts=opts)


def judge(make: Callable[[], None], directory: Path) -> tuple[Recording, Any]:
    """What it makes, and checkov's report on that."""
    directory.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        recording = recorded(make, monkeypatch=monkeypatch)
    plan = directory / "tfplan.json"
    plan.write_text(json.dumps(terraform_plan(recording)))
    command = [CHECKOV, "--file", plan, "--framework", "terraform_plan", "--output", "json", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.stdout.startswith("{"), done.stderr
    return recording, json.loads(done.stdout)


def verdicts(report: Any, kind: str) -> set[str]:
    return {f"{check['check_id']} {check['resource']}" for check in report["results"][kind]}


def failures(recording: Recording, report: Any) -> list[tuple[str, Registration]]:
    """Each failed check with its resource."""
    made = {address(one): one for one in of_amazon(recording)}
    return [(check["check_id"], made[check["resource"]]) for check in report["results"]["failed_checks"]]


def of_amazon(recording: Recording) -> list[Registration]:
    return [one for one in recording.resources if one.type.startswith("aws:")]


def reasons() -> list[Unmet]:
    """What the modules say of their resources."""
    return [reason for module in MODULES for reason in getattr(import_module(module), "UNMET", ())]


def covers(reason: Unmet, check: str, resource: Registration) -> bool:
    return (reason.check, reason.type) == (check, resource.type) and fnmatchcase(resource.name, reason.name)
