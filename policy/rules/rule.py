"""What a rule is."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.rules.exemptions import exempted
from policy.rules.resource import Resource
from policy.rules.settings import PolicySettings


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What is wrong, in a sentence that ends with the next step, and whose fault it is."""

    resource: Resource
    message: str


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    description: str
    """What must hold, in one line."""
    remedy: str
    """What a person does about a violation."""


@dataclass(frozen=True, kw_only=True)
class ResourceRule(_Rule):
    """Looks at one resource at a time, before it is made."""

    check: Callable[[Resource, PolicySettings], Iterable[str]]

    def violations(self, resource: Resource, settings: PolicySettings) -> Iterator[Violation]:
        """All that the resource does against the rule, but for what the table of exemptions allows it."""
        if not exempted(self.name, resource):
            for message in self.check(resource, settings):
                yield Violation(resource=resource, message=message)


@dataclass(frozen=True, kw_only=True)
class StackRule(_Rule):
    """Looks at all resources together, when the last one is known."""

    check: Callable[[Sequence[Resource], PolicySettings], Iterable[Violation]]

    def violations(self, resources: Sequence[Resource], settings: PolicySettings) -> Iterator[Violation]:
        """All that is against the rule, but for what the table of exemptions allows."""
        yield from (one for one in self.check(resources, settings) if not exempted(self.name, one.resource))


Rule = ResourceRule | StackRule
