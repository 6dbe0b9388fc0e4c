"""Pulumi's plugins: the official ones where they can be had, else stand-ins, for the dev target and tests alone.

The engine looks for a plugin on PATH, then beside its own binary (language hosts), then in `~/.pulumi/plugins`
(Pulumi 3.259, sdk/go/common/workspace/plugins.go). So a stand-in on PATH would hide an official plugin in
`~/.pulumi/plugins`: its launcher is removed as soon as the official one is there.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolchain import bring, installed, places, release, standins, versions
from toolchain.catalogue import PULUMI, github_digests
from toolchain.download import Network
from toolchain.problems import ToolchainError, Unavailable
from toolchain.progress import say
from toolchain.tool import Platform, Release, this_platform

_INSTALL_SECONDS = 120
_ASK_AGAIN_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A Pulumi plugin, and the module under `tests/standins/` that can stand in for it."""

    kind: Literal["language", "resource"]
    name: str
    version: str

    @property
    def program(self) -> str:
        """Its file name, which is how the engine looks for it."""
        return f"pulumi-{self.kind}-{self.name}"

    @property
    def standin(self) -> str:
        """The Python module that stands in for it."""
        return f"tests.standins.{'language' if self.kind == 'language' else self.name}"

    @property
    def release(self) -> Release:
        """The archive that `pulumi plugin install` fetches."""
        repository = f"pulumi/pulumi-{self.name}"
        file = f"{self.program}-v{self.version}-{{os}}-{{arch}}.tar.gz"
        return Release(
            url=f"https://github.com/{repository}/releases/download/v{self.version}/{file}",
            checksums=github_digests(repository, self.version),
        )

    @property
    def remedy(self) -> str:
        """What a person does to get the official one."""
        if self.kind == "language":
            return f"comes with Pulumi's own release {self.version}: https://www.pulumi.com/docs/install/"
        return f"pulumi plugin install resource {self.name} {self.version}"


PYTHON = Plugin(kind="language", name="python", version=versions.PULUMI)
PROVIDERS = (
    Plugin(kind="resource", name="kubernetes", version=versions.PULUMI_KUBERNETES),
    Plugin(kind="resource", name="command", version=versions.PULUMI_COMMAND),
    Plugin(kind="resource", name="random", version=versions.PULUMI_RANDOM),
)
PLUGINS = (PYTHON, *PROVIDERS)
AWS = Plugin(kind="resource", name="aws", version=versions.PULUMI_AWS)
"""Only the target eks asks for it."""
EVERY = (*PLUGINS, AWS)


def settle(
    pulumi: Path, network: Network, *, refused_for: str | None, wanted: Sequence[Plugin] = PLUGINS
) -> tuple[Plugin, ...]:
    """See to it that every wanted plugin can be found, given this `pulumi`; the ones that are stand-ins.

    `refused_for` names what stand-ins must not be used for: then a missing plugin is a `ToolchainError`.
    """
    missing = tuple(plugin for plugin in wanted if not official(plugin, pulumi))
    reasons = _fetch(missing, pulumi, network, remembered=refused_for is None)
    missing = tuple(plugin for plugin in missing if not official(plugin, pulumi))
    if missing and refused_for:
        raise ToolchainError(_refusal(missing, refused_for, reasons))
    standins.keep({plugin.program: plugin.standin for plugin in missing})
    if missing and "INFERENCE_STANDINS" not in os.environ:  # else whoever set it has said so already
        names = ", ".join(plugin.program if plugin.kind == "language" else plugin.name for plugin in missing)
        say(f"stand-ins for {names} (official plugins not reachable): dev and tests only")
    return missing


def official(plugin: Plugin, pulumi: Path) -> Path | None:
    """The official plugin, where the engine would find it."""
    for entry in installed.search_path().split(os.pathsep):
        candidate = Path(entry) / plugin.program
        if os.access(candidate, os.X_OK) and candidate.is_file() and not standins.is_launcher(candidate):
            return candidate
    beside = pulumi.resolve().parent / plugin.program
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    folder = home / "plugins" / f"{plugin.kind}-{plugin.name}-v{plugin.version}"
    half = folder.with_name(f"{folder.name}.partial").exists()  # the engine's own mark of an unfinished installation
    return next((path for path in (beside, *([] if half else [folder / plugin.program])) if path.exists()), None)


def _fetch(missing: Sequence[Plugin], pulumi: Path, network: Network, *, remembered: bool) -> dict[Plugin, str]:
    """Try to get the official ones; why it did not work. Where stand-ins serve, once an hour is enough."""
    memory = places.state() / "plugins-tried.json"
    tried: dict[str, float] = {}
    with contextlib.suppress(OSError, ValueError):
        tried = dict(json.loads(memory.read_text(encoding="utf-8")))
    reasons: dict[Plugin, str] = {}
    for plugin in missing:
        key = f"{plugin.program} {plugin.version}"
        if remembered and time.time() - tried.get(key, 0) < _ASK_AGAIN_SECONDS:
            continue
        try:
            _install(plugin, pulumi, network)
        except Unavailable as error:
            reasons[plugin] = str(error)
            tried[key] = time.time()
    if reasons:
        places.made_state()
        memory.write_text(json.dumps(tried), encoding="utf-8")
    return reasons


def _install(plugin: Plugin, pulumi: Path, network: Network) -> None:
    platform = this_platform()
    if plugin.kind == "resource":
        _install_provider(plugin, pulumi, platform, network)
    elif pulumi == installed.cached(PULUMI, platform):  # built here: the official archive has the language host too
        bring.install(PULUMI, pulumi, lambda into: release.bring(PULUMI, platform, into, network))
    else:
        raise Unavailable(f"{pulumi} has none beside it")


def _install_provider(plugin: Plugin, pulumi: Path, platform: Platform, network: Network) -> None:
    cache = places.cache()
    cache.mkdir(parents=True, exist_ok=True)
    label = f"{plugin.program} {plugin.version}"
    with release.verified(label, plugin.release, platform, cache, network) as (archive, said_by):
        command = [str(pulumi), "plugin", "install", "resource", plugin.name, plugin.version, "--file", str(archive)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_INSTALL_SECONDS,
                env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"pulumi plugin install took over {_INSTALL_SECONDS} s") from error
    if done.returncode:
        raise Unavailable((done.stderr.strip() or "pulumi plugin install failed").splitlines()[-1])
    say(f"{label:<31} official release (checksum from {said_by})")


def _refusal(missing: Sequence[Plugin], refused_for: str, reasons: dict[Plugin, str]) -> str:
    width = max(len(plugin.program) for plugin in missing)
    lines = [f"Pulumi plugins are missing, and stand-ins are for dev and tests only, not for {refused_for}:"]
    for plugin in missing:
        lines.append(f"  {plugin.program:<{width}}  {plugin.remedy}")
        if plugin in reasons:
            lines.append(f"  {'':<{width}}  tried just now: {reasons[plugin]}")
    return "\n".join([*lines, "Nothing was changed."])
