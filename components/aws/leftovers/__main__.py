"""The command line: what is left of a cluster, and with `--delete` no longer."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]
from botocore.session import Session  # pyright: ignore[reportMissingTypeStubs]

from components.aws.leftovers import AFTER, KEEPS_DATA, Clients, Leftover, Phase, awaited, delete, found
from components.aws.names import of_cluster
from components.aws.settings import Aws

_RESPITE = 3.0
_WAIT = 300.0
"""Seconds; a load balancer's network interfaces go some minutes after it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A cluster, and where it is."""

    region: str
    cluster: str
    vpc: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where nothing is left that would stand in the way of a destroy, else 1."""
    asked = _parser().parse_args(arguments)
    phases: Sequence[Phase] = (asked.after,) if asked.after else tuple(AFTER)
    try:
        return max(_see_to(place, phases, asked) for place in _places(asked))
    except (BotoCoreError, ClientError) as error:
        print(
            f"AWS could not be asked what controllers have left behind: {error}\n"
            "Next: see to credentials and region (AWS_PROFILE, or aws sso login), then run the same again.",
            file=sys.stderr,
        )
        return 1


def _see_to(place: Place, phases: Iterable[Phase], asked: argparse.Namespace) -> int:
    clients = _clients(place.region)
    refusals: dict[str, str] = {}
    left: list[Leftover] = []
    for phase in phases:
        still = awaited(clients, place.cluster, phase, vpc=place.vpc, seconds=0 if asked.delete else asked.wait)
        if asked.delete and still:
            still = _deleted(clients, place, phase, asked.wait, refusals)
        left += still
    if not left:
        return 0
    _tell(place, left, refusals, asked)
    return 1 if any(one.kind not in KEEPS_DATA for one in left) or refusals else 0


def _deleted(clients: Clients, place: Place, phase: Phase, seconds: float, refusals: dict[str, str]) -> list[Leftover]:
    """Delete, again and again while one thing still holds another. What is left all the same, with AWS's refusals."""
    ends = time.monotonic() + seconds
    told: set[str] = set()
    while left := found(clients, place.cluster, phase, vpc=place.vpc):
        refusals.clear()
        for one in left:
            try:
                delete(clients, place.cluster, one)
            except ClientError as error:
                refusals[one.identity] = str(error)
            else:
                if one.identity not in told:
                    print(f"deleted: {one}", file=sys.stderr)
                told.add(one.identity)
        if time.monotonic() + _RESPITE > ends:
            return found(clients, place.cluster, phase, vpc=place.vpc)
        if refusals:
            time.sleep(_RESPITE)
    return left


def _tell(place: Place, left: Iterable[Leftover], refusals: dict[str, str], asked: argparse.Namespace) -> None:
    lines = [f"Controllers of the cluster {place.cluster} in {place.region} have left behind:"]
    for one in left:
        lines.append(f"  {one}")
        if one.identity in refusals:
            lines.append(f"    could not be deleted: {refusals[one.identity]}")
    if not asked.delete:
        vpc = f" --vpc {place.vpc}" if place.vpc else ""
        lines += [
            "None of it was deleted. Next: delete what nobody needs by hand, or all of it with",
            f"  python -m components.aws.leftovers --region {place.region} --cluster {place.cluster}{vpc} --delete",
            "and run pulumi destroy again. With inference:aws.deleteLeftovers a destroy does so by itself.",
        ]
    print("\n".join(lines), file=sys.stderr)


def _places(asked: argparse.Namespace) -> Iterator[Place]:
    if not asked.stack:
        yield Place(region=asked.region, cluster=asked.cluster, vpc=asked.vpc)
        return
    text = Path(f"Pulumi.{asked.stack.rpartition('/')[2]}.yaml").read_text(encoding="utf-8")
    config = cast("dict[str, Any]", yaml.safe_load(text)["config"])
    region = Aws.model_validate(config.get("inference:aws") or {}).region
    for cluster in config["inference:clusters"]:
        yield Place(region=region, cluster=of_cluster(asked.stack.rpartition("/")[2], cluster["name"]), vpc=asked.vpc)


def _clients(region: str) -> Clients:
    session = Session()
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = cast(Any, session).create_client(service, region_name=region)
        return made[service]

    return client


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.aws.leftovers",
        description="What controllers in a cluster made in the account and left behind.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", help="all clusters of this stack, by Pulumi.<stack>.yaml")
    which.add_argument("--cluster", help="one cluster, by its name at EKS; needs --region")
    parser.add_argument("--region", help="where it is")
    parser.add_argument("--vpc", help="only what is in this VPC, and volumes")
    parser.add_argument("--after", choices=list(AFTER), help="only what can be left after those are gone")
    parser.add_argument("--wait", type=float, default=_WAIT, metavar="SECONDS", help="for controllers, or for AWS")
    parser.add_argument("--delete", action="store_true", help="delete all of it, volumes with their data too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
