"""Ray Serve: one model over many pods, which its own autoscaler adds and takes away, run by KubeRay."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, PositiveInt, model_validator

from components.accelerators import AcceleratorRequest
from components.engines.engine import Workload
from components.engines.operator import MAIN, Asked, Beside, CustomResource, Group, OperatorEngine
from components.engines.versions import RAY_LLM, RAY_LLM_ARCHITECTURES, RAY_VERSION
from components.engines.vllm_server import OFFLINE
from components.section import Name, Section
from components.workload.spec import Container, Peer, Placement, Pod, Resources

HEAD = "head"
PORT = 8000
DASHBOARD = 8265
METRICS = 8080
HEAD_PORTS = {"serve": PORT, "dashboard": DASHBOARD, "gcs-server": 6379, "client": 10001, "metrics": METRICS}
"""As KubeRay 1.6.2 names them: controllers/ray/utils/constant.go. Its operator finds them by name."""
WORKER_PORTS = {"serve": PORT, "metrics": METRICS}
API_SERVER_PORTS = (443, 6443)
HOME = "/scratch/home"
OWN_GROUP = 100
"""Only it and its owner may read the image's Python: docker/base-deps/Dockerfile of Ray, `RAY_GID`."""
OBJECT_STORE_BYTES = 2**30
"""Memory for what Ray's processes hand each other: requests and answers, never weights."""
WRITABLE = ("scratch", "shared-memory")


class Autoscaling(Section):
    """Replicas between `replicas` and a maximum, each a pod with its GPUs."""

    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Most replicas that there may be."""
    target_ongoing_requests: PositiveInt = 32
    """Requests in flight that a replica should have; more than that calls for another one."""


class RayServe(OperatorEngine):
    """Ray Serve LLM, which is vLLM behind Ray's router and autoscaler; KubeRay must be in the cluster.

    Its API asks for no key: network policies alone keep everybody out but the gateway and `clients`. Ray's own ports
    ask for a token, which the operator makes.
    """

    IMAGES = RAY_LLM
    ARCHITECTURES = RAY_LLM_ARCHITECTURES
    GROUPS = (HEAD, MAIN)
    OPERATOR_PORTS = (DASHBOARD, PORT)

    kind: Literal["ray-serve"]
    """Which engine."""
    model: Name
    """One of `models`."""
    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on."""
    context_length: PositiveInt | None = None
    """Longest prompt plus answer, in tokens; the model's own limit when not set."""
    gpu_memory_utilization: Annotated[float, Field(ge=0.01, le=1)] = 0.9
    """Share of the GPU's memory that vLLM takes."""
    engine_options: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict[str, str | int | float | bool], examples=[{"enable_prefix_caching": True}]
    )
    """Further arguments of vLLM's `EngineArgs`, by their names there."""
    autoscaling: Autoscaling | None = None
    """More replicas while there are more requests; always `replicas` of them when not set."""
    head: Resources = Resources(cpu="2", memory="8Gi")
    """CPU and memory of the head pod, which serves no model and needs no GPU."""
    operator_namespace: Name = "kuberay-system"
    """Where KubeRay's operator runs."""

    @property
    def beside(self) -> Mapping[tuple[str, ...], Beside]:
        """The head, of the workers' own image."""
        return {(HEAD,): Beside(resources=self.head, built_for=self.built_for)}

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.extra_args:
            raise ValueError("Ray Serve takes no extraArgs; name vLLM's arguments in engineOptions")
        if not self.replicas and not self.autoscaling:
            raise ValueError("Ray Serve runs with 0 replicas only under autoscaling; set it, or remove the engine")
        if self.autoscaling and self.autoscaling.max_replicas < self.replicas:
            raise ValueError(f"autoscaling.maxReplicas is less than replicas ({self.replicas})")
        return self

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Its one model."""
        return {("model",): self.model}

    @property
    def most_replicas(self) -> int:
        """As its settings say."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """What a worker has beside `ray start`, which the operator writes; `serve_config` says what is served."""
        del models
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            ports={"http": PORT, "metrics": METRICS},
            health="/-/healthz",
            metrics="/metrics",
            env={
                "HOME": HOME,
                "USER": "ray",
                "XDG_CACHE_HOME": f"{HOME}/.cache",
                **OFFLINE,
                "RAY_USAGE_STATS_ENABLED": "0",
            },
            # For tensor parallel workers and Ray's object store.
            shared_memory="4Gi",
        )

    def serve_config(self, models: Mapping[Name, str]) -> dict[str, Any]:
        """What is served, as Ray's `ServeDeploySchema` takes it, with arguments of `ray.serve.llm`'s `LLMConfig`."""
        scaling: dict[str, Any] = {"num_replicas": self.replicas}
        if self.autoscaling:
            bounds = {"min_replicas": self.replicas, "max_replicas": self.autoscaling.max_replicas}
            target = self.autoscaling.target_ongoing_requests
            scaling = {"autoscaling_config": {**bounds, "target_ongoing_requests": target}}
        served = {
            "model_loading_config": {"model_id": self.name, "model_source": models[self.model]},
            "engine_kwargs": {
                "tensor_parallel_size": self.accelerator.count,
                "gpu_memory_utilization": self.gpu_memory_utilization,
                **({"max_model_len": self.context_length} if self.context_length else {}),
                **self.engine_options,
            },
            "deployment_config": {**scaling, "graceful_shutdown_timeout_s": self.drain_seconds},
        }
        return {
            "proxy_location": "EveryNode",
            "http_options": {"host": "0.0.0.0", "port": PORT},
            "applications": [
                {
                    "name": self.name,
                    "route_prefix": "/",
                    "import_path": "ray.serve.llm:build_openai_app",
                    "args": {"llm_configs": [served]},
                }
            ],
        }

    def groups(self, pod: Pod, elsewhere: Placement) -> Mapping[str, Group]:
        """Workers with GPUs and models, and the head that directs them."""
        (container,) = pod.containers
        mounts = {path: volume for path, volume in container.mounts.items() if volume in WRITABLE}
        head = replace(
            _in_ray(container, HEAD_PORTS), resources=self.head, devices={}, secret_env={}, mounts=mounts, read_only=()
        )
        return {
            HEAD: Group(
                pod=Pod(
                    containers=[head],
                    volumes={name: pod.volumes[name] for name in WRITABLE},
                    placement=_readable(elsewhere),
                    grace_seconds=pod.grace_seconds,
                    priority=pod.priority,
                    api_token=bool(self.autoscaling),
                ),
                replicas=1,
                # Its autoscaler tells Kubernetes how many workers there should be.
                egress=[Peer(port=port) for port in API_SERVER_PORTS] if self.autoscaling else (),
            ),
            MAIN: Group(
                pod=replace(pod, containers=[_in_ray(container, WORKER_PORTS)], placement=_readable(pod.placement)),
                replicas=self.replicas,
            ),
        }

    def custom_resource(self, templates: Mapping[str, Mapping[str, Any]], asked: Asked) -> CustomResource:
        """A RayService. Without room for all of it twice it is never updated by a second cluster beside the first."""
        started = {"object-store-memory": str(OBJECT_STORE_BYTES)}
        return CustomResource(
            api_version="ray.io/v1",
            kind="RayService",
            ready="condition=Ready",
            fixed=tuple(
                f"spec.rayClusterConfig.{part}"
                for part in ("rayVersion", "headGroupSpec", "workerGroupSpecs[*].template", "autoscalerOptions")
            ),
            spec={
                "serveConfigV2": yaml.safe_dump(self.serve_config(asked.models), sort_keys=False),
                "upgradeStrategy": {"type": "NewCluster" if asked.surge else "None"},
                "rayClusterDeletionDelaySeconds": self.drain_seconds,
                # The engine's own name, as every other has; its selector is the operator's, so ports are too.
                "serveService": {"metadata": {"name": self.name}, "spec": {"type": "ClusterIP"}},
                "rayClusterConfig": {
                    "rayVersion": RAY_VERSION,
                    "authOptions": {"mode": "token"},
                    **self._autoscaler(),
                    "headGroupSpec": {
                        "rayStartParams": {**started, "num-cpus": "0", "num-gpus": "0"},
                        "template": templates[HEAD],
                    },
                    "workerGroupSpecs": [
                        {
                            "groupName": "workers",
                            "replicas": self.replicas,
                            "minReplicas": self.replicas,
                            "maxReplicas": self.most_replicas,
                            "rayStartParams": started,
                            "template": templates[MAIN],
                        }
                    ],
                },
            },
        )

    def _autoscaler(self) -> dict[str, Any]:
        """A container of the operator's beside the head, closed as ours are."""
        if not self.autoscaling:
            return {}
        return {
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "env": [{"name": "HOME", "value": HOME}],
                "volumeMounts": [{"name": "scratch", "mountPath": path} for path in ("/tmp", "/scratch")],
            },
        }


def _in_ray(container: Container, ports: Mapping[str, int]) -> Container:
    """Without probes: the operator has its own, since a worker without a replica is well and serves nothing."""
    startup = str(container.health.startup_seconds) if container.health else ""
    return replace(container, ports=ports, health=None, env={**container.env, "RAYLLM_ENGINE_START_TIMEOUT_S": startup})


def _readable(placement: Placement) -> Placement:
    return replace(placement, groups=(*placement.groups, OWN_GROUP))
