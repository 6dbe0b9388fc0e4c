"""How the toolchain fails: one source that cannot serve, or nothing left to try."""

EXIT_CODE = 3
"""Exit code of every command here that could not bring what was asked for."""


class Unavailable(Exception):
    """One source cannot give a tool; the next one is tried. The text is the reason, in one line."""


class ToolchainError(Exception):
    """Nothing is left to try, or going on would be unsafe. The text says what was wrong and what to do next."""
