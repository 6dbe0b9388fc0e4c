"""The command line of the settings: check files, and describe what may be in them."""

import argparse
import sys
from pathlib import Path

from stacks import matrix, reference
from stacks.cost import said
from stacks.files import load_file
from stacks.preflight import preflight
from stacks.problems import SettingsError


def main() -> int:
    """Entry point of `python -m stacks`. Returns 1 where something is wrong or stale."""
    parser = argparse.ArgumentParser(prog="python -m stacks", description="Check settings, and describe them.")
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="check stack files, and report every problem in them")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    cost = actions.add_parser("cost", help="estimate what a stack of the target eks costs")
    cost.add_argument("--stack", required=True, help="name of the stack")
    before = actions.add_parser("preflight", help="ask Amazon whether the account can have what a stack asks for")
    before.add_argument("--stack", required=True, help="name of the stack")
    for name, what in (
        ("schema", "JSON Schema for editors"),
        ("reference", "reference page"),
        ("matrix", "README's table of engines"),
    ):
        made = actions.add_parser(name, help=f"write the {what}")
        made.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args()
    if arguments.action == "check":
        return max([_check(file) for file in arguments.files])
    if arguments.action in ("cost", "preflight"):
        return _of_amazon(arguments.action, arguments.stack)
    made = {"schema": reference.SCHEMA, "reference": reference.PAGE, "matrix": matrix.TABLE}[arguments.action]
    return reference.write(made, only_check=arguments.check)


def _check(file: Path) -> int:
    try:
        load_file(file)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{file}: no problems")
    return 0


def _of_amazon(action: str, stack: str) -> int:
    """What only stacks of the target eks have."""
    file = Path(f"Pulumi.{stack}.yaml")
    try:
        settings = load_file(file)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if settings.target != "eks":
        print(f"{file}: {action} is for the target eks; this is {settings.target}", file=sys.stderr)
        return 1
    if action == "preflight":
        return preflight(settings, stack=stack)
    print(said(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
