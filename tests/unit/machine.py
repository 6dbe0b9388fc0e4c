"""A machine with nothing on it, for the toolchain's tests: its own PATH, cache, state and mirror of all publishers."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.release_server import ReleaseServer, put_program, release_server
from toolchain import catalogue, checksums, installed, places
from toolchain.__main__ import main
from toolchain.problems import Unavailable
from toolchain.tool import Tool, this_platform

_SOURCE = places.REPOSITORY


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Directories of the machine, all below one that the test owns, and the server it downloads from."""

    home: Path
    server: ReleaseServer

    @property
    def bin(self) -> Path:
        """The one directory on PATH."""
        return self.home / "bin"

    @property
    def cache(self) -> Path:
        """`INFERENCE_CACHE`."""
        return self.home / "cache"

    @property
    def state(self) -> Path:
        """`INFERENCE_STATE`."""
        return self.home / "state"

    @property
    def repository(self) -> Path:
        """The clone, which holds `Pulumi.<stack>.yaml`."""
        return self.home / "repository"

    def run(self, *arguments: str) -> int:
        """`python -m toolchain …`; its exit code."""
        return main([*arguments])

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The same in a process of its own, which a test can kill."""
        code = (
            "import pathlib, runpy, sys; from toolchain import checksums\n"
            "checksums.LOCK = pathlib.Path(sys.argv.pop(1)); runpy.run_module('toolchain', run_name='__main__')"
        )
        command = [sys.executable, "-c", code, str(checksums.LOCK), *arguments]
        return subprocess.Popen(command, cwd=_SOURCE, stderr=subprocess.PIPE, text=True)

    def installed(self, tool: Tool) -> Path:
        """Where the toolchain puts this tool."""
        return installed.cached(tool, this_platform())

    def leftovers(self) -> list[Path]:
        """Half-done files in the cache."""
        return [path for path in self.cache.rglob("*") if "partial" in path.name]

    def have_tools(self) -> None:
        """Fill the cache, as if every tool had been brought before."""
        for tool in catalogue.TOOLS:
            put_program(self.installed(tool), tool.version)

    def have_stack(self, name: str, target: str) -> None:
        """Write the settings of a stack."""
        (self.repository / f"Pulumi.{name}.yaml").write_text(f"config:\n  inference:target: {target}\n")

    def have_go(self, builds: str = "3.7.3") -> Path:
        """Put a Go on PATH whose programs print this; the file that it notes its arguments and directory in."""
        log = self.home / "go.log"
        put_program(self.bin / "go", "").write_text(
            "#!/bin/sh\n"
            "if [ $1 = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n"
            f'echo "$PWD $CGO_ENABLED $*" >> {log}\n'
            'while [ "$1" != -o ]; do shift; done\n'
            f'printf \'#!/bin/sh\\necho {builds}\\n\' > "$2"; /bin/chmod +x "$2"\n'
        )
        return log


@contextmanager
def bare_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Machine]:
    """Make the tests' process believe that it runs there. Neither Go nor PyPI can be reached from it."""

    def no_pypi(_root: Path) -> None:
        raise Unavailable("PyPI cannot be reached")

    with release_server() as server:
        machine = Machine(home=home, server=server)
        for directory in (machine.bin, machine.repository):
            directory.mkdir()
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "PATH": machine.bin,
            "INFERENCE_CACHE": machine.cache,
            "INFERENCE_STATE": machine.state,
            "INFERENCE_RELEASES": server.url,
            "INFERENCE_IMAGE_LOCK": home / "images.lock",
            "PULUMI_HOME": home / "pulumi-home",
            "no_proxy": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(checksums, "LOCK", home / "checksums.lock")
        monkeypatch.setattr(places, "REPOSITORY", machine.repository)
        monkeypatch.setattr("toolchain.golang._install", no_pypi)
        yield machine
