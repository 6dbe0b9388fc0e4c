"""A bare Debian host becomes a cluster: by our steps, by the same scripts by hand; and four hosts at once."""

import statistics
import time
from collections.abc import Mapping

from benchmarks.hosts_at_hand import hosts_at_hand, seconds_of_up
from tests.hosts import onprem
from tests.hosts.machine import Machine

ROUNDS = 5
CLUSTERS = ("--target", "**inference:cluster:K3sCluster**")
"""What the scripts do: without the namespaces, policies and secrets that the whole stack has inside of each cluster."""
STEPS = ("host-0-preflight", "host-0-system", "host-0-k3s", "access")
"""In this order; the last one's result is the kubeconfig."""


def run() -> list[str]:
    """Rows of a table: seconds, medians of rounds taken in turn, and their ratios to one host by hand."""
    with hosts_at_hand() as hosts:
        machines = [hosts.host(f"host-{number}") for number in range(4)]
        one = hosts.deployment({machines[0].hostname: machines[:1]})
        four = hosts.deployment({"all": machines})
        apart = hosts.deployment({machine.hostname: (machine,) for machine in machines})
        one.up()  # the first has what later ones find: packages in the mirror, images in the page cache
        texts = {step: one.sent(f"host-0-{step}") for step in STEPS}
        one.destroy()
        ours: list[float] = []
        by_hand: list[float] = []
        all_four: list[float] = []
        each: list[float] = []
        for _ in range(ROUNDS):
            by_hand.append(_by_hand(machines[0], texts))
            ours.append(seconds_of_up(one, *CLUSTERS))
            one.destroy()
            all_four.append(seconds_of_up(four, *CLUSTERS))
            four.destroy()
            each.append(seconds_of_up(apart, *CLUSTERS))
            apart.destroy()
        logins = [onprem.connections(machines[1])]
        for options in ((), ("--expect-no-changes",)):
            four.up(*options)
            logins.append(onprem.connections(machines[1]))
        four.destroy()
    rows = [
        ("one host, scripts by hand", by_hand),
        ("one host, our steps", ours),
        ("four hosts, one cluster", all_four),
        ("four hosts, four clusters", each),
    ]
    base = statistics.median(ours)
    lines = [
        f"| {name} | {statistics.median(took):.1f} | {statistics.median(took) / base:.2f} x |" for name, took in rows
    ]
    first, unchanged = logins[1] - logins[0], logins[2] - logins[1]
    said = f"SSH connections per host: {first} for a first up (at most 12), {unchanged} for an unchanged one."
    return ["| way | seconds | ratio |", "|---|---|---|", *lines, "", said]


def _by_hand(machine: Machine, texts: Mapping[str, str]) -> float:
    """Each script in turn in a root shell on the host, and then the way back, which is not counted."""
    start = time.monotonic()
    for text in texts.values():
        machine.run("bash -s up", stdin=text)
    seconds = time.monotonic() - start
    for name in ("host-0-k3s", "host-0-system"):
        machine.run("bash -s down", stdin=texts[name])
    return seconds
