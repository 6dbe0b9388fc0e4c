"""Nested mappings, as charts and Kubernetes take them."""

from collections.abc import Iterator, Mapping
from typing import Any, cast


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `more` over it, however deep."""
    result = dict(values)
    for key, value in more.items():
        given = result.get(key)
        both = isinstance(given, Mapping) and isinstance(value, Mapping)
        result[key] = merged(cast("Mapping[str, Any]", given), cast("Mapping[str, Any]", value)) if both else value
    return result


def texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it with its path, such as `spec.containers[0].image`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[object]", value)):
            yield from texts(inner, f"{path}[{number}]")
