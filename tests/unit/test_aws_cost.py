"""What a stack at Amazon costs, before anything is made."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.aws import prices
from components.aws.cost import Machines, estimate, table
from components.aws.settings import Aws
from stacks.__main__ import main
from stacks.cost import said, tell_of_cost
from stacks.settings import Settings
from tests.unit.recording import REPOSITORY, stack_settings

NODES = Machines(what="eks: gpu", instance_type="g5.xlarge", least=0, now=1, most=4, disk=200)


def of(aws: Mapping[str, object], *machines: Machines) -> str:
    return table(estimate(Aws.model_validate(aws), clusters=1, machines=machines, stored=Decimal(0)))


def example(**changes: Any) -> Settings:
    return Settings.model_validate({**stack_settings("eks"), **changes})


def row(text: str, begin: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(begin)]
    return line.removeprefix(begin).split()


def test_every_instance_of_the_example_has_a_price() -> None:
    assert "price not known" not in said(example())


def test_sums_are_those_of_the_price_list() -> None:
    text = of({"network": {"nat": "each", "zones": ["a", "b", "c"], "endpoints": ["s3", "ecr", "sts"]}}, NODES)

    fixed = 0.10 + 3 * 0.045 + 9 * 0.01 + 1 / 730
    disk = 200 * 0.08 / 730
    assert row(text, "an hour") == [f"${fixed + count * (1.006 + disk):.2f}" for count in (0, 1, 4)]


def test_a_month_has_730_hours() -> None:
    text = of({"network": {"nat": "none"}, "prices": {"g5.xlarge": 2.0, "gp3-gb-month": 1e-9}}, NODES)

    hour = 0.10 + 1 / 730 + 4 * 2
    assert row(text, "a month of 730 hours")[-1] == f"${hour * 730:,.0f}"


def test_what_has_no_price_is_named_and_left_out_of_the_sums() -> None:
    other = Machines(what="eks: new", instance_type="g99.xlarge", least=1, now=1, most=1)

    text = of({}, NODES, other)

    assert "price not known in us-east-1, so not in the sums: eks: new: g99.xlarge\n" in text
    assert "inference:aws: {prices: {NAME: DOLLARS}}" in text
    assert row(text, "an hour") == row(of({}, NODES), "an hour")


def test_no_price_of_one_region_is_taken_for_another() -> None:
    text = of({"region": "eu-central-1"}, NODES)

    assert row(text, "an hour") == ["$0.00", "$0.00", "$0.00"]
    assert "eks: gpu: g5.xlarge" in text.partition("price not known in eu-central-1")[2]


def test_own_prices_go_before_the_list() -> None:
    region = {"region": "eu-central-1", "prices": {"g5.xlarge": 1.5}}

    assert row(of(region, NODES), "an hour") == ["$0.00", "$1.50", "$6.00"]


def test_a_network_that_is_there_already_costs_nothing_more() -> None:
    subnets = {"a": "subnet-0123456789abcdef0", "b": "subnet-0123456789abcdef1"}
    existing = {"vpc": "vpc-0123456789abcdef0", "cidr": "10.0.0.0/16", "privateSubnets": subnets}

    text = of({"network": {"existing": existing}}, NODES)

    assert "NAT" not in text


def test_a_judge_that_is_off_costs_its_weights_and_says_what_on_would_cost() -> None:
    text = said(example())

    assert "judge is off: $0.00 an hour for nodes, $0.12 a month for its weights" in text
    assert "on: $1.01 an hour more (1 x g5.xlarge)" in text


def test_nodes_that_stand_for_a_judge_alone_are_its_cost_while_it_is_off() -> None:
    clusters: list[dict[str, Any]] = stack_settings("eks")["clusters"]
    standing = [{**group, "desiredSize": group.get("size", 1)} for group in clusters[0]["nodeGroups"]]

    text = said(example(clusters=[{**clusters[0], "nodeGroups": standing}]))

    assert "judge-large is off: $5.67 an hour for nodes that wait for it" in text
    assert "on: $0.00 an hour more (0 x g5.12xlarge)" in text


def test_a_judge_that_is_on_is_no_longer_said_to_be_off() -> None:
    engines = [{**one, "replicas": 1} for one in stack_settings("eks")["engines"]]

    assert "is off" not in said(example(engines=engines))


def test_an_autoscaler_takes_away_what_nobody_needs() -> None:
    clusters: list[dict[str, Any]] = stack_settings("eks")["clusters"]
    minded = {**clusters[0], "eks": {**clusters[0]["eks"], "autoscaler": "cluster-autoscaler"}}
    given: list[dict[str, Any]] = clusters[0]["nodeGroups"]
    groups = [{key: value for key, value in one.items() if key != "desiredSize"} for one in given]

    text = said(example(clusters=[{**minded, "nodeGroups": groups}]))

    assert row(text, "eks: gpu-vllm: g5.xlarge") == ["$1.0060", "0", "1", "2"]
    assert row(text, "eks: gpu-vllm-large: g5.12xlarge") == ["$5.6720", "0", "0", "1"]


def test_what_stands_beside_the_clusters_is_counted() -> None:
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
    beside = {
        "entrance": {"clients": ["198.51.100.0/24"], "certificate": certificate},
        "files": {"kind": "lustre", "size": 2400},
        "database": {"instanceClass": "db.t4g.small"},
        "prices": {"db.t4g.small": 0.05},
    }

    text = of(beside, NODES)

    assert row(text, "FSx for Lustre") == ["$0.000199", "2400", "GB", "2400", "GB", "2400", "GB"]
    assert row(text, "load balancers") == ["$0.0225", "1", "1", "1"]
    assert row(text, "database: db.t4g.small") == ["$0.0500", "2", "2", "2"]
    assert "so not in the sums: database: disks" in text


@given(some.lists(some.integers(0, 50), min_size=3, max_size=3), some.sampled_from(sorted(prices.PRICES["us-east-1"])))
def test_at_the_least_is_never_more_than_at_the_most(counts: list[int], kind: str) -> None:
    least, now, most = sorted(counts)
    machines = Machines(what="group", instance_type=kind, least=least, now=now, most=most, disk=100)

    hour = estimate(Aws(), clusters=1, machines=[machines], stored=Decimal(1)).totals

    assert list(hour) == sorted(hour)


def test_a_preview_tells_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("pulumi.log.info", told.append)

    tell_of_cost(example())

    assert told[0].startswith("estimated cost in us-east-1, at list prices of 2026-07-20\n")


def test_the_command_prints_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("sys.argv", ["stacks", "cost", "--stack", "eks"])

    assert main() == 0
    assert "a month of 730 hours" in capsys.readouterr().out


def test_the_command_says_for_which_target_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("sys.argv", ["stacks", "cost", "--stack", "dev"])

    assert main() == 1
    assert "cost is for the target eks; this is dev" in capsys.readouterr().err
