"""The rules, a file for each topic. Each is a pure function: resources and settings in, sentences out."""

from policy.rules import buckets, data, iam, images, network, privileges, quantities, secrets, security_groups
from policy.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *images.RULES,
    *quantities.RULES,
    *privileges.RULES,
    *network.RULES,
    *buckets.RULES,
    *security_groups.RULES,
    *iam.RULES,
    *data.RULES,
    *secrets.RULES,
)
