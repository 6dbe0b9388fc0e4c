"""Which addresses of a VPC are whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

RESERVED = 5
"""Addresses of every subnet that Amazon keeps: the first four and the last (docs.aws.amazon.com/vpc/latest/userguide/
subnet-sizing.html)."""
_QUARTER = 2
_SIXTEENTH = 4
"""Bits that a subnet's length has more than that of the network it is cut from."""


@dataclass(frozen=True, kw_only=True)
class Subnets:
    """What one availability zone gets."""

    private: IPv4Network
    """Nodes, and a pod each: Amazon's CNI gives every pod an address of the VPC."""
    public: IPv4Network
    """NAT gateways and load balancers for the internet."""


def plan(vpc: IPv4Network, zones: Sequence[str]) -> Mapping[str, Subnets]:
    """A quarter of the VPC for what runs in each zone; of the last quarter, a sixteenth for what each has in public.

    So a /16 has 16,379 private addresses in a zone and 1,019 public ones, and a /20 has 1,019 and 59. What is given
    to a zone depends on its place in `zones` alone, so that one more at the end moves nothing; twelve sixteenths of
    the last quarter stay free. ValueError for more than three zones.
    """
    *private, rest = vpc.subnets(prefixlen_diff=_QUARTER)
    public = rest.subnets(prefixlen_diff=_SIXTEENTH)
    if len(zones) > len(private):
        raise ValueError(f"a VPC is planned for {len(private)} zones, not for {len(zones)}")
    return {
        zone: Subnets(private=inside, public=outside)
        for zone, inside, outside in zip(zones, private, public, strict=False)
    }


def usable(subnet: IPv4Network) -> int:
    """Addresses that nodes, pods and load balancers can have."""
    return subnet.num_addresses - RESERVED
