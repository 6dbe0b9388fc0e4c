"""The command line of the embedded control plane."""

import argparse
import signal
import sys
from pathlib import Path

from toolchain.control_plane.directory import ControlPlaneError
from toolchain.control_plane.lifecycle import start, status, stop
from toolchain.problems import EXIT_CODE, ToolchainError


def main() -> int:
    """Run one command. Returns 0 for done or running, 1 for failed or stopped, 3 for tools missing, 130 interrupted."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up, as for Ctrl-C
    try:
        match arguments.command:
            case "start":
                print(start(arguments.directory, session=arguments.session), end="")
            case "stop":
                stop(arguments.directory, keep_data=arguments.keep_data)
            case _:
                running, report = status(arguments.directory, as_json=arguments.json)
                print(report)
                return 0 if running else 1
    except ControlPlaneError as error:
        print(error, file=sys.stderr)
        return 1
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE
    except OSError as error:
        print(f"{error}. Next: look at --directory {arguments.directory}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Next: run the same command again.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m toolchain.control_plane",
        description="A real Kubernetes API server, scheduler and controllers; only the nodes are simulated.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start", help="start it, if it does not run, and print its kubeconfig")
    starting.add_argument(
        "--session", type=_session, metavar="N", help="remembered; see toolchain.control_plane.generation"
    )
    stopping = commands.add_parser("stop", help="end its processes and remove its data")
    stopping.add_argument("--keep-data", action="store_true", help="so that a start brings back the same cluster")
    showing = commands.add_parser("status", help="a line per component; exit code 0 if all run, else 1")
    showing.add_argument("--json", action="store_true", help="for programs")
    for command in (starting, stopping, showing):
        command.add_argument("--directory", type=Path, required=True, help="where it keeps everything; its own, or new")
    return parser


def _session(text: str) -> str:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return text


if __name__ == "__main__":
    sys.exit(main())
