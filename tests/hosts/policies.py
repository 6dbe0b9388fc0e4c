"""Whether what pods were seen to connect to is what their NetworkPolicies allow.

The stand-in for k3s enforces none: a policy that lacks something is found here, by what its pods did.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.workload.network import NAMESPACE_LABEL
from tests.api_server import ApiServer
from tests.hosts.machine import Machine

_FLOW = re.compile(
    r"^(?!.*UNREPLIED)(tcp|udp) .*? src=(\S+) dst=\S+ sport=\d+ dport=\d+ .*?src=(\S+) dst=\S+ sport=(\d+) ", re.M
)
"""Who asked, and who answered in place of a Service. Without an answer nobody knows who would have."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One that takes part in a connection."""

    namespace: str
    labels: Mapping[str, str]

    @property
    def name(self) -> str:
        """What it is called among its labels, else its namespace."""
        return self.labels.get("app.kubernetes.io/name", self.namespace)


@dataclass(frozen=True, kw_only=True)
class Connections:
    """What was seen, in words such as `a -> b TCP 80`."""

    allowed: frozenset[str]
    refused: frozenset[str]


def seen(machine: Machine, api: ApiServer, namespace: str) -> Connections:
    """Connections from and to pods of the namespace that the host still knows of; not those that the kubelet makes."""
    pods = {
        one["status"].get("podIP", ""): Pod(namespace=one["metadata"]["namespace"], labels=one["metadata"]["labels"])
        for one in api.get("pods", "--all-namespaces")["items"]
    }
    policies = api.get("networkpolicies", "--namespace", namespace)["items"]
    allowed, refused = set[str](), set[str]()
    for protocol, source, answers, port in _FLOW.findall(machine.run("conntrack -L 2>/dev/null")):
        asks, asked, number = pods.get(source), pods.get(answers), int(port)
        if asks is None or namespace not in (asks.namespace, asked and asked.namespace):
            continue
        may = asks.namespace != namespace or _allows(policies, "egress", asks, asked, protocol.upper(), number)
        if may and asked and asked.namespace == namespace:
            may = _allows(policies, "ingress", asked, asks, protocol.upper(), number)
        what = f"{asks.name} -> {asked.name if asked else 'outside'} {protocol.upper()} {number}"
        (allowed if may else refused).add(what)
    return Connections(allowed=frozenset(allowed), refused=frozenset(refused))


def _allows(
    policies: Iterable[Mapping[str, Any]], direction: str, pod: Pod, other: Pod | None, protocol: str, port: int
) -> bool:
    peers = {"egress": "to", "ingress": "from"}[direction]
    rules = [
        rule
        for policy in policies
        if _selects(policy["spec"]["podSelector"], pod.labels)
        for rule in policy["spec"].get(direction, [])
    ]
    return any(
        ("ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"])
        and (peers not in rule or any(_is(peer, other) for peer in rule[peers]))
        for rule in rules
    )


def _is(peer: Mapping[str, Any], pod: Pod | None) -> bool:
    if pod is None:
        return False
    return _selects(peer.get("namespaceSelector", {}), {NAMESPACE_LABEL: pod.namespace}) and _selects(
        peer.get("podSelector", {}), pod.labels
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items())
