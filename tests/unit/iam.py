"""What a recorded program says in IAM's language, and a reader of who a role trusts."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.unit.manifests import plain
from tests.unit.recording import Recording

ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
_OF_IDENTITIES = ("policy:Policy", "rolePolicy:RolePolicy", "userPolicy:UserPolicy", "groupPolicy:GroupPolicy")


def rights(recording: Recording) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What roles, users and groups may do, by the resource's name."""
    for one in recording.resources:
        said = plain(one.inputs)
        if one.type.startswith("aws:iam/") and one.type.endswith(_OF_IDENTITIES):
            yield one.name, json.loads(said["policy"])
        for inline in said.get("inlinePolicies", ()) if one.type == "aws:iam/role:Role" else ():
            yield one.name, json.loads(inline["policy"])


def trusts(recording: Recording) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Who may take roles, by the resource's name."""
    for one in recording.resources:
        if one.type == "aws:iam/role:Role":
            yield one.name, json.loads(plain(one.inputs)["assumeRolePolicy"])


def trusted(document: Mapping[str, Any], action: str, principal: Mapping[str, str], keys: Mapping[str, str]) -> bool:
    """Whether IAM would let the principal do this, with these condition keys in its request.

    It knows StringEquals and StringLike: every key must be there, and one of its values must fit.
    """
    return any(
        statement["Effect"] == "Allow"
        and action in _several(statement["Action"])
        and statement["Principal"] == principal
        and all(_holds(how, asked, keys) for how, asked in statement.get("Condition", {}).items())
        for statement in document["Statement"]
    )


def _holds(how: str, asked: Mapping[str, Any], keys: Mapping[str, str]) -> bool:
    fits = {"StringEquals": str.__eq__, "StringLike": fnmatchcase}[how]
    return all(
        key in keys and any(fits(keys[key], value) for value in _several(values)) for key, values in asked.items()
    )


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
