"""What is said about one tool: what fits on PATH, where the official release is, how it is built."""

import platform as host
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Group = Literal["deploy", "dev", "lint", "tests", "bench"]
"""Who needs it: deploy any stack, dev the embedded control plane, lint, tests and bench only `make` of that name."""

GROUPS: tuple[Group, ...] = ("deploy", "dev", "lint", "tests", "bench")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An operating system and architecture, in Go's words."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"


PLATFORMS = tuple(Platform(os=os, arch=arch) for os in ("linux", "darwin") for arch in ("amd64", "arm64"))
"""Where official releases are looked for."""


def this_platform() -> Platform:
    """The platform that this Python runs on."""
    machine = host.machine().lower()
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return Platform(os=host.system().lower(), arch=arch)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Versions that may be used: from `at_least` up to, not including, `below`."""

    at_least: tuple[int, ...]
    below: tuple[int, ...]

    def accepts(self, version: tuple[int, ...]) -> bool:
        """Whether this version may be used."""
        return self.at_least <= version < self.below

    def __str__(self) -> str:
        return f"{_dotted(self.at_least)} or later, below {_dotted(self.below)}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


@dataclass(frozen=True, kw_only=True)
class Release:
    """The publisher's own binary.

    `url` and `checksums` may name `{os}`, `{arch}` and `{ending}` (`tar.gz`, or `zip` on darwin). `member` is the
    tool's path inside the archive; without it the download is the tool. `companions` are members that are unpacked
    beside the tool when the archive has them. `checksums` is a sha256sum list, one bare checksum, or GitHub's
    description of a release, which carries each file's digest; empty where none are published.
    """

    url: str
    checksums: str = ""
    member: str = ""
    companions: tuple[str, ...] = ()
    systems: tuple[str, ...] = ("linux", "darwin")
    arch_names: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    """The publisher's words for architectures, where they are not Go's."""
    os_names: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    """The publisher's words for operating systems, where they are not Go's."""

    def publishes_for(self, platform: Platform) -> bool:
        """Whether the publisher has a binary for this platform."""
        return platform in PLATFORMS and platform.os in self.systems

    def url_for(self, platform: Platform) -> str:
        """Address of the binary or archive."""
        return self._fill(self.url, platform)

    def checksums_for(self, platform: Platform) -> str:
        """Address of the publisher's checksums."""
        return self._fill(self.checksums, platform)

    def member_for(self, platform: Platform) -> str:
        """Path of the tool inside the archive, empty when the download is the tool."""
        return self._fill(self.member, platform)

    def _fill(self, template: str, platform: Platform) -> str:
        arch = self.arch_names.get(platform.arch, platform.arch)
        ending = "zip" if platform.os == "darwin" else "tar.gz"
        return template.format(os=self.os_names.get(platform.os, platform.os), arch=arch, ending=ending)


@dataclass(frozen=True, kw_only=True)
class GoPackage:
    """How a tool is built: the folder under `modules/`, the package in it, `-X` settings, the usual time."""

    family: str
    package: str
    settings: tuple[str, ...] = ()
    expectation: str


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files, not a program: brought into a folder, all of them or none.

    The publisher has them at `url`, a folder, without checksums. The Go module that is pinned under `modules/` has the
    same in its own `folder`, and `go.sum` vouches for it.
    """

    names: tuple[str, ...]
    url: str
    family: str
    module: str
    folder: str

    def releases(self) -> tuple[Release, ...]:
        """Each file as the publisher has it."""
        return tuple(Release(url=f"{self.url}/{name}") for name in self.names)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program that is brought, or a folder of files. `asks` are the arguments that make it print its version.

    They are empty where it cannot say: then one on PATH is not used.
    """

    name: str
    version: str
    groups: frozenset[Group]
    asks: tuple[str, ...]
    fits: Fit
    release: Release | None
    source: GoPackage | Files

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
