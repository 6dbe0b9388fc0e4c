"""Models on a node's disk: whole and verified or not there, shared, and removed when room is needed but not in use."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.storage.homes import BUCKET, FILES, MIB, Home, until
from tests.unit.recording import REPOSITORY

SIZE = sum(map(len, FILES.values()))
PART = "weights/part-1.safetensors"


def begin(home: Home, directory: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "components.storage.sync", "cache", str(home), str(directory), *options]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=home.store.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def cache(home: Home, directory: Path, *options: str, status: int = 0) -> str:
    """What it said."""
    process = begin(home, directory, *options)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == status, said
    assert "Traceback" not in said
    return said


@contextmanager
def held(home: Home, directory: Path, mark: Path) -> Generator[None]:
    """The model in use, as by an engine's pod."""
    command = [sys.executable, "-m", "components.storage.sync.hold", str(directory), home.prefix, str(mark)]
    with subprocess.Popen(command, cwd=REPOSITORY) as holder:
        until(mark.exists)
        yield
        holder.send_signal(signal.SIGTERM)


def content(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def models(directory: Path) -> set[str]:
    """What is there beside locks, parts of models and all that."""
    paths = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return {"/".join(path.parts[:3]) for path in paths if path.parts[0] not in (".locks",)}


@pytest.fixture
def synced(home: Home) -> Home:
    home.sync()
    return home


@pytest.fixture
def others(home: Home) -> list[Home]:
    """Two further models."""
    made = [Home(home.store, home.hub) for _ in range(2)]
    for one in made:
        one.sync()
    return made


def test_a_model_comes_whole_and_is_not_fetched_again(synced: Home, tmp_path: Path) -> None:
    assert f"{PART}: 20971537 bytes, verified" in cache(synced, tmp_path)
    assert content(tmp_path / synced.prefix) == FILES
    assert PART not in cache(synced, tmp_path)


def test_two_pods_that_start_at_the_same_time_fetch_it_once(synced: Home, tmp_path: Path) -> None:
    both = [begin(synced, tmp_path), begin(synced, tmp_path)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count(f"{PART}: 20971537 bytes, verified") == 1
    assert content(tmp_path / synced.prefix) == FILES


def test_a_flipped_byte_is_found_and_mended_before_an_engine_starts(synced: Home, tmp_path: Path) -> None:
    cache(synced, tmp_path)
    damaged = tmp_path / synced.prefix / PART
    times = damaged.stat()
    with damaged.open("r+b") as file:
        file.seek(MIB)
        file.write(bytes([FILES[PART][MIB] ^ 1]))
    os.utime(damaged, ns=(times.st_atime_ns, times.st_mtime_ns))
    said = cache(synced, tmp_path)
    assert f"{PART} in the cache is damaged" in said
    assert f"{PART}: 20971537 bytes, verified" in said
    assert "config.json: there already" in said
    assert content(tmp_path / synced.prefix) == FILES


def test_a_file_that_is_no_part_of_the_model_is_removed(synced: Home, tmp_path: Path) -> None:
    cache(synced, tmp_path)
    (tmp_path / synced.prefix / "weights" / "stray.safetensors").write_bytes(b"?")
    cache(synced, tmp_path)
    assert content(tmp_path / synced.prefix) == FILES


def test_a_model_that_is_not_complete_is_refused(home: Home, tmp_path: Path) -> None:
    home.client.put_object(Bucket=BUCKET, Key=f"{home.prefix}/config.json", Body=b"{}")
    assert f"{home} is not complete in the object store; sync the model first" in cache(home, tmp_path, status=1)
    assert models(tmp_path) == set()


def test_an_object_that_was_replaced_is_refused(synced: Home, tmp_path: Path) -> None:
    synced.client.put_object(Bucket=BUCKET, Key=f"{synced.prefix}/config.json", Body=b"[]")
    assert "config.json is damaged in the object store" in cache(synced, tmp_path, status=1)
    assert not (tmp_path / synced.prefix).exists()


def test_a_manifest_cannot_write_outside_the_model(synced: Home, tmp_path: Path) -> None:
    key = f"{synced.prefix}/manifest.json"
    text = synced.content()["manifest.json"].replace(b'"config.json"', b'"../config.json"')
    synced.client.put_object(Bucket=BUCKET, Key=key, Body=text)
    cache(synced, tmp_path, status=1)
    assert models(tmp_path) == set()


def test_a_pod_that_was_killed_while_it_fetched_leaves_nothing_that_looks_whole(synced: Home, tmp_path: Path) -> None:
    process = begin(synced, tmp_path)
    until(lambda: any((tmp_path / ".filling").rglob("*.partial")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / synced.prefix).exists()
    cache(synced, tmp_path)
    assert content(tmp_path / synced.prefix) == FILES
    assert list((tmp_path / ".filling").iterdir()) == []


def test_what_was_used_least_recently_goes_when_room_is_needed(
    synced: Home, others: list[Home], tmp_path: Path
) -> None:
    limit = f"--limit={int(2.5 * SIZE)}"
    first, second = others
    for one in (first, second, first):
        cache(one, tmp_path, limit)
    said = cache(synced, tmp_path, limit)
    assert f"{second.prefix} removed from this node's cache" in said
    assert models(tmp_path) == {first.prefix, synced.prefix}


def test_what_is_in_use_stays_and_the_next_one_goes(synced: Home, others: list[Home], tmp_path: Path) -> None:
    limit = f"--limit={int(2.5 * SIZE)}"
    first, second = others
    for one in others:
        cache(one, tmp_path, limit)
    with held(first, tmp_path, tmp_path / "mark"):
        cache(synced, tmp_path, limit)
        assert content(tmp_path / first.prefix) == FILES
        assert not (tmp_path / second.prefix).exists()


def test_a_cache_whose_models_are_all_in_use_says_so_and_keeps_them(
    synced: Home, others: list[Home], tmp_path: Path
) -> None:
    limit = f"--limit={int(1.5 * SIZE)}"
    cache(others[0], tmp_path, limit)
    with held(others[0], tmp_path, tmp_path / "mark"):
        said = cache(synced, tmp_path, limit, status=1)
    assert "the cache may hold 58.5 MiB, and the rest is in use" in said
    assert content(tmp_path / others[0].prefix) == FILES


def test_an_engine_waits_until_its_model_is_held(synced: Home, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    process = begin(synced, tmp_path / "cache", f"--held={mark}")
    with held(synced, tmp_path / "cache", mark):
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said


def test_a_disk_that_is_full_is_told_and_nothing_half_stays(synced: Home, small_disk: Path) -> None:
    said = cache(synced, small_disk, status=1)
    assert "needs 39.0 MiB on this node" in said
    assert models(small_disk) == set()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
