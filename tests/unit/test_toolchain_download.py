"""Official releases come whole and verified, or not at all."""

import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from tests.unit.release_server import program, sha256, tar
from toolchain import archive, bring, checksums
from toolchain.catalogue import ETCD, PULUMI, named
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.tool import this_platform

KWOK = named("kwok")
GOOD = program("kwok version v0.8.0")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with bare_machine(tmp_path, monkeypatch) as machine:
        yield machine


def etcd_member() -> str:
    assert ETCD.release
    return ETCD.release.member_for(this_platform())


def test_a_good_release_is_installed_and_one_line_says_who_vouched_for_it(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.server.publish(KWOK, GOOD)

    assert machine.run("ensure", "kwok") == 0

    assert subprocess.check_output([machine.installed(KWOK)], text=True) == "kwok version v0.8.0\n"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kwok 0.8.0 ")
    assert "official release (checksum from https://api.github.com/" in line
    assert "not pinned yet" in line


def test_a_tool_is_taken_out_of_its_archive_with_its_companions_and_nothing_else(machine: Machine) -> None:
    members = ("pulumi/pulumi", "pulumi/pulumi-language-python", "pulumi/pulumi-language-go")
    machine.server.publish(PULUMI, tar({name: program("v3.259.0") for name in members}))

    assert machine.run("ensure", "pulumi") == 0

    there = {path.name for path in machine.installed(PULUMI).parent.iterdir()}
    assert there == {"pulumi", "pulumi-language-python", "origin"}


def test_a_pinned_checksum_wins_over_the_publishers(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.server.publish(KWOK, GOOD, checksum="f" * 64)
    assert KWOK.release
    checksums.write(checksums.LOCK, {KWOK.release.url_for(this_platform()): sha256(GOOD)})

    assert machine.run("ensure", "kwok") == 0

    assert "checksum from toolchain/checksums.lock" in capsys.readouterr().err


def test_a_release_that_differs_from_its_pin_stops_everything_and_building_does_not_paper_over_it(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    log = machine.have_go(builds="0.8.0")
    machine.server.publish(KWOK, GOOD)
    assert KWOK.release
    checksums.write(checksums.LOCK, {KWOK.release.url_for(this_platform()): "f" * 64})

    assert machine.run("ensure", "kwok") == 3

    said = capsys.readouterr().err
    assert "does not have the expected checksum" in said
    assert f"expected  {'f' * 64} (toolchain/checksums.lock)" in said
    assert f"got       {sha256(GOOD)}" in said
    assert not machine.installed(KWOK).exists()
    assert not log.exists()
    assert not machine.leftovers()


def test_a_release_that_differs_from_the_publishers_checksum_stops_everything(machine: Machine) -> None:
    log = machine.have_go(builds="0.8.0")
    machine.server.publish(KWOK, GOOD, checksum="f" * 64)

    assert machine.run("ensure", "kwok") == 3

    assert not machine.installed(KWOK).exists()
    assert not log.exists()


def test_a_truncated_download_is_refused_and_leaves_nothing_behind(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.server.truncate(machine.server.publish(KWOK, GOOD), GOOD)

    assert machine.run("ensure", "kwok") == 3

    assert f"sent {len(GOOD) // 2} of {len(GOOD)} bytes" in capsys.readouterr().err
    assert not machine.installed(KWOK).exists()
    assert not machine.leftovers()


def test_a_download_that_broke_off_once_is_tried_a_second_time(machine: Machine) -> None:
    machine.server.truncate(machine.server.publish(KWOK, GOOD), GOOD, times=1)

    assert machine.run("ensure", "kwok") == 0


def test_a_release_that_is_not_there_is_built_instead(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.have_go(builds="0.8.0")

    assert machine.run("ensure", "kwok") == 0

    assert "built from Go modules with Go 1.26.8" in capsys.readouterr().err


def test_a_release_without_a_checksum_is_not_used(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert KWOK.release
    machine.server.put(KWOK.release.url_for(this_platform()), GOOD)
    machine.server.put(KWOK.release.checksums_for(this_platform()), b'{"assets": []}')

    assert machine.run("ensure", "kwok") == 3

    assert "no checksum to hold it against" in capsys.readouterr().err


def test_a_server_that_stalls_is_given_up_on_and_not_asked_for_the_next_tool(machine: Machine) -> None:
    path = machine.server.publish(KWOK, GOOD)
    machine.server.stall(path, GOOD)
    machine.server.publish(ETCD, tar({etcd_member(): program("etcd Version: 3.7.3")}))

    with pytest.raises(ToolchainError) as stopped:
        bring.ensure([KWOK, ETCD], Network(idle_seconds=0.2))

    assert str(stopped.value).count("nothing came for 0.2 s") == 2
    assert machine.server.asked[-1] == path


def test_a_network_without_a_way_out_is_noticed_once_and_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERENCE_RELEASES", "http://127.0.0.1:9")

    assert machine.run("ensure", "kwok", "etcd") == 3

    assert capsys.readouterr().err.count("127.0.0.1:9: connection refused") == 2


def test_a_name_server_that_never_answers_cannot_hold_things_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_address: object, timeout: float) -> None:
        time.sleep(20 * timeout)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", silent)

    with pytest.raises(Unavailable, match=r"no connection within 0\.1 s"):
        Network(connect_seconds=0.1, mirror=None).check("https://publisher.example/tool")


def test_an_archive_cannot_write_outside_its_place(machine: Machine) -> None:
    good = program("etcd Version: 3.7.3")
    outside = {"../../../../evil": b"x", "/tmp/evil-of-the-toolchain-test": b"x", "../etcd": b"x"}
    machine.server.publish(ETCD, tar({**outside, etcd_member(): good}))

    assert machine.run("ensure", "etcd") == 0

    assert machine.installed(ETCD).read_bytes() == good
    assert not Path("/tmp/evil-of-the-toolchain-test").exists()
    assert {path.name for path in machine.cache.rglob("*") if path.is_file()} == {"etcd", "origin", ".lock"}


def test_an_archive_with_a_link_in_the_tools_place_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.server.publish(ETCD, tar({}, links={etcd_member(): "/bin/sh"}))

    assert machine.run("ensure", "etcd") == 3

    assert "the archive has no plain file" in capsys.readouterr().err


def test_a_file_that_is_no_archive_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.server.publish(ETCD, b"<html>Please sign in to the hotel network</html>")

    assert machine.run("ensure", "etcd") == 3

    assert "the archive cannot be read" in capsys.readouterr().err


def test_zip_archives_are_understood_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("etcd/etcd", GOOD)

    archive.unpack(tmp_path / "a.zip", {"etcd/etcd": tmp_path / "etcd"}, {})

    assert subprocess.check_output([tmp_path / "etcd"], text=True) == "kwok version v0.8.0\n"


def test_a_release_that_does_not_run_here_is_not_put_in_place(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.server.publish(KWOK, b"\x7fELF of another architecture")

    assert machine.run("ensure", "kwok") == 3

    assert "it came, but does not run here" in capsys.readouterr().err
    assert not machine.installed(KWOK).exists()


def test_a_run_that_was_killed_half_way_can_be_run_again(machine: Machine) -> None:
    path = machine.server.publish(KWOK, GOOD)
    machine.server.stall(path, GOOD)
    with machine.start("ensure", "kwok") as killed:
        while not machine.leftovers():
            time.sleep(0.01)
        killed.kill()
    machine.server.publish(KWOK, GOOD)

    assert machine.run("ensure", "kwok") == 0

    assert not machine.leftovers()


def test_two_runs_at_once_download_once(machine: Machine) -> None:
    path = machine.server.publish(KWOK, GOOD)
    machine.server.stall(path, GOOD)
    with machine.start("ensure", "kwok") as first:
        while path not in machine.server.asked:
            time.sleep(0.01)
        with machine.start("ensure", "kwok") as second:
            assert second.stderr
            assert second.stderr.readline() == "kwok 0.8.0: waiting for another run that is bringing it\n"
            machine.server.publish(KWOK, GOOD)
            machine.server.closing.set()  # ends the first run's stalled download; its second attempt gets through
            assert "brought by another run just now" in second.stderr.read()

    assert (first.returncode, second.returncode) == (0, 0)
    assert machine.server.asked.count(path) == 2
