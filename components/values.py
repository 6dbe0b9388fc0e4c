"""Nested mappings, as charts take them."""

from collections.abc import Mapping
from typing import Any, cast


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `more` over it, however deep."""
    result = dict(values)
    for key, value in more.items():
        given = result.get(key)
        both = isinstance(given, Mapping) and isinstance(value, Mapping)
        result[key] = merged(cast("Mapping[str, Any]", given), cast("Mapping[str, Any]", value)) if both else value
    return result
