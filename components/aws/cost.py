"""What a stack at Amazon costs while it stands: machines, network, control planes, storage. Traffic is not in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from components.aws import prices
from components.aws.counterparts import Lustre
from components.aws.settings import Aws, NetworkSettings

_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """A group of like machines: how many there are at the least, with the engines as they are set, and at the most."""

    what: str
    instance_type: str
    least: int
    now: int
    most: int
    disk: int | None = None
    """GB of gp3 on each; None where that is not known."""
    spot: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the estimate."""

    what: str
    price: Decimal | None
    """Of one, for an hour; None where it is not known."""
    least: Decimal
    now: Decimal
    most: Decimal
    unit: str = ""

    def at(self, count: Decimal) -> Decimal:
        """Dollars an hour for so many; 0 where the price is not known."""
        return (self.price or _ZERO) * count


@dataclass(frozen=True, kw_only=True)
class Switched:
    """An engine that is off, and what it takes to have it on."""

    engine: str
    instance_type: str
    kept: int
    """Nodes that stand for nobody else while it is off."""
    added: int
    """Nodes that its first replica needs beside those that are there."""
    weights: Decimal
    """GB of its models in the store; as much is kept while it is off."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """All rows, and the prices that they were made with."""

    region: str
    lines: Sequence[Line]
    switched: Sequence[Switched]
    prices: Mapping[str, Decimal]

    @property
    def unknown(self) -> Sequence[str]:
        """What has no price here although there is some of it."""
        return [line.what for line in self.lines if line.price is None and line.most]

    @property
    def totals(self) -> tuple[Decimal, Decimal, Decimal]:
        """Dollars an hour at the least, as set, and at the most, of what has a price."""
        return (
            sum((line.at(line.least) for line in self.lines), _ZERO),
            sum((line.at(line.now) for line in self.lines), _ZERO),
            sum((line.at(line.most) for line in self.lines), _ZERO),
        )


def estimate(
    aws: Aws,
    *,
    clusters: int,
    machines: Sequence[Machines],
    stored: Decimal,
    switched: Sequence[Switched] = (),
) -> Estimate:
    """Of so many clusters with these machines; `stored` are GB of models in the bucket."""
    known = {**prices.PRICES.get(aws.region, {}), **{what: Decimal(str(price)) for what, price in aws.prices.items()}}
    lines = [
        _fixed("control plane of EKS", known.get(prices.CONTROL_PLANE), clusters),
        *_machines(machines, known),
        *_network(aws.network, known),
        *_counterparts(aws, clusters, known),
        _fixed("keys of KMS", _hourly(known.get(prices.KEY)), clusters + bool(aws.database)),
        _fixed("models in S3", _hourly(known.get(prices.S3)), stored, unit="GB"),
    ]
    return Estimate(
        region=aws.region, lines=[line for line in lines if line.most], switched=tuple(switched), prices=known
    )


def _machines(machines: Iterable[Machines], known: Mapping[str, Decimal]) -> Iterator[Line]:
    for one in machines:
        least, now, most = Decimal(one.least), Decimal(one.now), Decimal(one.most)
        name = f"{one.what}: {one.instance_type}{', Spot at most' if one.spot else ''}"
        yield Line(what=name, price=known.get(one.instance_type), least=least, now=now, most=most)
        if disk := one.disk:
            price = _hourly(known.get(prices.GP3))
            sizes = (least * disk, now * disk, most * disk)
            yield Line(what=f"{one.what}: disks", price=price, unit="GB", least=sizes[0], now=sizes[1], most=sizes[2])


def _network(network: NetworkSettings, known: Mapping[str, Decimal]) -> Iterator[Line]:
    """None of a VPC that is there already: what it costs, it costs anyway."""
    if network.existing:
        return
    zones = len(network.zones)
    gateways = {"one": 1, "each": zones, "none": 0}[network.nat]
    # That of S3 costs nothing, and ECR has two.
    endpoints = sum({"s3": 0, "ecr": 2}.get(endpoint, 1) for endpoint in set(network.endpoints)) * zones
    yield _fixed("NAT gateways", known.get(prices.NAT), gateways)
    yield _fixed("interface endpoints", known.get(prices.ENDPOINT), endpoints)


def _counterparts(aws: Aws, clusters: int, known: Mapping[str, Decimal]) -> Iterator[Line]:
    """What costs by the hour; what costs by use is not known before."""
    if aws.entrance:
        yield _fixed("load balancers", known.get(prices.LOAD_BALANCER), clusters)
    if isinstance(aws.files, Lustre):
        price = known.get(prices.LUSTRE if aws.files.throughput == prices.LUSTRE_THROUGHPUT else "fsx-lustre")
        yield _fixed("FSx for Lustre", _hourly(price), clusters * aws.files.size, unit="GB")
    if aws.database:
        machines = 2 if aws.database.both_zones else 1
        kind = aws.database.instance_class
        yield _fixed(f"database: {kind}", known.get(kind), machines)
        yield _fixed("database: disks", _hourly(known.get("rds-gp3-gb-month")), machines * aws.database.size, unit="GB")


def _fixed(what: str, price: Decimal | None, count: int | Decimal, *, unit: str = "") -> Line:
    number = Decimal(count)
    return Line(what=what, price=price, least=number, now=number, most=number, unit=unit)


def _hourly(price: Decimal | None) -> Decimal | None:
    return None if price is None else price / prices.HOURS


def table(found: Estimate) -> str:
    """The estimate as text."""
    rows = [("", "each", "least", "as set", "most"), *(_row(line) for line in found.lines)]
    hour = found.totals
    rows += [("an hour", "", *(f"${one:.2f}" for one in hour))]
    rows += [(f"a month of {prices.HOURS} hours", "", *(f"${one * prices.HOURS:,.0f}" for one in hour))]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    text = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    text += [_switched(one, found.prices) for one in found.switched]
    if found.unknown:
        text.append(f"price not known in {found.region}, so not in the sums: {', '.join(found.unknown)}")
        text.append(
            "  say what they cost: inference:aws: {prices: {NAME: DOLLARS}}; names are in components/aws/prices.py"
        )
    text.append("without: taxes, traffic, requests, logs by volume, volumes that pods ask for")
    return "\n".join(line.rstrip() for line in text)


def _row(line: Line) -> tuple[str, str, str, str, str]:
    each = (
        "?" if line.price is None else f"${line.price:.4f}" if line.price >= Decimal("0.001") else f"${line.price:.6f}"
    )
    counts = [
        f"{count.normalize():f}{' ' + line.unit if line.unit else ''}" for count in (line.least, line.now, line.most)
    ]
    return (line.what, each, counts[0], counts[1], counts[2])


def _switched(one: Switched, known: Mapping[str, Decimal]) -> str:
    node = known.get(one.instance_type)
    if node is None:
        return f"{one.engine} is off: the price of {one.instance_type} is not known"
    store = known.get(prices.S3, _ZERO) * one.weights
    kept = f"${node * one.kept:.2f} an hour for nodes that wait for it" if one.kept else "$0.00 an hour for nodes"
    return (
        f"{one.engine} is off: {kept}, ${store:.2f} a month for its weights; "
        f"on: ${node * one.added:.2f} an hour more ({one.added} x {one.instance_type})"
    )
