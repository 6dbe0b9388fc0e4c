"""Says at the end of a run which plugins the real engine ran with."""

import shutil
from pathlib import Path

import pytest

import toolchain
from toolchain import plugins, standins
from toolchain.problems import ToolchainError


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: for each plugin, the official one or the stand-in."""
    try:
        path = toolchain.environment(stack="dev", tests=True)["PATH"]
    except ToolchainError:
        return
    kinds: dict[str, list[str]] = {"official": [], "stand-in": []}
    for plugin in plugins.PLUGINS:
        found = shutil.which(plugin.program, path=path)
        is_official = not found or not standins.is_launcher(Path(found))
        kinds["official" if is_official else "stand-in"].append(plugin.program)
    said = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
    terminalreporter.write_line(f"Plugins of the real engine: {said}")
