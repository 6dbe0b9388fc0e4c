"""What a closed network has: releases of k3s and a registry of images, served on the hosts' bridge."""

import contextlib
import io
import json
import os
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.hosts.layers import Layer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Files by path below the address, and images by `repository:tag`."""

    url: str
    files: dict[str, Path | bytes] = field(default_factory=dict[str, Path | bytes])
    manifests: dict[str, bytes] = field(default_factory=dict[str, bytes])
    blobs: dict[str, bytes | Path] = field(default_factory=dict[str, bytes | Path])
    debian: Path
    """Where packages of Debian are kept that a host has asked for."""
    clock: list[int] = field(default_factory=list[int])
    """Seconds by which its clock is wrong, if it is."""
    requests: list[str] = field(default_factory=list[str])

    def add_image(self, name: str, *layers: Layer, entrypoint: Sequence[str]) -> None:
        """An image of these layers. A registry in front of its name is not part of what is asked for."""
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Entrypoint": list(entrypoint),
                    "User": "65534:65534",
                    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            }
        ).encode()
        self.blobs[_digest(config)] = config
        self.blobs.update({layer.digest: layer.archive for layer in layers})
        parts = {
            "config": {"mediaType": _CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [
                {"mediaType": _LAYER, "digest": layer.digest, "size": layer.archive.stat().st_size} for layer in layers
            ],
        }
        manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, **parts}).encode()
        repository, _, tag = _repository(name)
        for reference in (tag, _digest(manifest)):
            self.manifests[f"{repository}:{reference}"] = manifest

    def found(self, path: str) -> tuple[bytes | Path, str] | None:
        """Content, or the file that has it, and its type."""
        path = re.sub("/+", "/", path.replace("/./", "/"))
        if path == "/v2/":
            return b"{}", "application/json"
        if path.startswith("/v2/"):
            repository, kind, reference = path.removeprefix("/v2/").rsplit("/", 2)
            if kind == "manifests":
                manifest = self.manifests.get(f"{repository}:{reference}")
                return (manifest, _MANIFEST) if manifest else None
            blob = self.blobs.get(reference)
            return (blob, "application/octet-stream") if blob else None
        content = self.files.get(path)
        if content is None and path.startswith("/debian"):
            content = _from_debian(path, self.debian)
        if content is None:
            return None
        return content, "application/octet-stream"


def _from_debian(path: str, kept: Path) -> bytes | None:
    """As Debian's own mirror has it: hosts on the bridge reach nothing else."""
    file = kept / path.lstrip("/")
    if file.exists():
        return file.read_bytes()
    try:
        with urllib.request.urlopen(f"http://deb.debian.org{path}", timeout=60) as answer:
            content = answer.read()
    except urllib.error.HTTPError:
        return None
    if "/pool/" in path or "/by-hash/" in path:  # what never changes
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
        part.write_bytes(content)
        part.rename(file)
    return content


def _repository(name: str) -> tuple[str, str, str]:
    """Repository and tag of an image: of `ghcr.io/org/name:1`, `org/name` and `1`."""
    first, _, rest = name.partition("/")
    return (rest if "." in first else name).rpartition(":")


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


@contextlib.contextmanager
def serving(address: str, debian: Path) -> Generator[Mirror]:
    """A mirror at `address`, empty at first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0].replace("%2B", "+")
            mirror.requests.append(path)
            answer = mirror.found(path)
            content, kind = answer or (b'{"errors": [{"code": "NAME_UNKNOWN"}]}', "application/json")
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(size))
            if answer and path.startswith("/v2/") and isinstance(content, bytes):
                self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if self.command == "GET":
                with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile, 2**20)

        do_HEAD = do_GET

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + sum(mirror.clock))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests look at `requests`."""

    server = ThreadingHTTPServer((address, 80), Handler)
    mirror = Mirror(url=f"http://{address}", debian=debian)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
