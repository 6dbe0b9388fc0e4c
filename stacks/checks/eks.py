"""Clusters at Amazon: of a version that has support, and of machines and zones that EKS and the network have."""

from collections.abc import Iterator

from components.aws.versions import AMI_TYPES, is_over, supported, today
from components.node.settings import NodeGroup
from stacks.drafts import Draft, readable
from stacks.problems import Problem, listed


def has_support(draft: Draft) -> Iterator[Problem]:
    """Amazon fixes what is wrong in it. A rehearsal needs nobody to."""
    if draft.target != "eks" or draft.pretended:
        return
    day = today()
    for place, cluster in readable(draft.clusters, "eks"):
        extended = cluster.eks.extended_support
        if is_over(cluster.eks.version, day, extended=extended):
            kind = "extended" if extended else "standard"
            known = listed(supported(day, extended=extended)) or "newer ones than this program knows"
            message = f"{cluster.eks.version} is out of {kind} support at Amazon; there are: {known}"
            if not extended and not is_over(cluster.eks.version, day, extended=True):
                message += "; or set extendedSupport: true, at Amazon's extra charge"
            yield Problem(place=(*place, "eks", "version"), message=message)


def have_an_ami(draft: Draft) -> Iterator[Problem]:
    """EKS offers none for AMD's GPUs."""
    for cluster in draft.clusters or ():
        for place, group in readable(cluster.machines, "accelerator", "arch"):
            if isinstance(group, NodeGroup) and (group.accelerator.kind, group.arch) not in AMI_TYPES:
                message = f"EKS has no AMI for {group.accelerator.kind}; there are: cuda, cpu"
                yield Problem(place=(*place, "accelerator", "kind"), message=message)


def have_karpenter(draft: Draft) -> Iterator[Problem]:
    """Who rents machines comes as a chart."""
    charts = list(readable(draft.charts, "name", "cluster"))
    if draft.charts is None or len(charts) < len(draft.charts):
        return
    for place, cluster in readable(draft.clusters, "eks", "name"):
        there = any(one.name == "karpenter" and one.cluster in (None, cluster.name) for _, one in charts)
        if cluster.eks.autoscaler == "karpenter" and not there:
            message = "is karpenter, which comes as a chart: add {name: karpenter} to inference:charts"
            yield Problem(place=(*place, "eks", "autoscaler"), message=message)


def have_a_node_for_karpenter(draft: Draft) -> Iterator[Problem]:
    """It rents the groups with GPUs, and runs on another."""
    for cluster in draft.clusters or ():
        if not cluster.value or not cluster.whole or not cluster.knows("eks") or not cluster.machines:
            continue
        if cluster.value.eks.autoscaler == "karpenter" and not any(
            group.accelerator.kind == "cpu" for group in cluster.value.node_groups
        ):
            message = "is karpenter, which needs a node group without GPUs to run on; add one"
            yield Problem(place=(*cluster.place, "eks", "autoscaler"), message=message)


def run_the_clusters_version(draft: Draft) -> Iterator[Problem]:
    """A release of an AMI is for one version of Kubernetes."""
    for cluster in draft.clusters or ():
        if not cluster.value or not cluster.knows("eks"):
            continue
        version = cluster.value.eks.version
        for place, group in readable(cluster.machines, "release"):
            if isinstance(group, NodeGroup) and group.release and not group.release.startswith(f"{version}."):
                message = f"is of another version of Kubernetes than the cluster's, which is {version}"
                yield Problem(place=(*place, "release"), message=message)


def are_in_zones_of_the_network(draft: Draft) -> Iterator[Problem]:
    """There are no subnets elsewhere."""
    if not draft.aws.value or not draft.aws.knows("network"):
        return
    there = draft.aws.value.network.letters
    for cluster in draft.clusters or ():
        for place, group in readable(cluster.machines, "zones"):
            if isinstance(group, NodeGroup) and (missing := sorted(set(group.zones) - set(there))):
                message = f"{listed(missing)} not among the zones of the network; there are: {listed(there)}"
                yield Problem(place=(*place, "zones"), message=message)
