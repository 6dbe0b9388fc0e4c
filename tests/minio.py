"""MinIO with buckets and users, made by the script that makes them in a cluster."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from components.storage.certificate import Certificate
from components.storage.provision import SCRIPT
from tests.object_store import ROOT, S3Server, serve
from toolchain import bring, catalogue
from toolchain.download import Network


class Minio:
    """A server, and what it was last told to have."""

    def __init__(self, server: S3Server, client: Path, directory: Path) -> None:
        self.server, self._client, self._directory = server, client, directory
        self.keys: dict[str, str] = {}
        """Of its users, by name."""
        self._last: tuple[Mapping[str, str], str] | None = None

    def provision(self, files: Mapping[str, str], generation: str = "first") -> None:
        """Run the script on files as of `wanted`, as a Job does."""
        self._last = files, generation
        users = [name.removesuffix(".policy") for name in files if name.endswith(".policy")]
        self.keys = {user: f"{generation}-key-of-{user}" for user in users}
        for name, content in (("wanted", files), ("keys", self.keys)):
            shutil.rmtree(self._directory / name, ignore_errors=True)
            (self._directory / name).mkdir(parents=True)
            for file, text in content.items():
                (self._directory / name / file).write_text(text)
        self._run("sh", SCRIPT, self._directory / "wanted", self._directory / "keys")

    def restore(self, files: Mapping[str, str]) -> None:
        """The same, unless nothing else was wanted since."""
        if self._last != (files, "first"):
            self.provision(files)

    def user(self, name: str) -> Any:
        """An S3 client with the key of a user."""
        return self.server.client(name, self.keys[name])

    def administer(self, *arguments: str, given: str | None = None) -> str:
        """What `mc admin` says to two words of command, its arguments and what it is given on standard input."""
        return self._run(self._client, "admin", *arguments[:2], "store", *arguments[2:], given=given)

    def _run(self, *command: str | Path, given: str | None = None) -> str:
        environment = os.environ | {
            "PATH": f"{self._client.parent}:{os.environ['PATH']}",
            "MC_HOST_store": self.server.url.replace("://", f"://{ROOT}:{self.server.password}@"),
            "MC_CONFIG_DIR": str(self._directory / "mc"),
            **({"SSL_CERT_FILE": str(self.server.authority)} if self.server.authority else {}),
        }
        done = subprocess.run(command, env=environment, input=given, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextlib.contextmanager
def running(
    directory: Path,
    address: str = "127.0.0.1",
    *,
    environment: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> Generator[Minio]:
    """MinIO with its data below `directory`, until the block ends."""
    tools = {one.tool.name: one.path for one in bring.ensure(map(catalogue.named, ("minio", "mc")), Network())}
    with serve(tools["minio"], directory, address, environment=environment, certificate=certificate) as server:
        yield Minio(server, tools["mc"], directory / "provision")
