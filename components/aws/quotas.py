"""Codes of Service Quotas, as several public programs name them; seen 2026-11-22."""

import re
from collections.abc import Mapping
from typing import Literal

Market = Literal["on-demand", "spot"]

EIPS = "L-0263D0A3"
"""Elastic IP addresses of a region, of the service `ec2`."""
VPCS = "L-F678F1CE"
"""VPCs of a region, of the service `vpc`."""

_STANDARD = ("a", "c", "d", "h", "i", "m", "r", "t", "z")
_GRAPHICS = ("g", "gr", "vt")

VCPUS: Mapping[Market, Mapping[str, str]] = {
    "on-demand": {
        **dict.fromkeys(_STANDARD, "L-1216C47A"),
        **dict.fromkeys(_GRAPHICS, "L-DB2E81BA"),
        "p": "L-417A185B",
    },
    "spot": {**dict.fromkeys(_STANDARD, "L-34B43A08"), **dict.fromkeys(_GRAPHICS, "L-3819A6DF"), "p": "L-7212CCBC"},
}
"""vCPUs of running instances, by the letters that an instance type begins with; one code covers several."""
SPOT_OF_P5 = "L-C4BD4855"
"""Spot has one of its own for P5 and later."""


def code(instance_type: str, market: Market) -> str | None:
    """The quota that such an instance counts against: `code("g5.xlarge", "on-demand")`; None where none was seen."""
    found = re.match(r"([a-z]+)([0-9]+)", instance_type)
    if not found:
        return None
    letters, generation = found.groups()
    if letters == "p" and int(generation) >= 5 and market == "spot":
        return SPOT_OF_P5
    return VCPUS[market].get(letters)
