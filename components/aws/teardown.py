"""Places in the order of a destroy where what controllers made must be gone before the next thing is deleted."""

from collections.abc import Sequence

import pulumi
from pulumi_command import local

from components.aws.leftovers import Phase

_PYTHON = '"$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)"'
_WAIT = 300
"""Seconds that controllers, and AWS itself, have to clean up after what was deleted."""


def cleared(
    name: str,
    phase: Phase,
    *,
    region: str,
    cluster: pulumi.Input[str],
    vpc: pulumi.Input[str],
    delete: bool,
    before: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Does nothing until it is deleted: then it waits for leftovers of the phase, and fails on those that stay.

    On destroy it goes after everything that depends on it, and before those named `before`, which it depends on.
    With `delete` it deletes what stays.
    """
    program = f"{_PYTHON} -m components.aws.leftovers --region {region} --after {phase} --wait {_WAIT}"
    return local.Command(
        name,
        create="true",
        update="true",  # or the next one would be `create` again, with what it printed
        delete=f'{program} --cluster "$CLUSTER" --vpc "$VPC"' + (" --delete" if delete else ""),
        environment={"CLUSTER": cluster, "VPC": vpc},
        logging=local.Logging.STDERR,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=list(before))),
    )
