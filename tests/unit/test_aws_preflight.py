"""What Amazon is asked before anything is made there. EC2 and STS are moto's; of quotas it knows too little."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from botocore.exceptions import ClientError, NoCredentialsError  # pyright: ignore[reportMissingTypeStubs]
from moto import mock_aws

from components.aws import quotas
from components.aws.preflight import Wanted, problems
from components.aws.settings import Aws
from stacks.preflight import preflight, wanted
from stacks.settings import Settings
from tests.unit.recording import stack_settings

REGION = "us-east-1"
GPU = Wanted(group="gpu", instance_type="g5.xlarge", zones=["us-east-1a", "us-east-1b"], most=2, cpu=4, gpus=1)
ENOUGH = {code: 1000.0 for market in quotas.VCPUS.values() for code in (*market.values(), quotas.EIPS, quotas.VPCS)}


class Quotas:
    """Service Quotas with these values; what is not among them is Amazon's own, 5."""

    class exceptions:
        NoSuchResourceException = KeyError

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    def get_service_quota(self, **asked: str) -> dict[str, Any]:
        assert asked["ServiceCode"] in ("ec2", "vpc")
        return {"Quota": {"QuotaName": f"name of {asked['QuotaCode']}", "Value": self._values[asked["QuotaCode"]]}}

    def get_aws_default_service_quota(self, **asked: str) -> dict[str, Any]:
        return {"Quota": {"QuotaName": f"name of {asked['QuotaCode']}", "Value": 5.0}}


@pytest.fixture(autouse=True)
def _amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def client(service: str) -> Any:
    return cast(Any, boto3).client(service, region_name=REGION)


def found(
    *groups: Wanted, aws: Mapping[str, object] | None = None, values: Mapping[str, float] = ENOUGH, **instead: object
) -> list[str]:
    """Problems of an account with these quotas; `instead` are clients in the place of moto's."""
    clients = {"service-quotas": Quotas(values), **instead}
    return problems(
        Aws.model_validate(aws or {}), groups, lambda service: clients.get(service) or client(service), stack="eks"
    )


def test_an_account_that_can_have_it_all_has_no_problem() -> None:
    assert found(GPU) == []


def test_what_the_example_says_of_its_machines_is_what_they_have() -> None:
    settings = Settings.model_validate(stack_settings("eks"))

    assert found(*wanted(settings)) == []


def test_another_account_is_refused_and_asked_nothing_more() -> None:
    (problem,) = found(GPU, aws={"account": "999999999999"}, values={})

    assert problem == (
        "the credentials open account 123456789012; inference:aws.account is 999999999999\n"
        "  Next: set AWS_PROFILE to a profile of 999999999999"
    )


def test_no_credentials_end_in_a_sentence() -> None:
    class Nobody:
        def get_caller_identity(self) -> dict[str, str]:
            raise NoCredentialsError

    assert found(GPU, sts=Nobody()) == [
        "no credentials for Amazon were found\n  Next: aws configure sso, or set AWS_PROFILE"
    ]


def test_a_zone_that_the_account_does_not_have_is_named_with_those_it_has() -> None:
    (problem,) = found(GPU, aws={"network": {"zones": ["a", "z"]}})

    assert "no zone us-east-1z" in problem
    assert problem.endswith("to some of a, b, c, d, e, f")


def test_a_machine_that_no_zone_of_ours_has_is_named_with_the_zones_that_have_it() -> None:
    offered = client("ec2").describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["p4d.24xlarge"]}]
    )["InstanceTypeOfferings"]
    elsewhere = {zone["Location"][-1] for zone in offered}
    ours = sorted(set("abcdef") - elsewhere)[:2]
    big = Wanted(
        group="big",
        instance_type="p4d.24xlarge",
        zones=[f"us-east-1{letter}" for letter in ours],
        most=1,
        cpu=96,
        gpus=8,
    )

    (problem,) = found(big)

    assert "has p4d.24xlarge" in problem
    assert f"have one of {', '.join(sorted(elsewhere))} among inference:aws.network.zones" in problem


def test_a_machine_that_the_region_does_not_have_is_said_once() -> None:
    (problem,) = found(Wanted(group="odd", instance_type="g99.xlarge", zones=["us-east-1a"], most=1, cpu=4, gpus=1))

    assert problem.startswith("odd: us-east-1 has no g99.xlarge")


def test_settings_that_say_something_else_of_a_machine_than_it_has_are_a_problem() -> None:
    (problem,) = found(Wanted(group="gpu", instance_type="g5.12xlarge", zones=["us-east-1a"], most=1, cpu=16, gpus=1))

    assert "g5.12xlarge has 48 vCPUs and 4 GPUs; the settings say 16 and 1" in problem


def test_a_quota_that_is_too_small_comes_with_the_command_that_asks_for_more() -> None:
    more = Wanted(group="more", instance_type="g4dn.xlarge", zones=GPU.zones, most=3, cpu=4, gpus=1)

    (problem,) = found(GPU, more, values={**ENOUGH, "L-DB2E81BA": 8.0})

    assert problem == (
        "gpu, more: 20 vCPUs at the most, and the quota 'name of L-DB2E81BA' is 8\n"
        "  Next: aws service-quotas request-service-quota-increase --region us-east-1 "
        "--service-code ec2 --quota-code L-DB2E81BA --desired-value 20"
    )


@pytest.mark.parametrize(
    ("instance_type", "on_demand", "spot"),
    [
        ("g5.xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("gr6.4xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("p4d.24xlarge", "L-417A185B", "L-7212CCBC"),
        ("p5.48xlarge", "L-417A185B", "L-C4BD4855"),
        ("m6i.2xlarge", "L-1216C47A", "L-34B43A08"),
        ("inf2.xlarge", None, None),
    ],
)
def test_each_family_has_its_quota(instance_type: str, on_demand: str | None, spot: str | None) -> None:
    assert (quotas.code(instance_type, "on-demand"), quotas.code(instance_type, "spot")) == (on_demand, spot)


def test_amazons_own_value_counts_where_the_account_has_none() -> None:
    many = Wanted(group="gpu", instance_type="g5.xlarge", zones=GPU.zones, most=2, cpu=4, gpus=1)

    (problem,) = found(many, values={quotas.EIPS: 5, quotas.VPCS: 5})

    assert "8 vCPUs at the most, and the quota 'name of L-DB2E81BA' is 5" in problem


def test_addresses_of_others_count_and_our_own_do_not() -> None:
    ec2 = client("ec2")
    ours = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "inference:stack", "Value": "eks"}]}]
    ec2.allocate_address(Domain="vpc")
    ec2.allocate_address(Domain="vpc", TagSpecifications=ours)

    (problem,) = found(GPU, aws={"network": {"nat": "each"}}, values={**ENOUGH, quotas.EIPS: 2})

    assert problem.startswith("NAT gateways: 2 more addresses beside 1")
    assert found(GPU, values={**ENOUGH, quotas.EIPS: 2}) == []


def test_no_room_for_a_vpc_is_said_with_both_ways_out() -> None:
    (problem,) = found(GPU, values={**ENOUGH, quotas.VPCS: 1})

    assert "one more VPC beside 1" in problem
    assert "--service-code vpc" in problem
    assert problem.endswith("or inference:aws.network.existing")


def test_what_may_not_be_asked_is_one_problem_and_the_rest_is_asked_all_the_same() -> None:
    class Denied:
        exceptions = Quotas.exceptions

        def get_service_quota(self, **_: str) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetServiceQuota")

    account = Aws.model_validate({"network": {"zones": ["a", "z"]}})
    denied = Denied()
    several = problems(
        account, [GPU], lambda service: denied if service == "service-quotas" else client(service), stack="eks"
    )

    assert any("no zone us-east-1z" in one for one in several)
    assert any(one.startswith("GetServiceQuota is not allowed to these credentials") for one in several)


def test_the_command_counts_the_problems_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings.model_validate({**stack_settings("eks"), "aws": {"account": "999999999999"}})

    assert preflight(settings, stack="eks", clients=client) == 1
    assert capsys.readouterr().err.startswith("1 in the way of eks:\n- the credentials open account")
