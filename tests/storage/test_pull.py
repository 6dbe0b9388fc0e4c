"""From the bucket to a directory: whatever goes wrong, a file that has its name is whole."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.storage.sync import store as stores
from components.storage.sync.bucket import Bucket
from components.storage.sync.manifest import File, Manifest, Unusable
from components.storage.sync.pull import PART, differing, pull
from components.storage.sync.store import Store
from tests import proxy as proxies
from tests.object_store import S3Server
from tests.proxy import Fault, Proxy, Request
from tests.storage.homes import BUCKET
from tests.unit.recording import REPOSITORY

MIB = 2**20
FILES = {
    "config.json": b"{}",
    "empty": b"",
    "weights/one-part.safetensors": os.urandom(PART),
    "weights/odd name +ü&%41=.bin": os.urandom(70_001),
    "weights/parts.safetensors": os.urandom(3 * PART + 17),
}
PULLS = """
import sys
from pathlib import Path
from components.storage.sync.bucket import Bucket
from components.storage.sync.bucket import Bucket
from components.storage.sync.manifest import parsed
from components.storage.sync.pull import pull
from components.storage.sync.store import Store
bucket, prefix, directory = sys.argv[1:]
bucket = Bucket(bucket)
manifest = parsed(bucket.read(f"{prefix}/manifest.json"))
pull(Store(bucket), manifest, prefix, Path(directory), lambda line: print(line, flush=True))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
"""Prints in the end the most memory that it held, in KiB."""
_numbers = count()


class Model:
    """A model in a store, and a directory for it."""

    def __init__(self, server: S3Server, directory: Path, files: dict[str, bytes]) -> None:
        self.server, self.directory, self.files = server, directory, files
        self.prefix = f"legal/model-{next(_numbers)}/0123"
        self.said: list[str] = []
        server.put_model(BUCKET, self.prefix, files)

    @property
    def manifest(self) -> Manifest:
        """What the model should be."""
        files = tuple(
            File(path=path, size=len(content), sha256=sha256(content).hexdigest())
            for path, content in self.files.items()
        )
        return Manifest(source="", revision="", licence=None, files=files)

    def put(self, path: str, content: bytes) -> None:
        """A file in the bucket."""
        self.server.client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=content)

    def pull(self, through: S3Server | None = None, **environment: str) -> None:
        """In this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in ((through or self.server).environment() | environment).items():
                patch.setenv(name, value)
            pull(Store(Bucket(BUCKET)), self.manifest, self.prefix, self.directory, self.said.append)

    def refused(self, through: S3Server | None = None, **environment: str) -> str:
        """A pull that fails. Why."""
        with pytest.raises(Unusable) as problem:
            self.pull(through, **environment)
        return str(problem.value)

    def begin(self) -> "subprocess.Popen[str]":
        """A pull in a process of its own."""
        command = [sys.executable, "-c", PULLS, BUCKET, self.prefix, str(self.directory)]
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=self.server.environment(), stdout=subprocess.PIPE, text=True
        )

    def there(self) -> dict[str, bytes]:
        """Every file of the directory."""
        found = (path for path in self.directory.rglob("*") if path.is_file())
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in found}


@pytest.fixture
def proxy(store: S3Server) -> Iterator[Proxy]:
    with proxies.before(store) as before:
        yield before


@pytest.fixture
def model(store: S3Server, tmp_path: Path) -> Model:
    return Model(store, tmp_path / "model", FILES)


def once(fault: Callable[[Request], Any], path: str, times: int = 1) -> Fault:
    """The fault, so many times, where the path has this in it."""
    left = [times]

    def some(request: Request) -> bool:
        if path not in request.path or left[0] == 0:
            return False
        left[0] -= 1
        fault(request)
        return True

    return some


def cut(request: Request) -> None:
    """A little of the body, and the connection is closed."""
    request.relay(most=50_000)
    request.close_connection = True


def reset(request: Request) -> None:
    """A little of the body, and the connection breaks."""
    request.relay(most=50_000)
    request.reset()


def gone(request: Request) -> None:
    """Nothing."""
    request.reset()


def slow_down(request: Request) -> None:
    """Too many requests."""
    request.answer(503, "SlowDown")


def test_a_model_comes_whole_and_is_not_asked_for_again(model: Model, proxy: Proxy) -> None:
    model.pull(proxy.server)
    assert model.there() == FILES
    assert f"weights/parts.safetensors: {3 * PART + 17} bytes, verified" in model.said
    proxy.requests.clear()
    model.pull(proxy.server)
    assert proxy.requests == []
    assert "weights/parts.safetensors: there already" in model.said


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=st.lists(st.one_of(st.integers(0, 40_000), st.integers(PART - 2, 2 * PART + 2)), max_size=4))
def test_files_of_any_size_come_whole(
    store: S3Server, tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    model = Model(store, tmp_path_factory.mktemp("model"), {str(n): os.urandom(size) for n, size in enumerate(sizes)})
    model.pull()
    assert model.there() == model.files


def test_only_what_is_missing_or_damaged_is_fetched(model: Model, proxy: Proxy) -> None:
    model.pull()
    (model.directory / "config.json").unlink()
    damaged = model.directory / "weights/one-part.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    model.pull(proxy.server)
    assert model.there() == FILES
    assert sorted(path.rpartition("/")[2] for path in proxy.requests) == ["config.json", "one-part.safetensors"]


@pytest.mark.parametrize("fault", [cut, reset, gone, slow_down])
def test_what_passes_is_waited_for(model: Model, proxy: Proxy, fault: Callable[[Request], Any]) -> None:
    proxy.faults += [once(fault, "parts", times=3), once(fault, "odd%20name"), once(fault, "config.json")]
    model.pull(proxy.server)
    assert model.there() == FILES


def test_what_does_not_pass_is_said(model: Model, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "TRIES", 2)
    proxy.faults.append(once(slow_down, "parts", times=100))
    assert "parts.safetensors cannot be read: the store answered 503 (SlowDown)" in model.refused(proxy.server)
    proxy.faults[:] = [once(cut, "parts", times=100)]
    model.pull(proxy.server)  # every connection brings some of it
    assert model.there() == FILES


def test_after_a_break_only_the_rest_is_fetched(model: Model, proxy: Proxy) -> None:
    proxy.faults.append(once(cut, "odd%20name"))
    model.pull(proxy.server)
    assert [one.partition(" ")[2] for one in proxy.requests if "odd%20name" in one] == ["", "bytes=50000-70000"]


@pytest.mark.parametrize("path", ["config.json", "weights/one-part.safetensors", "weights/parts.safetensors"])
def test_a_flipped_byte_in_the_bucket_is_found_and_that_file_does_not_appear(model: Model, path: str) -> None:
    content = bytearray(FILES[path])
    content[-1] ^= 1
    model.put(path, bytes(content))
    assert f"{path} is damaged in the object store" in model.refused()
    assert model.there().keys() <= FILES.keys() - {path}
    model.put(path, FILES[path])
    model.pull()
    assert model.there() == FILES


@pytest.mark.parametrize("path", ["config.json", "weights/parts.safetensors"])
@pytest.mark.parametrize("change", [1, -1])
def test_an_object_of_another_size_is_refused(model: Model, path: str, change: int) -> None:
    size = len(FILES[path]) + change
    model.put(path, bytes(size))
    assert f"{path} has {size} bytes, not {len(FILES[path])}: sync the model again" in model.refused()
    assert path not in model.there()


def test_an_object_that_is_replaced_while_it_is_read_is_refused(model: Model, proxy: Proxy) -> None:
    path, third = "weights/parts.safetensors", f"bytes={2 * PART}-{3 * PART - 1}"

    def replaced(request: Request) -> bool:
        if request.headers.get("Range") == third:
            time.sleep(0.5)  # until the answers to the others came
            model.put(path, os.urandom(len(FILES[path])))
        return False

    proxy.faults.append(replaced)
    assert f"{path} was replaced while it was read" in model.refused(proxy.server)
    assert path not in model.there()


def test_what_the_store_refuses_is_said_with_the_next_step(model: Model) -> None:
    assert "(SignatureDoesNotMatch): check the reader's key" in model.refused(AWS_SECRET_ACCESS_KEY="wrong")
    model.server.client().delete_object(Bucket=BUCKET, Key=f"{model.prefix}/config.json")
    assert "config.json is not there (NoSuchKey): sync the model again" in model.refused()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in model.server.environment().items():
            patch.setenv(name, value)
        with pytest.raises(Unusable, match="there is no such bucket"):
            pull(Store(Bucket("nowhere")), model.manifest, model.prefix, model.directory, model.said.append)


def test_a_pull_that_was_killed_is_finished_by_the_next_and_leaves_nothing(store: S3Server, tmp_path: Path) -> None:
    files = {f"weights/{number}.safetensors": os.urandom(40 * MIB) for number in range(3)}
    model = Model(store, tmp_path / "model", files)
    for whole in range(3):
        process = model.begin()
        assert process.stdout
        lines = (process.stdout.readline() for _ in range(whole + 1))
        assert all("verified" in line or "there already" in line for line in lines)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        finished = {path: content for path, content in model.there().items() if not path.endswith(".partial")}
        assert finished.items() <= files.items()
        assert len(finished) > whole
    model.pull()
    assert model.there() == files


def test_memory_does_not_grow_with_the_model(store: S3Server, tmp_path: Path) -> None:
    model = Model(store, tmp_path / "model", {"weights.safetensors": bytes(300 * MIB)})
    said, _ = model.begin().communicate()
    assert f"weights.safetensors: {300 * MIB} bytes, verified" in said
    assert int(said.splitlines()[-1]) * 1024 < 256 * MIB


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
class TestFullDisk:
    """On a file system of 40 MiB."""

    @pytest.fixture
    def model(self, store: S3Server, tmp_path: Path) -> Iterator[Model]:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", tmp_path], check=True)
        try:
            yield Model(store, tmp_path / "model", FILES)
        finally:
            subprocess.run(["umount", tmp_path], check=True)

    def test_a_model_that_does_not_fit_is_refused_before_anything_is_fetched(self, model: Model, proxy: Proxy) -> None:
        (model.directory.parent / "other").write_bytes(bytes(20 * MIB))
        said = model.refused(proxy.server)
        assert f"{model.manifest.size} bytes are needed and {20 * MIB} are free" in said
        assert proxy.requests == []

    def test_a_disk_that_fills_up_ends_it_and_what_was_begun_is_removed(self, model: Model, proxy: Proxy) -> None:
        def filled(request: Request) -> None:
            (model.directory.parent / "other").write_bytes(bytes(20 * MIB))
            request.relay()

        proxy.faults.append(once(filled, "parts"))
        assert "is full" in model.refused(proxy.server)
        assert model.there().items() <= FILES.items()
        (model.directory.parent / "other").unlink()
        model.pull()
        assert model.there() == FILES


def test_a_store_with_a_certificate_of_its_own_authority_is_read(model: Model, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    name = ["-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with proxies.before(model.server, context) as proxy:
        assert "set AWS_CA_BUNDLE" in model.refused(proxy.server)
        model.pull(proxy.server, AWS_CA_BUNDLE=str(certificate))
    assert model.there() == FILES


def test_a_directory_is_told_apart_file_by_file(model: Model) -> None:
    model.pull()
    assert differing(model.directory, model.manifest) == {}
    (model.directory / "empty").unlink()
    (model.directory / "config.json").write_bytes(b"{")
    with (model.directory / "weights/parts.safetensors").open("r+b") as file:
        file.seek(PART)
        file.write(b"damaged")
    assert differing(model.directory, model.manifest) == {
        "config.json": "has 1 bytes, not 2",
        "empty": "is missing",
        "weights/parts.safetensors": "is damaged",
    }
