"""The rules as a policy pack of Pulumi's."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_policy
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.rules import RULES
from policy.rules.resource import Resource, mapping, seen
from policy.rules.rule import ResourceRule, StackRule
from policy.rules.settings import ADVISORY, PolicySettings, PolicySettingsError

NAME = "inference"
IMAGE_LOCK = Path(__file__).parents[1] / "toolchain/images.lock"
"""`<sha256>  <image>` a line, as in checksums.lock; no image has to be of a digest while it is not there."""

_LINE = re.compile(r"([0-9a-f]{64})\s+(\S+)")


def digests(lock: Path = IMAGE_LOCK) -> dict[str, str]:
    """sha256 by image, as it is locked; empty where there is no lock file."""
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    return {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line.strip()))}


def settings() -> PolicySettings:
    """Of the running stack. PolicySettingsError for what cannot be meant."""
    config = cast("Mapping[str, str]", cast("Any", pulumi.runtime).get_config_env())
    read = PolicySettings.read(config, digests=digests())
    if unknown := sorted(read.advisory - {rule.name for rule in RULES}):
        there = ", ".join(rule.name for rule in RULES)
        raise PolicySettingsError(f"{ADVISORY}: {', '.join(unknown)} is no rule; there are: {there}")
    return read


def policies(given: PolicySettings) -> list[Policy]:
    """One for each rule."""
    return [_policy(rule, given) for rule in RULES]


def main() -> None:
    """Serve the engine until it ends this process."""
    # By itself it takes the wrapping off secrets, and stops a rule at the first value that is not known yet.
    cast("Any", pulumi_policy.policy).deserialize_properties = _deserialized
    try:
        given = settings()
    except PolicySettingsError as error:
        raise SystemExit(f"{error}\nNothing was changed.") from None
    PolicyPack(NAME, policies(given), enforcement_level=EnforcementLevel.MANDATORY)


def _deserialized(props: Mapping[str, object], proxy_secrets: bool = False) -> Mapping[str, object]:  # noqa: ARG001
    return mapping(seen(props))


def _policy(rule: ResourceRule | StackRule, given: PolicySettings) -> Policy:
    level = EnforcementLevel.ADVISORY if rule.name in given.advisory else EnforcementLevel.MANDATORY
    if isinstance(rule, ResourceRule):
        check = _resource_check(rule, given)
        return ResourceValidationPolicy(rule.name, rule.description, check, level, remediation_steps=rule.remedy)
    check = _stack_check(rule, given)
    return StackValidationPolicy(rule.name, rule.description, check, level, remediation_steps=rule.remedy)


def _resource_check(
    rule: ResourceRule, given: PolicySettings
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = Resource(
            type=args.resource_type,
            name=args.name,
            inputs=mapping(seen(args.props)),
            urn=args.urn,
            protected=args.opts.protect,
        )
        for violation in rule.violations(resource, given):
            report(violation.message, None)

    return check


def _stack_check(rule: StackRule, given: PolicySettings) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        for violation in rule.violations([_of_stack(one) for one in args.resources], given):
            report(violation.message, violation.resource.urn)

    return check


def _of_stack(resource: PolicyResource) -> Resource:
    return Resource(
        type=resource.resource_type,
        name=resource.name,
        inputs=mapping(seen(resource.props)),
        urn=resource.urn,
        protected=resource.opts.protect,
        provider=resource.provider.urn if resource.provider else "",
        dependencies=frozenset(one.urn for one in resource.dependencies),
    )
