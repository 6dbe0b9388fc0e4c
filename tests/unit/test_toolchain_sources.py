"""PATH, then the cache, then the official release, then Go modules; and what is said when none of them serves."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from tests.unit.release_server import program, put_program
from toolchain.catalogue import ETCD, MINIO, TOOLS, named

KWOK = named("kwok")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with bare_machine(tmp_path, monkeypatch) as machine:
        yield machine


def test_a_tool_on_path_that_fits_is_used_and_nothing_is_downloaded(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    there = put_program(machine.bin / "etcd", "etcd Version: 3.6.9")

    assert machine.run("ensure", "etcd") == 0

    assert capsys.readouterr().err.split() == ["etcd", "3.6.9", "PATH", f"({there})"]
    assert machine.server.asked == []


def test_one_tool_is_brought_and_its_path_is_all_that_is_printed(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.server.publish(KWOK, program("kwok version v0.8.0"))

    assert machine.run("path", "kwok") == 0

    said = capsys.readouterr()
    assert said.out == f"{machine.installed(KWOK)}\n"
    assert "official release" in said.err


def test_a_tool_on_path_of_the_wrong_version_is_not_used(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    put_program(machine.bin / "kwok", "kwok version v0.7.0")
    machine.server.publish(KWOK, program("kwok version v0.8.0"))

    assert machine.run("ensure", "kwok") == 0

    assert "official release" in capsys.readouterr().err


def test_a_tool_on_path_that_says_no_version_is_not_used(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    there = put_program(machine.bin / "kwok", "What is a version?")

    assert machine.run("ensure", "kwok") == 3

    assert f"{there} is of unknown version; what fits is 0.8.0 or later, below 0.9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tool", "answer", "fits"),
    [
        ("pulumi", "v3.259.0", True),
        ("pulumi", "v3.300.1", True),
        ("pulumi", "v3.258.9", False),
        ("pulumi", "v4.0.0", False),
        ("etcd", "etcd Version: 3.4.23", False),
        ("kube-apiserver", "Kubernetes v1.36.9", True),
        ("kube-apiserver", "Kubernetes v1.37.0", False),
        ("kubectl", "Client Version: v1.35.0", True),
        ("kubectl", "Client Version: v1.32.4-dispatcher", False),
        ("minio", "minio version RELEASE.2025-04-22T22-12-26Z", True),
        ("minio", "minio version RELEASE.2026-06-01T00-00-00Z", False),
    ],
)
def test_which_versions_on_path_fit(machine: Machine, tool: str, answer: str, fits: bool) -> None:
    put_program(machine.bin / tool, answer)

    assert machine.run("ensure", tool) == (0 if fits else 3)


def test_a_program_on_path_is_asked_for_its_version_once_and_again_when_it_has_changed(machine: Machine) -> None:
    asked = machine.home / "asked"
    there = machine.bin / "etcd"
    there.write_text(f"#!/bin/sh\necho x >> {asked}\necho 3.6.9\n")
    there.chmod(0o755)

    for _ in range(3):
        assert machine.run("ensure", "etcd") == 0
    assert asked.read_text() == "x\n"

    os.utime(there, (1, 1))
    assert machine.run("ensure", "etcd") == 0
    assert asked.read_text() == "x\nx\n"


def test_what_was_brought_once_is_taken_from_the_cache(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.server.publish(KWOK, program("kwok version v0.8.0"))
    machine.run("ensure", "kwok")
    machine.server.answers.clear()
    capsys.readouterr()

    assert machine.run("ensure", "kwok") == 0

    assert capsys.readouterr().err.split() == ["kwok", "0.8.0", "cache"]


def test_the_caches_own_directories_on_path_are_not_taken_for_the_users(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.have_tools()
    monkeypatch.setenv("PATH", f"{machine.installed(ETCD).parent}:{machine.bin}")

    assert machine.run("ensure", "etcd") == 0

    assert capsys.readouterr().err.split() == ["etcd", "3.7.3", "cache"]


def test_where_no_release_can_be_had_a_tool_is_built_exactly_as_pinned(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    log = machine.have_go()

    assert machine.run("ensure", "etcd") == 0

    directory, cgo, *arguments = log.read_text().split()
    assert Path(directory).parts[-3:] == ("toolchain", "modules", "etcd")
    assert cgo == "0"
    assert {"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "go.etcd.io/etcd/server/v3"} <= {*arguments}
    assert "built from Go modules with Go 1.26.8" in capsys.readouterr().err


def test_a_build_that_fails_shows_the_compilers_last_words(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    go = machine.bin / "go"
    go.write_text("#!/bin/sh\n[ $1 = version ] && echo go version go1.26.8 && exit\necho 'no space left' >&2\nexit 1\n")
    go.chmod(0o755)

    assert machine.run("ensure", "etcd") == 3

    assert "the compiler stopped:\n    no space left\n" in capsys.readouterr().err


def test_an_interrupted_build_leaves_no_compiler_behind(machine: Machine) -> None:
    started = machine.home / "compiler.pid"
    go = machine.bin / "go"
    go.write_text(
        "#!/bin/sh\n[ $1 = version ] && echo go version go1.26.8 && exit\n"
        f"echo $$ > {started}.new; /bin/mv {started}.new {started}; exec /bin/sleep 60\n"
    )
    go.chmod(0o755)

    with machine.start("ensure", "etcd") as build:
        while not started.exists():
            time.sleep(0.01)
        build.terminate()
        assert build.stderr
        assert build.stderr.read() == "Interrupted. Nothing half-done was left in place: run it again.\n"

    assert build.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_where_nothing_works_all_that_was_tried_is_said_with_the_next_step_and_exit_code_3(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    put_program(machine.bin / "go", "go version go1.19.8 linux/amd64")
    put_program(machine.bin / "etcd", "etcd Version: 3.4.23")

    assert machine.run("ensure", "etcd", "minio") == 3

    server = machine.server.url.removeprefix("http://")
    no_go = "Go 1.26.0 or later is needed, the one on PATH is 1.19.8, and PyPI cannot be reached"
    assert capsys.readouterr().err.splitlines() == [
        "etcd 3.7.3 could not be brought. Tried:",
        f"  PATH              {machine.bin}/etcd is 3.4.23; what fits is 3.6 or later, below 4",
        f"  official release  {server} answered 404 Not Found",
        f"  Go modules        {no_go}",
        "minio 2026-02-12 could not be brought. Tried:",
        "  PATH              not there",
        "  official release  the publisher has none of this version",
        f"  Go modules        {no_go}",
        "Next, any one of:",
        "  - install what is missing, in a version that fits, and put it on PATH",
        "  - let this machine reach the publishers, directly, through https_proxy,",
        "    or through a mirror of them: INFERENCE_RELEASES=<url>, asked for <url>/<host>/<path>",
        "  - let it reach a Go module proxy (GOPROXY) and, where no Go is on PATH, PyPI (PIP_INDEX_URL)",
    ]


def test_one_tool_that_cannot_be_had_does_not_keep_the_others_away(machine: Machine) -> None:
    machine.server.publish(KWOK, program("kwok version v0.8.0"))

    assert machine.run("ensure", "etcd", "kwok") == 3

    assert machine.installed(KWOK).exists()


def test_a_cache_that_cannot_be_written_to_is_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.home / "file").touch()
    monkeypatch.setenv("INFERENCE_CACHE", str(machine.home / "file/cache"))

    assert machine.run("ensure", "etcd") == 3

    assert "file/cache cannot be written to" in capsys.readouterr().err


def test_a_tool_that_is_not_ours_is_refused_with_the_names_of_those_that_are(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.run("ensure", "ectd") == 3

    assert capsys.readouterr().err.startswith("Not a tool here: ectd. There are: pulumi, etcd,")


def test_the_list_names_every_tool_and_where_it_would_come_from(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.run("list") == 0

    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines.keys() == {tool.name for tool in TOOLS}
    assert "official release, else built from Go modules" in lines["etcd"]
    assert "official release" not in lines[MINIO.name]


def test_it_runs_on_the_bare_python_of_a_fresh_machine_from_any_directory(machine: Machine) -> None:
    repository = Path(__file__).parents[2]
    code = "import sys, toolchain.__main__ as t; sys.path = []; sys.exit(t.main(['list']))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(repository)!r}); {code}"],
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
