"""Models: their sources can be found."""

from collections.abc import Iterator

from components.node.settings import NodeGroup
from components.storage.settings import ExternalStore
from stacks.drafts import Draft, names, readable
from stacks.problems import Problem, there_are


def come_from_a_server_with_an_address(draft: Draft) -> Iterator[Problem]:
    """There is no MLflow that everybody uses."""
    if draft.sources.value is None or not draft.sources.knows("mlflow") or draft.sources.value.mlflow:
        return
    for place, model in readable(draft.models, "source"):
        if model.address.kind.scheme == "mlflow":
            yield Problem(place=(*place, "source"), message="is in MLflow, whose address sources.mlflow.url must say")


def come_from_a_node_that_is_there(draft: Draft) -> Iterator[Problem]:
    """The machine whose directory is read is one of ours, by a name that it keeps."""
    machines = [part for cluster in draft.clusters or () for part in cluster.machines]
    known = names([part for part in machines if not isinstance(part.value, NodeGroup)])
    if known is None or draft.clusters is None or not all(cluster.whole for cluster in draft.clusters):
        return
    for place, model in readable(draft.models, "source"):
        node = model.address["node"]
        if model.address.kind.scheme == "host" and node not in known:
            yield Problem(place=(*place, "source"), message=f'"{node}" is not a node{there_are(node, known)}')


def can_be_purged(draft: Draft) -> Iterator[Problem]:
    """Only who may delete can."""
    store = draft.store.value
    if not isinstance(store, ExternalStore) or not draft.store.knows("kind", "writerAccessKey"):
        return
    if store.writer_access_key:
        return
    for place, model in readable(draft.models, "purge"):
        if model.purge:
            message = "needs a key that may delete: set `writerAccessKey` in store"
            yield Problem(place=(*place, "purge"), message=message)
