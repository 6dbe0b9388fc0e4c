"""The objects of a stack's applications as files, for Argo CD to read from Git.

python -m rendering render --stack onprem
python -m rendering check --stack onprem
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from rendering import tree
from rendering.objects import rendered
from throwaway.command import ended
from throwaway.interrupts import as_keyboard_interrupt
from throwaway.problems import StackError
from toolchain import places

_CODES = """exit codes:
  0    the files are what the settings say
  1    they were not (check)
  2    the command line is wrong
  3    a tool is missing
  4    anything else went wrong
  130  interrupted
"""
STALE = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)

    def run() -> int:
        found = rendered(options.stack, config_file=options.config_file)
        wanted, where = tree.files(found.objects), Path(options.repository, found.folder)
        return _check(where, wanted, options.stack) if options.command == "check" else _render(where, wanted, options)

    return ended(run, interrupted="Interrupted. No file was changed, or run it again.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rendering",
        description="Write the objects of a stack's applications as files, or see whether they are up to date.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="write the files, and commit them")
    render.add_argument("--no-commit", action="store_true", help="leave them in the working tree")
    check = commands.add_parser("check", help="show what `render` would change, and change nothing")
    for command in (render, check):
        command.add_argument("--stack", required=True, help="its settings are in Pulumi.STACK.yaml")
        command.add_argument("--config-file", type=Path, metavar="FILE", help="other settings than Pulumi.STACK.yaml")
        command.add_argument(
            "--repository",
            type=Path,
            default=places.REPOSITORY,
            metavar="DIRECTORY",
            help="working tree of the repository that Argo CD reads; this one if not said otherwise",
        )
    return parser


def _check(where: Path, wanted: Mapping[Path, str], stack: str) -> int:
    there = tree.read(where)
    for path in sorted(there.keys() | wanted.keys()):
        before, after = (one.get(path, "").splitlines(keepends=True) for one in (there, wanted))
        sys.stdout.writelines(unified_diff(before, after, f"a/{path}", f"b/{path}"))
    if there == wanted:
        print(f"{where} is up to date")
        return 0
    print(f"{where} is stale. Next: make render STACK={stack}", file=sys.stderr)
    return STALE


def _render(where: Path, wanted: Mapping[Path, str], options: argparse.Namespace) -> int:
    applications = len({path.parent for path in wanted})
    if tree.read(where) == wanted:
        print(f"{where} is up to date: {applications} applications")
    else:
        tree.write(where, wanted)
        print(f"wrote {applications} applications to {where}")
    if not options.no_commit:
        _commit(where, options.stack)
    return 0


def _commit(where: Path, stack: str) -> None:
    """These files alone, whatever else is changed or staged."""
    _git(where, "add", "--all", "--", ".")
    if _git(where, "status", "--porcelain", "--", "."):
        print(_git(where, "commit", "--message", f"Render {stack}", "--only", "--", ".").strip())


def _git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"git {arguments[0]} failed in {where}:\n{done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    as_keyboard_interrupt()
    sys.exit(main())
