"""Names at Amazon: within its limits, and still told apart."""

import hashlib
import re

CLUSTER_LIMIT = 100
"""Of a cluster's name at EKS."""
ROLE_LIMIT = 64
"""Of a role's name: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
DIGITS = 8
"""Of a hash, at the end of a name that was cut."""


def shortened(name: str, limit: int) -> str:
    """The name with nothing in it but letters, digits and hyphens, and cut to `limit` characters.

    What was changed ends in a part of its hash, so that two such names stay two.
    """
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")
    if plain == name and len(name) <= limit:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
    return f"{plain[: limit - DIGITS - 1].rstrip('-')}-{mark}"


def of_cluster(stack: str, cluster: str) -> str:
    """A cluster's name at EKS: no two stacks of an account share one."""
    return shortened(f"{stack}-{cluster}", CLUSTER_LIMIT)
