"""Ending what the toolchain runs for this clone."""

from toolchain import places
from toolchain.control_plane.directory import ControlPlaneError
from toolchain.control_plane.lifecycle import stop
from toolchain.problems import ToolchainError
from toolchain.progress import say


def clean() -> None:
    """Stop every embedded control plane below the state directory.

    Raises `ToolchainError` when one does not stop, and before anything else when another stack's state is there: what
    that stack made would be left behind with nothing that knows of it.
    """
    if others := _stacks_that_are_up():
        raise ToolchainError(
            f"{places.state()} holds the state of {', '.join(others)}, which is still up. "
            f"Next: make destroy STACK={others[0]}, or move that directory away."
        )
    for marker in sorted(places.state().rglob("control-plane.json")):
        try:
            stop(marker.parent)
        except ControlPlaneError as error:
            raise ToolchainError(str(error)) from error
        say(f"Stopped the embedded control plane in {marker.parent}.")
    if places.cache().exists():
        say(f"Tools stay in {places.cache()}, for other clones of yours; remove it by hand to bring them anew.")


def _stacks_that_are_up() -> list[str]:
    """Stacks other than dev, in our local backend, that have resources."""
    found: list[str] = []
    for file in sorted((places.state() / ".pulumi" / "stacks").glob("*/*.json")):
        if file.stem != "dev" and "pulumi:pulumi:Stack" in file.read_text(encoding="utf-8"):
            found.append(file.stem)
    return found
