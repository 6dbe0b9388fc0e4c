"""The GPUs of a cluster of hosts: offered to pods, and counted before anything relies on them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.accelerators import ACCELERATORS, Kind
from components.accelerators.device_plugin import NAMESPACE, DevicePlugins, PluginNode
from components.accelerators.versions import AMD, NVIDIA
from components.cluster.settings import ClusterSettings
from components.node.step import SCRIPTS, inspect


@dataclass(frozen=True, kw_only=True)
class Advertising:
    """The pods that advertise GPUs, by which somebody else counts them."""

    namespace: str
    selector: str
    """Labels that they have, among all pods there."""
    versions: str
    """Another one may see other GPUs: they are counted again."""
    seconds: int
    """How long they may take."""


CountGpus = Callable[[Kind, Advertising, Sequence[pulumi.Resource]], Sequence[pulumi.Resource]]
"""Asks, once the last is there, whether every node advertises the GPUs of a kind that settings promise."""


def plugin_nodes(settings: ClusterSettings) -> list[PluginNode]:
    """Every node, as device plugins see it."""
    return [PluginNode(accelerator=one.capacity.accelerator, taint=one.capacity.taint) for one in settings.shapes]


def advertised_gpus(
    name: str,
    settings: ClusterSettings,
    server: remote.ConnectionArgsDict,
    *,
    operated: Collection[Kind],
    provider: pulumi.ProviderResource,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Sequence[pulumi.Resource]:
    """Deploy device plugins once `after` is there, and ask a server whether every node advertises what was promised.

    Those of `operated` kinds have an operator that comes later; `gpu_counter` is for whoever brings it.
    """
    ours: list[Kind] = [kind for kind in ACCELERATORS if kind not in operated]
    wanted = _wanted(settings, ours)
    if not wanted:
        return ()
    nodes = [node for node in plugin_nodes(settings) if node.accelerator.kind in ours]
    inside = opts.merge(pulumi.ResourceOptions(providers=[provider], depends_on=list(after)))
    plugins = DevicePlugins(f"{name}-device-plugins", nodes, opts=inside)
    counted = inspect(
        f"{name}-gpus",
        SCRIPTS / "advertised.sh",
        # Another plugin may see other GPUs: they are counted again.
        {"WANTED": wanted, "NAMESPACE": NAMESPACE, "PLUGINS": f"{NVIDIA} {AMD}"},
        server,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=list(plugins.ready))),
    )
    return (counted,)


def gpu_counter(
    name: str, settings: ClusterSettings, server: remote.ConnectionArgsDict, opts: pulumi.ResourceOptions
) -> CountGpus:
    """For GPUs that an operator advertises, which comes when the cluster is there already."""

    def count(kind: Kind, advertising: Advertising, after: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        if not (wanted := _wanted(settings, [kind])):
            return ()
        variables = {
            "WANTED": wanted,
            "NAMESPACE": advertising.namespace,
            "SELECTOR": advertising.selector,
            "PLUGINS": advertising.versions,
            "SECONDS_TO_WAIT": str(advertising.seconds),
        }
        there = opts.merge(pulumi.ResourceOptions(depends_on=list(after)))
        return (inspect(f"{name}-{kind}-gpus", SCRIPTS / "advertised.sh", variables, server, opts=there),)

    return count


def _wanted(settings: ClusterSettings, kinds: Collection[Kind]) -> str:
    """Lines of `NODE RESOURCE COUNT`."""
    accelerators = [(shape.name, shape.capacity.accelerator) for shape in settings.shapes]
    return "\n".join(
        f"{node} {ACCELERATORS[one.kind].resource} {one.advertised}"
        for node, one in accelerators
        if one.plugin and one.kind in kinds
    )
