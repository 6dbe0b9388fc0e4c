"""Settings of workflows."""

from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from components.section import Name, Section, rule

Key = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", max_length=200),
    rule("names of letters, digits, . _ and - with a slash between", example="evaluations/questions.jsonl"),
]


class Workflows(Section):
    """A namespace for workflows of Argo Workflows, which `inference:charts` brings, and what they may do there."""

    cluster: Name | None = None
    """One of `clusters`, the one of the judges; the first of all when not set."""
    prefix: Key = "workflows"
    """Where in the models' bucket they read and write, and nowhere else."""
    judges: tuple[Name, ...] = Field(default=(), examples=[["judge"]])
    """Engines with `replicas: 0` that the workflow `evaluate` turns on, asks, and turns off again."""
    dataset: Key = "questions.jsonl"
    """What it asks when it is not told another: a file below the prefix, a JSON object with `messages` a line."""
    parallel: Annotated[PositiveInt, Field(le=256)] = 8
    """Questions that it asks at a time."""
    hours: Annotated[PositiveInt, Field(le=168)] = 6
    """How long an evaluation may take: whatever it is at then, the judge is turned off."""
    kept_days: Annotated[PositiveInt, Field(le=365)] = 7
    """Days that a finished workflow can be looked at in the cluster; its results and logs stay in the bucket."""
