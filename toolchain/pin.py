"""Filling `checksums.lock` from what the publishers say, for all platforms at once."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolchain import catalogue, checksums, plugins, release
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import say
from toolchain.tool import PLATFORMS, Files, Release


@dataclass(frozen=True, kw_only=True)
class _Result:
    sums: Mapping[str, str]
    problem: str = ""


def pin(network: Network) -> None:
    """Ask every publisher for its checksums and write the lock file; all of them, or nothing is changed.

    Raises `ToolchainError` when a publisher could not be asked.
    """
    asked: dict[str, Callable[[], Mapping[str, str]]] = {}
    for tool in catalogue.TOOLS:
        if isinstance(tool.source, Files):
            asked[str(tool)] = partial(_of_files, tool.source, network)
        elif tool.release:
            asked[str(tool)] = partial(_of_release, tool.release, network)
    for plugin in (*plugins.PROVIDERS, plugins.AWS):
        asked[f"{plugin.program} {plugin.version}"] = partial(_of_release, plugin.release, network)
    results = {label: _result(ask) for label, ask in asked.items()}
    for label, result in results.items():
        say(f"{label:<40} {result.problem or f'{len(result.sums)} checksums'}")
    if failed := [label for label, result in results.items() if result.problem]:
        raise ToolchainError(
            f"{len(failed)} of {len(results)} could not be pinned; {checksums.LOCK.name} was not changed.\n"
            "Next: run this where the publishers can be reached, or set INFERENCE_RELEASES to a mirror of them."
        )
    checksums.write({url: value for result in results.values() for url, value in result.sums.items()})
    say(f"Written: {checksums.LOCK}")


def _result(ask: Callable[[], Mapping[str, str]]) -> _Result:
    try:
        return _Result(sums=ask())
    except Unavailable as error:
        return _Result(sums={}, problem=str(error))


def _of_release(subject: Release, network: Network) -> dict[str, str]:
    return {
        subject.url_for(platform): release.published_checksum(subject, platform, network)
        for platform in PLATFORMS
        if subject.publishes_for(platform)
    }


def _of_files(files: Files, network: Network) -> dict[str, str]:
    """Of what is there now: a publisher of plain files says nothing of them."""
    with tempfile.TemporaryDirectory() as temporary:
        return {one.url: network.file(one.url, Path(temporary) / "file", lambda _: None) for one in files.releases()}
