"""Checks that a resource fails on purpose, each with the reason.

Amazon's resources have no annotations that would say so where they run, as Kubernetes objects have, and tags are not
for this. So a module that makes such a resource has a table of these, named `UNMET`, beside it. The test with checkov
reads all tables (`tests/unit/test_aws_checkov.py`), and fails for a reason of which no resource has need any more.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """One check, the resources that do not meet it, and why."""

    check: str
    """As checkov calls it, for example `CKV_AWS_158`."""
    type: str
    """Of the resource, for example `aws:cloudwatch/logGroup:LogGroup`."""
    name: str = "*"
    """In the program; `*` stands for what settings put there."""
    why: str
