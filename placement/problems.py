"""How this room fails."""


class PlacementError(Exception):
    """Placement could not be shown or rehearsed. The text says what was wrong, where, and what to do next."""
