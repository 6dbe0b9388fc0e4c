"""What the workflows in .github run, besides `make`. It needs no package, so jobs that may write install none.

python -m reporting run --stack onprem --kind preview --into report -- make preview STACK=onprem
python -m reporting summary report
python -m reporting comment --pull-request 7 report
python -m reporting issue report
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reporting import markdown, parts
from reporting.github import Repository
from reporting.parts import Part
from reporting.problems import ReportingError

FAILED = 4
LABEL = "drift"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. `run` ends as the command that it runs."""
    options = _parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except (ReportingError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reporting", description="What CI says about stacks.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a command for a stack, and keep what it says")
    run.add_argument("--stack", required=True)
    run.add_argument("--kind", required=True, choices=list(parts.TITLES))
    run.add_argument("--into", required=True, type=Path, metavar="DIRECTORY")
    run.add_argument("words", nargs="+", metavar="COMMAND")
    commands.add_parser("summary", help="print what was kept, as the summary of a job")
    comment = commands.add_parser("comment", help="write or renew one comment for each stack")
    comment.add_argument("--pull-request", required=True, type=int, metavar="NUMBER")
    issue = commands.add_parser("issue", help="open, renew or close the issue about each stack's drift")
    for command in (commands.choices["summary"], comment, issue):
        command.add_argument("directory", type=Path, help="where `run` kept it")
    return parser


def _run(options: argparse.Namespace) -> int:
    return parts.run(options.stack, options.kind, options.words, options.into).code


def _summary(options: argparse.Namespace) -> int:
    for stack, said in _by_stack(options.directory).items():
        print(markdown.report(stack, said, footer="", limit=markdown.SUMMARY))
    return 0


def _comment(options: argparse.Namespace) -> int:
    repository = Repository.here()
    for stack, said in _by_stack(options.directory).items():
        mark = f"<!-- inference: stack {stack} -->"
        limit = markdown.COMMENT - len(mark) - 1
        text = markdown.report(stack, said, footer=f"{_run_link()}; pictures are among its artifacts.", limit=limit)
        repository.comment(options.pull_request, mark, text)
    return 0


def _issue(options: argparse.Namespace) -> int:
    repository = Repository.here()
    for stack, said in _by_stack(options.directory).items():
        title = f"Stack {stack} is not as it was deployed"
        if all(part.passed for part in said):
            repository.close_issues(title, LABEL, f"It is again: {_run_link()}.")
            continue
        footer = f"{_run_link()}. What to do: docs/ci.md, Drift. A run renews this issue, a clean one closes it."
        repository.open_issue(title, LABEL, markdown.report(stack, said, footer=footer, limit=markdown.COMMENT))
    return 0


def _by_stack(directory: Path) -> dict[str, list[Part]]:
    by_stack = dict[str, list[Part]]()
    for part in parts.kept(directory):
        by_stack.setdefault(part.stack, []).append(part)
    return by_stack


def _run_link() -> str:
    server, repository, run = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"[The whole run]({server}/{repository}/actions/runs/{run})"


_COMMANDS = {"run": _run, "summary": _summary, "comment": _comment, "issue": _issue}

if __name__ == "__main__":
    sys.exit(main())
