"""Places in the order of a destroy where what controllers made must be gone before the next thing is deleted."""

from dataclasses import dataclass

import pulumi
from pulumi_command import local

from components.aws.leftovers import Phase

_PYTHON = '"$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)"'
"""That of the clone which destroys: it need not be the one that made."""
_WAIT = '"${INFERENCE_LEFTOVERS_WAIT:-300}"'
"""Seconds that controllers, and AWS itself, have to clean up after what was deleted."""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """The cluster whose leftovers are looked for."""

    region: str
    cluster: str
    """Its name at EKS."""
    vpc: pulumi.Input[str]
    delete: bool
    """Whether what stays is deleted."""


def cleared(name: str, phase: Phase, of: Gone, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """Does nothing until it is deleted: then it waits for leftovers of the phase, and fails on those that stay.

    On destroy its turn comes after everything that depends on it, and before all that it depends on.
    """
    program = f"{_PYTHON} -m components.aws.leftovers --region {of.region} --cluster {of.cluster}"
    return local.Command(
        name,
        create="true",
        update="true",  # not `create` once more, which would be given what that printed
        delete=f'{program} --vpc "$VPC" --after {phase} --wait {_WAIT}' + (" --delete" if of.delete else ""),
        environment={"VPC": of.vpc},
        logging=local.Logging.STDERR,
        opts=opts,
    )
