"""Whether an account can have what a stack asks for: asked of Amazon before anything is made, and changing nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from components.aws import quotas
from components.aws.quotas import Market
from components.aws.settings import Aws

Answer = dict[str, Any]
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class Clients(Protocol):
    """Clients of botocore by service: `ec2`, `sts`, `service-quotas`."""

    def __call__(self, service: str, /) -> Any:
        """The one of `service`, in the stack's region."""
        ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The machines of one group, as the settings have them."""

    group: str
    instance_type: str
    zones: Sequence[str]
    """Names, such as `us-east-1a`."""
    most: int
    cpu: int
    gpus: int
    market: Market = "on-demand"


def problems(aws: Aws, wanted: Sequence[Wanted], clients: Clients, *, stack: str) -> list[str]:
    """Everything that is in the way, each with the next step. Without credentials there is nothing to ask."""
    try:
        found = list(_account(aws, clients("sts")))
    except (NoCredentialsError, PartialCredentialsError):
        return ["no credentials for Amazon were found\n  Next: aws configure sso, or set AWS_PROFILE"]
    except (ClientError, BotoCoreError) as error:
        return [f"the credentials were not accepted: {error}\n  Next: aws sts get-caller-identity"]
    if found:
        return found  # another account's quotas and zones say nothing
    asked = _Asked(aws, wanted, clients, stack)
    for check in (asked.zones, asked.types, asked.offers, asked.vcpus, asked.addresses, asked.networks):
        found += _told(check)
    return found


def _account(aws: Aws, sts: Any) -> Iterator[str]:
    account: str = sts.get_caller_identity()["Account"]
    if aws.account and account != aws.account:
        yield (
            f"the credentials open account {account}; inference:aws.account is {aws.account}\n"
            f"  Next: set AWS_PROFILE to a profile of {aws.account}"
        )


def _told(check: Callable[[], Iterator[str]]) -> list[str]:
    """What a check says, or why it cannot."""
    try:
        return list(check())
    except ClientError as error:
        response = cast("dict[str, dict[str, str]]", error.response)
        reason = response["Error"]
        if reason["Code"] in _DENIED:
            call = cast("str", error.operation_name)
            return [f"{call} is not allowed to these credentials\n  Next: ask for that action, and try again"]
        return [f"{error}\n  Next: try again; nothing was changed"]
    except BotoCoreError as error:
        return [f"{error}\n  Next: try again; nothing was changed"]


class _Asked:
    """The checks, each of one question."""

    def __init__(self, aws: Aws, wanted: Sequence[Wanted], clients: Clients, stack: str) -> None:
        self._aws, self._wanted, self._stack = aws, wanted, stack
        self._ec2, self._quotas = clients("ec2"), clients("service-quotas")

    def zones(self) -> Iterator[str]:
        """That there are such zones in this account."""
        answer: Answer = self._ec2.describe_availability_zones()
        there = sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"] if zone["State"] == "available")
        for letter in () if self._aws.network.existing else self._aws.network.zones:
            if (name := f"{self._aws.region}{letter}") not in there:
                letters = ", ".join(one.removeprefix(self._aws.region) for one in there)
                yield (
                    f"there is no zone {name} for this account\n"
                    f"  Next: set inference:aws.network.zones to some of {letters}"
                )

    def types(self) -> Iterator[str]:
        """That machines have what the rehearsal believed of them."""
        real = self._shapes()
        for one in self._wanted:
            if one.instance_type not in real:
                yield (
                    f"{one.group}: {self._aws.region} has no {one.instance_type}\n"
                    "  Next: another instanceType, or another inference:aws.region"
                )
                continue
            cpu, gpus = real[one.instance_type]
            if (cpu, gpus) != (one.cpu, one.gpus):
                yield (
                    f"{one.group}: {one.instance_type} has {cpu} vCPUs and {gpus} GPUs; the settings say {one.cpu} and "
                    f"{one.gpus}\n  Next: set the group's cpu and accelerator.count to what it has"
                )

    def _shapes(self) -> Mapping[str, tuple[int, int]]:
        """vCPUs and GPUs by instance type, of those that the region has."""
        types = sorted({one.instance_type for one in self._wanted})
        pages = self._ec2.get_paginator("describe_instance_types").paginate(
            Filters=[{"Name": "instance-type", "Values": types}]
        )
        return {
            one["InstanceType"]: (
                one["VCpuInfo"]["DefaultVCpus"],
                sum(gpu["Count"] for gpu in one.get("GpuInfo", {}).get("Gpus", [])),
            )
            for page in pages
            for one in page["InstanceTypes"]
        }

    def offers(self) -> Iterator[str]:
        """That some of a group's zones have its machines at all."""
        types = sorted({one.instance_type for one in self._wanted})
        pages = self._ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
        )
        offered = [(one["InstanceType"], one["Location"]) for page in pages for one in page["InstanceTypeOfferings"]]
        for one in self._wanted:
            somewhere = sorted(zone for kind, zone in offered if kind == one.instance_type)
            if somewhere and not set(somewhere) & set(one.zones):
                letters = ", ".join(zone.removeprefix(self._aws.region) for zone in somewhere)
                yield (
                    f"{one.group}: none of {', '.join(one.zones)} has {one.instance_type}\n"
                    f"  Next: have one of {letters} among inference:aws.network.zones, or another instanceType"
                )

    def vcpus(self) -> Iterator[str]:
        """That the account may run all nodes at once."""
        needed: dict[str, int] = {}
        groups: dict[str, list[str]] = {}
        for one in self._wanted:
            if code := quotas.code(one.instance_type, one.market):
                needed[code] = needed.get(code, 0) + one.most * one.cpu
                groups.setdefault(code, []).append(one.group)
        for code, vcpus in sorted(needed.items()):
            name, allowed = self._quota("ec2", code)
            if allowed < vcpus:
                yield (
                    f"{', '.join(groups[code])}: {vcpus} vCPUs at the most, and the quota {name!r} is {allowed:g}\n"
                    f"  Next: {self._increase('ec2', code, vcpus)}"
                )

    def addresses(self) -> Iterator[str]:
        """That NAT gateways get their addresses."""
        network = self._aws.network
        needed = 0 if network.existing else {"one": 1, "each": len(network.zones), "none": 0}[network.nat]
        if not needed:
            return
        taken = len([one for one in self._ec2.describe_addresses()["Addresses"] if not self._ours(one)])
        name, allowed = self._quota("ec2", quotas.EIPS)
        if allowed < taken + needed:
            yield (
                f"NAT gateways: {needed} more addresses beside {taken}, and the quota {name!r} is {allowed:g}\n"
                f"  Next: {self._increase('ec2', quotas.EIPS, taken + needed)}"
            )

    def networks(self) -> Iterator[str]:
        """That there is room for one VPC more."""
        if self._aws.network.existing:
            return
        taken = len([one for one in self._ec2.describe_vpcs()["Vpcs"] if not self._ours(one)])
        name, allowed = self._quota("vpc", quotas.VPCS)
        if allowed < taken + 1:
            yield (
                f"network: one more VPC beside {taken}, and the quota {name!r} is {allowed:g}\n"
                f"  Next: {self._increase('vpc', quotas.VPCS, taken + 1)}, or inference:aws.network.existing"
            )

    def _ours(self, thing: Answer) -> bool:
        return {"Key": "inference:stack", "Value": self._stack} in thing.get("Tags", [])

    def _quota(self, service: str, code: str) -> tuple[str, float]:
        """Its name, and the account's value, or Amazon's own where the account has none."""
        asked = {"ServiceCode": service, "QuotaCode": code}
        try:
            answer: Answer = self._quotas.get_service_quota(**asked)
        except self._quotas.exceptions.NoSuchResourceException:
            answer = self._quotas.get_aws_default_service_quota(**asked)
        return answer["Quota"]["QuotaName"], answer["Quota"]["Value"]

    def _increase(self, service: str, code: str, value: int) -> str:
        return (
            f"aws service-quotas request-service-quota-increase --region {self._aws.region} "
            f"--service-code {service} --quota-code {code} --desired-value {value}"
        )
