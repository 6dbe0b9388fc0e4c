"""Networks that are closed until something opens them."""

from collections.abc import Iterator, Sequence

from policy.rules.resource import UNKNOWN, Resource, at, items, mapping
from policy.rules.rule import ResourceRule, Rule, StackRule, Violation
from policy.rules.settings import PolicySettings

_BOTH = {"Ingress", "Egress"}


def _closed(resources: Sequence[Resource], _: PolicySettings) -> Iterator[Violation]:
    closed = {(one.provider, one.namespace) for one in resources if one.is_kubernetes and _denies_all(one)}
    for one in resources:
        if one.type == "kubernetes:core/v1:Namespace" and (one.provider, one.object_name) not in closed:
            yield Violation(
                resource=one,
                message=f"Namespace {one.object_name} has no NetworkPolicy that denies all connections. Next: make it "
                "with components/workload/namespace.py, which has one.",
            )


def _denies_all(resource: Resource) -> bool:
    spec = mapping(resource.inputs.get("spec"))
    everybody = resource.kind == "NetworkPolicy" and not any(mapping(spec.get("podSelector")).values())
    types = {one for one in items(spec.get("policyTypes")) if isinstance(one, str)}
    return everybody and types == _BOTH and not spec.get("ingress") and not spec.get("egress")


def _inside(resource: Resource, settings: PolicySettings) -> Iterator[str]:
    if resource.type != "kubernetes:core/v1:Service":
        return
    spec = mapping(resource.inputs.get("spec"))
    if spec.get("type") == "LoadBalancer" and not settings.load_balancers:
        yield (
            f"{resource.where} is of type LoadBalancer, which is public and billed. Next: make it a ClusterIP, or ask "
            "for one with inference:quota, loadBalancers."
        )
    if items(spec.get("externalIPs")):
        yield f"{resource.where} takes addresses of nodes (externalIPs). Next: remove them."
    if spec.get("type") == "NodePort":
        asked = ", ".join(map(str, sorted(settings.node_ports))) or "none"
        for port in items(spec.get("ports")):
            number = at(port, "nodePort")
            numbered = isinstance(number, int | float)
            if number != UNKNOWN and not (numbered and number in settings.node_ports):
                which = f"port {number:g}" if numbered else "a port that Kubernetes picks"
                yield (
                    f"{resource.where} opens {which} of every node, which nobody asked for; asked for: {asked}. Next: "
                    "make it a ClusterIP, or set nodePort in the settings."
                )


RULES: tuple[Rule, ...] = (
    StackRule(
        name="default-deny",
        description="Every namespace has a NetworkPolicy that denies all connections, in and out.",
        remedy="Make namespaces with components/workload/namespace.py.",
        check=_closed,
    ),
    ResourceRule(
        name="services-inside",
        description="Services are reachable from inside the cluster alone, but for what the settings ask for.",
        remedy="Make it a ClusterIP, or ask for it with nodePort or quota.loadBalancers.",
        check=_inside,
    ),
)
