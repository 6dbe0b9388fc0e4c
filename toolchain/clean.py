"""Ending what the toolchain runs for this clone."""

from toolchain import places
from toolchain.control_plane.directory import ControlPlaneError
from toolchain.control_plane.lifecycle import stop
from toolchain.problems import ToolchainError
from toolchain.progress import say


def clean() -> None:
    """Stop every embedded control plane below the state directory. Raises `ToolchainError` when one does not stop."""
    for marker in sorted(places.state().rglob("control-plane.json")):
        try:
            stop(marker.parent)
        except ControlPlaneError as error:
            raise ToolchainError(str(error)) from error
        say(f"Stopped the embedded control plane in {marker.parent}.")
    if places.cache().exists():
        say(f"Tools stay in {places.cache()}, for other clones of yours; remove it by hand to bring them anew.")
