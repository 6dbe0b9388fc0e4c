"""What is made at Amazon against checkov's checks of Terraform plans."""

import json
import subprocess
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
from tests.unit.terraform_plan import address, terraform_plan

CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; get it with: make lint")
MODULES = [
    *(f"components.aws.{module.name}" for module in iter_modules(components.aws.__path__)),
    "components.storage.s3",
]
EVERYTHING = {"nat": "each", "zones": ("a", "b", "c"), "endpoints": ("s3", "ecr", "sts", "logs", "ec2", "eks-auth")}
"""The network that has most in it."""


def program() -> None:
    """All that is made at Amazon."""
    opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
    network = NetworkSettings.model_validate(EVERYTHING)
    Network("network", network, region="eu-central-1", clusters=["home"], opts=opts)
    store = {"kind": "s3", "bucket": "site-models", "region": "eu-central-1"}
    replica = {"replica": {"bucket": "spare", "region": "eu-west-1"}}
    S3Buckets(
        "store",
        S3Store.model_validate({**store, **replica}),
        readers={"legal": ["legal/a"]},
        writes=["legal/a"],
        opts=opts,
    )


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        recording = recorded(program, monkeypatch=monkeypatch)
    plan = tmp_path_factory.mktemp("plan") / "tfplan.json"
    plan.write_text(json.dumps(terraform_plan(recording)))
    return recording, checked(plan)


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
    passed = {f"{check['check_id']} {check['resource']}" for check in report["results"]["passed_checks"]}
    assert {
        "CKV2_AWS_11 aws_vpc.network",  # has a flow log
        "CKV2_AWS_12 aws_vpc.network",  # has a default security group without rules
        "CKV2_AWS_19 aws_eip.network-nat-a",  # belongs to a NAT gateway
        "CKV2_AWS_5 aws_security_group.network-endpoints",  # is used
    } <= passed


def checked(plan: Path) -> Any:
    """Checkov's report on a plan."""
    command = [CHECKOV, "--file", plan, "--framework", "terraform_plan", "--output", "json", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=plan.parent)
    assert done.stdout.startswith("{"), done.stderr
    return json.loads(done.stdout)


def failures(recording: Recording, report: Any) -> list[tuple[str, Registration]]:
    """Each failed check with its resource."""
    made = {address(one): one for one in recording.resources if one.type.startswith("aws:")}
    return [(check["check_id"], made[check["resource"]]) for check in report["results"]["failed_checks"]]


def reasons() -> list[Unmet]:
    """What the modules say of their resources."""
    return [reason for module in MODULES for reason in getattr(import_module(module), "UNMET", ())]


def covers(reason: Unmet, check: str, resource: Registration) -> bool:
    return (reason.check, reason.type) == (check, resource.type) and fnmatchcase(resource.name, reason.name)
