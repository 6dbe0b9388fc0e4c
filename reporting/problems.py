"""What goes wrong here, said to the person who set CI up."""


class ReportingError(Exception):
    """What was wrong, and the next step."""
