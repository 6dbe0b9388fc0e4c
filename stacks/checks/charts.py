"""Checks of charts of others: what they need, and what they cannot be had together with."""

from collections.abc import Iterator, Mapping

from components.gitops.charts import ThirdParty, ThirdPartyChart
from stacks.drafts import Cluster, Draft, names, readable
from stacks.problems import Problem, there_are
from stacks.settings import Target

_TARGETS: Mapping[ThirdParty, Target] = {"karpenter": "eks"}
"""Charts that one target alone has a use for."""


def are_whole(draft: Draft) -> Iterator[Problem]:
    """Somebody applies them, in clusters that are there, each once, with what it needs."""
    known = names(draft.clusters)
    asked = [(place, one) for place, one in readable(draft.charts, "name", "cluster")]
    for number, (place, chart) in enumerate(asked):
        if not draft.has_argocd:
            yield Problem(place=place, message="is a chart, which only Argo CD applies: add inference:argocd")
        if chart.cluster and known is not None and chart.cluster not in known:
            message = f'"{chart.cluster}" is not a cluster{there_are(chart.cluster, known)}'
            yield Problem(place=(*place, "cluster"), message=message)
        if any(one.name == chart.name and _meet(one, chart) for _, one in asked[:number]):
            yield Problem(place=(*place, "name"), message=f"{chart.name} is asked for twice in one cluster")
        for needed in chart.published.after:
            if not any(one.name == needed and _meet(one, chart) for _, one in asked):
                message = f"{chart.name} needs {needed}: add {{name: {needed}}} to inference:charts"
                yield Problem(place=(*place, "name"), message=message)


def _meet(one: ThirdPartyChart, other: ThirdPartyChart) -> bool:
    return None in (one.cluster, other.cluster) or one.cluster == other.cluster


def belong_to_the_target(draft: Draft) -> Iterator[Problem]:
    """Karpenter makes machines of one cloud."""
    for place, chart in readable(draft.charts, "name"):
        target = _TARGETS.get(chart.name)
        if target and draft.target and draft.target != target:
            message = f"{chart.name} makes nodes in AWS: it is for target {target}, not {draft.target}; remove it"
            yield Problem(place=(*place, "name"), message=message)


def have_gpus_that_they_can_serve(draft: Draft) -> Iterator[Problem]:
    """An operator is for GPUs of its vendor, on cards that it finds."""
    for place, chart in readable(draft.charts, "name", "cluster"):
        if not (gpus := chart.published.gpus) or not draft.clusters:
            continue
        there = [one for one in draft.clusters if chart.cluster in (None, one.name)]
        if not all(one.whole for one in there):
            continue
        if there and not any(one.value and chart.comes_to(one.value) for one in there):
            where = f'cluster "{chart.cluster}"' if chart.cluster else "any cluster"
            message = f"{chart.name} has nothing to serve: no node of {where} has {gpus.kind} GPUs; remove it"
            yield Problem(place=(*place, "name"), message=message)
        if gpus.kind == "cuda" and (jetson := next((name for one in there for name in _jetsons(one)), None)):
            message = (
                f'{chart.name} finds GPUs on the PCI bus, where a Jetson such as "{jetson}" has none: name a cluster '
                "without one, or remove it, for the device plugin that comes without it"
            )
            yield Problem(place=(*place, "name"), message=message)


def _jetsons(cluster: Cluster) -> Iterator[str]:
    shapes = cluster.value.shapes if cluster.value else ()
    yield from (one.name for one in shapes if one.capacity.accelerator.is_jetson)
