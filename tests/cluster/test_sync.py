"""From a hub into a bucket: whatever goes wrong, there is a complete and verified model afterwards, or none."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import pytest

from tests import hub as hubs
from tests.hub import COMMIT, Hub, Request
from tests.object_store import S3Server, serve
from tests.unit.recording import REPOSITORY
from toolchain import bring, catalogue
from toolchain.download import Network

BUCKET = "models"
SOURCE = f"hf://org/model@{COMMIT}"
MIB = 2**20
LEASE_SECONDS = 1.5
"""So that nobody waits half a minute for those who were killed."""
FILES = {
    "config.json": b"{}",
    "empty": b"",
    "tokenizer/merges.txt": os.urandom(900),
    "weights/part-1.safetensors": os.urandom(20 * MIB + 17),
    "weights/part-2.safetensors": os.urandom(16 * MIB),
    "weights/small.safetensors": os.urandom(3 * MIB),
}
_numbers = count()


class Home:
    """A prefix of its own in a bucket, and what comes there."""

    def __init__(self, store: S3Server, hub: Hub) -> None:
        self.store, self.hub, self.prefix = store, hub, f"general/model-{next(_numbers)}/{COMMIT}"
        self.client = store.client()

    def __str__(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    def begin(self, *options: str, **environment: str) -> "subprocess.Popen[str]":
        """`sync` in a process of its own."""
        command = [sys.executable, "-m", "components.storage.sync", "sync", SOURCE, str(self)]
        return subprocess.Popen(
            [*command, "--lease-seconds", str(LEASE_SECONDS), *options],
            cwd=REPOSITORY,
            env=self.store.environment() | self.hub.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sync(self, *options: str, **environment: str) -> str:
        """`sync` that succeeds. What it said."""
        process = self.begin(*options, **environment)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def refused(self, *options: str, **environment: str) -> str:
        """`sync` that fails, in words and not with a traceback. What it said."""
        process = self.begin(*options, **environment)
        said, _ = process.communicate(timeout=120)
        assert process.returncode in (1, 3), said
        assert "Traceback" not in said
        return said

    def content(self) -> dict[str, bytes]:
        """All objects, by their path within the model."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", ())
        keys = [one["Key"] for one in listed]
        return {key[len(self.prefix) + 1 :]: self._read(key) for key in keys}

    def uploads(self) -> list[Any]:
        """Uploads that nobody ended. MinIO lists them by whole keys only."""
        keys = [f"{self.prefix}/{path}" for path in FILES]
        pages = [self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=key) for key in keys]
        return [one for page in pages for one in page.get("Uploads", ())]

    def parts(self) -> list[Any]:
        """Parts of uploads that nobody ended."""
        answers = [
            self.client.list_parts(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"]) for one in self.uploads()
        ]
        return [part for answer in answers for part in answer.get("Parts", ())]

    def assert_whole(self) -> None:
        """A complete model, with a manifest that is true, and nothing else."""
        content = self.content()
        text = content.pop("manifest.json")
        manifest = json.loads(text)
        assert json.loads(content.pop(".complete"))["manifest"] == sha256(text).hexdigest()
        assert content == FILES
        listed = {one["path"]: (one["size"], one["sha256"]) for one in manifest["files"]}
        assert listed == {path: (len(file), sha256(file).hexdigest()) for path, file in FILES.items()}
        assert (manifest["source"], manifest["revision"], manifest["licence"]) == (SOURCE, COMMIT, "apache-2.0")
        assert self.uploads() == []

    def assert_no_model(self) -> None:
        """Nothing that anybody would take for a model."""
        assert ".complete" not in self.content()

    def _read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    (minio,) = bring.ensure([catalogue.named("minio")], Network())
    with serve(minio.path, tmp_path_factory.mktemp("minio")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubs.serving(FILES) as served:
        yield served


@pytest.fixture
def home(store: S3Server, hub: Hub) -> Home:
    return Home(store, hub)


def once(fault: Callable[[Request], bool], path: str, times: int = 1) -> Callable[[Request], bool]:
    """The fault, so many times, where the path has this in it."""
    left = [times]

    def some(request: Request) -> bool:
        if path not in request.path or left[0] == 0:
            return False
        left[0] -= 1
        return fault(request)

    return some


def cut(request: Request) -> bool:
    """Half of a file, and the connection is closed."""
    whole = FILES[request.path.removeprefix("/cdn/")]
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(whole) - start))
    request.end_headers()
    request.wfile.write(whole[start : start + (len(whole) - start) // 2])
    request.close_connection = True
    return True


def busy(request: Request) -> bool:
    """Too many requests."""
    request.answer(429, b"", {"Retry-After": "1"})
    return True


def broken(request: Request) -> bool:
    """The hub's own trouble."""
    request.answer(503, b"", {})
    return True


def damaged(request: Request) -> bool:
    """A file with one bit flipped."""
    text = bytearray(FILES[request.path.removeprefix("/cdn/")])
    text[len(text) // 2] ^= 1
    request.content(bytes(text))
    return True


def short(request: Request) -> bool:
    """A file that says of itself that it is shorter than it is."""
    request.content(FILES[request.path.removeprefix("/cdn/")][:-1])
    return True


def test_a_model_comes_whole_with_a_manifest_and_is_not_asked_for_again(home: Home) -> None:
    assert "weights/part-1.safetensors: 20971537 bytes, verified" in home.sync()
    home.assert_whole()
    asked = len(home.hub.requests)
    assert "complete already" in home.sync()
    assert len(home.hub.requests) == asked


def test_only_the_files_that_are_wanted_come(home: Home) -> None:
    home.sync("--files", "*.json", "--files", "weights/small*")
    assert set(home.content()) == {"config.json", "weights/small.safetensors", "manifest.json", ".complete"}


@pytest.mark.parametrize(
    "fault",
    [
        once(cut, "/cdn/weights/part-1", times=3),
        once(cut, "/cdn/tokenizer"),
        once(busy, "/cdn/weights", times=2),
        once(busy, "/resolve/", times=2),
        once(busy, "/api/"),
        once(broken, "/cdn/weights", times=2),
        once(broken, "/api/"),
    ],
    ids=["cut", "cut-small", "busy-cdn", "busy-hub", "busy-api", "broken-cdn", "broken-api"],
)
def test_what_passes_is_waited_for(home: Home, fault: Callable[[Request], bool]) -> None:
    home.hub.faults.append(fault)
    home.sync()
    home.assert_whole()


def test_a_hub_that_asks_for_a_pause_gets_it(home: Home) -> None:
    home.hub.faults.append(once(busy, "/cdn/weights/part-1"))
    begun = time.monotonic()
    home.sync()
    assert time.monotonic() - begun > 1


@pytest.mark.parametrize(
    "path",
    ["weights/part-1.safetensors", "weights/small.safetensors", "tokenizer/merges.txt"],
    ids=["parts", "lfs", "git"],
)
def test_a_flipped_bit_is_found_and_nothing_of_that_file_stays(home: Home, path: str) -> None:
    home.hub.faults.append(once(damaged, f"/cdn/{path}", times=100))
    said = home.refused()
    assert f"{path} is damaged" in said
    home.assert_no_model()
    assert path not in home.content()
    assert home.uploads() == []
    home.hub.faults.clear()
    home.sync()
    home.assert_whole()


def test_a_file_that_is_shorter_than_listed_is_refused(home: Home) -> None:
    home.hub.faults.append(once(short, "/cdn/weights/part-2", times=100))
    assert "weights/part-2.safetensors" in home.refused()
    home.assert_no_model()
    assert home.uploads() == []


def test_a_gated_model_says_what_to_do(home: Home) -> None:
    home.hub.gated, home.hub.token = True, "right"
    assert "is gated: set a token of an account that has accepted its licence" in home.refused()
    assert "accept its licence at https://huggingface.co/org/model" in home.refused(HF_TOKEN="wrong")
    home.assert_no_model()
    home.sync(HF_TOKEN="right")
    home.assert_whole()


def test_a_token_is_not_sent_on_to_where_files_lie(home: Home) -> None:
    seen: list[str | None] = []

    def watch(request: Request) -> bool:
        if request.path.startswith("/cdn/"):
            seen.append(request.headers.get("Authorization"))
        return False

    home.hub.token = "right"
    home.hub.faults.append(watch)
    home.hub.cdn = home.hub.address.replace("127.0.0.1", "localhost")
    home.sync(HF_TOKEN="right")
    assert seen
    assert set(seen) == {None}


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_sync_that_was_killed_is_finished_by_the_next_and_leaves_no_upload(home: Home, parts: int) -> None:
    home.hub.seconds_per_mib = 0.1
    process = home.begin()
    _until(lambda: home.uploads() != [] and len(home.parts()) >= parts)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    home.assert_no_model()
    assert home.uploads() != []
    home.hub.seconds_per_mib = 0
    home.sync()
    home.assert_whole()


def test_what_a_killed_sync_had_finished_is_not_fetched_again(home: Home) -> None:
    home.hub.seconds_per_mib = 0.1
    process = home.begin()
    _until(lambda: "weights/small.safetensors" in home.content())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    home.hub.requests.clear()
    assert "weights/small.safetensors: there already" in home.sync()
    assert not any("weights/small" in path for path in home.hub.requests)
    home.assert_whole()


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)
