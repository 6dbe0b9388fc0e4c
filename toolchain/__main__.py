"""Bring the pinned tools, and print the environment they are used in.

python -m toolchain ensure [--group dev] [TOOL ...]
python -m toolchain path TOOL
eval "$(python -m toolchain env --stack dev)"
"""

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Mapping
from types import FrameType

from toolchain import bring, catalogue, clean, pin, shell
from toolchain.download import Network
from toolchain.problems import EXIT_CODE, ToolchainError
from toolchain.progress import say
from toolchain.tool import GROUPS, Files, Group, Tool, this_platform


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code. 3 when what was asked for could not be brought."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "ensure":
                bring.ensure(_chosen(options), Network())
            case "path":
                print(bring.ensure([catalogue.named(options.tool)], Network(), quiet=True)[0].path)
            case "env":
                _env(options)
            case "pin":
                pin.pin(Network())
            case "clean":
                clean.clean()
            case _:
                _list()
    except ToolchainError as error:
        say(str(error))
        return EXIT_CODE
    except OSError as error:
        say(f"{error.filename or 'The toolchain'}: {error.strerror or error}")
        return EXIT_CODE
    except KeyboardInterrupt:
        say("Interrupted. Nothing half-done was left in place: run it again.")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m toolchain", description="Bring the pinned tools.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    ensure = commands.add_parser("ensure", help="bring tools: PATH, else cache, else official release, else built")
    ensure.add_argument("--group", action="append", choices=GROUPS, default=[], help="by default dev; may be repeated")
    ensure.add_argument("tools", nargs="*", metavar="TOOL", help="only these tools")
    path = commands.add_parser("path", help="bring one tool, and print where it is")
    path.add_argument("tool", metavar="TOOL", choices=[tool.name for tool in catalogue.TOOLS])
    env = commands.add_parser("env", help="bring what a stack needs, and print variables for eval")
    env.add_argument("--stack", required=True, help="the stack: Pulumi.STACK.yaml says its target")
    env.add_argument("--tests", action="store_true", help="for tests: with their tools, stand-ins for any target")
    env.add_argument("--rehearsal", action="store_true", help="for a rehearsal: stand-ins for any target")
    form = env.add_mutually_exclusive_group()
    form.add_argument("--shell", action="store_true", help="as export commands (the default)")
    form.add_argument("--json", action="store_true", help="as a JSON object")
    commands.add_parser("pin", help="fill the lock files of checksums and images from their publishers")
    commands.add_parser("list", help="show what is pinned, and where each tool would come from")
    commands.add_parser("clean", help="stop the embedded control planes of this clone; tools stay in the cache")
    return parser


def _chosen(options: argparse.Namespace) -> tuple[Tool, ...]:
    known = {tool.name: tool for tool in catalogue.TOOLS}
    names: list[str] = options.tools
    if unknown := [name for name in names if name not in known]:
        raise ToolchainError(f"Not a tool here: {', '.join(unknown)}. There are: {', '.join(known)}")
    by_name = tuple(known[name] for name in names)
    groups: list[Group] = options.group or ([] if names else ["dev"])
    return tuple(dict.fromkeys([*by_name, *catalogue.in_groups(*groups)]))


def _env(options: argparse.Namespace) -> None:
    try:
        variables = shell.environment(stack=options.stack, tests=options.tests, rehearsal=options.rehearsal)
    except ToolchainError:
        if not options.json:
            print(f"(exit {EXIT_CODE})")  # a shell forgets that "$(…)" failed, but not what eval ended with
        raise
    print(json.dumps(variables, indent=2) if options.json else _exports(variables))


def _exports(variables: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _list() -> None:
    for tool in catalogue.TOOLS:
        there = bring.find(tool, this_platform(), [])
        later = "official release, else built from Go modules" if tool.release else "built from Go modules"
        if isinstance(tool.source, Files):
            later = f"official files, else from Go module {tool.source.module}"
        groups = ", ".join(group for group in GROUPS if group in tool.groups)
        print(f"{tool!s:<31} {groups:<20} {there.how if there else later}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
