"""Models in an object store: bring them there, verify them, list and compare them.

The store is the one that AWS's environment variables name: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_CA_BUNDLE. Sources take theirs from HF_TOKEN and HF_ENDPOINT, NGC_API_KEY,
MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN (or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), and another
store from SOURCE_AWS_ENDPOINT_URL, SOURCE_AWS_ACCESS_KEY_ID, SOURCE_AWS_SECRET_ACCESS_KEY and SOURCE_AWS_REGION;
certificates of a site's own authority from SSL_CERT_FILE.

Ends with 0 when all is well, 1 when not, and 3 when trying again cannot help.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
)

from . import commands
from .adapters import ENGINE
from .address import KINDS, forms
from .bucket import code
from .manifest import Refused, Unusable

REFUSED = 3
"""Exit code: the sync Job is not run again."""


def main() -> None:
    """Entry point."""
    arguments = _parser().parse_args()
    try:
        sys.exit(arguments.run(arguments))
    except Unusable as problem:
        print(problem, file=sys.stderr)
        sys.exit(REFUSED if isinstance(problem, Refused) else 1)
    except ClientError as problem:
        sys.exit(f"the object store answered {code(problem)}: {problem}")
    except NoCredentialsError:
        sys.exit("no key for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    except BotoCoreError as problem:
        sys.exit(f"the object store cannot be reached: {problem}")
    except KeyboardInterrupt:
        sys.exit("interrupted: run it again to go on")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.storage.sync",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    sync = actions.add_parser("sync", help="bring a model to the bucket, whole and verified")
    sync.add_argument("source", help=forms(KINDS))
    sync.add_argument("home", help="s3://BUCKET/PREFIX")
    sync.add_argument("--files", action="append", metavar="PATTERN", help="only these files (may be given again)")
    sync.add_argument("--licence", action="append", metavar="NAME", help="refuse any other (may be given again)")
    sync.add_argument("--room", type=int, metavar="BYTES", help="refuse if the bucket would then hold more than this")
    sync.add_argument("--metrics-port", type=int, metavar="PORT", help="serve Prometheus' metrics meanwhile")
    sync.add_argument("--lease-seconds", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    sync.set_defaults(run=commands.sync)
    resolve = actions.add_parser("resolve", help="pin a source: what a branch, tag, alias or latest version is now")
    resolve.add_argument(
        "source", help="hf://ORG/REPO@BRANCH, ngc://ORG/TEAM/MODEL, mlflow://MODEL@ALIAS or https://HOST/PATH/FILE"
    )
    resolve.set_defaults(run=commands.resolve)
    verify = actions.add_parser("verify", help="read a model's files again and compare them with its manifest")
    verify.add_argument("home", help="s3://BUCKET/PREFIX")
    verify.add_argument(
        "--withdraw",
        action="store_true",
        help="take a damaged model out of service: the next sync brings its damaged files again",
    )
    verify.set_defaults(run=commands.verify)
    listing = actions.add_parser("list", help="the models of a bucket")
    listing.add_argument("bucket", help="s3://BUCKET or s3://BUCKET/PREFIX")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=commands.listing)
    diff = actions.add_parser("diff", help="what differs between two revisions; ends with 1 if anything does")
    diff.add_argument("before", help="s3://BUCKET/PREFIX")
    diff.add_argument("after", help="s3://BUCKET/PREFIX")
    diff.set_defaults(run=commands.diff)
    check = actions.add_parser("check", help="whether a model is complete, and its objects are as they were verified")
    check.add_argument("home", help="s3://BUCKET/PREFIX")
    check.set_defaults(run=commands.check)
    cache = actions.add_parser("cache", help="a complete model, verified, in a directory that may be shared")
    cache.add_argument("home", help="s3://BUCKET/PREFIX")
    cache.add_argument("directory", type=Path, help="the model comes to DIRECTORY/PREFIX")
    cache.add_argument("--limit", type=int, metavar="BYTES", help="remove models that were used least recently")
    cache.add_argument("--held", type=Path, metavar="FILE", help="wait for this, which `sync.hold` writes")
    cache.set_defaults(run=commands.cache)
    _adapters(actions)
    purge = actions.add_parser("purge", help="delete a model, all its revisions, for good")
    purge.add_argument("model", help="s3://BUCKET/DOMAIN/NAME")
    purge.add_argument("--yes", action="store_true", help="do it; without, it only says what it would be")
    purge.set_defaults(run=commands.purge)
    return parser


def _adapters(actions: Any) -> None:
    bring = actions.add_parser("adapters", help="LoRA adapters for an engine that is about to start")
    bring.add_argument("directory", type=Path, help="each comes to DIRECTORY/NAME")
    bring.add_argument("config", type=Path, help="file for `vllm serve --config` that names those that arrived")
    bring.add_argument("adapter", nargs="*", metavar="NAME=SOURCE", help="s3://BUCKET/PREFIX, or any kind of source")
    bring.add_argument("--status", type=Path, metavar="FILE", help="where to write which are missing, and why")
    bring.set_defaults(run=commands.adapters)
    load = actions.add_parser("load", help="a LoRA adapter into the engine of the same pod")
    load.add_argument("directory", type=Path)
    load.add_argument("adapter", metavar="NAME=SOURCE")
    load.set_defaults(run=commands.load)
    unload = actions.add_parser("unload", help="a LoRA adapter from the engine of the same pod")
    unload.add_argument("directory", type=Path)
    unload.add_argument("name")
    unload.set_defaults(run=commands.unload)
    for parser in (load, unload):
        parser.add_argument("--engine", default=ENGINE, metavar="URL", help="its address; %(default)s if not said")


if __name__ == "__main__":
    main()
