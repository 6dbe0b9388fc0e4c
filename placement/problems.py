"""How this room fails."""

from throwaway.problems import StackError


class PlacementError(StackError):
    """Placement could not be shown or rehearsed. The text says what was wrong, where, and what to do next."""
