"""Models in a directory that the sync Job mounts."""

import os
from pathlib import Path

import pytest

from components.storage.sync import http, opening
from components.storage.sync.manifest import Unusable
from components.storage.sync.source import Offered, Source
from tests.object_store import S3Server
from tests.storage.syncing import Syncing

FILES = {
    "config.json": b"{}",
    "large.safetensors": os.urandom(9 * 2**20 + 5),
    "sub dir/x y.txt": b"names are kept",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_bytes(text)
    return tmp_path / "model"


@pytest.fixture
def model(models: S3Server, directory: Path) -> Syncing:
    return Syncing(store=models, source=f"path://{directory}@2026-11")


def source(directory: Path) -> Source:
    return opening.opened(f"path://{directory}@1", through=http.pool(1))


def listed(directory: Path, path: str) -> tuple[Source, Offered]:
    """The source, and what it says of one file."""
    opened = source(directory)
    return opened, next(file for file in opened.offered() if file.path == path)


def test_all_files_come(model: Syncing, directory: Path) -> None:
    (directory / "lost+found").mkdir(mode=0o000)
    model.sync()
    model.assert_holds(FILES)


def test_links_within_the_directory_are_followed(model: Syncing, directory: Path) -> None:
    (directory / "again.json").symlink_to("config.json")
    model.sync()
    model.assert_holds({**FILES, "again.json": b"{}"})


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd"])
def test_links_that_lead_outside_are_refused(model: Syncing, directory: Path, target: str) -> None:
    (directory.parent / "secret").write_text("x")
    (directory / "sub dir" / "link").symlink_to(target if target.startswith("/") else f"../{target}")
    assert "sub dir/link is a link that leads outside; put the file itself there" in model.refused()
    assert model.content() == {}


def test_links_to_directories_are_refused(model: Syncing, directory: Path) -> None:
    (directory / "link").symlink_to("sub dir")
    assert "is a link to a directory" in model.refused()


def test_what_is_no_file_is_refused_unless_it_is_left_out(model: Syncing, directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    assert "pipe is no file; leave it out with `files`" in model.refused()
    model.sync("--files", "*.json", "--files", "*.safetensors", "--files", "sub dir/*")
    model.assert_holds(FILES)


def test_a_file_that_changes_before_it_is_read_is_refused(directory: Path) -> None:
    opened, file = listed(directory, "config.json")
    (directory / "config.json").write_bytes(b"[]")
    with pytest.raises(Unusable, match=r"config\.json has changed since it was listed"):
        list(opened.chunks(file))


def test_a_file_that_changes_while_it_is_read_is_refused(directory: Path) -> None:
    opened, file = listed(directory, "large.safetensors")
    chunks = opened.chunks(file)
    next(chunks)
    with (directory / "large.safetensors").open("r+b") as writer:
        writer.write(b"changed")
    with pytest.raises(Unusable, match=r"large\.safetensors has changed since it was listed"):
        list(chunks)


def test_a_file_in_whose_place_a_link_was_put_is_refused(directory: Path) -> None:
    opened, file = listed(directory, "config.json")
    (directory / "config.json").unlink()
    (directory / "config.json").symlink_to("/etc/hostname")
    with pytest.raises(Unusable, match=r"config\.json has changed since it was listed"):
        list(opened.chunks(file))


def test_a_file_that_is_gone_is_said(directory: Path) -> None:
    opened, file = listed(directory, "config.json")
    (directory / "config.json").unlink()
    with pytest.raises(Unusable, match=r"config\.json cannot be read: No such file or directory"):
        list(opened.chunks(file))


def test_a_directory_that_is_not_there_is_said(model: Syncing) -> None:
    model.source = "path:///no/such/directory@1"
    assert "/no/such/directory cannot be read: No such file or directory" in model.fails()


def test_a_name_that_nothing_can_be_called_is_refused(model: Syncing, directory: Path) -> None:
    (directory / "line\nend").write_text("x")
    assert "'line\\nend' holds characters that no file of a model has" in model.refused()


def test_another_source_for_the_same_home_is_refused(model: Syncing, directory: Path) -> None:
    model.sync()
    (directory / "more").mkdir()
    (directory / "more" / "x").write_text("x")
    held, model.source = model.source, f"path://{directory}/more@2026-11"
    said = model.refused()
    assert f"{model.prefix} holds {held}; give {model.source} another revision or name" in said
