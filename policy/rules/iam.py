"""Roles at Amazon that may do what they need, to what they need."""

import json
import re
from collections.abc import Iterator, Mapping

from policy.rules.resource import Resource, items, mapping, text
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_POLICIES = (
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
_ROLE = "aws:iam/role:Role"
_FOR_ALL_RESOURCES = re.compile(
    r"(ec2|autoscaling|elasticloadbalancing):Describe[A-Za-z]+"
    r"|ecr:GetAuthorizationToken|s3:ListAllMyBuckets|sts:GetCallerIdentity|cloudwatch:PutMetricData"
    r"|logs:DescribeLogGroups"
)
"""Actions that know no single resource: the service authorization reference names none, or few, for them."""


def statements(document: object) -> list[Mapping[str, object]]:
    """What a policy allows; nothing where it is not known or is not one."""
    parsed = document
    if isinstance(document, str):
        try:
            parsed = json.loads(document)
        except (ValueError, RecursionError):
            return []
    said = mapping(parsed).get("Statement")
    every = [mapping(one) for one in (items(said) or [said])]
    return [one for one in every if one.get("Effect") == "Allow"]


def allows_everybody(statement: Mapping[str, object]) -> bool:
    """Whether its principal is anybody at all, under no condition."""
    principal = statement.get("Principal")
    named = [principal, *(one for value in mapping(principal).values() for one in _texts(value))]
    return ("*" in named or "NotPrincipal" in statement) and not statement.get("Condition")


def _narrow(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for document in _documents(resource):
        for statement in statements(document):
            for key in ("NotAction", "NotResource"):
                if key in statement:
                    yield f"{resource.where} allows all but what {key} names. Next: name what it may do."
            actions = _texts(statement.get("Action"))
            for action in actions:
                if "*" in action or "?" in action:
                    yield f"{resource.where} allows the actions {action}. Next: name each one that is needed."
            if all(_FOR_ALL_RESOURCES.fullmatch(action) for action in actions):
                continue
            for one in filter(_is_wide, _texts(statement.get("Resource"))):
                yield f"{resource.where} allows {', '.join(actions)} on the resources {one}. Next: name their ARNs."


def _trusted(resource: Resource, _: PolicySettings) -> Iterator[str]:
    if resource.type == _ROLE:
        for statement in statements(resource.inputs.get("assumeRolePolicy")):
            if allows_everybody(statement):
                yield f"{resource.where} may be taken by everybody. Next: name who may, in assumeRolePolicy."


def _documents(resource: Resource) -> list[object]:
    if resource.type in _POLICIES:
        return [resource.inputs.get("policy")]
    inline = items(resource.inputs.get("inlinePolicies")) if resource.type == _ROLE else ()
    return [mapping(one).get("policy") for one in inline]


def _is_wide(arn: str) -> bool:
    """Whether a wildcard stands for whole resources; below one, as in `arn:aws:s3:::bucket/models/*`, it may."""
    parts = arn.split(":", 5)
    name = parts[-1].partition("/")[2] if parts[-1].startswith(_TYPES) else parts[-1]
    return arn == "*" or len(parts) < 6 or any("*" in part for part in parts[:5]) or name.startswith("*")


_TYPES = tuple(f"{one}/" for one in ("role", "user", "policy", "instance", "volume", "cluster", "key", "parameter"))


def _texts(value: object) -> list[str]:
    return [text(one) for one in (items(value) or [value]) if text(one)]


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="narrow-iam-policies",
        description="IAM policies name actions and resources, but for actions that know no single resource.",
        remedy="Name each action, and the ARNs that it is for.",
        check=_narrow,
    ),
    ResourceRule(
        name="trusted-principals",
        description="Roles may be taken only by who is named.",
        remedy="Name the principal in assumeRolePolicy.",
        check=_trusted,
    ),
)
