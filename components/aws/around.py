"""What Amazon has for a gateway, and what its pods must reach for that: the same where it is made, and on paper."""

from collections.abc import Sequence

import pulumi

from components.aws.roles import peers, role_name, told
from components.aws.settings import Aws
from components.gateway.gateway import Surroundings
from components.gateway.settings import AmazonModel
from components.storage.object_store import PodIdentity
from components.workload.spec import Peer

GATEWAY = "gateway"
"""What the settings call the role of the gateway, in `inference:aws.roles`, behind its cluster's name."""
POSTGRES = 5432
HTTPS = 443


def gateway_role(aws: Aws, cluster: str) -> str:
    """Name of the role of one cluster's gateway."""
    return role_name(pulumi.get_stack(), f"{cluster}-{GATEWAY}", aws.roles)


def surroundings(aws: Aws, *, database: pulumi.Input[str] | None, identity: PodIdentity | None) -> Surroundings:
    """Of a gateway with this database, and with this identity at Amazon where it asks models there."""
    reached: list[Peer] = [] if database is None else [Peer(port=POSTGRES)]
    if identity:
        reached += [Peer(port=HTTPS), *peers(aws.identity)]
    return Surroundings(database=database, identity=identity, peers=tuple(reached))


def on_paper(aws: Aws, models: Sequence[AmazonModel], cluster: str) -> Surroundings:
    """As far as settings alone know it: what goes into Git."""
    identity = told(aws, pulumi.get_stack(), f"{cluster}-{GATEWAY}") if models else None
    return surroundings(aws, database="" if aws.database else None, identity=identity)
