"""From any engine to the objects that serve it."""

from collections.abc import Mapping

import pulumi

from components.accelerators import ACCELERATOR_LABEL, ACCELERATORS, PRODUCT_LABEL, SHARED_LABEL
from components.cluster.settings import ClusterSettings
from components.engines.adapters import DIRECTORY, VOLUME, VOLUMES, Origin, bring
from components.engines.engine import Engine, Workload
from components.engines.loading import Loading, loading
from components.storage.model import Model
from components.storage.object_store import ObjectStore
from components.workload.application import Application, Server
from components.workload.spec import Container, Health, Peer, Placement, Pod, Scratch, Volume


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
        models: Mapping[str, Model],
        store: ObjectStore,
        cluster: ClusterSettings,
        namespace: str,
        clients: tuple[str, ...],
        program_image: str,
        origin: Origin,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it.

        `clients` are the namespaces whose pods may send requests, `program_image` is what our own program runs in, and
        `origin` is for adapters from elsewhere.
        """
        super().__init__("inference:engines:InferenceService", name, None, opts)
        loaded = loading(engine, models[engine.model], store, cluster.cache, program_image)
        if engine.lora_adapters or engine.loads_adapters:
            brought = bring(
                engine.lora_adapters,
                models,
                store,
                engine=engine.name,
                image=program_image,
                origin=origin,
                runtime=engine.loads_adapters,
            )
            loaded = loaded.also(brought, volumes=VOLUMES, mounts={DIRECTORY: VOLUME})
        workload = engine.workload(loaded.path)
        server = Server(
            name=engine.name,
            part="engine",
            pod=Pod(
                init_containers=loaded.before,
                containers=[_serve(engine, workload, loaded)],
                volumes={**loaded.volumes, **_volumes(workload)},
                placement=placement(engine, cluster),
            ),
            ports={"http": workload.port},
            clients=[Peer(port=workload.port, namespace=client) for client in clients],
            egress=[store.peer, *origin.peers],
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


def _serve(engine: Engine, workload: Workload, loaded: Loading) -> Container:
    resource = ACCELERATORS[engine.accelerator.kind].resource
    shared_memory = {"/dev/shm": "shared-memory"} if workload.shared_memory else {}
    return Container(
        name="engine",
        image=workload.image,
        args=workload.args,
        env={**workload.env, **loaded.env},
        secret_env=loaded.secret_env,
        ports={"http": workload.port},
        mounts={"/tmp": "scratch", "/scratch": "scratch", **loaded.mounts, **shared_memory},
        read_only=tuple(loaded.mounts),
        health=Health(path=workload.health, port=workload.port, startup_seconds=engine.startup_seconds),
        resources=engine.resources,
        devices={resource: engine.accelerator.count} if resource else {},
    )


def _volumes(workload: Workload) -> dict[str, Volume]:
    scratch: dict[str, Volume] = {"scratch": Scratch(size="20Gi")}
    if workload.shared_memory:
        scratch["shared-memory"] = Scratch(size=workload.shared_memory, memory=True)
    return scratch
