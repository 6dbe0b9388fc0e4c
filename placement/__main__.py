"""What is placed where: deployed now, or rehearsed.

python -m placement show --stack dev
python -m placement rehearse --stack onprem [--svg FILE]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from placement import deployed, rehearsal
from placement.interrupts import as_keyboard_interrupt
from placement.model import Cluster
from placement.picture import picture
from placement.problems import PlacementError
from placement.report import report
from placement.text import style_for
from toolchain import places
from toolchain.problems import EXIT_CODE, ToolchainError

_CODES = """exit codes:
  0    every pod is placed
  1    something does not fit
  2    the command line is wrong
  3    a tool is missing
  4    anything else went wrong
  130  interrupted
"""
MISFIT, FAILED, INTERRUPTED = 1, 4, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        clusters = _show(options.stack) if options.command == "show" else _rehearse(options)
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE
    except (PlacementError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted. Nothing was left behind.", file=sys.stderr)
        return INTERRUPTED
    return MISFIT if any(cluster.misfits() for cluster in clusters) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m placement",
        description="Show what is placed where.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="what is deployed: every endpoint, and every pod with its node")
    trying = commands.add_parser(
        "rehearse", help="deploy a stack's settings onto throw-away control planes with simulated nodes, and report"
    )
    for command in (show, trying):
        command.add_argument("--stack", required=True, help="its settings are in Pulumi.STACK.yaml")
    trying.add_argument("--svg", type=Path, metavar="FILE", help="draw the report as a picture too")
    trying.add_argument("--config-file", type=Path, metavar="FILE", help="other settings than Pulumi.STACK.yaml")
    trying.add_argument("--keep", action="store_true", help="leave the control planes running, to look around in them")
    return parser


def _show(stack: str) -> Sequence[Cluster]:
    found = deployed.outputs(stack, places.REPOSITORY)
    clusters = deployed.clusters(found)
    print(deployed.report(found, clusters, style_for()))
    return clusters


def _rehearse(options: argparse.Namespace) -> Sequence[Cluster]:
    target: Path | None = options.svg
    if target and not target.absolute().parent.is_dir():
        raise PlacementError(f"{target} cannot be written: there is no directory {target.parent}.")
    clusters = rehearsal.rehearse(options.stack, config_file=options.config_file, keep=options.keep)
    print(file=sys.stderr)  # on a terminal, a line between the progress and the report
    print(report(options.stack, clusters, style_for()))
    if target:
        target.write_text(picture(options.stack, clusters), encoding="utf-8")
        print(f"\nPicture: {target}")
    return clusters


if __name__ == "__main__":
    as_keyboard_interrupt()
    sys.exit(main())
