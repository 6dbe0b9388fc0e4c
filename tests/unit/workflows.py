"""The workflows of the repository, read for tests."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.unit.recording import REPOSITORY

FILES = tuple(sorted((REPOSITORY / ".github/workflows").glob("*.yml")))
ACTIONS = tuple(sorted((REPOSITORY / ".github/actions").glob("*/action.yml")))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of one workflow."""

    workflow: str
    name: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow}/{self.name}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Its steps."""
        return self.fields["steps"]

    def scripts(self) -> Iterator[str]:
        """What its steps run."""
        return (step["run"] for step in self.steps if "run" in step)


@functools.cache
def workflow(name: str) -> dict[str, Any]:
    """A workflow; what starts it is under `on`, which YAML 1.1 reads as true."""
    document: dict[Any, Any] = yaml.safe_load((REPOSITORY / f".github/workflows/{name}.yml").read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def jobs(*names: str) -> tuple[Job, ...]:
    """The jobs of these workflows, or of all."""
    chosen = names or tuple(file.stem for file in FILES)
    return tuple(
        Job(workflow=name, name=job, fields=fields) for name in chosen for job, fields in workflow(name)["jobs"].items()
    )


def job(name: str) -> Job:
    """One job, by `workflow/job`."""
    return {str(one): one for one in jobs()}[name]


def shown(path: Path) -> str:
    """A file's path in the repository."""
    return str(path.relative_to(REPOSITORY))
