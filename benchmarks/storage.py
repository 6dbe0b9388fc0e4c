"""Models out of a store and into it: from MinIO to a directory, and from a hub to MinIO; all on this machine. For root,
who alone can make a network link of a given speed.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.workbench import REPOSITORY, Measurement, measure
from tests import hub as hubs
from tests.object_store import S3Server, serve
from toolchain import bring, catalogue
from toolchain.download import Network

ROUNDS = 5
ROOM = 10 * 2**30
"""Bytes of disk that this takes at most."""
PROMPT = {"MINIO_API_DELETE_CLEANUP_INTERVAL": "1s"}
"""MinIO keeps what was deleted for five minutes more, which would fill the disk round by round."""
BUCKET = "models"
TARGET = "TARGET"
"""Stands in a command for a directory that is new in every round."""
MIB = 2**20
SETS = {
    "4-x-512-MiB": {f"model-{number}.safetensors": 512 * MIB for number in range(4)},
    "2000-x-20-KiB": {f"{number % 20}/{number}.json": 20 * 2**10 for number in range(2000)},
}
LINK, ADDRESS, PREFIX = "inf-bench", "198.18.77", 24
"""Between MinIO and those who pull, who have a network of their own; addresses of RFC 2544."""
SPEEDS = {"no limit": None, "2.5 Gbit/s": "2500mbit"}
"""Of the link. Without a limit, all of them and MinIO compete for this machine's processors."""
PACES = {"as fast as it can": 0.0, "at most 120 MiB a second": 4 / 120}
"""Of the hub, by the seconds for a MiB of each of four files."""
UNVERIFIED = """
import sys
from types import SimpleNamespace
from components.storage.sync import __main__, pull
nothing = SimpleNamespace(update=lambda _: None, hexdigest=lambda: "")
pull.hashlib = SimpleNamespace(sha256=lambda *_: nothing)
pull._require_right = lambda *_: None
__main__.main()
"""
DOWNLOAD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from components.storage.sync import http, opening
from components.storage.sync.copying import AT_ONCE
source = opening.opened(sys.argv[1], ("*",), through=http.pool(2 * AT_ONCE))
with ThreadPoolExecutor(AT_ONCE) as pool:
    print(*pool.map(lambda file: sum(map(len, source.chunks(file))), source.offered()))
"""
"""What of a sync is the hub's side: the bytes come, and nothing is done with them."""
UPLOAD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from components.storage.sync.bucket import PART, Bucket
from components.storage.sync.copying import AT_ONCE
bucket, prefix, files, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store, part, senders, room = Bucket(bucket), bytes(PART), ThreadPoolExecutor(AT_ONCE), Semaphore(16)
def file(number):
    upload = store.upload(f"{prefix}/{number}", None)
    for _ in range(size // PART):
        room.acquire()
        upload.send(part, senders, room.release)
    upload.complete()
with ThreadPoolExecutor(AT_ONCE) as pool:
    list(pool.map(file, range(files)))
"""
"""What of a sync is the store's side: parts are sent, and nobody has to bring them."""


def run() -> list[str]:
    """Rows of tables: medians of rounds taken in turn, and their ratios."""
    with tempfile.TemporaryDirectory(prefix="inference-benchmark-") as temporary:
        here = Path(temporary)
        (here / "minio").mkdir()
        if shutil.disk_usage(here).free < ROOM:
            raise AssertionError(f"{here} has less than {ROOM // 2**30} GiB free: make room, or set TMPDIR")
        with _link(), serve(Path(_tool("minio")), here / "minio", f"{ADDRESS}.1", environment=PROMPT) as store:
            store.client().create_bucket(Bucket=BUCKET)
            return [*_pulls(store, here), "", *_syncs(store)]


@contextmanager
def _link() -> Generator[None]:
    _ip("netns", "add", LINK)
    try:
        _ip("link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", LINK)
        for end, where in (("1", ()), ("2", ("-n", LINK))):
            _ip(*where, "address", "add", f"{ADDRESS}.{end}/{PREFIX}", "dev", LINK)
            _ip(*where, "link", "set", LINK, "up")
        yield
    finally:
        _ip("netns", "delete", LINK)


def _limit(speed: str | None) -> None:
    if speed:
        shape = ["root", "tbf", "rate", speed, "burst", "4mb", "latency", "50ms"]
        subprocess.run(["tc", "qdisc", "replace", "dev", LINK, *shape], check=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _pulls(store: S3Server, here: Path) -> list[str]:
    lines = ["| link | files | way | seconds | to the faster of the two | memory |", "|---|---|---|---|---|---|"]
    for prefix, sizes in SETS.items():
        store.put_model(BUCKET, prefix, _content(sizes))
    for speed, limit in SPEEDS.items():
        _limit(limit)
        for prefix in SETS:
            commands = _pull_commands(prefix)
            taken = _in_turn({way: partial(_pull, command, store, here) for way, command in commands.items()})
            best = min(_seconds(taken["s5cmd"]), _seconds(taken["rclone"]))
            name = prefix.replace("-", " ")
            lines += [f"| {speed} | {name} | {way} | {_figures(runs, best)} |" for way, runs in taken.items()]
    return lines


def _pull_commands(prefix: str) -> Mapping[str, Sequence[str]]:
    uri = f"s3://{BUCKET}/{prefix}"
    return {
        "s5cmd": [_tool("s5cmd"), "--log", "error", "cp", f"{uri}/*", f"{TARGET}/"],
        "rclone": [_tool("rclone"), "copy", "--config", "/dev/null", f":s3:{BUCKET}/{prefix}", TARGET],
        "ours": [sys.executable, "-m", "components.storage.sync", "cache", uri, TARGET],
        "ours, without hashing": [sys.executable, "-c", UNVERIFIED, "cache", uri, TARGET],
    }


def _pull(command: Sequence[str], store: S3Server, here: Path) -> Measurement:
    target = tempfile.mkdtemp(prefix="pulled-", dir=here)
    asked = [word.replace(TARGET, target) for word in command]
    measured = measure(["ip", "netns", "exec", LINK, *asked], cwd=REPOSITORY, environment=_environment(store))
    # Emptied, not removed: for minutes ext4 passes over the inodes of removed files, one by one for each new one.
    for file in Path(target).rglob("*"):
        if file.is_file():
            os.truncate(file, 0)
    return measured


def _syncs(store: S3Server) -> list[str]:
    lines = ["| hub, 4 x 256 MiB | way | seconds | to the longer of the two | memory |", "|---|---|---|---|---|"]
    sizes = {f"model-{number}.safetensors": 256 * MIB for number in range(4)}
    with hubs.serving(_content(sizes)) as hub:
        source, home = f"hf://org/model@{hubs.COMMIT}", f"s3://{BUCKET}/synced"
        upload = [UPLOAD, BUCKET, "synced", str(len(sizes)), str(sizes["model-0.safetensors"])]
        commands = {
            "the download alone": [sys.executable, "-c", DOWNLOAD, source],
            "the upload alone": [sys.executable, "-c", *upload],
            "the sync": [sys.executable, "-m", "components.storage.sync", "sync", source, home],
        }
        for pace, seconds in PACES.items():
            hub.seconds_per_mib = seconds
            environment = _environment(store) | hub.environment()
            taken = _in_turn({way: partial(_sync, command, store, environment) for way, command in commands.items()})
            longer = max(_seconds(taken["the download alone"]), _seconds(taken["the upload alone"]))
            lines += [f"| {pace} | {way} | {_figures(runs, longer)} |" for way, runs in taken.items()]
    return lines


def _sync(command: Sequence[str], store: S3Server, environment: dict[str, str]) -> Measurement:
    measured = measure(command, cwd=REPOSITORY, environment=environment)
    client = store.client()
    for one in client.list_objects_v2(Bucket=BUCKET, Prefix="synced/").get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=one["Key"])
    return measured


def _in_turn(ways: Mapping[str, Callable[[], Measurement]]) -> dict[str, list[Measurement]]:
    taken: dict[str, list[Measurement]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way in (*list(ways)[number % len(ways) :], *list(ways)[: number % len(ways)]):  # nobody is always the first
            os.sync()
            taken[way].append(ways[way]())
    return taken


def _figures(runs: Sequence[Measurement], base: float) -> str:
    memory = max(one.mebibytes for one in runs)
    return f"{_seconds(runs):.1f} | {_seconds(runs) / base:.2f} x | {memory:.0f} MiB"


def _seconds(runs: Sequence[Measurement]) -> float:
    return statistics.median(one.seconds for one in runs)


def _content(sizes: Mapping[str, int]) -> dict[str, bytes]:
    return {path: os.urandom(size) for path, size in sizes.items()}


def _environment(store: S3Server) -> dict[str, str]:
    environment = store.environment() | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "S3_ENDPOINT_URL": store.url,  # s5cmd's
        "RCLONE_S3_PROVIDER": "Minio",
        "RCLONE_S3_ENV_AUTH": "true",
        "RCLONE_S3_ENDPOINT": store.url,
    }
    # As on a user's machine: modules are compiled once, not at every run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _tool(name: str) -> str:
    (tool,) = bring.ensure([catalogue.named(name)], Network(), quiet=True)
    return str(tool.path)
