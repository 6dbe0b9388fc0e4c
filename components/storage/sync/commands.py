"""What each action of the command line does; each gives the exit code."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from . import http, inspection, opening, purging
from .adapters import Adapter, Shelf
from .bucket import Bucket
from .cache import Cache, await_held
from .copying import AT_ONCE
from .home import Home
from .inspection import Difference, Kept
from .lease import SECONDS, Lease
from .manifest import LEASE, Refused, Unusable
from .progress import Progress, sized
from .pull import differing, pull
from .store import Store
from .syncing import Sync, Wanted


def sync(arguments: Namespace) -> int:
    """From its source into the bucket."""
    home = _home(arguments.home)
    wanted = Wanted(
        files=tuple(arguments.files or ("*",)), licences=tuple(arguments.licence or ()), room=arguments.room
    )
    source = opening.opened(arguments.source, wanted.files, through=http.pool(2 * AT_ONCE))
    progress = Progress(home.prefix)
    lease = Lease(home.bucket, home.key(LEASE), arguments.lease_seconds or SECONDS)
    with progress.told(_say, arguments.metrics_port):
        made = Sync(source, home, wanted, lease=lease, progress=progress, report=_say).run()
    _say(f"{home}: complete, {len(made.files)} files, {sized(made.size)}")
    return 0


def resolve(arguments: Namespace) -> int:
    """A pinned source for one that moves."""
    print(opening.resolved(arguments.source, through=http.pool(1)))
    return 0


def verify(arguments: Namespace) -> int:
    """Every byte of a model."""
    home = _home(arguments.home)
    progress = Progress(home.prefix)
    with progress.told(_say):
        found = inspection.verify(home, home.verified(), progress, _say)
    if not found:
        _say(f"{home}: all files are as they were synced")
        return 0
    if arguments.withdraw:
        home.withdraw(home.state(), [one.path for one in found])
        _say(f"{home}: withdrawn; sync it again")
    else:
        _say(f"{home}: {len(found)} files damaged; `verify --withdraw`, then sync it again")
    return 1


def listing(arguments: Namespace) -> int:
    """A line for each model."""
    name, _, prefix = _uri(arguments.bucket).partition("/")
    models = list(inspection.kept(Bucket(name), prefix))
    if arguments.json:
        print(json.dumps([asdict(model) for model in models], indent=1))
    else:
        _table([("MODEL", "STATE", "SIZE", "FILES", "LICENCE", "SOURCE"), *map(_row, models)])
    return 0


def diff(arguments: Namespace) -> int:
    """A line for each file."""
    before, after = (_home(one).verified() for one in (arguments.before, arguments.after))
    found = list(inspection.differences(before, after))
    if before.licence != after.licence:
        _say(f"licence: {before.licence} -> {after.licence}")
    _table([_changed(one) for one in found])
    _say(f"{len(found)} files differ; {sized(before.size)} -> {sized(after.size)}")
    return 1 if found else 0


def check(arguments: Namespace) -> int:
    """What a bucket's listing shows, in a moment."""
    home = _home(arguments.home)
    manifest = home.verified()
    _say(f"{home}: complete, {len(manifest.files)} files, {sized(manifest.size)}")
    return 0


def cache(arguments: Namespace) -> int:
    """To where an engine reads it."""
    home = _home(arguments.home)
    if arguments.held:
        await_held(arguments.held)
    manifest = home.manifest()
    shared = Cache(
        root=arguments.directory,
        limit=arguments.limit,
        fetch=lambda manifest, directory: pull(Store(home.bucket), manifest, home.prefix, directory, _say),
        check=differing,
        report=_say,
    )
    try:
        there = shared.provide(home.prefix, manifest)
    except Unusable as problem:
        raise Unusable(f"{home}: {problem}") from problem
    _say(f"{home}: {len(manifest.files)} files, {sized(manifest.size)}, verified in {there}")
    return 0


def adapters(arguments: Namespace) -> int:
    """What an engine starts with."""
    shelf = Shelf(directory=arguments.directory, through=http.pool(AT_ONCE), report=_say)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    missing = shelf.bring([Adapter.parsed(one) for one in arguments.adapter])
    arguments.config.write_text(shelf.vllm_config())
    told = "".join(f"adapter {name} is missing: {why}\n" for name, why in missing.items())
    _say(told or f"all {len(arguments.adapter)} adapters are there")
    if arguments.status:
        arguments.status.write_text(told)
    return 0


def load(arguments: Namespace) -> int:
    """Into a running engine."""
    shelf = Shelf(directory=arguments.directory, through=http.pool(AT_ONCE), report=_say)
    shelf.load(Adapter.parsed(arguments.adapter), arguments.engine)
    return 0


def unload(arguments: Namespace) -> int:
    """From a running engine."""
    Shelf(directory=arguments.directory, through=http.pool(1), report=_say).unload(arguments.name, arguments.engine)
    return 0


def purge(arguments: Namespace) -> int:
    """The end of a model."""
    name, _, model = _uri(arguments.model).partition("/")
    if not arguments.yes:
        raise Refused(f"{arguments.model}: would be gone for good, with all revisions and old versions; say --yes")
    erased = purging.purge(Bucket(name), model.strip("/"))
    _say(f"{arguments.model}: {erased} objects and old versions are gone")
    return 0


def _home(uri: str) -> Home:
    name, _, prefix = _uri(uri).partition("/")
    if not prefix.strip("/"):
        raise Refused(f"{uri}: needs the model's prefix too: s3://BUCKET/DOMAIN/MODEL/REVISION")
    return Home(bucket=Bucket(name), prefix=prefix.strip("/"))


def _uri(uri: str) -> str:
    if not uri.removeprefix("s3://").strip("/") or not uri.startswith("s3://"):
        raise Refused(f"{uri}: is not s3://BUCKET/PREFIX")
    return uri.removeprefix("s3://")


def _row(model: Kept) -> tuple[str, ...]:
    return (model.home, model.condition, sized(model.size), str(model.files), model.licence or "-", model.source or "-")


def _changed(one: Difference) -> tuple[str, ...]:
    if one.before is None or one.after is None:
        sign, file = ("+", one.after) if one.before is None else ("-", one.before)
        return (sign, one.path, sized(file.size) if file else "")
    return ("~", one.path, f"{sized(one.before.size)} -> {sized(one.after.size)}")


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _say(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
