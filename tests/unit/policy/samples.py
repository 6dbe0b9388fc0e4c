"""Resources that rules are tried on, and what a rule says of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from policy.rules import RULES
from policy.rules.resource import STACK, Resource
from policy.rules.rule import ResourceRule
from policy.rules.settings import PolicySettings

DEFAULT = PolicySettings()
DIGEST = "0123456789abcdef" * 4
POD_LABELS = {"app.kubernetes.io/name": "legal", "app.kubernetes.io/component": "engine"}
GOOD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
BOUNDS = {"cpu": "1", "memory": "1Gi"}


def said(rule: str, *resources: Resource, settings: PolicySettings = DEFAULT) -> list[str]:
    """All that the rule of this name has against them."""
    (one,) = [each for each in RULES if each.name == rule]
    if isinstance(one, ResourceRule):
        return [found.message for resource in resources for found in one.violations(resource, settings)]
    return [found.message for found in one.violations(resources, settings)]


def settings(**inference: Any) -> PolicySettings:
    """As from a stack's configuration."""
    return PolicySettings.read({f"inference:{key}": as_configured(value) for key, value in inference.items()})


def as_configured(value: object) -> str:
    """As Pulumi hands it to a program."""
    return value if isinstance(value, str) else json.dumps(value)


def container(**fields: Any) -> dict[str, Any]:
    """One that no rule has anything against, but for what is given."""
    good = {
        "name": "server",
        "image": "docker.io/vllm/vllm-openai:v0.30.0",
        "resources": {"requests": BOUNDS, "limits": BOUNDS},
        "securityContext": GOOD_SECURITY,
    }
    return {**good, **fields}


def pod(*containers: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A pod's spec."""
    return {"containers": [*(containers or [container()])], **fields}


def template(spec: Mapping[str, Any], labels: Mapping[str, str] = POD_LABELS) -> dict[str, Any]:
    """A pod template."""
    return {"metadata": {"labels": labels}, "spec": spec}


def deployment(
    *containers: Mapping[str, Any], kind: str = "Deployment", labels: Mapping[str, str] = POD_LABELS, **fields: Any
) -> Resource:
    """Or another kind with a template at the same place."""
    return kubernetes(f"apps/v1:{kind}", spec={"template": template(pod(*containers, **fields), labels)})


def kubernetes(type_: str, *, name: str = "legal", namespace: str = "inference", **inputs: Any) -> Resource:
    """An object as the program registers it."""
    kind = type_.rpartition(":")[2]
    metadata = {"name": name, "namespace": namespace, **inputs.pop("metadata", {})}
    return Resource(
        type=f"kubernetes:{type_}",
        name=f"dev-{name}",
        inputs={"kind": kind, "metadata": metadata, **inputs},
        provider="cluster",
    )


def amazon(type_: str, name: str = "models", *, after: Sequence[Resource] = (), **inputs: Any) -> Resource:
    """A resource at Amazon, for example `s3/bucket:Bucket`."""
    return Resource(
        type=f"aws:{type_}",
        name=name,
        inputs=inputs,
        urn=f"urn:aws:{type_}::{name}",
        dependencies=frozenset(one.urn for one in after),
    )


def stack(**outputs: Any) -> Resource:
    """The stack itself, with its outputs."""
    return Resource(type=STACK, name="inference-dev", inputs=outputs)
