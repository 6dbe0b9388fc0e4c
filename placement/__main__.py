"""What is placed where: deployed now, or rehearsed; and one engine with more or fewer replicas.

python -m placement show --stack dev
python -m placement rehearse --stack onprem [--svg FILE]
python -m placement scale judge 1 --stack onprem
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from placement import deployed, rehearsal, scaling
from placement.model import Cluster
from placement.picture import picture
from placement.problems import PlacementError
from placement.report import report
from placement.text import style_for
from throwaway.command import ended
from throwaway.interrupts import as_keyboard_interrupt
from toolchain import places

_CODES = """exit codes:
  0    every pod is placed
  1    something does not fit
  2    the command line is wrong
  3    a tool is missing
  4    anything else went wrong
  130  interrupted
"""
MISFIT = 1
_MOST = 1000
"""Replicas, as in the settings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)

    def run() -> int:
        return 0 if _COMMANDS[options.command](options) else MISFIT

    return ended(run, interrupted=_INTERRUPTED[options.command])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m placement",
        description="Show what is placed where, and scale an engine.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="what is deployed: every endpoint, and every pod with its node")
    trying = commands.add_parser(
        "rehearse", help="deploy a stack's settings onto throw-away control planes with simulated nodes, and report"
    )
    scale = commands.add_parser(
        "scale",
        help="give one engine more or fewer replicas, and wait until they are ready, or gone",
        description="Give one engine more or fewer replicas, and wait until they are ready, or gone. "
        "The next `make up` that changes the engine brings it back to what its settings say.",
    )
    scale.add_argument("engine", metavar="ENGINE", help="its name in the settings")
    scale.add_argument("replicas", metavar="REPLICAS", type=_replicas, help="from now on; 0 frees its GPUs")
    for command in (show, trying, scale):
        command.add_argument("--stack", required=True, help="its settings are in Pulumi.STACK.yaml")
    trying.add_argument("--svg", type=Path, metavar="FILE", help="draw the report as a picture too")
    trying.add_argument("--config-file", type=Path, metavar="FILE", help="other settings than Pulumi.STACK.yaml")
    trying.add_argument("--keep", action="store_true", help="leave the control planes running, to look around in them")
    return parser


def _replicas(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {_MOST}")
    return int(text)


def _show(options: argparse.Namespace) -> bool:
    found = deployed.outputs(options.stack, places.REPOSITORY)
    clusters = deployed.clusters(found)
    print(deployed.report(found, clusters, style_for()))
    return _fit(clusters)


def _scale(options: argparse.Namespace) -> bool:
    found = deployed.outputs(options.stack, places.REPOSITORY)
    return scaling.scale(found, options.stack, options.engine, options.replicas)


def _rehearse(options: argparse.Namespace) -> bool:
    target: Path | None = options.svg
    if target and not target.absolute().parent.is_dir():
        raise PlacementError(f"{target} cannot be written: there is no directory {target.parent}.")
    clusters = rehearsal.rehearse(options.stack, config_file=options.config_file, keep=options.keep)
    print(file=sys.stderr)  # on a terminal, a line between the progress and the report
    print(report(options.stack, clusters, style_for()))
    if target:
        target.write_text(picture(options.stack, clusters), encoding="utf-8")
        print(f"\nPicture: {target}")
    return _fit(clusters)


def _fit(clusters: Sequence[Cluster]) -> bool:
    return not any(cluster.misfits() for cluster in clusters)


_COMMANDS = {"show": _show, "rehearse": _rehearse, "scale": _scale}
_INTERRUPTED = {
    "show": "Interrupted. Nothing was left behind.",
    "rehearse": "Interrupted. Nothing was left behind.",
    "scale": "Interrupted. What was asked for stays asked for: `make status` shows how far it is.",
}


if __name__ == "__main__":
    as_keyboard_interrupt()
    sys.exit(main())
