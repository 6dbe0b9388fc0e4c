"""What a command writes: kept, and shown line by line while it runs."""

import json
import threading
from collections.abc import Callable
from typing import Literal

Stream = Literal["stdout", "stderr"]


class Output:
    """Fed from one thread per stream."""

    def __init__(self, logged: frozenset[str], show: Callable[[str], None]) -> None:
        self._logged = logged
        self._show = show
        self._written = {"stdout": bytearray(), "stderr": bytearray()}
        self._unfinished = {"stdout": b"", "stderr": b""}
        self._both = bytearray()
        self._lock = threading.Lock()

    def take(self, stream: Stream, chunk: bytes) -> None:
        """More of one stream; an empty chunk ends it."""
        with self._lock:
            self._written[stream] += chunk
            self._both += chunk
        if stream not in self._logged:
            return
        *lines, rest = (self._unfinished[stream] + chunk).split(b"\n")
        if not chunk and rest:
            lines, rest = [rest], b""
        self._unfinished[stream] = rest
        for line in lines:
            self._show(line.removesuffix(b"\r").decode(errors="replace"))

    def text(self, stream: Stream) -> str:
        """All of a stream, without the newline that ends it."""
        return self._written[stream].decode(errors="replace").removesuffix("\n")

    def failure(self, reason: str, command: str) -> str:
        """What the user is told, in the official provider's form: whatever is logged, the output is in it."""
        quoted = json.dumps(command, ensure_ascii=False)
        return f"{reason}: running {quoted}:\n{self._both.decode(errors='replace')}"
