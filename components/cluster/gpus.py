"""The GPUs of a cluster of hosts: offered to pods, and counted before anything relies on them."""

from collections.abc import Sequence

import pulumi
from pulumi_command import remote

from components.accelerators import ACCELERATORS
from components.accelerators.device_plugin import NAMESPACE, DevicePlugins, PluginNode
from components.accelerators.versions import AMD, NVIDIA
from components.cluster.settings import ClusterSettings
from components.node.step import SCRIPTS, inspect


def advertised_gpus(
    name: str,
    settings: ClusterSettings,
    server: remote.ConnectionArgsDict,
    *,
    provider: pulumi.ProviderResource,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Sequence[pulumi.Resource]:
    """Deploy device plugins once `after` is there, and ask a server whether every node advertises what was promised."""
    wanted = [
        f"{shape.name} {ACCELERATORS[shape.capacity.accelerator.kind].resource} {shape.capacity.accelerator.advertised}"
        for shape in settings.shapes
        if shape.capacity.accelerator.plugin
    ]
    if not wanted:
        return ()
    nodes = [PluginNode(accelerator=one.capacity.accelerator, taint=one.capacity.taint) for one in settings.shapes]
    inside = opts.merge(pulumi.ResourceOptions(providers=[provider], depends_on=list(after)))
    plugins = DevicePlugins(f"{name}-device-plugins", nodes, opts=inside)
    counted = inspect(
        f"{name}-gpus",
        SCRIPTS / "advertised.sh",
        # Another plugin may see other GPUs: they are counted again.
        {"WANTED": "\n".join(wanted), "NAMESPACE": NAMESPACE, "PLUGINS": f"{NVIDIA} {AMD}"},
        server,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=list(plugins.ready))),
    )
    return (counted,)
