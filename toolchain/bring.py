"""Bringing tools: PATH, else the user's cache, else the official release, else built from Go modules."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain import build, files, installed, places, release
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import say
from toolchain.tool import Files, Platform, Tool, this_platform

_NAME_WIDTH = 31


@dataclass(frozen=True, kw_only=True)
class Brought:
    """A tool that can be run. `on_path` when it is the user's own, `fresh` when this run brought it."""

    tool: Tool
    path: Path
    version: str
    how: str
    on_path: bool = False
    fresh: bool = False

    def __str__(self) -> str:
        return f"{f'{self.tool.name} {self.version}':<{_NAME_WIDTH}} {self.how}"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A source that was tried, and why it did not serve."""

    source: str
    reason: str


def ensure(tools: Iterable[Tool], network: Network, *, quiet: bool = False) -> tuple[Brought, ...]:
    """Bring each tool, with one line on where it came from; when `quiet`, only of those that this run brought.

    Raises `ToolchainError` with everything that was tried, once all tools were.
    """
    brought: list[Brought] = []
    failures: list[str] = []
    for tool in tools:
        attempts: list[Attempt] = []
        if got := _bring(tool, this_platform(), network, attempts):
            brought.append(got)
            if got.fresh or not quiet:
                say(str(got))
        else:
            failures.append(_failure(tool, attempts))
    if failures:
        raise ToolchainError("\n".join([*failures, *_next_steps(network)]))
    return tuple(brought)


def find(tool: Tool, platform: Platform, attempts: list[Attempt]) -> Brought | None:
    """The tool where it is there already: on PATH or in the cache."""
    there = installed.on_path(tool.name, tool.asks) if tool.asks else None
    if there and tool.fits.accepts(there.version):
        how = f"PATH ({there.path})"
        return Brought(tool=tool, path=there.path, version=str(there), how=how, on_path=True)
    wrong = f"{there.path} is {there}; what fits is {tool.fits}" if there else "not there"
    attempts.append(Attempt(source="PATH", reason=wrong))
    path = installed.cached(tool, platform)
    if path.exists():
        return Brought(tool=tool, path=path, version=tool.version, how="cache")
    return None


def _bring(tool: Tool, platform: Platform, network: Network, attempts: list[Attempt]) -> Brought | None:
    if there := find(tool, platform, attempts):
        return there
    target = installed.cached(tool, platform)
    with _alone(tool, target):
        if target.exists():
            return Brought(tool=tool, path=target, version=tool.version, how="cache, brought by another run just now")
        for source, into in _sources(tool, platform, network).items():
            started = time.monotonic()
            try:
                how = install(tool, target, into)
            except Unavailable as error:
                attempts.append(Attempt(source=source, reason=str(error)))
                continue
            seconds = time.monotonic() - started
            verb = "built from " if how.startswith("Go modules") else ""
            how = f"{verb}{how} ({seconds:.0f} s)"
            return Brought(tool=tool, path=target, version=tool.version, how=how, fresh=True)
    return None


def _sources(tool: Tool, platform: Platform, network: Network) -> dict[str, Callable[[Path], str]]:
    """What can make the tool at a path, in the order in which it is tried; each says how."""
    match tool.source:
        case Files() as wanted:
            return {
                "official files": lambda into: files.fetch(str(tool), wanted, platform, into, network),
                "Go modules": lambda into: files.copy(str(tool), wanted, platform, into),
            }
        case package:
            return {
                "official release": lambda into: release.bring(tool, platform, into, network),
                "Go modules": lambda into: build.bring(str(tool), package, platform, into),
            }


def install(tool: Tool, target: Path, into: Callable[[Path], str]) -> str:
    """Let `into` make the tool in a directory of its own, run it once there, and only then put it in place.

    What else is in that directory goes beside the tool. Says how it was made; raises `Unavailable`.
    """
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=target.parent) as temporary:
        candidate = Path(temporary) / target.name
        how = into(candidate)
        _check(tool, candidate)
        for companion in (path for path in Path(temporary).iterdir() if path != candidate):
            companion.replace(target.parent / companion.name)
        (target.parent / "origin").write_text(how + "\n", encoding="utf-8")
        candidate.replace(target)
    return how


def _check(tool: Tool, candidate: Path) -> None:
    if isinstance(tool.source, Files):
        return
    try:
        answer = installed.answer(candidate, tool.asks or ("--help",))
    except OSError as error:
        raise Unavailable(f"it came, but does not run here: {error.strerror or error}") from error
    if tool.asks and not tool.fits.accepts(installed.version_in(answer)):
        said = " ".join(answer.split())[:200] or "nothing"
        raise Unavailable(f"it came, but does not run here as {tool.version}: {said}")


@contextmanager
def _alone(tool: Tool, target: Path) -> Generator[None]:
    """Keep a second run from bringing the same tool, and clear away what an interrupted one left."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = (places.cache() / tool.name / ".lock").open("w")
    except OSError as error:
        raise ToolchainError(
            f"{places.cache()} cannot be written to: {error.strerror}.\n"
            "Next: set INFERENCE_CACHE to a directory that can be."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{tool}: waiting for another run that is bringing it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in target.parent.glob(".*.partial"):
            shutil.rmtree(left)
        yield


def _failure(tool: Tool, attempts: Iterable[Attempt]) -> str:
    tried = (f"  {attempt.source:<17} {attempt.reason}" for attempt in attempts)
    return "\n".join([f"{tool} could not be brought. Tried:", *tried])


def _next_steps(network: Network) -> list[str]:
    closed = f" ({', '.join(sorted(network.closed))})" if network.closed else ""
    return [
        "Next, any one of:",
        "  - install what is missing, in a version that fits, and put it on PATH",
        f"  - let this machine reach the publishers{closed}, directly, through https_proxy,",
        "    or through a mirror of them: INFERENCE_RELEASES=<url>, asked for <url>/<host>/<path>",
        "  - let it reach a Go module proxy (GOPROXY) and, where no Go is on PATH, PyPI (PIP_INDEX_URL)",
    ]
