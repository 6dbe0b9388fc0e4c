"""The network at Amazon: zones, addresses, ways out, and one that is there already."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from components.aws.settings import Endpoint, ExistingNetwork, NetworkSettings
from stacks.drafts import Draft
from stacks.problems import PREFIX, Place, Problem, listed, path

_NETWORK: Place = ("aws", "network")
_PRIVATE = [IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
_IDENTITY: dict[str, Endpoint] = {"irsa": "sts", "pod-identity": "eks-auth"}
"""What pods ask for their roles."""


def zones_are_listed_once(draft: Draft) -> Iterator[Problem]:
    """A zone has one subnet of each kind."""
    network = _made(draft)
    for index, zone in enumerate(network.zones if network else ()):
        if network and (first := network.zones.index(zone)) != index:
            message = f'"{zone}" is taken: aws.network.zones[{first}] has it already'
            yield Problem(place=(*_NETWORK, "zones", index), message=message)


def addresses_are_private(draft: Draft) -> Iterator[Problem]:
    """Somebody's public addresses inside a VPC would make that somebody unreachable from it."""
    network = _made(draft)
    if network and not any(IPv4Network(network.cidr).subnet_of(one) for one in _PRIVATE):
        message = f'"{network.cidr}" is no private network; take a part of one of: {listed(map(str, _PRIVATE))}'
        yield Problem(place=(*_NETWORK, "cidr"), message=message)


def nodes_have_a_way_out(draft: Draft) -> Iterator[Problem]:
    """To what each of them asks: images in ECR, whose layers are in S3; EC2; and where pods' roles come from."""
    network = _made(draft)
    aws = draft.aws.value
    if not network or not aws or network.nat != "none" or not draft.aws.knows("identity"):
        return
    needed: tuple[Endpoint, ...] = ("s3", "ecr", "ec2", _IDENTITY[aws.identity])
    if missing := [one for one in needed if one not in network.endpoints]:
        message = f"lacks {listed(missing)}: without NAT, nodes and pods have no other way there"
        yield Problem(place=(*_NETWORK, "endpoints"), message=message)


def an_existing_network_is_taken_as_it_is(draft: Draft) -> Iterator[Problem]:
    """What would be made is said in vain."""
    network = _network(draft)
    if network and network.existing:
        said = network.model_fields_set - {"existing"}
        for key in (info.alias or name for name, info in NetworkSettings.model_fields.items() if name in said):
            message = "says what to make, and an existing network is not changed; leave it out"
            yield Problem(place=(*_NETWORK, key), message=message)


def subnets_are_listed_once(draft: Draft) -> Iterator[Problem]:
    """A subnet is in one zone, and private or public."""
    network = _network(draft)
    first: dict[str, Place] = {}
    for place, subnet in _subnets(network.existing) if network and network.existing else ():
        if subnet in first:
            holder = path(first[subnet]).removeprefix(PREFIX)
            yield Problem(place=place, message=f'"{subnet}" is taken: {holder} has it already')
        first.setdefault(subnet, place)


def _subnets(existing: ExistingNetwork) -> Iterator[tuple[Place, str]]:
    for key, subnets in (("privateSubnets", existing.private_subnets), ("publicSubnets", existing.public_subnets)):
        for zone, subnet in subnets.items():
            yield (*_NETWORK, "existing", key, zone), subnet


def _network(draft: Draft) -> NetworkSettings | None:
    return draft.aws.value.network if draft.aws.value and draft.aws.knows("network") else None


def _made(draft: Draft) -> NetworkSettings | None:
    """The network, unless it is there already."""
    network = _network(draft)
    return None if network and network.existing else network
