"""CustomResourceDefinitions of what our programs deploy, as their publishers wrote them."""

from pathlib import Path

from toolchain import bring, catalogue
from toolchain.download import Network


def argocd() -> Path:
    """A folder with Argo CD's, one file each. Brought when they are not there; says so in one line, else nothing.

    Raises `ToolchainError` with everything that was tried.
    """
    (brought,) = bring.ensure([catalogue.ARGOCD_DEFINITIONS], Network(), quiet=True)
    return brought.path
