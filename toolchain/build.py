"""Building a tool from the Go modules pinned under `modules/`, for networks that reach only package mirrors."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

from toolchain import golang, installed
from toolchain.problems import Unavailable
from toolchain.progress import Step, shown
from toolchain.tool import GoPackage, Platform

_LIMIT_SECONDS = 3600
_SHOWN_LINES = 6
_COMPILER = {"GOGC": "400", "GOMEMLIMIT": "2GiB"}
"""Compilers end soon: collecting garbage less often takes a seventh off their work. The limit is for each of them."""


def bring(label: str, package: GoPackage, platform: Platform, target: Path) -> str:
    """Build a tool at `target`; says with which Go. Raises `Unavailable` with the compiler's last lines."""
    go = golang.find(platform)
    with shown(Step(f"{label}: building from Go modules", expectation=package.expectation)) as step:
        _build(package, go, target, step)
    version = ".".join(str(part) for part in installed.version_in(installed.answer(go, ["version"])))
    return f"Go modules with Go {version}"


def _build(package: GoPackage, go: Path, output: Path, step: Step) -> None:
    settings = " ".join(["-s", "-w", *(f"-X {setting}" for setting in package.settings)])
    # -v names each package when it is compiled: the only sign of life that the compiler gives.
    flags = ["-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", settings, "-o", str(output)]
    last = collections.deque[str](maxlen=_SHOWN_LINES)
    # No cgo: the same static binary whether or not a C compiler is there. No other Go than the one chosen.
    environment = {**_COMPILER, **os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    process: subprocess.Popen[str] | None = None
    try:
        with _interrupts_held():  # while it is started, or nobody would know whom to stop
            process = subprocess.Popen(
                [go, "build", *flags, package.package],
                cwd=golang.MODULES / package.family,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        _watch(process, last, step)
    except BaseException:  # an interrupt above all: do not leave a compiler behind
        if process:
            process.terminate()
            process.wait()
        raise
    if process.returncode:
        words = "\n".join(["the compiler stopped:", *(f"    {line}" for line in last)])
        raise Unavailable(words if last else f"go build ended with {process.returncode}")


def _watch(process: "subprocess.Popen[str]", last: collections.deque[str], step: Step) -> None:
    """Until it ends, or is stopped for taking too long."""
    stop = threading.Timer(_LIMIT_SECONDS, process.kill)
    stop.daemon = True
    stop.start()
    packages = 0
    assert process.stderr
    with process.stderr as lines:
        for line in lines:
            last.append(line.strip())
            downloads = line.startswith("go: downloading")
            packages += not downloads
            step.detail = "downloading modules" if downloads else f"{packages} packages"
    process.wait()
    stop.cancel()


@contextlib.contextmanager
def _interrupts_held() -> Generator[None]:
    """Those that come are raised in the end."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)
