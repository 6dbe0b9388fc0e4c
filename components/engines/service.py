"""From any engine to the objects that serve it."""

from pathlib import Path

import pulumi

from components.accelerators import ACCELERATOR_LABEL, ACCELERATORS, PRODUCT_LABEL, SHARED_LABEL
from components.cluster.settings import ClusterSettings
from components.engines.engine import Engine, Workload
from components.section import byte_count
from components.storage.object_store import ObjectStore
from components.storage.settings import Model
from components.storage.versions import FETCH
from components.workload.application import Application, Server
from components.workload.spec import (
    ConfigFiles,
    Container,
    Health,
    Peer,
    Placement,
    Pod,
    Resources,
    Scratch,
    Volume,
)

FETCH_PROGRAM = Path(__file__).parents[1] / "storage" / "fetch.py"
FETCH_CONFIG_MAP = "fetch-model"
MODELS = "/models"


class InferenceService(pulumi.ComponentResource):
    """Deployment, Service and their guards for one engine.

    The Kubernetes provider comes from the parent, so the same objects can go to a cluster or into Git.
    """

    url: str
    """In-cluster base URL of the OpenAI API, for example `http://legal.inference:8000/v1`."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        model: Model,
        store: ObjectStore,
        cluster: ClusterSettings,
        namespace: str,
        clients: tuple[str, ...],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`clients` are the namespaces whose pods may send requests."""
        super().__init__("inference:engines:InferenceService", name, None, opts)
        streamed = engine.LOADING == "stream"
        workload = engine.workload(store.uri(model) if streamed else f"{MODELS}/{model.prefix}")
        server = Server(
            name=engine.name,
            part="engine",
            pod=Pod(
                init_containers=[_fetch(engine, model, store)],
                containers=[_serve(engine, workload, store)],
                volumes=_volumes(model, workload, cached=not streamed),
                placement=placement(engine, cluster),
            ),
            ports={"http": workload.port},
            clients=[Peer(port=workload.port, namespace=client) for client in clients],
            egress=[store.peer],
            replicas=engine.replicas,
            # A new pod beside the old one would wait for a GPU that only the old one can free.
            update="in-place" if engine.accelerator.gpus else "surge",
        )
        Application(name, server, namespace=namespace, opts=pulumi.ResourceOptions(parent=self))
        self.url = f"http://{engine.name}.{namespace}:{workload.port}/v1"
        self.register_outputs({"url": self.url})


def placement(engine: Engine, cluster: ClusterSettings) -> Placement:
    """Labels, taints, runtime class and device groups that the engine's accelerator asks for."""
    request = engine.accelerator
    selector = dict(engine.node_selector)
    if request.gpus:
        selector[ACCELERATOR_LABEL] = request.kind
    if request.gpus and cluster.shares:
        selector[SHARED_LABEL] = str(request.shared).lower()
    if request.product:
        selector[PRODUCT_LABEL] = request.product
    taints = cluster.tolerated(request, selector)
    there = {shape.capacity.arch for shape in cluster.candidates(request, selector)}
    supported = there.intersection(engine.ARCHITECTURES[request.kind])
    if supported and supported != there:
        selector["kubernetes.io/arch"] = min(supported)  # there are two, and it is not built for the other
    return Placement(
        node_selector=selector,
        taints=taints,
        groups=cluster.groups(request),
        runtime_class=ACCELERATORS[request.kind].runtime_class,
    )


def _serve(engine: Engine, workload: Workload, store: ObjectStore) -> Container:
    streamed = engine.LOADING == "stream"
    resource = ACCELERATORS[engine.accelerator.kind].resource
    mounts = {"/tmp": "scratch", "/scratch": "scratch"} | ({} if streamed else {MODELS: "models"})
    return Container(
        name="engine",
        image=workload.image,
        args=workload.args,
        env={**workload.env, **(store.environment() if streamed else {})},
        secret_env=store.reader_environment(engine.name) if streamed else {},
        ports={"http": workload.port},
        mounts=mounts | ({"/dev/shm": "shared-memory"} if workload.shared_memory else {}),
        health=Health(path=workload.health, port=workload.port, startup_seconds=engine.startup_seconds),
        resources=engine.resources,
        devices={resource: engine.accelerator.count} if resource else {},
    )


def _fetch(engine: Engine, model: Model, store: ObjectStore) -> Container:
    """Checks that the model is complete, and copies it where the engine reads files: never half a model."""
    streamed = engine.LOADING == "stream"
    return Container(
        name="model",
        image=FETCH,
        command=("python", f"/program/{FETCH_PROGRAM.name}"),
        args=("check", store.uri(model)) if streamed else ("copy", store.uri(model), f"{MODELS}/{model.prefix}"),
        env=store.environment(),
        secret_env=store.reader_environment(engine.name),
        resources=Resources(cpu="250m", memory="256Mi", cpu_limit="2", memory_limit="1Gi"),
        mounts={"/program": "program"} | ({} if streamed else {MODELS: "models"}),
    )


def _volumes(model: Model, workload: Workload, *, cached: bool) -> dict[str, Volume]:
    volumes: dict[str, Volume] = {
        "program": ConfigFiles(config_map=FETCH_CONFIG_MAP),
        "scratch": Scratch(size="20Gi"),
    }
    if cached:
        # A tenth more than the model: file systems keep some for themselves.
        volumes["models"] = Scratch(size=f"{-(-byte_count(model.size) * 11 // 10 // 2**20)}Mi")
    if workload.shared_memory:
        volumes["shared-memory"] = Scratch(size=workload.shared_memory, memory=True)
    return volumes
