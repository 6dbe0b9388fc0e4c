"""A real Kubernetes control plane on this machine, with simulated nodes."""

import shlex
import sys
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command import local

from components.accelerators.runtime_class import runtime_classes
from components.cluster.cluster import Cluster
from components.cluster.settings import ClusterSettings
from components.node.simulated import SimulatedNode
from toolchain.control_plane import generation

STORAGE_CLASS = "simulated"


class EmbeddedCluster(pulumi.ComponentResource):
    """Starts a control plane, and makes every node of the settings a simulated one.

    The control plane lives below `directory` and nowhere else; destroying the stack stops it and removes its data.
    """

    cluster: Cluster

    def __init__(
        self, name: str, settings: ClusterSettings, *, directory: Path, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:cluster:EmbeddedCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        control_plane = _control_plane(f"{name}-control-plane", directory, child)
        provider = kubernetes.Provider(
            f"{name}-provider",
            kubeconfig=control_plane.stdout,
            cluster_identifier=name,
            enable_server_side_apply=True,
            # An `up` that was killed has made objects that the state does not know: take them over, do not fail.
            upsert_existing_objects=True,
            opts=child,
        )
        on_cluster = pulumi.ResourceOptions(parent=self, provider=provider)
        storage = _storage_class(name, on_cluster)
        runtimes = runtime_classes(
            f"{name}-runtime", (shape.capacity.accelerator for shape in settings.shapes), on_cluster
        )
        nodes = [
            SimulatedNode(f"{name}-{shape.name}", shape, storage_class=STORAGE_CLASS, opts=on_cluster)
            for shape in settings.shapes
        ]
        self.cluster = Cluster(
            settings=settings,
            provider=provider,
            kubeconfig=pulumi.Output.secret(control_plane.stdout),
            ready=(storage, *runtimes, *nodes),
            operators=False,
        )
        self.register_outputs({})


def _control_plane(name: str, directory: Path, opts: pulumi.ResourceOptions) -> local.Command:
    program = shlex.join((sys.executable, "-m", "toolchain.control_plane"))
    where = f"--directory {shlex.quote(str(directory))}"
    start = f'{program} start {where} --session "$SESSION"'
    return local.Command(
        name,
        create=start,
        update=start,
        delete=f"{program} stop {where}",
        # Changes exactly when the control plane is down, so that an update starts it again, after a reboot too.
        environment={"SESSION": generation(directory)},
        dir=str(Path(__file__).parents[2]),
        logging=local.Logging.STDERR,
        opts=opts.merge(pulumi.ResourceOptions(additional_secret_outputs=["stdout"])),
    )


def _storage_class(name: str, opts: pulumi.ResourceOptions) -> kubernetes.storage.v1.StorageClass:
    return kubernetes.storage.v1.StorageClass(
        f"{name}-storage-class",
        metadata={"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        provisioner="kubernetes.io/no-provisioner",
        volume_binding_mode="WaitForFirstConsumer",
        opts=opts,
    )
