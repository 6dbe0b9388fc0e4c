"""What rules say of namespaces and Services."""

from dataclasses import replace
from typing import Any

import pytest

from policy.rules.resource import UNKNOWN
from policy.rules.settings import PolicySettings
from tests.unit.policy.samples import kubernetes, said, settings

NAMESPACE = kubernetes("core/v1:Namespace", name="inference", namespace="")
DENY: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def policy(namespace: str = "inference", **spec: Any) -> Any:
    return kubernetes("networking.k8s.io/v1:NetworkPolicy", name="default-deny", namespace=namespace, spec=spec)


@pytest.mark.parametrize(
    "resources",
    [
        (),
        (policy("elsewhere", **DENY),),
        (policy(podSelector={}, policyTypes=["Ingress"]),),
        (policy(**DENY, egress=[{}]),),
        (policy(podSelector={"matchLabels": {"app": "one"}}, policyTypes=["Ingress", "Egress"]),),
        (replace(policy(**DENY), provider="another cluster"),),
    ],
    ids=["none", "of another namespace", "one way only", "with a rule", "for some pods", "in another cluster"],
)
def test_a_namespace_without_a_default_deny_is_refused(resources: tuple[Any, ...]) -> None:
    (message,) = said("default-deny", NAMESPACE, *resources)
    assert message.startswith("Namespace inference has no NetworkPolicy that denies all connections. Next:")


def test_a_closed_namespace_is_let_pass() -> None:
    assert said("default-deny", NAMESPACE, policy(**DENY)) == []


def service(type_: str, *ports: Any, **fields: Any) -> Any:
    return kubernetes("core/v1:Service", spec={"type": type_, "ports": list(ports), **fields})


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (service("LoadBalancer"), "is of type LoadBalancer"),
        (service("ClusterIP", externalIPs=["192.168.1.4"]), "takes addresses of nodes"),
        (service("NodePort", {"port": 80, "nodePort": 30401}), "opens port 30401 of every node"),
        (service("NodePort", {"port": 80}), "opens a port that Kubernetes picks of every node"),
    ],
)
def test_a_service_that_nobody_asked_to_open_is_refused(resource: Any, words: str) -> None:
    asked = settings(gateway={"litellm": {"nodePort": 30400}})
    (message,) = said("services-inside", resource, settings=asked)
    assert words in message


@pytest.mark.parametrize(
    ("resource", "asked"),
    [
        (service("ClusterIP", {"port": 80}), settings()),
        (service("LoadBalancer"), settings(quota={"loadBalancers": 1})),
        (service("NodePort", {"port": 80, "nodePort": 30400.0}), settings(gateway={"litellm": {"nodePort": 30400}})),
        (service("NodePort", {"port": 80, "nodePort": UNKNOWN}), settings()),
    ],
    ids=["inside", "a load balancer that is asked for", "a port that is asked for", "a port not known yet"],
)
def test_a_service_that_is_inside_or_asked_for_is_let_pass(resource: Any, asked: PolicySettings) -> None:
    assert said("services-inside", resource, settings=asked) == []
