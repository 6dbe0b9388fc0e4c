"""What must hold between parts of the settings: each check looks at what parsed, and yields what is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from components.accelerators import ACCELERATOR_LABEL, PRODUCT_LABEL
from components.cluster.settings import ClusterSettings
from components.engines import AnyEngine
from components.engines.llamacpp import LlamaCpp
from components.node.settings import Host, NodeGroup, NodeShape, SimulatedHost
from components.section import byte_count
from components.storage.settings import MinioStore, S3Store
from stacks.drafts import Draft
from stacks.problems import Problem, nearest, shown

_MACHINES = {"dev": "simulated", "onprem": "nodes", "eks": "nodeGroups"}
_QUORUMS = (1, 3)
_ROCM_ARCHITECTURE = "amd64"


def across(draft: Draft) -> Iterator[Problem]:
    """Every problem between parts."""
    for check in CHECKS:
        yield from check(draft)


def _names_are_unique(draft: Draft) -> Iterator[Problem]:
    for section in ("clusters", "models", "engines"):
        first: dict[str, int] = {}
        parts: Mapping[int, Any] = getattr(draft, section)
        for index, part in parts.items():
            if part.name in first:
                taken = f"{section}[{first[part.name]}] has it already"
                yield Problem(path=f"{section}[{index}].name", message=f"{shown(part.name)} is taken: {taken}")
            first.setdefault(part.name, index)


def _machines_are_unique(draft: Draft) -> Iterator[Problem]:
    addresses: dict[str, str] = {}
    for index, cluster in draft.clusters.items():
        names: dict[str, str] = {}
        for kind, machines in _machines(cluster).items():
            for number, machine in enumerate(machines):
                path = f"clusters[{index}].{kind}[{number}]"
                if machine.name in names:
                    message = f"{shown(machine.name)} is taken: {names[machine.name]} has it already"
                    yield Problem(path=f"{path}.name", message=message)
                names.setdefault(machine.name, path)
        for number, host in enumerate(cluster.nodes):
            path, address = f"clusters[{index}].nodes[{number}]", str(host.host).lower()
            if address in addresses:
                message = f"{shown(address)} is the host of {addresses[address]} too"
                yield Problem(path=f"{path}.host", message=message)
            addresses.setdefault(address, path)


def _machines_fit_the_target(draft: Draft) -> Iterator[Problem]:
    wanted = _MACHINES.get(draft.target or "")
    for index, cluster in draft.clusters.items():
        given = _machines(cluster)
        if not any(given.values()):
            yield Problem(path=f"clusters[{index}]", message=f"has no machines; add {wanted or 'nodes'}")
        for kind, machines in given.items():
            if machines and wanted and kind != wanted:
                message = f"belongs to another target; {draft.target} takes {wanted}"
                yield Problem(path=f"clusters[{index}].{kind}", message=message)
        servers = sum(node.role == "server" for node in cluster.nodes)
        if cluster.nodes and servers not in _QUORUMS:
            message = f"{servers} nodes have the role server; a cluster has 1, or 3 for high availability"
            yield Problem(path=f"clusters[{index}].nodes", message=message)


def _machines(cluster: ClusterSettings) -> Mapping[str, Sequence[Host | SimulatedHost | NodeGroup]]:
    """Machines by the key that the user wrote."""
    return {"simulated": cluster.simulated, "nodes": cluster.nodes, "nodeGroups": cluster.node_groups}


def _engines_name_what_exists(draft: Draft) -> Iterator[Problem]:
    for key, section in (("cluster", "clusters"), ("model", "models")):
        known = draft.names(section)
        for index, engine in draft.engines.items():
            name = getattr(engine, key)
            if name not in known and section not in draft.unsure:
                message = f"{shown(name)} is not a {key}{nearest(name, known)}"
                yield Problem(path=f"engines[{index}].{key}", message=message)


def _engines_have_an_image(draft: Draft) -> Iterator[Problem]:
    for index, engine in draft.engines.items():
        kind = engine.accelerator.kind
        if kind not in engine.IMAGES:
            message = f"{engine.kind} has no image for {kind}; there are: {', '.join(sorted(engine.IMAGES))}"
            yield Problem(path=f"engines[{index}].accelerator.kind", message=message)


def _engines_fit_a_node(draft: Draft) -> Iterator[Problem]:
    clusters = draft.named("clusters")
    for index, engine in draft.engines.items():
        cluster = clusters.get(engine.cluster)
        if cluster and cluster.shapes and engine.accelerator.kind in engine.IMAGES:
            yield from _fits(f"engines[{index}]", engine, cluster)


def _fits(path: str, engine: AnyEngine, cluster: ClusterSettings) -> Iterator[Problem]:
    """The first reason why no node can ever run a replica: what comes after would follow from it."""
    request, kind = engine.accelerator, engine.accelerator.kind
    labelled = [node for node in cluster.shapes if engine.node_selector.items() <= node.labels.items()]
    if not labelled:
        wanted = ", ".join(f"{key}={value}" for key, value in engine.node_selector.items())
        message = f'no node in "{cluster.name}" has {wanted}; give it to a machine in its labels'
        yield Problem(path=f"{path}.nodeSelector", message=message)
        return
    nodes = [node for node in labelled if not request.gpus or node.labels[ACCELERATOR_LABEL] == kind]
    of_product = [node for node in nodes if request.product in (None, node.labels.get(PRODUCT_LABEL))]
    if nodes and not of_product:
        products = sorted({node.labels.get(PRODUCT_LABEL, "none") for node in nodes})
        message = f'no node in "{cluster.name}" has product {shown(request.product)}; there are: {", ".join(products)}'
        yield Problem(path=f"{path}.accelerator.product", message=message)
        return
    largest = max((node.capacity.accelerator.count for node in of_product), default=0)
    if largest < request.gpus:
        message = f'asks for {request.gpus} {kind} GPUs on one node; the largest node in "{cluster.name}" has {largest}'
        yield Problem(path=f"{path}.accelerator", message=message)
        return
    yield from _has_room(path, engine, list(cluster.candidates(request, engine.node_selector)))


def _has_room(path: str, engine: AnyEngine, candidates: Sequence[NodeShape]) -> Iterator[Problem]:
    """Whether one replica fits on an empty node."""
    resources = engine.resources
    if engine.accelerator.kind == "rocm" and all(node.capacity.arch != _ROCM_ARCHITECTURE for node in candidates):
        message = f"ROCm images are for {_ROCM_ARCHITECTURE} only, and no fitting node is"
        yield Problem(path=f"{path}.accelerator.kind", message=message)
    elif not any(
        byte_count(resources.memory) <= byte_count(node.capacity.memory)
        and _millis(resources.cpu) <= node.capacity.cpu * 1000
        for node in candidates
    ):
        have = ", ".join(sorted({f"{node.capacity.cpu} and {node.capacity.memory}" for node in candidates}))
        message = f"asks for {resources.cpu} CPUs and {resources.memory}; fitting nodes have: {have}"
        yield Problem(path=f"{path}.resources", message=message)


def _millis(cpu: str) -> float:
    return float(cpu[:-1]) if cpu.endswith("m") else float(cpu) * 1000


def _limits_hold_requests(draft: Draft) -> Iterator[Problem]:
    given = {f"engines[{index}].resources": engine.resources for index, engine in draft.engines.items()}
    if draft.gateway:
        given["gateway.litellm.resources"] = draft.gateway.litellm.resources
        if draft.gateway.open_webui:
            given["gateway.openWebui.resources"] = draft.gateway.open_webui.resources
    for path, resources in given.items():
        if resources.memory_limit and byte_count(resources.memory_limit) < byte_count(resources.memory):
            yield Problem(path=f"{path}.memoryLimit", message=f"is less than memory ({resources.memory})")
        if resources.cpu_limit and _millis(resources.cpu_limit) < _millis(resources.cpu):
            yield Problem(path=f"{path}.cpuLimit", message=f"is less than cpu ({resources.cpu})")


def _files_belong_to_the_model(draft: Draft) -> Iterator[Problem]:
    models = draft.named("models")
    for index, engine in draft.engines.items():
        model = models.get(engine.model)
        if isinstance(engine, LlamaCpp) and model and not any(fnmatchcase(engine.file, one) for one in model.files):
            message = f"{shown(engine.file)} is not among the files of {model.name}: {', '.join(model.files)}"
            yield Problem(path=f"engines[{index}].file", message=message)


def _store_has_a_place(draft: Draft) -> Iterator[Problem]:
    store = draft.store
    if isinstance(store, S3Store) and draft.target not in ("eks", None):
        yield Problem(path="store.kind", message="s3 is Amazon's and belongs to the target eks; use minio or external")
    if not isinstance(store, MinioStore):
        return
    known = draft.names("clusters")
    if store.cluster and store.cluster not in known and "clusters" not in draft.unsure:
        message = f"{shown(store.cluster)} is not a cluster{nearest(store.cluster, known)}"
        yield Problem(path="store.cluster", message=message)
    home = draft.named("clusters").get(store.cluster) if store.cluster else draft.clusters.get(0)
    if home and store.node and store.node not in {node.name for node in home.shapes}:
        names = [node.name for node in home.shapes]
        message = f'{shown(store.node)} is not a node of "{home.name}"{nearest(store.node, names)}'
        yield Problem(path="store.node", message=message)
    elsewhere = {engine.cluster for engine in draft.engines.values()} & known - ({home.name} if home else set())
    if home and elsewhere and not store.url:
        message = f"url is missing: engines in {', '.join(sorted(elsewhere))} reach the store from outside its cluster"
        yield Problem(path="store", message=message)


CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _names_are_unique,
    _machines_are_unique,
    _machines_fit_the_target,
    _engines_name_what_exists,
    _engines_have_an_image,
    _engines_fit_a_node,
    _limits_hold_requests,
    _files_belong_to_the_model,
    _store_has_a_place,
)
