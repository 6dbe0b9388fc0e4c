"""One sync of a model at a time, wherever they run: an object that is renewed while one is under way.

The bucket's own clock decides what is stale, and its conditional writes decide who comes first.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from .bucket import Bucket, Conflict, Stamp
from .manifest import Unusable

SECONDS: Final = 30.0
"""After so long without renewal, whoever held it is taken for dead."""


class Lost(Unusable):
    """Somebody else has it now."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease."""

    identity: str
    where: str
    """Host and process, for people."""

    def text(self) -> bytes:
        """As the object says it."""
        return json.dumps({"identity": self.identity, "where": self.where}).encode()


class Lease:
    """Held from `holding` on, until that ends."""

    def __init__(self, bucket: Bucket, key: str, seconds: float = SECONDS) -> None:
        self._bucket, self._key, self._seconds = bucket, key, seconds
        self._holder = Holder(identity=uuid.uuid4().hex, where=f"{socket.gethostname()}, process {os.getpid()}")
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._stamp: Stamp | None = None

    @contextmanager
    def holding(self, report: Callable[[str], None]) -> Generator[None]:
        """Wait until nobody else holds it, and renew it until the block ends."""
        self._stamp = self._taken(report)
        renewing = threading.Thread(target=self._renew, daemon=True, name="lease")
        renewing.start()
        try:
            yield
        finally:
            self._ended.set()
            renewing.join()
            if not self._lost.is_set():
                self._bucket.forget(self._key, self._stamp)

    def check(self) -> None:
        """Lost, if it is no longer ours."""
        if self._lost.is_set():
            raise Lost("another sync of this model has taken over, since this one was not heard of for too long")

    def _taken(self, report: Callable[[str], None]) -> Stamp:
        told = ""
        while True:
            there = self._bucket.stamp(self._key)
            try:
                if there is None:
                    return self._bucket.claim(self._key, self._holder.text())
                if there.age > self._seconds:
                    taken = self._bucket.claim(self._key, self._holder.text(), instead_of=there)
                    self._bucket.forget(self._key, there, only_version=True)
                    return taken
            except Conflict:
                continue
            if there.etag != told:
                told = there.etag
                report(f"another sync of this model is under way ({self._where()}): waiting for it")
            time.sleep(min(self._seconds / 10, 2))

    def _where(self) -> str:
        try:
            return str(json.loads(self._bucket.read(self._key) or b"{}").get("where", "somewhere"))
        except ValueError:
            return "somewhere"

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(self._seconds / 3):
            assert self._stamp
            try:
                before = self._stamp
                self._stamp = self._bucket.claim(self._key, self._holder.text(), instead_of=before)
                self._bucket.forget(self._key, before, only_version=True)
                renewed = time.monotonic()
            except Conflict:
                self._lost.set()
                return
            except Exception:  # whatever it is, it may pass: what counts is for how long
                if time.monotonic() - renewed > self._seconds:
                    self._lost.set()
                    return
