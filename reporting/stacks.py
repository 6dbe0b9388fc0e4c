"""The stacks of the repository, as the lists that jobs are made of.

python -m reporting.stacks --deployed "onprem eks" [--only eks]
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from reporting.problems import ReportingError
from toolchain import places

_FILE = re.compile(r"Pulumi\.(?P<stack>[\w.-]+)\.yaml", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One `Pulumi.<name>.yaml`: where it goes, and whether Git stands between it and its clusters."""

    name: str
    target: str
    gitops: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lists as outputs of a step; 1 where a name is wrong."""
    parser = argparse.ArgumentParser(prog="python -m reporting.stacks", description="The stacks that jobs are for.")
    parser.add_argument("--deployed", default="", metavar="NAMES", help="the stacks that live, with spaces between")
    parser.add_argument("--only", default="", metavar="NAME", help="one of these")
    options = parser.parse_args(arguments)
    try:
        print(outputs(jobs(found(places.REPOSITORY), options.deployed, options.only)))
    except ReportingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def found(repository: Path) -> tuple[Stack, ...]:
    """Every stack that has a file, by name."""
    files = {match["stack"]: file for file in repository.iterdir() if (match := _FILE.fullmatch(file.name))}
    return tuple(_read(name, files[name]) for name in sorted(files))


def jobs(stacks: Sequence[Stack], deployed: str, only: str = "") -> dict[str, tuple[Stack, ...]]:
    """Which stacks which jobs are for. `deployed` names those that live, with spaces between; `only` one of them.

    `all` are checked and rehearsed. `aws` and `hosts` are deployed: only the first may ask Amazon for credentials.
    Raises `ReportingError` for a name that has no file, and for `dev`, which lives on the machine that runs it.
    """
    names = deployed.split()
    by_name = {stack.name: stack for stack in stacks}
    _check(names, by_name)
    if only and only not in names:
        raise ReportingError(
            f'"{only}" is not deployed from here; the repository variable STACKS says what is: '
            f"{', '.join(names) or 'nothing'}."
        )
    chosen = [by_name[name] for name in dict.fromkeys(names) if only in ("", name)]
    return {
        "all": tuple(stacks),
        "aws": tuple(stack for stack in chosen if stack.target == "eks"),
        "hosts": tuple(stack for stack in chosen if stack.target != "eks"),
    }


def outputs(jobs: Mapping[str, Iterable[Stack]]) -> str:
    """One line a list, as GitHub takes the outputs of a step."""
    return "\n".join(f"{name}={json.dumps([asdict(stack) for stack in stacks])}" for name, stacks in jobs.items())


def _check(names: Iterable[str], by_name: Mapping[str, Stack]) -> None:
    for name in names:
        if name not in by_name:
            there = ", ".join(by_name)
            raise ReportingError(f'STACKS names "{name}", but there is no Pulumi.{name}.yaml; there are: {there}.')
        if by_name[name].target == "dev":
            raise ReportingError(
                f'STACKS names "{name}", whose target is dev: it lives on the machine that runs it and ends with the '
                "job. Next: take it out of the repository variable STACKS."
            )


def _read(name: str, file: Path) -> Stack:
    document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    config: Mapping[str, Any] = _mapping(_mapping(document).get("config"))
    delivery = _mapping(config.get("inference:delivery"))
    return Stack(name=name, target=str(config.get("inference:target")), gitops=delivery.get("mode") == "gitops")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
