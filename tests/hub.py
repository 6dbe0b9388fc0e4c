"""A hub on this machine, which speaks as much of Hugging Face's API as its client asks for, and fails on demand."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_FROM = 1024
"""Bytes from which a file is in LFS here."""
Fault = Callable[["Request"], bool]
"""Answers in its own way and says so, or leaves it to the hub."""


@dataclass(kw_only=True)
class Hub:
    """One repository, `org/model`, at one commit."""

    address: str
    files: dict[str, bytes]
    token: str | None = None
    """Who has it may read; anybody, if there is none."""
    gated: bool = False
    card: dict[str, str] = field(default_factory=lambda: {"license": "apache-2.0"})
    """Its README's first lines."""
    faults: list[Fault] = field(default_factory=list["Fault"])
    cdn: str = ""
    """Address that files are redirected to; the hub's own, when not set."""
    seconds_per_mib: float = 0
    """How slow it is."""
    requests: list[str] = field(default_factory=list[str])
    """Paths, in order."""

    def environment(self) -> dict[str, str]:
        """What makes clients come here."""
        return {"HF_ENDPOINT": self.address, "HF_HUB_DISABLE_TELEMETRY": "1"}


class Request(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:  # the name that http.server calls
        """As GET, without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """What a hub answers."""
        path = urlsplit(self.path).path
        self.hub.requests.append(path)
        if any(fault(self) for fault in self.hub.faults):
            return
        if not path.startswith("/cdn/") and self._refused(path):
            return
        if path == f"/api/models/org/model/revision/{COMMIT}" or path == "/api/models/org/model/revision/main":
            self.answer(200, json.dumps(self._info()).encode(), {"Content-Type": "application/json"})
        elif path == "/api/models/org/model/auth-check":
            self.answer(200, b"", {})
        elif path == f"/api/models/org/model/tree/{COMMIT}":
            self.answer(200, json.dumps(self._tree()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/org/model/resolve/{COMMIT}/"):
            self._resolve(path.partition(COMMIT)[2].lstrip("/"))
        elif path.startswith("/cdn/") and unquote(path.removeprefix("/cdn/")) in self.hub.files:
            self.content(self.hub.files[unquote(path.removeprefix("/cdn/"))])
        else:
            self.answer(404, b"", {"X-Error-Code": self._missing(path)})

    def _missing(self, path: str) -> str:
        if path.startswith("/api/models/org/model/revision/"):
            return "RevisionNotFound"
        return "EntryNotFound" if "/resolve/" in path else "RepoNotFound"

    def _refused(self, path: str) -> bool:
        known = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if self.hub.gated and ("/revision/" in path or "/tree/" in path):
            return False  # what a gated model consists of is no secret
        if self.hub.gated and not known:
            self.answer(403 if "Authorization" in self.headers else 401, b"", {"X-Error-Code": "GatedRepo"})
        elif self.hub.token and not known:
            self.answer(401, b"", {"X-Error-Code": "RepoNotFound"})
        else:
            return False
        return True

    def _resolve(self, path: str) -> None:
        """Where a file is, and what the hub's own client wants to know of it before it goes there."""
        content = self.hub.files.get(unquote(path))
        if content is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        tag = hashlib.sha256(content).hexdigest() if len(content) >= LFS_FROM else _blob(content)
        known = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        self.answer(302, b"", {"Location": f"{self.hub.cdn or self.hub.address}/cdn/{path}", **known})

    def _tree(self) -> list[Mapping[str, object]]:
        def entry(path: str, content: bytes) -> Mapping[str, object]:
            listed: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": _blob(content)}
            if len(content) >= LFS_FROM:
                oid = hashlib.sha256(content).hexdigest()
                listed["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
            return listed

        return [entry(*file) for file in self.hub.files.items()]

    def _info(self) -> Mapping[str, object]:
        def sibling(path: str, content: bytes) -> Mapping[str, object]:
            listed: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": _blob(content)}
            if len(content) >= LFS_FROM:
                sha256 = hashlib.sha256(content).hexdigest()
                listed["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            return listed

        siblings = [sibling(*file) for file in self.hub.files.items()]
        gated = "manual" if self.hub.gated else False
        return {"id": "org/model", "sha": COMMIT, "gated": gated, "cardData": self.hub.card, "siblings": siblings}

    def content(self, whole: bytes) -> None:
        """A file's bytes, or those from where the client wants to go on."""
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"} if start else {}
        self.answer(206 if start else 200, whole[start:], headers)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send it."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(body), 2**20):
                time.sleep(self.hub.seconds_per_mib)
                self.wfile.write(body[start : start + 2**20])

    def log_message(self, format: str, *args: object) -> None:  # http.server's name for it
        """Say nothing."""


def _blob(content: bytes) -> str:
    """What git calls it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serving(files: Mapping[str, bytes], address: str = "127.0.0.1") -> Generator[Hub]:
    """A hub with this model, until the block ends."""
    hub = Hub(address="", files=dict(files))
    server = ThreadingHTTPServer((address, 0), type("RequestHere", (Request,), {"hub": hub}))
    hub.address = f"http://{address}:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
