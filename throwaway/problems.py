"""How this room fails."""


class StackError(Exception):
    """The stack could not be tried out. The text says what was wrong, where, and what to do next."""
