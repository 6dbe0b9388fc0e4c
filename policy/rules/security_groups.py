"""Security groups at Amazon: to and from everywhere by HTTPS alone."""

from collections.abc import Iterator, Mapping

from policy.rules.resource import Resource, at, items, mapping
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_HTTPS = 443
_GROUPS = (
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
)
_RULES = {
    "aws:ec2/securityGroupRule:SecurityGroupRule": None,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "in",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "out",
}
_FIELDS = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6")


def _closed(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for direction, rule in _rules(resource):
        everywhere = [one for field in _FIELDS for one in (items(rule.get(field)) or [rule.get(field)])]
        wide = [one for one in everywhere if one in _EVERYWHERE]
        ports = (rule.get("fromPort"), rule.get("toPort"))
        if wide and ports != (_HTTPS, _HTTPS):
            which = "all ports" if None in ports or -1 in ports else f"the ports {ports[0]} to {ports[1]}"
            whom = f"from {wide[0]}" if direction == "in" else f"to {wide[0]}"
            yield f"{resource.where} opens {which} {whom}. Next: name the networks, or open {_HTTPS} alone."


def _rules(resource: Resource) -> Iterator[tuple[str, Mapping[str, object]]]:
    if resource.type in _GROUPS:
        for direction, key in (("in", "ingress"), ("out", "egress")):
            for rule in items(resource.inputs.get(key)):
                yield direction, mapping(rule)
    elif resource.type in _RULES:
        direction = _RULES[resource.type] or ("out" if at(resource.inputs, "type") == "egress" else "in")
        yield direction, resource.inputs


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="closed-security-groups",
        description="No rule of a security group is for 0.0.0.0/0 or ::/0, but for port 443.",
        remedy="Name the networks.",
        check=_closed,
    ),
)
