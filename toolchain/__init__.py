"""Pinned tools, and what brings them. Standard library only: it works before the virtual environment exists.

`environment(stack="dev")` gives the variables under which `pulumi` and its plugins are found; see `__main__.py` for
the command line.
"""

from toolchain.problems import ToolchainError
from toolchain.shell import environment

__all__ = ["ToolchainError", "environment"]
