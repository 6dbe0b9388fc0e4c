"""The Kubernetes objects of a recorded program, as a cluster would get them."""

from collections.abc import Mapping
from typing import Any, cast

from tests.unit.recording import SECRET_SIGNATURE, Recording


def manifests(recording: Recording) -> list[dict[str, Any]]:
    """Every object, namespaces first; secrets are unwrapped, whole numbers are integers again."""
    objects = [cast(dict[str, Any], _plain(resource.inputs)) for resource in recording.kubernetes()]
    return sorted(objects, key=lambda manifest: manifest["kind"] != "Namespace")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, Any], value)
        if SECRET_SIGNATURE in fields:
            return _plain(fields["value"])
        return {key: _plain(inner) for key, inner in fields.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in cast(list[Any], value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
