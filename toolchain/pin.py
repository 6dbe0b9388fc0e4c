"""Filling the lock files from what publishers and registries say: `checksums.lock` for all platforms, `images.lock`."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolchain import catalogue, checksums, images, plugins, registry, release
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import say
from toolchain.tool import PLATFORMS, Files, Release


@dataclass(frozen=True, kw_only=True)
class _Result:
    sums: Mapping[str, str]
    said: str
    failed: bool = False


_Questions = Mapping[str, Callable[[], _Result]]


def pin(network: Network) -> None:
    """Ask everyone, and write the lock files; all of them, or nothing is changed.

    Raises `ToolchainError` when a publisher or a registry could not be asked.
    """
    before = images.locked()
    of_releases = _answers(_releases(network))
    of_images = _answers({image: partial(_of_image, image, before.get(image), network) for image in images.in_use()})
    if failed := [label for label, result in {**of_releases, **of_images}.items() if result.failed]:
        raise ToolchainError(
            f"{len(failed)} of {len(of_releases) + len(of_images)} could not be pinned; "
            f"{checksums.LOCK.name} and {images.lock().name} were not changed.\n"
            "Next: run this where the publishers can be reached, or set INFERENCE_RELEASES to a mirror of them."
        )
    for lock, results in ((checksums.LOCK, of_releases), (images.lock(), of_images)):
        checksums.write(lock, {of: value for result in results.values() for of, value in result.sums.items()})
        say(f"Written: {lock}")


def _releases(network: Network) -> _Questions:
    asked: dict[str, Callable[[], _Result]] = {}
    for tool in catalogue.TOOLS:
        if isinstance(tool.source, Files):
            asked[str(tool)] = partial(_of_files, tool.source, network)
        elif tool.release:
            asked[str(tool)] = partial(_of_release, tool.release, network)
    for plugin in (*plugins.PROVIDERS, plugins.AWS):
        asked[f"{plugin.program} {plugin.version}"] = partial(_of_release, plugin.release, network)
    return asked


def _answers(asked: _Questions) -> dict[str, _Result]:
    results: dict[str, _Result] = {}
    for label, ask in asked.items():
        try:
            results[label] = ask()
        except Unavailable as error:
            results[label] = _Result(sums={}, said=str(error), failed=True)
        say(f"{label:<62} {results[label].said}")
    return results


def _of_release(subject: Release, network: Network) -> _Result:
    sums = {
        subject.url_for(platform): release.published_checksum(subject, platform, network)
        for platform in PLATFORMS
        if subject.publishes_for(platform)
    }
    return _Result(sums=sums, said=f"{len(sums)} checksums")


def _of_files(files: Files, network: Network) -> _Result:
    """Of what is there now: a publisher of plain files says nothing of them."""
    with tempfile.TemporaryDirectory() as temporary:
        sums = {one.url: network.file(one.url, Path(temporary) / "file", lambda _: None) for one in files.releases()}
    return _Result(sums=sums, said=f"{len(sums)} checksums")


def _of_image(image: str, before: str | None, network: Network) -> _Result:
    digest = registry.digest(image, network)
    moved = f", where it was sha256:{before}: its publisher has moved the tag" if before and before != digest else ""
    return _Result(sums={image: digest}, said=f"sha256:{digest}{moved}")
