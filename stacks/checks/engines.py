"""Engines: what they name exists, and a node can run them."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from components.accelerators import ACCELERATOR_LABEL, PRODUCT_LABEL, AcceleratorRequest
from components.cluster.settings import ClusterSettings
from components.engines import AnyEngine
from components.engines.gpu_memory import estimate
from components.engines.operator import Beside, OperatorEngine
from components.engines.service import placement
from components.engines.speaches import CARD, Speaches
from components.node.settings import NodeShape
from components.workload.spec import Resources
from stacks.checks.resources import one_of_each, room
from stacks.drafts import Draft, names, readable
from stacks.problems import Place, Problem, echo, listed, there_are

_Misfit = tuple[Place, str]
"""Keys within the engine, and what is wrong there."""


def name_what_exists(draft: Draft) -> Iterator[Problem]:
    """Models and clusters."""
    clusters, models = names(draft.clusters), names(draft.models)
    for place, engine in readable(draft.engines, "cluster"):
        if clusters is not None and engine.cluster not in clusters:
            message = f'"{engine.cluster}" is not a cluster{there_are(engine.cluster, clusters)}'
            yield Problem(place=(*place, "cluster"), message=message)
    for place, name in _used(draft):
        if models is not None and name not in models:
            yield Problem(place=place, message=f'"{name}" is not a model{there_are(name, models)}')


def name_adapters_that_exist(draft: Draft) -> Iterator[Problem]:
    """Those that are models are among the models; those of a registry have one; each name is one engine's alone."""
    known = names(draft.models)
    taken = {engine.name: "an engine" for _, engine in readable(draft.engines, "name")}
    for place, engine in readable(draft.engines, "adapters", "kind"):
        for number, adapter in enumerate(engine.lora_adapters):
            here = (*place, "adapters", number)
            if adapter.model and known is not None and adapter.model not in known:
                message = f'"{adapter.model}" is not a model{there_are(adapter.model, known)}'
                yield Problem(place=(*here, "model"), message=message)
            sources = draft.sources.value if draft.sources.knows("mlflow") else None
            if adapter.source and sources and not sources.mlflow:
                message = "needs the address of the registry: set sources.mlflow.url"
                yield Problem(place=(*here, "source"), message=message)
            if adapter.name in taken:
                message = f'"{adapter.name}" is taken by {taken[adapter.name]}: requests name nothing else'
                yield Problem(place=(*here, "name"), message=message)
            taken.setdefault(adapter.name, "another adapter")


def keep_their_model(draft: Draft) -> Iterator[Problem]:
    """What is being deleted cannot be served."""
    doomed = {model.name for _, model in readable(draft.models, "name", "purge") if model.purge}
    for place, name in _used(draft):
        if name in doomed:
            message = f'"{name}" is to be purged; remove the engine, or the purge'
            yield Problem(place=place, message=message)
    for place, engine in readable(draft.engines, "adapters", "kind"):
        for number, adapter in enumerate(engine.lora_adapters):
            if adapter.model in doomed:
                message = f'"{adapter.model}" is to be purged; remove the adapter, or the purge'
                yield Problem(place=(*place, "adapters", number, "model"), message=message)


def _used(draft: Draft) -> Iterator[tuple[Place, str]]:
    """Every model that an engine loads, where its settings name it."""
    for part in draft.engines or ():
        for keys, name in part.value.uses.items() if part.value and part.knows("kind") else ():
            if part.knows(str(keys[0])):
                yield (*part.place, *keys), name


def have_an_image(draft: Draft) -> Iterator[Problem]:
    """Not every server is built for every accelerator."""
    for place, engine in readable(draft.engines, "accelerator", "kind"):
        kind = engine.accelerator.kind
        if kind not in engine.images:
            message = f"{engine.kind} has no image for {kind}{there_are(kind, engine.images)}"
            yield Problem(place=(*place, "accelerator", "kind"), message=message)


def keep_their_canaries_name_free(draft: Draft) -> Iterator[Problem]:
    """A canary is an engine of its own, called after the other."""
    taken = names(draft.engines) or ()
    for place, engine in readable(draft.engines, "name", "canary"):
        for copy in engine.copies[1:]:
            if copy.name in taken:
                message = f'would be called "{copy.name}", as another engine is: rename that one'
                yield Problem(place=(*place, "canary"), message=message)


def are_scaled_on_what_they_tell(draft: Draft) -> Iterator[Problem]:
    """Not every server counts everything; and only one has a say in how many replicas there are."""
    for place, engine in readable(draft.engines, "scaling", "kind"):
        if not (scaling := engine.scaling):
            continue
        if scaling.signal and scaling.signal not in engine.SIGNALS:
            there = (
                there_are(scaling.signal, engine.SIGNALS) if engine.SIGNALS else ": leave it out, and add a schedule"
            )
            yield Problem(
                place=(*place, "scaling", "signal"),
                message=f'{engine.kind} does not tell its "{scaling.signal}"{there}',
            )
        if "replicas" in engine.model_fields_set:
            message = "is what scaling decides: remove it, and set scaling.min and scaling.max"
            yield Problem(place=(*place, "replicas"), message=message)


def find_their_file(draft: Draft) -> Iterator[Problem]:
    """A file that is named must be among those that are kept of its model."""
    models = {model.name: model for _, model in readable(draft.models, "name", "files")}
    for place, engine in readable(draft.engines, "file", "model", "models", "canary", "kind"):
        needed = [(keys, one) for keys, one in engine.opens.items()]
        needed += [(("canary",), one) for copy in engine.copies[1:] for one in copy.opens.values()]
        for keys, one in needed:
            model = models.get(one.model)
            if model and not any(fnmatchcase(one.file, pattern) for pattern in model.files):
                message = f'"{one.file}" is not among the files of "{model.name}": {listed(model.files)}'
                yield Problem(place=(*place, *keys), message=message)


def bring_their_model_cards(draft: Draft) -> Iterator[Problem]:
    """Speaches reads in a model's card what kind of model it is: without the card it serves nothing."""
    models = {model.name: model for _, model in readable(draft.models, "name", "files")}
    for place, engine in readable(draft.engines, "models", "kind"):
        if not isinstance(engine, Speaches):
            continue
        for number, one in enumerate(engine.models):
            model = models.get(one.model)
            if model and not any(fnmatchcase(CARD, pattern) for pattern in model.files):
                message = f'Speaches needs the {CARD} of "{model.name}": add it to that model\'s files'
                yield Problem(place=(*place, "models", number, "model"), message=message)


def serve_each_repository_once(draft: Draft) -> Iterator[Problem]:
    """Requests to the gateway name a repository, and nothing else."""
    taken: dict[str, str] = {}
    for place, engine in readable(draft.engines, "models", "kind", "name"):
        if not isinstance(engine, Speaches):
            continue
        for number, one in enumerate(engine.models):
            if one.repository in taken:
                message = (
                    f'"{one.repository}" is served by "{taken[one.repository]}" already; requests name nothing else'
                )
                yield Problem(place=(*place, "models", number, "repository"), message=message)
            taken.setdefault(one.repository, engine.name)


def _clusters(draft: Draft) -> dict[str | None, ClusterSettings]:
    """Those of which it is known what each of their machines can run, by name, with one node of each group."""
    return {one.name: one_of_each(one.value) for one in draft.clusters or () if one.value and one.whole}


def fit_a_node(draft: Draft) -> Iterator[Problem]:
    """Some node can run one replica when it is empty. Whether all replicas fit at once is for a rehearsal to show."""
    clusters = _clusters(draft)
    alike: dict[object, Sequence[_Misfit]] = {}
    for part in draft.engines or ():
        engine = part.value
        cluster = clusters.get(engine.cluster) if engine and part.knows("cluster") else None
        if not engine or not cluster or not cluster.machines or not part.knows("accelerator", "nodeSelector", "kind"):
            continue
        resources = engine.resources if part.knows("resources") else None
        selector, built_for = frozenset(engine.node_selector.items()), tuple(engine.built_for)
        key = (engine.kind, cluster.name, engine.accelerator, selector, built_for, resources)
        if key not in alike:
            alike[key] = tuple(_fits(engine, cluster, resources)) if engine.accelerator.kind in engine.images else ()
        for keys, message in alike[key]:
            yield Problem(place=(*part.place, *keys), message=message)


def fit_their_gpus(draft: Draft) -> Iterator[Problem]:
    """Where the memory of all GPUs is known that an engine may run on, one of them has what it needs."""
    clusters = _clusters(draft)
    models = {model.name: model for _, model in readable(draft.models, "name", "parameters", "attention", "size")}
    for part in draft.engines or ():
        engine = part.value
        if engine is None or part.broken or not engine.demand or engine.cluster not in clusters:
            continue
        needed = next((estimate(engine.demand, models[name]) for name in engine.loads if name in models), None)
        cluster = clusters[engine.cluster]
        nodes = list(cluster.candidates(engine.accelerator, engine.node_selector)) if needed else []
        memory = [node.capacity.accelerator.part_mib for node in nodes]
        known = [one for one in memory if one is not None]
        if needed and known and len(known) == len(memory) and needed.each > max(known) * 2**20:
            has = f'the largest for it in "{cluster.name}" has {max(known) / 1024:.1f} GiB'
            remedy = "more GPUs, a shorter contextLength, or a model with fewer bits per parameter"
            yield Problem(place=(*part.place, "accelerator"), message=f"needs {needed}; {has}: try {remedy}")


def have_room_for_what_is_beside(draft: Draft) -> Iterator[Problem]:
    """Pods that ask for no GPU run where nothing is reserved, or where their engine's labels say."""
    clusters = _clusters(draft)
    known = ("kind", "cluster", "nodeSelector", "accelerator", "head", "transformer", "explainer")
    for place, engine in readable(draft.engines, *known):
        cluster = clusters.get(engine.cluster)
        if isinstance(engine, OperatorEngine) and cluster and engine.accelerator.kind in engine.images:
            for where, pod in engine.beside.items():
                for message in _lacking(engine, pod, cluster):
                    yield Problem(place=(*place, *where), message=message)


def _lacking(engine: OperatorEngine, pod: Beside, cluster: ClusterSettings) -> Iterator[str]:
    request = AcceleratorRequest()
    taints = cluster.tolerated(request, engine.node_selector)
    nodes = [
        node
        for node in cluster.candidates(request, engine.node_selector)
        if (node.capacity.taint is None or node.capacity.taint in taints) and node.capacity.arch in pod.built_for
    ]
    if not nodes:
        yield f'no node in "{cluster.name}" is free for it: {listed(pod.built_for)}, and not reserved'
    elif lacking := room([pod.resources], nodes):
        yield f'{lacking[0]}; the largest node for it in "{cluster.name}" has {lacking[1]}'


def _fits(engine: AnyEngine, cluster: ClusterSettings, resources: Resources | None) -> Iterator[_Misfit]:
    """The first reason why no node can ever run it: those behind it would only follow."""
    labelled = [node for node in cluster.shapes if engine.node_selector.items() <= node.labels.items()]
    if not labelled:
        there = {f"{key}={value}" for node in cluster.shapes for key, value in node.capacity.labels.items()}
        yield ("nodeSelector",), f'no node in "{cluster.name}" has these labels{there_are("", sorted(there))}'
        return
    nodes = list(cluster.candidates(engine.accelerator, engine.node_selector))
    if not nodes:
        yield _no_accelerator(engine, cluster.name, labelled)
        return
    where = placement(engine, cluster)
    nodes = [node for node in nodes if node.capacity.taint is None or node.capacity.taint in where.taints]
    built = [node for node in nodes if node.capacity.arch in engine.built_for]
    if not built:
        architectures = listed(sorted({node.capacity.arch for node in nodes}))
        image = f"the {engine.accelerator.kind} image of {engine.kind} is for {listed(engine.built_for)}"
        yield ("accelerator", "kind"), f'{image}; the fitting nodes in "{cluster.name}" are {architectures}'
    elif resources and (lacking := room([resources], built)):
        yield ("resources",), f'{lacking[0]}; the largest fitting node in "{cluster.name}" has {lacking[1]}'


def _no_accelerator(engine: AnyEngine, cluster: str, labelled: Sequence[NodeShape]) -> _Misfit:
    request, kind = engine.accelerator, engine.accelerator.kind
    suffix = " with these labels" if engine.node_selector else ""
    of_kind = [node for node in labelled if node.labels[ACCELERATOR_LABEL] == kind] if request.gpus else labelled
    if not of_kind:
        kinds = sorted({node.labels[ACCELERATOR_LABEL] for node in labelled})
        return ("accelerator",), f'no node in "{cluster}"{suffix} has {kind} GPUs{there_are(kind, kinds)}'
    products = sorted({node.labels[PRODUCT_LABEL] for node in of_kind if PRODUCT_LABEL in node.labels})
    if request.product and request.product not in products:
        of = f"{kind} node" if request.gpus else "node"
        message = f'no {of} in "{cluster}"{suffix} has product {echo(request.product)}{there_are("", products)}'
        return ("accelerator", "product"), message
    fitting = [node for node in of_kind if request.product in (None, node.labels.get(PRODUCT_LABEL))]
    alike = [node for node in fitting if bool(node.capacity.accelerator.sharing) == request.shared]
    if not alike:
        there = "no node there shares its GPUs" if request.shared else "all nodes there share theirs"
        which = "a part of a GPU" if request.shared else "whole GPUs"
        return ("accelerator", "shared"), f'asks for {which} in "{cluster}", and {there}'
    most = max(node.capacity.accelerator.advertised for node in alike)
    largest = f'the largest node{suffix} in "{cluster}" has {most}'
    return ("accelerator",), f"asks for {request.gpus} {kind} GPUs on one node; {largest}"
