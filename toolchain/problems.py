"""How the toolchain fails: one source that cannot serve, or nothing left to try."""

EXIT_CODE = 3
"""Exit code of every command here that could not bring what was asked for."""


class Unavailable(Exception):
    """One source cannot give a tool; the next one is tried. The text is the reason, in one line."""


class Unauthorized(Unavailable):
    """The server wants a token. `challenge` is its `WWW-Authenticate`, which says where there is one."""

    def __init__(self, text: str, *, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class ToolchainError(Exception):
    """Nothing is left to try, or going on would be unsafe. The text says what was wrong and what to do next."""
