"""A real S3 server for tests."""

import contextlib
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]

ROOT = "root"
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """MinIO on a free port of the loopback interface."""

    host: str
    password: str
    """The administrator's."""

    @property
    def url(self) -> str:
        """The S3 endpoint."""
        return f"http://{self.host}"

    def client(self, user: str = ROOT, password: str | None = None) -> Any:
        """An S3 client, the administrator's unless said otherwise."""
        return cast(Any, boto3).client("s3", **self._login(user, password))

    def environment(self, user: str = ROOT, password: str | None = None) -> dict[str, str]:
        """The variables with which a program reaches it."""
        login = self._login(user, password)
        return os.environ | {
            "AWS_ENDPOINT_URL": login["endpoint_url"],
            "AWS_ACCESS_KEY_ID": login["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": login["aws_secret_access_key"],
            "AWS_REGION": login["region_name"],
            "AWS_DEFAULT_REGION": login["region_name"],
        }

    def _login(self, user: str, password: str | None) -> dict[str, str]:
        return {
            "endpoint_url": self.url,
            "aws_access_key_id": user,
            "aws_secret_access_key": password or self.password,
            "region_name": "us-east-1",
        }


@contextlib.contextmanager
def serve(minio: Path, directory: Path) -> Generator[S3Server]:
    """Run MinIO with its data below `directory` until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = S3Server(host=f"127.0.0.1:{port}", password=secrets.token_hex(20))
    environment = os.environ | {
        "MINIO_ROOT_USER": ROOT,
        "MINIO_ROOT_PASSWORD": server.password,
        "MINIO_UPDATE": "off",
        "MINIO_BROWSER": "off",
    }
    command = [minio, "server", directory / "data", "--address", server.host, "--certs-dir", directory / "certs"]
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as run,
    ):
        try:
            _await_ready(server, run)
            yield server
        finally:
            run.terminate()


def _await_ready(server: S3Server, run: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and run.poll() is None:
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{server.url}/minio/health/ready", timeout=1)
            return
        time.sleep(0.05)
    raise AssertionError(f"MinIO did not become ready within {START_SECONDS} s")
