"""`python -m components.storage.sync`: for people, and for the sync Job."""

import argparse
import os
import sys

from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

from . import http
from .bucket import Bucket, code
from .copying import AT_ONCE, Sync
from .hub import Hub
from .manifest import Unusable


def main() -> None:
    """Entry point."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except Unusable as problem:
        sys.exit(str(problem))
    except ClientError as problem:
        sys.exit(f"the object store answered {code(problem)}: {problem}")
    except BotoCoreError as problem:
        sys.exit(f"the object store cannot be reached: {problem}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.storage.sync", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    sync = actions.add_parser("sync", help="bring a model to the bucket, whole and verified")
    sync.add_argument("source", help="hf://ORG/REPO@COMMIT")
    sync.add_argument("home", help="s3://BUCKET/PREFIX")
    sync.add_argument("--files", action="append", metavar="PATTERN", help="only these files (may be given again)")
    sync.set_defaults(run=_sync)
    resolve = actions.add_parser("resolve", help="the commit that a branch or a tag stands for now")
    resolve.add_argument("source", help="hf://ORG/REPO@NAME")
    resolve.set_defaults(run=_resolve)
    return parser


def _sync(arguments: argparse.Namespace) -> None:
    bucket, _, prefix = str(arguments.home).removeprefix("s3://").partition("/")
    source = _hub(arguments.source, arguments.files or ["*"])
    manifest = Sync(source, Bucket(bucket), prefix, _report).run()
    print(f"{arguments.home}: complete, {len(manifest.files)} files, {manifest.size} bytes", flush=True)


def _resolve(arguments: argparse.Namespace) -> None:
    repository, _, name = str(arguments.source).removeprefix("hf://").partition("@")
    print(f"hf://{repository}@{_hub(arguments.source, []).resolved(name or 'main')}")


def _hub(text: str, files: list[str]) -> Hub:
    repository, _, commit = text.removeprefix("hf://").partition("@")
    return Hub(repository, commit, files=files, token=os.environ.get("HF_TOKEN"), through=http.pool(2 * AT_ONCE))


def _report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
