"""Official releases: downloaded, verified, and only then put in place."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from toolchain import archive, checksums
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import Step, shown
from toolchain.tool import Platform, Release, Tool


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A checksum, and who says so."""

    sha256: str
    said_by: str


def bring(tool: Tool, platform: Platform, target: Path, network: Network) -> str:
    """Put the official release at `target`; says how it was verified.

    Raises `Unavailable` when it cannot be had, `ToolchainError` when what came has the wrong checksum.
    """
    if tool.release is None:
        raise Unavailable("the publisher has none of this version")
    with verified(str(tool), tool.release, platform, target.parent, network) as (download, said_by):
        _place(tool.release, platform, download, target)
    return f"official release (checksum from {said_by})"


@contextmanager
def verified(
    label: str, release: Release, platform: Platform, directory: Path, network: Network
) -> Generator[tuple[Path, str]]:
    """Download a release below `directory`, for as long as the block runs; and who vouches for it.

    Raises as `bring`.
    """
    if not release.publishes_for(platform):
        raise Unavailable(f"the publisher has none for {platform}")
    url = release.url_for(platform)
    network.check(url)
    expected = expected_checksum(release, platform, network)
    with tempfile.TemporaryDirectory(prefix=".download-", suffix=".partial", dir=directory) as temporary:
        download = Path(temporary) / PurePosixPath(url).name
        with shown(Step(f"{label}: downloading from {network.address(url)}")) as step:

            def report(detail: str) -> None:
                step.detail = detail

            got = network.file(url, download, report)
        if expected and got != expected.sha256:
            raise ToolchainError(_mismatch(label, network.address(url), expected, got))
        yield download, expected.said_by if expected else "none published, none pinned yet"


def expected_checksum(release: Release, platform: Platform, network: Network) -> Expected | None:
    """The checksum to hold a download against: the pinned one, else the publisher's; None where it publishes none.

    Raises `Unavailable`.
    """
    if pinned := checksums.locked().get(release.url_for(platform)):
        return Expected(sha256=pinned, said_by="toolchain/checksums.lock")
    if not release.checksums:
        return None
    published = published_checksum(release, platform, network)
    return Expected(sha256=published, said_by=f"{release.checksums_for(platform)}, not pinned yet")


def published_checksum(release: Release, platform: Platform, network: Network) -> str:
    """What the publisher says. Raises `Unavailable`."""
    document, name = release.checksums_for(platform), PurePosixPath(release.url_for(platform)).name
    published = checksums.of_file(name, network.text(document))
    if published is None:
        raise Unavailable(f"no checksum to hold it against: {document} has none for {name}")
    return published


def _place(release: Release, platform: Platform, download: Path, target: Path) -> None:
    member = release.member_for(platform)
    if not member:
        download.chmod(0o755)
        download.replace(target)
        return
    unpacked = download.parent / "unpacked"
    unpacked.mkdir()
    companions = {name: unpacked / PurePosixPath(name).name for name in release.companions}
    archive.unpack(download, {member: unpacked / "tool"}, companions)
    for companion in companions.values():
        if companion.exists():
            companion.replace(target.parent / companion.name)
    (unpacked / "tool").replace(target)


def _mismatch(label: str, address: str, expected: Expected, got: str) -> str:
    return (
        f"{label}: the official release does not have the expected checksum. Nothing was installed.\n"
        f"  from      {address}\n"
        f"  expected  {expected.sha256} ({expected.said_by})\n"
        f"  got       {got}\n"
        "What was served is not what was published: a damaged or altered mirror or proxy, or a replaced release.\n"
        "Next: compare with the publisher's checksums over another network. If the publisher has replaced the\n"
        "release and says why, pin it anew with: python -m toolchain pin"
    )
