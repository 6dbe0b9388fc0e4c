"""From any engine to the objects that serve it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from components.accelerators import ACCELERATOR_LABEL, ACCELERATORS, PRODUCT_LABEL, SHARED_LABEL, AcceleratorRequest
from components.cluster.settings import ClusterSettings
from components.engines.adapters import DIRECTORY, VOLUME, VOLUMES, Origin, bring
from components.engines.engine import FILES, Engine, Workload
from components.engines.loading import Loading, loading
from components.engines.monitoring import NAMESPACE as MONITORING
from components.engines.monitoring import metrics_port, monitor
from components.engines.operated import OperatedService
from components.engines.operator import MAIN, OperatorEngine, group_labels
from components.engines.priorities import priority_class
from components.engines.scaling import scaler
from components.section import byte_count
from components.storage.model import Model
from components.storage.object_store import ObjectStore
from components.workload.application import Application, Server
from components.workload.around import file_key
from components.workload.pod import DRAIN_SECONDS, labels
from components.workload.spec import (
    ConfigFiles,
    Container,
    Health,
    Peer,
    Placement,
    Pod,
    Scratch,
    SecretKey,
    Update,
    Volume,
)

KEY = "key"
READY_SECONDS = 240
"""For a start, beside reading the model."""
READ_RATE = 2**26
"""Bytes a second that any store, disk or network should give: 64 MiB."""
ENDING_SECONDS = 15
"""For a server to end by itself, after its last request."""


class InferenceService(pulumi.ComponentResource):
    """Deployment, Service and their guards for one engine, or the custom resource of which an operator makes them.

    The Kubernetes provider comes from the parent, so the same objects can go to a cluster or into Git.
    """

    url: str
    """In-cluster base URL: of an OpenAI API for example `http://legal.inference:8000/v1`."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        models: Mapping[str, Model],
        store: ObjectStore,
        cluster: ClusterSettings,
        namespace: str,
        clients: Sequence[str],
        askers: Sequence[str] = (),
        program_image: str,
        origin: Origin,
        update: Update,
        operators: bool,
        monitored: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it.

        `clients` are the namespaces whose pods may send requests, and `askers` Jobs in its own; `program_image` is
        what our own program runs in, and `origin` is for adapters from elsewhere. An engine with a key finds it in the
        Secret `key_secret(NAME)`. `operators` says whether operators can run in the cluster, and `monitored` whether
        that of Prometheus does.
        """
        super().__init__("inference:engines:InferenceService", name, None, opts)
        loads = [models[one] for one in engine.loads]
        loaded = loading(engine, loads, store, cluster.cache, program_image)
        if engine.lora_adapters or engine.loads_adapters:
            brought = bring(
                engine.lora_adapters,
                models,
                store,
                engine=engine.name,
                image=program_image,
                origin=origin,
                runtime=engine.loads_adapters,
                engine_key=key_of(engine),
            )
            loaded = loaded.also(brought, volumes=VOLUMES, mounts={DIRECTORY: VOLUME})
        workload = engine.workload(loaded.paths)
        identity = store.identities.get(engine.name) if engine.reads else None
        read = metrics_port(workload) if monitored else None
        server = Server(
            name=engine.name,
            part="engine",
            pod=Pod(
                init_containers=loaded.before,
                containers=[_serve(engine, workload, loaded, startup_seconds(engine, loads))],
                volumes={**loaded.volumes, **_volumes(engine, workload)},
                placement=_admitted(placement(engine, cluster), workload),
                grace_seconds=DRAIN_SECONDS + engine.drain_seconds + ENDING_SECONDS,
                priority=priority_class(engine.priority),
            ),
            ports=workload.ports,
            clients=[
                *(Peer(port=port, namespace=one) for one in clients for port in _asked(workload)),
                *(Peer(port=workload.ports["http"], namespace=namespace, labels=labels(job, "job")) for job in askers),
                *([Peer(port=workload.ports[read], namespace=MONITORING)] if read else []),
            ],
            egress=[*store.peers, *origin.peers] if engine.reads or origin.peers else (),
            replicas=engine.most_replicas,
            scaled=engine.scaling is not None,
            update=update,
            files=workload.files,
            restart_on={
                **({"key": str(engine.key_generation)} if engine.key_variable else {}),
                **({"identity": identity.named} if identity else {}),
            },
            account=identity.annotations if identity else {},
            prepare_seconds=sum(_seconds(model) for model in loads),
        )
        child = pulumi.ResourceOptions(parent=self)
        if isinstance(engine, OperatorEngine):
            OperatedService(
                name,
                engine,
                server,
                models=loaded.paths,
                elsewhere=placement(engine, cluster, AcceleratorRequest()),
                operators=operators,
                namespace=namespace,
                opts=child,
            )
        else:
            Application(name, server, namespace=namespace, opts=child)
        if engine.scaling:
            scaler(
                name,
                engine.name,
                engine.scaling,
                engine.SIGNALS,
                namespace=namespace,
                startup_seconds=startup_seconds(engine, loads),
                opts=child,
            )
        if read:
            operated = isinstance(engine, OperatorEngine)
            found = group_labels(engine, MAIN) if operated else labels(engine.name, server.part)
            monitor(
                name,
                "PodMonitor" if operated else "ServiceMonitor",
                {"name": engine.name, "namespace": namespace, "labels": found},
                found,
                workload,
                key=key_of(engine),
                opts=child,
            )
        base = f"http://{engine.name}.{namespace}:{workload.ports['http']}"
        self.url = f"{base}/v1" if engine.speaks == "openai" else base
        self.register_outputs({"url": self.url})


def key_secret(engine: str) -> str:
    """The Secret with the key that the engine's requests must show, below `KEY`."""
    return f"{engine}-api-key"


def key_of(engine: Engine) -> SecretKey | None:
    """What requests to it must show; None where it asks for nothing."""
    return SecretKey(secret=key_secret(engine.name), key=KEY) if engine.key_variable else None


def startup_seconds(engine: Engine, models: Sequence[Model]) -> int:
    """As its settings say, or long enough to read all of its models."""
    return engine.startup_seconds or READY_SECONDS + sum(_seconds(model) for model in models)


def _seconds(model: Model) -> int:
    return -(-byte_count(model.size) // READ_RATE)


def _asked(workload: Workload) -> Sequence[int]:
    return [port for name, port in workload.ports.items() if name != "metrics"]


def placement(engine: Engine, cluster: ClusterSettings, request: AcceleratorRequest | None = None) -> Placement:
    """Labels, taints, runtime class and device groups that the engine's accelerator asks for, or another `request`."""
    request = request or engine.accelerator
    selector = dict(engine.node_selector)
    if request.gpus:
        selector[ACCELERATOR_LABEL] = request.kind
    if request.gpus and cluster.shares:
        selector[SHARED_LABEL] = str(request.shared).lower()
    if request.product:
        selector[PRODUCT_LABEL] = request.product
    taints = cluster.tolerated(request, selector)
    there = {shape.capacity.arch for shape in cluster.candidates(request, selector)}
    supported = there.intersection(engine.built_for)
    if supported and supported != there:
        selector["kubernetes.io/arch"] = min(supported)  # there are two, and it is not built for the other
    return Placement(
        node_selector=selector,
        taints=taints,
        groups=cluster.groups(request),
        runtime_class=ACCELERATORS[request.kind].runtime_class,
    )


def devices(engine: Engine) -> Mapping[str, int]:
    """GPUs of one replica, by the name under which Kubernetes counts them."""
    resource = ACCELERATORS[engine.accelerator.kind].resource
    return {resource: engine.accelerator.count} if resource else {}


def _admitted(where: Placement, workload: Workload) -> Placement:
    return replace(where, groups=[*where.groups, *workload.groups])


def _serve(engine: Engine, workload: Workload, loaded: Loading, startup: int) -> Container:
    key = key_of(engine)
    shared_memory = {"/dev/shm": "shared-memory"} if workload.shared_memory else {}
    files = {FILES: "files"} if workload.files else {}
    return Container(
        name="engine",
        image=workload.image,
        command=workload.command,
        args=workload.args,
        env={**workload.env, **loaded.env},
        secret_env={
            **workload.secret_env,
            **loaded.secret_env,
            **({engine.key_variable: key} if engine.key_variable and key else {}),
        },
        ports=workload.ports,
        mounts={"/tmp": "scratch", "/scratch": "scratch", **loaded.mounts, **shared_memory, **files},
        read_only=(*loaded.mounts, *files),
        health=Health(
            path=workload.alive or workload.health,
            ready_path=workload.health,
            port=workload.ports["http"],
            startup_seconds=startup,
            starts_ready=True,
        ),
        resources=engine.resources,
        devices=devices(engine),
        writable_root=workload.writable_root,
        drain=workload.drain,
    )


def _volumes(engine: Engine, workload: Workload) -> dict[str, Volume]:
    volumes: dict[str, Volume] = {"scratch": Scratch(size="20Gi")}
    if workload.shared_memory:
        volumes["shared-memory"] = Scratch(size=workload.shared_memory, memory=True)
    if workload.files:
        folders = any("/" in path for path in workload.files)
        paths = {file_key(path): path for path in workload.files} if folders else {}
        volumes["files"] = ConfigFiles(config_map=f"{engine.name}-config", paths=paths)
    return volumes
