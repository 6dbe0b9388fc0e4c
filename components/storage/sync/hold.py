"""Keep a model in the node's cache for as long as this runs: beside an engine, with next to no memory.

Usage: python -m sync.hold CACHE PREFIX MARK. Writes MARK once the model is held. Apart from all else here, since
nothing but the standard library may be loaded.
"""

import fcntl
import os
import signal
import sys
from pathlib import Path

LOCKS = ".locks"
"""Directory of the cache; a shared lock on a model's file in there says that the model is in use."""


def lock_name(prefix: str) -> str:
    """A model's prefix as the name of a file: no prefix has a tilde."""
    return prefix.replace("/", "~")


def main() -> None:
    """Entry point."""
    cache, prefix, mark = sys.argv[1:]
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # the first process of a container has no default for them
    locks = Path(cache, LOCKS)
    locks.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(locks / lock_name(prefix), os.O_RDWR | os.O_CREAT, 0o664)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    Path(mark).touch()
    signal.sigwait(ends)


if __name__ == "__main__":
    main()
