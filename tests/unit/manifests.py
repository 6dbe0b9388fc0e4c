"""The Kubernetes objects of a recorded program, as a cluster would get them."""

from collections.abc import Mapping
from typing import Any, cast

from tests.unit.recording import SECRET_SIGNATURE, Recording


def manifests(recording: Recording) -> list[dict[str, Any]]:
    """Every object, namespaces first; secrets are unwrapped, whole numbers are integers again."""
    objects = [cast(dict[str, Any], plain(resource.inputs)) for resource in recording.kubernetes()]
    return sorted(objects, key=lambda manifest: manifest["kind"] != "Namespace")


def plain(value: Any) -> Any:
    """A value off the wire as a program would have written it: no wrapped secrets, whole numbers as integers."""
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, Any], value)
        if SECRET_SIGNATURE in fields:
            return plain(fields["value"])
        return {key: plain(inner) for key, inner in fields.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in cast(list[Any], value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
