"""A resource as rules see it, and careful looks into values of any shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

HIDDEN = "(secret)"
"""Stands where a secret was: no rule sees one, so none can tell it to anybody."""
UNKNOWN = "(not known yet)"
"""Stands where a value is known only after the update."""
STACK = "pulumi:pulumi:Stack"
"""Type of the resource that has the stack's outputs."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, before it is made."""

    type: str
    """As in `kubernetes:apps/v1:Deployment`."""
    name: str
    """In the program."""
    inputs: Mapping[str, object]
    """Of a whole stack's resources, their outputs."""
    urn: str = ""
    protected: bool = False
    retained: bool | None = None
    """Left behind when it is deleted; None where nobody says: Pulumi's engine does not tell a policy pack."""
    provider: str = ""
    """Which provider makes it: of Kubernetes objects, one a cluster."""
    dependencies: frozenset[str] = frozenset()
    """URNs of what must exist first."""

    @property
    def is_kubernetes(self) -> bool:
        """Whether it is a Kubernetes object, a custom one too."""
        return self.type.startswith("kubernetes:")

    @property
    def kind(self) -> str:
        """The object's kind, for example `Deployment`; what stands last in other types."""
        return text(self.inputs.get("kind")) or self.type.rpartition(":")[2]

    @property
    def object_name(self) -> str:
        """What the cluster calls it, or the program where the cluster is to choose."""
        return text(at(self.inputs, "metadata", "name")) or self.name

    @property
    def namespace(self) -> str:
        """Of a Kubernetes object that is in one."""
        return text(at(self.inputs, "metadata", "namespace"))

    @property
    def where(self) -> str:
        """For sentences: `Deployment inference/legal`."""
        if not self.is_kubernetes:
            return f"{self.type} {self.name}"
        return f"{self.kind} {self.namespace}/{self.object_name}" if self.namespace else f"{self.kind} {self.name}"


def seen(value: object) -> object:
    """A value in Pulumi's wire format, with a mark in place of what is secret or not known yet."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        if _SIGNATURE not in fields:
            return {key: seen(inner) for key, inner in fields.items()}
        if fields[_SIGNATURE] == _SECRET:
            return HIDDEN
        # An output with what is known of it, or an asset.
        return HIDDEN if fields.get("secret") is True else seen(fields.get("value", UNKNOWN))
    if isinstance(value, Sequence):
        return [seen(inner) for inner in cast("Sequence[object]", value)]
    return value


def text(value: object) -> str:
    """The value if it is text that is known and no secret; else nothing."""
    return value if isinstance(value, str) and value not in (HIDDEN, UNKNOWN) else ""


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping; else an empty one."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[object]:
    """The value if it is a list; else an empty one."""
    return cast("Sequence[object]", value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def at(value: object, *path: str) -> object:
    """What is there below these keys; None where nothing is."""
    for key in path:
        value = mapping(value).get(key)
    return value


def everything(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """All that is not a mapping or a list, however deep, with the key that it stands at."""
    for name, inner in mapping(value).items():
        yield from everything(inner, name)
    for inner in items(value):
        yield from everything(inner, key)
    if not isinstance(value, Mapping | list):
        yield key, value
