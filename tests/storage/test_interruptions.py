"""Syncs that are killed, refused or cut off half-way: one more run completes the model, and asks for little."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hub as hubs
from tests.object_store import ROOT, S3Server, serve
from tests.storage.homes import BUCKET, FILES, LEASE_SECONDS, Home, until
from toolchain import bring, catalogue
from toolchain.download import Network

KILLS = 20
SECONDS_PER_MIB = 0.05
SLOW_SYNC_SECONDS = 4
"""About what a sync takes from a hub that is so slow, the start of Python included."""
USER, USER_KEY = "syncs", "key-of-a-user-for-tests"


def finished_by_one_more(home: Home) -> None:
    """Nothing that was finished is asked for again, and no trace stays."""
    home.assert_no_model()
    there = home.paths()
    home.hub.requests.clear()
    home.hub.seconds_per_mib = 0
    home.sync()
    asked = {path.removeprefix("/cdn/") for path in home.hub.requests if path.startswith("/cdn/")}
    assert asked <= FILES.keys() - there
    home.assert_whole()


def test_a_sync_that_is_killed_at_any_moment_is_finished_by_the_next(home: Home) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    print(f"seed {seed}")
    home.hub.seconds_per_mib = SECONDS_PER_MIB
    homes = [Home(home.store, home.hub) for _ in range(KILLS // 2)]  # as many on each of two servers
    for one in homes:
        process = one.begin()
        time.sleep(moments.uniform(0, SLOW_SYNC_SECONDS))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for one in homes:
        if ".complete" in one.paths():  # killed when all was done but the lease was not given back
            assert "complete already" in one.sync()
            one.assert_whole()
        else:
            finished_by_one_more(one)


@pytest.mark.parametrize("parts", [0, 2])
def test_uploads_that_a_killed_sync_left_open_are_ended(home: Home, parts: int) -> None:
    home.hub.seconds_per_mib = SECONDS_PER_MIB
    process = home.begin()
    until(lambda: home.uploads() != [] and len(home.parts()) >= parts)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert home.uploads() != []
    finished_by_one_more(home)


def test_only_one_of_two_syncs_fetches_and_both_end_well(home: Home) -> None:
    home.hub.seconds_per_mib = SECONDS_PER_MIB
    both = [home.begin(), home.begin()]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("complete already" in one for one in said) == [False, True]
    assert any("another sync of this model is under way" in one for one in said)
    assert home.hub.requests.count("/cdn/weights/part-1.safetensors") == 1
    home.assert_whole()


def test_a_sync_that_slept_too_long_gives_way_to_another(home: Home) -> None:
    home.hub.seconds_per_mib = SECONDS_PER_MIB
    sleeper = home.begin()
    until(lambda: home.uploads() != [])
    sleeper.send_signal(signal.SIGSTOP)
    home.sync()
    sleeper.send_signal(signal.SIGCONT)
    said, _ = sleeper.communicate(timeout=120)
    assert sleeper.returncode == 1, said
    assert "Traceback" not in said
    home.assert_whole()


def test_a_lease_leaves_no_trace_not_even_old_versions(home: Home) -> None:
    home.hub.seconds_per_mib = LEASE_SECONDS / 20  # long enough that it is renewed
    home.sync()
    answer = home.client.list_object_versions(Bucket=BUCKET, Prefix=f"{home.prefix}/.sync")
    assert answer.get("Versions", []) == answer.get("DeleteMarkers", []) == []


class Administrator:
    """MinIO's own client."""

    def __init__(self, mc: Path, server: S3Server, directory: Path) -> None:
        self._mc = mc
        self._environment = os.environ | {
            "MC_HOST_store": f"http://{ROOT}:{server.password}@{server.host}",
            "MC_CONFIG_DIR": str(directory),
        }

    def __call__(self, *arguments: str) -> None:
        subprocess.run([self._mc, *arguments], env=self._environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tools() -> dict[str, Path]:
    return {one.tool.name: one.path for one in bring.ensure(map(catalogue.named, ("minio", "mc")), Network())}


@pytest.fixture
def minio(tools: dict[str, Path], tmp_path: Path) -> Iterator[S3Server]:
    with serve(tools["minio"], tmp_path) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def administrator(tools: dict[str, Path], minio: S3Server, tmp_path: Path) -> Administrator:
    return Administrator(tools["mc"], minio, tmp_path / "mc")


def test_a_bucket_that_is_full_is_told_and_keeps_no_half_of_a_file(
    minio: S3Server, administrator: Administrator, hub: hubs.Hub
) -> None:
    home = Home(minio, hub)
    administrator("quota", "set", f"store/{BUCKET}", "--size", "4MiB")
    assert "quota" in home.refused().lower()
    assert home.uploads() == []
    administrator("quota", "clear", f"store/{BUCKET}")
    finished_by_one_more(home)


def test_a_bucket_that_would_not_hold_the_model_is_told_before_anything_is_fetched(home: Home) -> None:
    assert "needs 39.0 MiB more, and s3://models holds" in home.refused("--room", "1000000")
    assert not [path for path in home.hub.requests if "/cdn/" in path]
    assert home.paths() == set()


def test_a_key_that_is_revoked_half_way_is_told(minio: S3Server, administrator: Administrator, hub: hubs.Hub) -> None:
    home = Home(minio, hub)
    administrator("admin", "user", "add", "store", USER, USER_KEY)
    administrator("admin", "policy", "attach", "store", "readwrite", "--user", USER)
    hub.seconds_per_mib = SECONDS_PER_MIB
    process = home.begin(AWS_ACCESS_KEY_ID=USER, AWS_SECRET_ACCESS_KEY=USER_KEY)
    until(lambda: len(home.parts()) > 0)
    administrator("admin", "user", "disable", "store", USER)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the object store answered" in said
    assert "Traceback" not in said
    finished_by_one_more(home)


def test_a_store_that_restarts_half_way_is_waited_for(tools: dict[str, Path], tmp_path: Path, hub: hubs.Hub) -> None:
    hub.seconds_per_mib = SECONDS_PER_MIB
    with serve(tools["minio"], tmp_path) as server:
        server.client().create_bucket(Bucket=BUCKET)
        home = Home(server, hub)
        process = home.begin()
        until(lambda: len(home.parts()) > 0)
    with serve(tools["minio"], tmp_path, again=server):
        said, _ = process.communicate(timeout=300)
        if process.returncode == 0:
            home.assert_whole()
        else:
            assert "Traceback" not in said
            finished_by_one_more(home)
