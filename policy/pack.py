"""The rules as a policy pack of Pulumi's."""

from collections.abc import Mapping
from functools import partial
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
from policy.rules.resource import STACK, Resource, mapping, seen
from policy.rules.rule import ResourceRule, StackRule
from policy.rules.settings import ADVISORY, PolicySettings, PolicySettingsError
from toolchain import images

NAME = "inference"


def settings() -> PolicySettings:
    """Of the running stack. PolicySettingsError for what cannot be meant."""
    config = cast("Mapping[str, str]", cast("Any", pulumi.runtime).get_config_env())
    read = PolicySettings.read(config, digests=images.locked())
    if unknown := sorted(read.advisory - {rule.name for rule in RULES}):
        there = ", ".join(rule.name for rule in RULES)
        raise PolicySettingsError(f"{ADVISORY}: {', '.join(unknown)} is no rule; there are: {there}")
    return read


def main() -> None:
    """Serve the engine until it ends this process."""
    # By itself it takes the wrapping off secrets, and stops a rule at the first value that is not known yet.
    cast("Any", pulumi_policy.policy).deserialize_properties = _deserialized
    try:
        given = settings()
    except PolicySettingsError as error:
        raise SystemExit(f"{error}\nNothing was changed.") from None
    PolicyPack(NAME, Rules(given).policies(), enforcement_level=EnforcementLevel.MANDATORY)


def _deserialized(props: Mapping[str, object], proxy_secrets: bool = False) -> Mapping[str, object]:  # noqa: ARG001
    return mapping(seen(props))


class Rules:
    """The rules as Pulumi's policies, for one preview or update."""

    def __init__(self, given: PolicySettings) -> None:
        self._settings = given
        # Rules of the whole stack are told outputs, and of what is not made yet those are empty.
        self._inputs: dict[str, Mapping[str, object]] = {}

    def policies(self) -> list[Policy]:
        """One for each rule."""
        return [self._policy(rule) for rule in RULES]

    def _policy(self, rule: ResourceRule | StackRule) -> Policy:
        level = EnforcementLevel.ADVISORY if rule.name in self._settings.advisory else EnforcementLevel.MANDATORY
        if isinstance(rule, ResourceRule):
            check = partial(self._check_resource, rule)
            return ResourceValidationPolicy(rule.name, rule.description, check, level, remediation_steps=rule.remedy)
        check = partial(self._check_stack, rule)
        return StackValidationPolicy(rule.name, rule.description, check, level, remediation_steps=rule.remedy)

    def _check_resource(self, rule: ResourceRule, args: ResourceValidationArgs, report: ReportViolation) -> None:
        inputs = self._inputs[args.urn] = mapping(seen(args.props))
        resource = Resource(
            type=args.resource_type, name=args.name, inputs=inputs, urn=args.urn, protected=args.opts.protect
        )
        for violation in rule.violations(resource, self._settings):
            report(violation.message, None)

    def _check_stack(self, rule: StackRule, args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [self._of_stack(one) for one in args.resources]
        for violation in rule.violations(resources, self._settings):
            report(violation.message, violation.resource.urn)

    def _of_stack(self, resource: PolicyResource) -> Resource:
        is_stack = resource.resource_type == STACK
        inputs = None if is_stack else self._inputs.get(resource.urn)
        return Resource(
            type=resource.resource_type,
            name=resource.name,
            inputs=mapping(seen(resource.props)) if inputs is None else inputs,
            urn=resource.urn,
            protected=resource.opts.protect,
            provider=resource.provider.urn if resource.provider else "",
            dependencies=frozenset(one.urn for one in resource.dependencies),
        )
