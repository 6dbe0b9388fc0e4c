"""Real S3 servers for tests."""

import contextlib
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]

from components.storage.certificate import Certificate
from components.storage.sync.manifest import COMPLETE, MANIFEST, File, Manifest, Seal, digest
from toolchain import bring, catalogue
from toolchain.download import Network

ROOT = "root"
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """MinIO or versitygw on a free port."""

    host: str
    password: str
    """The administrator's."""
    directory: Path
    """What it keeps is below `data` there."""
    authority: Path | None = None
    """Who vouches for it, in PEM, if clients are to know."""
    tls: bool = False

    @property
    def url(self) -> str:
        """The S3 endpoint."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def client(self, user: str = ROOT, password: str | None = None) -> Any:
        """An S3 client, the administrator's unless said otherwise."""
        trusted = str(self.authority) if self.authority else None
        return cast(Any, boto3).client("s3", verify=trusted, **self._login(user, password))

    def environment(self, user: str = ROOT, password: str | None = None) -> dict[str, str]:
        """The variables with which a program reaches it."""
        login = self._login(user, password)
        return os.environ | {
            "AWS_ENDPOINT_URL": login["endpoint_url"],
            "AWS_ACCESS_KEY_ID": login["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": login["aws_secret_access_key"],
            "AWS_REGION": login["region_name"],
            "AWS_DEFAULT_REGION": login["region_name"],
            **({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {}),
        }

    def put_model(
        self,
        bucket: str,
        prefix: str,
        files: Mapping[str, bytes],
        *,
        complete: bool = True,
        sha256: str | None = None,
    ) -> None:
        """Its files, their manifest, and last the seal of a complete one."""
        client = self.client()
        tags = {
            path: client.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=content)["ETag"]
            for path, content in files.items()
        }
        entries = [
            File(path=path, size=len(content), sha256=sha256 or digest(content)) for path, content in files.items()
        ]
        text = Manifest(source="", revision="", licence=None, files=tuple(entries)).text()
        client.put_object(Bucket=bucket, Key=f"{prefix}/{MANIFEST}", Body=text.encode())
        if complete:
            sealed = Seal(manifest=digest(text), etags=tags).text()
            client.put_object(Bucket=bucket, Key=f"{prefix}/{COMPLETE}", Body=sealed.encode())

    def _login(self, user: str, password: str | None) -> dict[str, str]:
        return {
            "endpoint_url": self.url,
            "aws_access_key_id": user,
            "aws_secret_access_key": password or self.password,
            "region_name": "us-east-1",
        }


@contextlib.contextmanager
def serve(
    minio: Path,
    directory: Path,
    address: str = "127.0.0.1",
    *,
    environment: Mapping[str, str] | None = None,
    again: S3Server | None = None,
    certificate: Certificate | None = None,
) -> Generator[S3Server]:
    """Run MinIO with its data below `directory`, and more of its settings in `environment`, until the block ends;
    `again` as the one that ran there before.
    """
    server = again or _somewhere(address, directory)
    if certificate:
        server = replace(server, tls=True, authority=_lay_out(certificate, directory))
    settings = {
        "MINIO_ROOT_USER": ROOT,
        "MINIO_ROOT_PASSWORD": server.password,
        "MINIO_UPDATE": "off",
        "MINIO_BROWSER": "off",
        **(environment or {}),
    }
    command = [minio, "server", directory / "data", "--address", server.host, "--certs-dir", directory / "certs"]
    with _running(command, settings, server, directory, "/minio/health/ready"):
        yield server


@contextlib.contextmanager
def serve_versitygw(versitygw: Path, directory: Path, address: str = "127.0.0.1") -> Generator[S3Server]:
    """Run versitygw with its data below `directory` until the block ends. The file system needs extended attributes.

    It closes every connection after one answer, which is its default and MinIO's opposite.
    """
    server = _somewhere(address, directory)
    environment = {"ROOT_ACCESS_KEY": ROOT, "ROOT_SECRET_KEY": server.password}
    data, versions = directory / "data", directory / "versions"
    data.mkdir(exist_ok=True)
    versions.mkdir(exist_ok=True)
    command = [versitygw, "--port", server.host, "--health", "/health", "--quiet"]
    with _running([*command, "posix", "--versioning-dir", versions, data], environment, server, directory, "/health"):
        yield server


SERVERS = {"minio": serve, "versitygw": serve_versitygw}
"""What the object store may be swapped for: the same promises hold on each."""


@contextlib.contextmanager
def serving(name: str, directory: Path) -> Generator[S3Server]:
    """One of `SERVERS`, by its name, brought if it is not there yet."""
    (program,) = bring.ensure([catalogue.named(name)], Network(), quiet=True)
    with SERVERS[name](program.path, directory) as server:
        yield server


def _somewhere(address: str, directory: Path) -> S3Server:
    with socket.create_server((address, 0)) as probe:
        port = probe.getsockname()[1]
    return S3Server(host=f"{address}:{port}", password=secrets.token_hex(20), directory=directory)


@contextlib.contextmanager
def _running(
    command: Sequence[str | Path], environment: Mapping[str, str], server: S3Server, directory: Path, health: str
) -> Generator[None]:
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log) as run,
    ):
        try:
            _await_ready(server, health, run)
            yield
        finally:
            run.terminate()


def _lay_out(certificate: Certificate, directory: Path) -> Path:
    """As MinIO calls its files. Where the authority is."""
    (directory / "certs").mkdir()
    (directory / "certs" / "public.crt").write_text(certificate.certificate)
    (directory / "certs" / "private.key").write_text(certificate.key)
    authority = directory / "ca.crt"
    authority.write_text(certificate.authority)
    return authority


def _await_ready(server: S3Server, health: str, run: subprocess.Popen[bytes]) -> None:
    trusted = ssl.create_default_context(cafile=server.authority)
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and run.poll() is None:
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{server.url}{health}", timeout=1, context=trusted)
            return
        time.sleep(0.05)
    raise AssertionError(f"{health} did not answer within {START_SECONDS} s")
