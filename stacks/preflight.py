"""The command that asks Amazon whether an account can have what a stack asks for."""

import sys
from typing import Any

import botocore.session  # pyright: ignore[reportMissingTypeStubs]

from components.aws.preflight import Clients, Wanted, problems
from stacks.settings import Settings


def preflight(settings: Settings, *, stack: str, clients: Clients | None = None) -> int:
    """Say every problem at once; 1 where there is any."""
    found = problems(settings.aws, wanted(settings), clients or _clients(settings.aws.region), stack=stack)
    if not found:
        print(f"{stack}: {settings.aws.region} has the zones and machines, and the account's quotas are enough")
        return 0
    print(f"{len(found)} in the way of {stack}:", *(f"- {one}" for one in found), sep="\n", file=sys.stderr)
    print("Nothing was changed.", file=sys.stderr)
    return 1


def wanted(settings: Settings) -> list[Wanted]:
    """All node groups of the settings."""
    region, network = settings.aws.region, settings.aws.network
    return [
        Wanted(
            group=f"{cluster.name}: {group.name}",
            instance_type=group.instance_type,
            zones=[f"{region}{letter}" for letter in group.zones or network.letters],
            most=group.size,
            cpu=group.cpu,
            market=group.buy,
            gpus=0 if group.accelerator.kind == "cpu" else group.accelerator.count,
        )
        for cluster in settings.clusters
        for group in cluster.node_groups
    ]


def _clients(region: str) -> Clients:
    session: Any = botocore.session.Session()
    return lambda service: session.create_client(service, region_name=region)
