"""A bare Debian host becomes a cluster of one node: by our steps, by the same scripts by hand, and four at once."""

import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.hosts_at_hand import hosts_at_hand, seconds_of_up
from tests.e2e.deployment import Deployment
from tests.hosts import onprem
from tests.hosts.machine import Machine

ROUNDS = 3
STEPS = ("preflight", "system", "k3s", "access")
"""In this order; the last one's result is the kubeconfig."""


def run() -> list[str]:
    """Rows of a table: seconds, medians of rounds taken in turn, and their ratios to one host by hand."""
    with hosts_at_hand() as hosts:
        machines = [hosts.host(f"host-{number}") for number in range(4)]
        one = hosts.deployment({machines[0].hostname: machines[:1]})
        four = hosts.deployment({machine.hostname: (machine,) for machine in machines})
        one.up()  # the first has what later ones find: packages in the mirror, images in the page cache
        texts = _texts(one, machines[0])
        one.destroy()
        ours: list[float] = []
        by_hand: list[float] = []
        all_four: list[float] = []
        for _ in range(ROUNDS):
            by_hand.append(_by_hand(machines[0], texts))
            ours.append(seconds_of_up(one))
            one.destroy()
            all_four.append(seconds_of_up(four))
            before = onprem.connections(machines[0])
            four.up("--expect-no-changes")
            unchanged = onprem.connections(machines[0]) - before
            four.destroy()
        logins = onprem.connections(machines[1]) / ROUNDS
    rows = [("one host, scripts by hand", by_hand), ("one host, our steps", ours), ("four hosts, our steps", all_four)]
    base = statistics.median(by_hand)
    lines = [
        f"| {name} | {statistics.median(took):.1f} | {statistics.median(took) / base:.2f} x |" for name, took in rows
    ]
    said = f"SSH connections per host: {logins:.0f} for up and destroy together, {unchanged} for an unchanged up."
    return ["| way | seconds | ratio |", "|---|---|---|", *lines, "", said]


def _by_hand(machine: Machine, texts: Mapping[str, str]) -> float:
    """Each script in turn in a root shell on the host, and then the way back, which is not counted."""
    start = time.monotonic()
    for text in texts.values():
        machine.run("bash -s up", stdin=text)
    seconds = time.monotonic() - start
    for name in ("k3s", "system"):
        machine.run("bash -s down", stdin=texts[name])
    return seconds


def _texts(deployment: Deployment, machine: Machine) -> Mapping[str, str]:
    """What the host was sent, by step."""
    exported = json.loads(deployment.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]["resources"]
    inputs: dict[str, Any] = {one["urn"].rpartition("::")[2]: one.get("inputs", {}).get("stdin") for one in exported}
    name = machine.hostname
    found = {step: inputs.get(f"{name}-{name}-{step}") or inputs[f"{name}-{step}"] for step in STEPS}
    return {step: text if isinstance(text, str) else json.loads(text["plaintext"]) for step, text in found.items()}
