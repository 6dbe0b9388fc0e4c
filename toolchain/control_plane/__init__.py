"""The embedded control plane: a real Kubernetes API server, scheduler and controllers, with simulated nodes only.

    python -m toolchain.control_plane start --directory DIRECTORY [--session N]
    python -m toolchain.control_plane status --directory DIRECTORY [--json]
    python -m toolchain.control_plane stop --directory DIRECTORY [--keep-data]

Five plain user processes, started by kwokctl; everything they keep is in DIRECTORY. Standard library only, as the
Pulumi engine runs it as a command.
"""

from toolchain.control_plane.directory import ControlPlaneError, generation

__all__ = ["ControlPlaneError", "generation"]
