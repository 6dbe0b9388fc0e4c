"""Files that are no program come whole: from their publisher, else from the Go module that carries them too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from tests.unit.release_server import put_program, sha256
from toolchain import checksums, definitions
from toolchain.catalogue import ARGOCD_DEFINITIONS
from toolchain.problems import ToolchainError
from toolchain.tool import Files

assert isinstance(ARGOCD_DEFINITIONS.source, Files)
FILES = ARGOCD_DEFINITIONS.source


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with bare_machine(tmp_path, monkeypatch) as machine:
        yield machine


def publish(machine: Machine) -> None:
    for one in FILES.releases():
        machine.server.put(one.url, f"kind: {one.url}\n".encode())


def have_module(machine: Machine, *names: str) -> None:
    """A Go on PATH that brings a module with these files."""
    folder = machine.home / "module" / FILES.folder
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("kind: of the module\n")
    put_program(machine.bin / "go", "").write_text(
        "#!/bin/sh\n"
        "if [ $1 = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n"
        f'[ "$*" = "mod download -json {FILES.module}" ] || exit 1\n'
        f'echo \'{{"Dir": "{machine.home}/module"}}\'\n'
    )


def test_the_publishers_files_come_and_one_line_says_that_no_checksum_is_recorded_yet(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(machine)

    folder = definitions.argocd()

    assert {file.name for file in folder.iterdir()} == {*FILES.names}
    assert all((folder / one.url.rpartition("/")[2]).read_text() == f"kind: {one.url}\n" for one in FILES.releases())
    (line,) = capsys.readouterr().err.splitlines()
    assert "official files (checksums: none published, none pinned yet)" in line


def test_once_there_they_are_used_without_a_word(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(machine)
    folder = definitions.argocd()
    machine.server.answers.clear()
    capsys.readouterr()

    assert definitions.argocd() == folder
    assert capsys.readouterr().err == ""


def test_recorded_checksums_vouch_for_them(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(machine)
    checksums.write(checksums.LOCK, {one.url: sha256(f"kind: {one.url}\n".encode()) for one in FILES.releases()})

    definitions.argocd()

    assert "official files (checksums: toolchain/checksums.lock)" in capsys.readouterr().err


def test_a_file_that_differs_from_what_was_recorded_is_refused_and_none_is_put_in_place(machine: Machine) -> None:
    publish(machine)
    checksums.write(checksums.LOCK, {FILES.releases()[-1].url: "0" * 64})

    with pytest.raises(ToolchainError, match="does not have the expected checksum"):
        definitions.argocd()

    assert not machine.installed(ARGOCD_DEFINITIONS).exists()
    assert machine.leftovers() == []


def test_where_the_publisher_cannot_be_asked_they_come_from_the_go_module(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    have_module(machine, *FILES.names, "kustomization.yaml")

    folder = definitions.argocd()

    assert {file.name: file.read_text() for file in folder.iterdir()} == dict.fromkeys(
        FILES.names, "kind: of the module\n"
    )
    assert f"Go module {FILES.module}" in capsys.readouterr().err


def test_where_one_file_is_missing_none_is_put_in_place(machine: Machine) -> None:
    publish(machine)
    del machine.server.answers[next(path for path in machine.server.answers if path.endswith(FILES.names[-1]))]
    have_module(machine, *FILES.names[1:])

    with pytest.raises(ToolchainError) as refusal:
        definitions.argocd()

    assert "  official files    " in str(refusal.value)
    assert f"  Go modules        {FILES.module} has no {FILES.folder}/{FILES.names[0]}" in str(refusal.value)
    assert not machine.installed(ARGOCD_DEFINITIONS).exists()
    assert machine.leftovers() == []


def test_what_go_says_against_a_module_is_passed_on(machine: Machine) -> None:
    put_program(machine.bin / "go", "").write_text(
        "#!/bin/sh\n"
        "if [ $1 = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n"
        'echo \'{"Error": "checksum mismatch"}\'; exit 1\n'
    )

    with pytest.raises(ToolchainError, match=r"argo-cd/v3: checksum mismatch"):
        definitions.argocd()
