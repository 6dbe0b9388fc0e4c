"""Secrets that stand nowhere in plain text."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from policy.rules.looks_secret import looks_secret
from policy.rules.pods import pods
from policy.rules.resource import HIDDEN, STACK, Resource, at, everything, items, mapping, text
from policy.rules.rule import ResourceRule, Rule, StackRule, Violation
from policy.rules.settings import PolicySettings

_NEXT = "Next: put it into a Secret or a secret of the configuration, replace it at whoever issued it, and refer to it."
_IDENTIFIERS = ("accessKey", "writerAccessKey")
"""Settings that name a user of a store, in the form of an AWS access key; the secret that belongs to it is apart."""


def _plain(resource: Resource, _: PolicySettings) -> Iterator[str]:
    if resource.type == STACK:
        return
    told: set[str] = set()
    for name, value in _named(resource):
        what = looks_secret(name, value)
        if what and what not in told:
            told.add(what)
            yield f"{resource.where} holds {what} in plain text, at {name}. {_NEXT}"


def _named(resource: Resource) -> Iterator[tuple[str, str]]:
    """Every text that is plain, with the name that it goes by."""
    for name, value in everything(resource.inputs):
        if text(value):
            yield name, text(value)
    for pod in pods(resource):
        for _, container in pod.containers:
            for variable in items(container.get("env")):
                yield text(at(variable, "name")), text(at(variable, "value"))
            words = [text(one) for key in ("command", "args") for one in items(container.get(key))]
            for flag, value in pairwise(words):
                if flag.startswith("-"):
                    yield flag.lstrip("-"), value


def _exposed(resource: Resource, _: PolicySettings) -> Iterator[str]:
    # What a chart is given is not what it makes.
    if resource.is_kubernetes and resource.kind not in ("Secret", "Release", "Chart"):
        for path in _hidden(resource.inputs):
            yield f"{resource.where} would show a secret to whoever may read it, at {path}. {_NEXT}"


def _hidden(value: object, path: str = "") -> Iterator[str]:
    """Where secrets are."""
    if value == HIDDEN:
        yield path
    for name, inner in mapping(value).items():
        yield from _hidden(inner, f"{path}.{name}" if path else name)
    for number, inner in enumerate(items(value)):
        yield from _hidden(inner, f"{path}[{number}]")


def _in_config(resources: Sequence[Resource], settings: PolicySettings) -> Iterator[Violation]:
    stack = next((one for one in resources if one.type == STACK), None)
    if stack is None:
        return
    for key, section in settings.config.items():
        for name, value in everything(section, key):
            what = looks_secret(name, text(value)) if name not in _IDENTIFIERS else None
            if what:
                yield Violation(
                    resource=stack,
                    message=f"The configuration holds {what} in plain text, below {key}. Next: take it out, replace it "
                    "at whoever issued it, and set it with: pulumi config set --secret",
                )


def _in_outputs(resources: Sequence[Resource], _: PolicySettings) -> Iterator[Violation]:
    for stack in (one for one in resources if one.type == STACK):
        for output, content in mapping(stack.inputs).items():
            for name, value in everything(content, output):
                if what := looks_secret(name, text(value)) or looks_secret(output, text(value)):
                    yield Violation(
                        resource=stack,
                        message=f"The output {output} holds {what} in plain text. Next: export it as "
                        "pulumi.Output.secret(…).",
                    )


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="no-plain-secrets",
        description="Nothing that looks like a key stands in plain text in any resource.",
        remedy="Make it a secret, and replace it where it was issued.",
        check=_plain,
    ),
    ResourceRule(
        name="no-exposed-secrets",
        description="No object but a Secret has a secret in it: no ConfigMap, variable, argument or annotation.",
        remedy="Put it into a Secret, and refer to that.",
        check=_exposed,
    ),
    StackRule(
        name="no-plain-secrets-in-config",
        description="Nothing that looks like a key stands in plain text in the configuration.",
        remedy="Set it with `pulumi config set --secret`, and replace it where it was issued.",
        check=_in_config,
    ),
    StackRule(
        name="no-plain-secrets-in-outputs",
        description="Nothing that looks like a key is in plain text in the stack's outputs.",
        remedy="Export it as a secret.",
        check=_in_outputs,
    ),
)
