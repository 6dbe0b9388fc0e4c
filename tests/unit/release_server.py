"""A publisher's server on loopback, and programs and archives to publish: what the toolchain's tests download from."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from toolchain.tool import Tool, this_platform

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class ReleaseServer:
    """Serves what is put into `answers` by path; everything else is 404. `asked` are the paths it was asked for."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asked: list[str] = field(default_factory=list[str])
    closing: threading.Event = field(default_factory=threading.Event)

    def publish(self, tool: Tool, content: bytes, *, checksum: str | None = None) -> str:
        """Publish a release with its checksum, or with a wrong one; its path here."""
        assert tool.release
        url, sums = tool.release.url_for(this_platform()), tool.release.checksums_for(this_platform())
        name, checksum = url.rpartition("/")[2], checksum or sha256(content)
        path = self.put(url, content)
        if sums.startswith("https://api.github.com/"):
            self.put(sums, json.dumps({"assets": [{"name": name, "digest": f"sha256:{checksum}"}]}).encode())
        else:
            self.put(sums, f"{'0' * 64}  another-file\n{checksum}  {name}\n".encode())
        return path

    def put(self, url: str, content: bytes) -> str:
        """Serve this content for a publisher's URL; the path here, which is the host and path there."""
        self.answers[path_of(url)] = lambda request: _whole(request, content)
        return path_of(url)

    def truncate(self, path: str, content: bytes, *, times: int = 1000) -> None:
        """Promise the whole content and send half of it; the whole after so many times."""

        def half(request: BaseHTTPRequestHandler) -> None:
            sent = content if self.asked.count(path) > times else content[: len(content) // 2]
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(sent)

        self.answers[path] = half

    def stall(self, path: str, content: bytes) -> None:
        """Send half of the content, then nothing until the server closes."""

        def stalled(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            self.closing.wait(30)

        self.answers[path] = stalled


@contextmanager
def release_server() -> Generator[ReleaseServer]:
    """A server for as long as the block runs."""
    server: ReleaseServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            server.asked.append(path)
            server.answers.get(path, lambda request: request.send_error(404))(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = ReleaseServer(url=f"http://127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listener.shutdown()
            thread.join()


def path_of(url: str) -> str:
    """Where a mirror serves a publisher's URL."""
    parts = urlsplit(url)
    return f"/{parts.netloc}{parts.path}"


def sha256(content: bytes) -> str:
    """Its checksum, as publishers write it."""
    return hashlib.sha256(content).hexdigest()


def program(says: str) -> bytes:
    """A program that prints this, whatever it is asked."""
    return f"#!/bin/sh\necho '{says}'\n".encode()


def put_program(path: Path, says: str) -> Path:
    """Make such a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(program(says))
    path.chmod(0o755)
    return path


def tar(members: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A .tar.gz of files and symbolic links, in this order, with their names as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def _whole(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
