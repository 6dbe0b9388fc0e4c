"""Engines over several nodes: there are so many."""

from collections.abc import Iterator

from components.engines.vllm_distributed import VllmDistributed
from stacks.drafts import Draft, readable
from stacks.problems import Problem


def have_as_many_nodes(draft: Draft) -> Iterator[Problem]:
    """Each pod of a replica has a node of its own. Whether all replicas fit at once is for a rehearsal to show."""
    clusters = {one.name: one.value for one in draft.clusters or () if one.value and one.whole}
    for place, engine in readable(draft.engines, "kind", "cluster", "nodeSelector", "accelerator", "nodes"):
        cluster = clusters.get(engine.cluster)
        if not isinstance(engine, VllmDistributed) or not cluster or not cluster.machines:
            continue
        fitting = len(list(cluster.candidates(engine.accelerator, engine.node_selector)))
        # Where there is none at all, that has been said already.
        if 0 < fitting < engine.nodes:
            message = (
                f'is {engine.nodes}, and "{engine.cluster}" has {fitting} with {engine.accelerator.gpus} '
                f"{engine.accelerator.kind} GPUs for it: set {fitting} or fewer, or add nodes"
                if fitting > 1
                else f'is {engine.nodes}, and "{engine.cluster}" has one with {engine.accelerator.gpus} '
                f"{engine.accelerator.kind} GPUs for it: add nodes, or use kind: vllm"
            )
            yield Problem(place=(*place, "nodes"), message=message)
