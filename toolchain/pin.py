"""Filling `checksums.lock` from what the publishers say, for all platforms at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from toolchain import catalogue, checksums, plugins, release
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import say
from toolchain.tool import PLATFORMS, Release


@dataclass(frozen=True, kw_only=True)
class _Result:
    sums: Mapping[str, str]
    problem: str = ""


def pin(network: Network) -> None:
    """Ask every publisher for its checksums and write the lock file; all of them, or nothing is changed.

    Raises `ToolchainError` when a publisher could not be asked.
    """
    subjects = {str(tool): tool.release for tool in catalogue.TOOLS if tool.release}
    subjects |= {f"{plugin.program} {plugin.version}": plugin.release for plugin in plugins.PROVIDERS}
    results = {label: _ask(one, network) for label, one in subjects.items()}
    for label, result in results.items():
        say(f"{label:<40} {result.problem or f'{len(result.sums)} checksums'}")
    if failed := [label for label, result in results.items() if result.problem]:
        raise ToolchainError(
            f"{len(failed)} of {len(results)} could not be pinned; {checksums.LOCK.name} was not changed.\n"
            "Next: run this where the publishers can be reached, or set INFERENCE_RELEASES to a mirror of them."
        )
    checksums.write({url: value for result in results.values() for url, value in result.sums.items()})
    say(f"Written: {checksums.LOCK}")


def _ask(subject: Release, network: Network) -> _Result:
    sums: dict[str, str] = {}
    for platform in PLATFORMS:
        if subject.publishes_for(platform):
            try:
                sums[subject.url_for(platform)] = release.published_checksum(subject, platform, network)
            except Unavailable as error:
                return _Result(sums={}, problem=str(error))
    return _Result(sums=sums)
