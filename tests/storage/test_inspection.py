"""What people ask of a bucket: which models are there, whether they are whole, and what differs between two."""

import json
import re
import subprocess
import sys

from tests.storage.homes import BUCKET, FILES, MIB, SOURCE, Home
from tests.unit.recording import REPOSITORY

PART = "weights/part-1.safetensors"


def run(home: Home, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "components.storage.sync", *arguments],
        cwd=REPOSITORY,
        env=home.store.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def flip(home: Home, path: str = PART) -> None:
    """Another byte in the middle, written by somebody who keeps the size."""
    content = bytearray(FILES[path])
    content[len(content) // 2] ^= 1
    home.client.put_object(Bucket=BUCKET, Key=f"{home.prefix}/{path}", Body=bytes(content))


def rot(home: Home, path: str = PART) -> None:
    """A flipped bit below the server: MinIO finds out and refuses to answer, versitygw does not."""
    below = home.store.directory / "data" / BUCKET / home.prefix / path
    file = below if below.is_file() else next(below.rglob("part.1"))
    with file.open("r+b") as opened:
        opened.seek(MIB)
        byte = opened.read(1)
        opened.seek(MIB)
        opened.write(bytes([byte[0] ^ 1]))


def listed(home: Home) -> dict[str, object]:
    (model,) = json.loads(run(home, "list", str(home), "--json").stdout)
    return model


def test_a_model_that_is_as_it_was_synced_is_verified(home: Home) -> None:
    home.sync()
    done = run(home, "verify", str(home))
    assert done.returncode == 0
    assert f"{home}: all files are as they were synced" in done.stdout


def test_a_file_that_somebody_replaced_makes_a_model_incomplete(home: Home) -> None:
    home.sync()
    flip(home)
    done = run(home, "verify", str(home))
    assert done.returncode == 1
    assert f"was changed in the bucket after it had been verified: {PART}" in done.stderr
    assert listed(home)["condition"] == "changed"


def test_a_sync_brings_back_what_somebody_replaced_and_nothing_else(home: Home) -> None:
    home.sync()
    flip(home)
    home.hub.requests.clear()
    said = home.sync()
    assert f"not complete any more: it was changed in the bucket after it had been verified: {PART}" in said
    assert [path for path in home.hub.requests if "/cdn/" in path] == [f"/cdn/{PART}"]
    home.assert_whole()


def test_a_sync_brings_back_what_somebody_deleted(home: Home) -> None:
    home.sync()
    home.client.delete_object(Bucket=BUCKET, Key=f"{home.prefix}/config.json")
    home.client.delete_object(Bucket=BUCKET, Key=f"{home.prefix}/manifest.json")
    home.sync()
    home.assert_whole()


def test_what_no_sync_has_written_is_neither_trusted_nor_touched(home: Home) -> None:
    for path in ("config.json", ".complete"):
        home.client.put_object(Bucket=BUCKET, Key=f"{home.prefix}/{path}", Body=b"{}")
    assert "has a .complete that no sync has written" in home.refused()
    assert home.content() == {"config.json": b"{}", ".complete": b"{}"}


def test_a_list_shows_what_there_is_of_every_model_and_where_it_is_from(home: Home) -> None:
    home.sync()
    size = sum(map(len, FILES.values()))
    known = {"size": size, "files": len(FILES), "source": SOURCE, "licence": "apache-2.0"}
    assert listed(home) == {"home": str(home), "condition": "complete", **known}
    table = run(home, "list", f"s3://{BUCKET}").stdout.splitlines()
    assert table[0].split() == ["MODEL", "STATE", "SIZE", "FILES", "LICENCE", "SOURCE"]
    assert [line.split()[1] for line in table if line.startswith(f"{home} ")] == ["complete"]


def test_a_model_that_was_only_begun_is_listed_as_such(home: Home) -> None:
    home.client.put_object(Bucket=BUCKET, Key=f"{home.prefix}/config.json", Body=b"{}")
    assert listed(home)["condition"] == "incomplete"
    home.client.put_object(Bucket=BUCKET, Key=f"{home.prefix}/.sync", Body=b"{}")
    assert listed(home)["condition"] == "syncing"


def test_two_revisions_are_compared_file_by_file(home: Home) -> None:
    home.sync("--files", "*.json", "--files", "weights/small*")
    other = Home(home.store, home.hub)
    home.hub.files = {**FILES, "config.json": b'{"new": 1}'}
    other.sync("--files", "*.json", "--files", "tokenizer/*")
    done = run(home, "diff", str(home), str(other))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "~  config.json                2 B -> 10 B",
        "+  tokenizer/merges.txt       900 B",
        "-  weights/small.safetensors  3.0 MiB",
        "3 files differ; 3.0 MiB -> 910 B",
    ]
    assert run(home, "diff", str(home), str(home)).returncode == 0


def test_what_is_not_an_address_is_refused_in_a_line(home: Home) -> None:
    for address in ("models/x", "s3://", f"s3://{BUCKET}"):
        done = run(home, "verify", address)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1


def test_a_bucket_that_is_not_there_is_named_without_a_traceback(home: Home) -> None:
    done = run(home, "list", "s3://nowhere-to-be-found")
    assert done.returncode == 1
    assert "NoSuchBucket" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_byte_that_rots_on_the_servers_disk_is_found_withdrawn_and_brought_again(home: Home) -> None:
    home.sync()
    rot(home)
    damaged = run(home, "verify", str(home))
    assert damaged.returncode == 1
    assert re.search(f"{PART}: (damaged|cannot be read)", damaged.stdout)
    withdrawn = run(home, "verify", str(home), "--withdraw")
    assert withdrawn.returncode == 1
    assert "withdrawn; sync it again" in withdrawn.stdout
    home.assert_no_model()
    home.hub.requests.clear()
    home.sync()
    assert [path for path in home.hub.requests if "/cdn/" in path] == [f"/cdn/{PART}"]
    home.assert_whole()
