"""Addresses of a VPC, as its zones get them."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.addresses import plan, usable

VPCS = st.integers(min_value=16, max_value=20).flatmap(
    lambda length: st.sampled_from(list(IPv4Network("10.0.0.0/8").subnets(new_prefix=length)))
)
ZONES = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=3, unique=True)


def subnets(vpc: IPv4Network, zones: list[str]) -> list[IPv4Network]:
    return [subnet for zone in plan(vpc, zones).values() for subnet in (zone.private, zone.public)]


@given(VPCS, ZONES)
def test_no_two_subnets_overlap_and_all_are_in_the_vpc(vpc: IPv4Network, zones: list[str]) -> None:
    every = subnets(vpc, zones)
    assert not [pair for pair in combinations(every, 2) if pair[0].overlaps(pair[1])]
    assert all(subnet.subnet_of(vpc) for subnet in every)


@given(VPCS, ZONES)
def test_every_zone_gets_one_subnet_of_each_kind_and_all_zones_get_alike(vpc: IPv4Network, zones: list[str]) -> None:
    planned = plan(vpc, zones)
    assert list(planned) == zones
    assert len({(zone.private.prefixlen, zone.public.prefixlen) for zone in planned.values()}) == 1


@given(VPCS, ZONES)
def test_a_third_zone_added_at_the_end_moves_nothing(vpc: IPv4Network, zones: list[str]) -> None:
    before, after = plan(vpc, zones[:2]), plan(vpc, [*zones[:2], "z"])
    assert {zone: after[zone] for zone in before} == before


@given(VPCS, ZONES)
def test_the_zones_leave_room_for_more_than_they_have_in_public(vpc: IPv4Network, zones: list[str]) -> None:
    taken = sum(subnet.num_addresses for subnet in subnets(vpc, zones))
    assert vpc.num_addresses - taken >= vpc.num_addresses // 8


@given(VPCS, ZONES)
def test_every_subnet_is_one_that_amazon_takes(vpc: IPv4Network, zones: list[str]) -> None:
    # A load balancer wants a /27 at least, and a cluster 16 addresses; Amazon has no subnet beyond a /16.
    assert all(16 <= subnet.prefixlen <= 27 for subnet in subnets(vpc, zones))


@pytest.mark.parametrize(
    ("vpc", "private", "public"),
    [("10.0.0.0/16", 16379, 1019), ("10.0.0.0/18", 4091, 251), ("10.0.0.0/20", 1019, 59)],
)
def test_sizes_are_as_the_settings_say(vpc: str, private: int, public: int) -> None:
    for zone in plan(IPv4Network(vpc), ["a", "b", "c"]).values():
        assert (usable(zone.private), usable(zone.public)) == (private, public)


def test_a_fourth_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="planned for 3 zones, not for 4"):
        plan(IPv4Network("10.0.0.0/16"), ["a", "b", "c", "d"])
