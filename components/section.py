"""What every part of the settings has in common, and the types that several parts use."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


class Section(BaseModel):
    """One part of a stack's settings: plain data, frozen, camelCase in YAML, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=_camel_case,
        validate_by_name=True,
        validate_by_alias=True,
    )


def rule(words: str, *, example: str) -> Any:
    """Says in words what a pattern asks for: shown in errors, and by editors through the JSON Schema."""
    return Field(examples=[example], json_schema_extra={"patternErrorMessage": f"must be {words}"})


Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40),
    rule("lower-case letters, digits and hyphens, beginning with a letter, at most 40 of them", example="legal-8b"),
]
"""A DNS label (RFC 1123) of at most 40 characters, so that suffixes such as `-litellm-config` still fit in 63."""

PORT = "(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?"
"""In a URL's pattern: a port that there is, or none."""

Quantity = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$", max_length=20),
    rule("a number with a unit of bytes: Ki, Mi, Gi, Ti, Pi, or k, M, G, T, P", example="16Gi"),
]
"""An amount of bytes as Kubernetes writes it, for example `16Gi`."""

LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
    ),
    rule("a Kubernetes label key: letters, digits, - _ and ., at most 63", example="rocm-inference"),
]
LabelValue = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"),
    rule("a Kubernetes label value: letters, digits, - _ and ., at most 63", example="strix-halo"),
]
Labels = dict[LabelKey, LabelValue]

_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50} | {
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
}


def byte_count(quantity: Quantity) -> int:
    """The bytes in a Kubernetes quantity: `byte_count("2Ki") == 2048`."""
    digits = quantity.rstrip("KMGTPki")
    factor = _FACTORS.get(quantity[len(digits) :], 1)
    return int(Decimal(digits) * factor)
