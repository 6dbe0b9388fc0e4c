"""Settings of Argo CD."""

from components.section import Name, Section


class ArgoCd(Section):
    """Argo CD, which keeps clusters as a Git repository and pinned charts say."""

    cluster: Name | None = None
    """The cluster that it runs in, and from where it serves all of them; each has one of its own when not set."""
