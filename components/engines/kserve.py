"""KServe: one model in MLServer or Triton, with what comes before and beside it, run by KServe's controller."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.engines.companion import CONTAINER, PORT, SCRATCH, Companion, companion_pod
from components.engines.engine import Workload
from components.engines.inline import inline_pod
from components.engines.mlserver import IMPLEMENTATIONS
from components.engines.operator import MAIN, Asked, Beside, CustomResource, Group, OperatorEngine
from components.engines.versions import KSERVE, KSERVE_ARCHITECTURES, MLSERVER
from components.section import Name, Section
from components.workload.spec import Container, Placement, Pod

PORTS = {"http": PORT, "grpc": 8081, "metrics": 8082}
"""KServe's Service sends requests to the first one."""
AUTOSCALER = "serving.kserve.io/autoscalerClass"
TRANSFORMER = "transformer"
EXPLAINER = "explainer"
Runtime = Literal["mlserver", "triton"]
ModelFormat = Literal[
    "sklearn", "xgboost", "lightgbm", "catboost", "mlflow", "onnx", "tensorrt", "pytorch", "openvino", "python"
]
FORMATS: Mapping[Runtime, tuple[ModelFormat, ...]] = {
    "mlserver": ("sklearn", "xgboost", "lightgbm", "catboost", "mlflow"),
    "triton": ("onnx", "tensorrt", "pytorch", "openvino", "python"),
}
"""Which runtime takes what."""


class ResourceScaling(Section):
    """Replicas between `replicas` and a maximum, by what they use of what they are promised."""

    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Most replicas that there may be."""
    metric: Literal["cpu", "memory"] = "cpu"
    """What is looked at."""
    target_percent: Annotated[int, Field(ge=1, le=100)] = 80
    """How much of what `resources` promises a replica should use; more than that calls for another one."""


class KServe(OperatorEngine):
    """A KServe InferenceService in Standard mode, in plain Deployments; KServe 0.16 or later must be in the cluster.

    Its API asks for no key: network policies keep everybody out but `clients`, and KServe makes no Ingress for it.
    """

    IMAGES = KSERVE
    ARCHITECTURES = KSERVE_ARCHITECTURES
    PROTOCOL = "v2"
    OPERATOR_PORTS = ()
    GROUPS = (MAIN, TRANSFORMER, EXPLAINER)

    kind: Literal["kserve"]
    """Which engine."""
    model: Name
    """One of `models`."""
    runtime: Runtime
    """The server: Seldon's MLServer, or NVIDIA's Triton. For Triton the model is a model repository, a directory in
    which each model has one, with its versions."""
    model_format: ModelFormat
    """What the model is. Pickled ones (sklearn, mlflow) and python are code: serve only those whose origin you trust.
    """
    autoscaler: ResourceScaling | None = None
    """More replicas while they are busy; always `replicas` of them when not set."""
    transformer: Companion | None = None
    """What requests go to first: it prepares them, asks the model, and works on its answers."""
    explainer: Companion | None = None
    """What explains answers, at the Service `NAME-explainer`."""
    operator_namespace: Name = "kserve"
    """Where KServe's controller runs."""

    @property
    def beside(self) -> Mapping[tuple[str, ...], Beside]:
        """Transformer and explainer."""
        return {(name, "resources"): Beside(resources=one.resources) for name, one in self._companions().items()}

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.model_format not in FORMATS[self.runtime]:
            takes = ", ".join(FORMATS[self.runtime])
            other = next(one for one, formats in FORMATS.items() if self.model_format in formats)
            raise ValueError(
                f"{self.runtime} cannot serve {self.model_format}; it takes {takes}. Set runtime: {other}, or another "
                "modelFormat"
            )
        if self.runtime == "mlserver" and self.accelerator.gpus:
            raise ValueError("MLServer computes on CPUs; set accelerator.kind: cpu, or runtime: triton")
        if self.runtime == "mlserver" and self.extra_args:
            raise ValueError("`mlserver start` takes no arguments; remove extraArgs")
        if self.autoscaler and not self.replicas:
            raise ValueError("an autoscaler never goes down to 0 replicas; set 1 or more")
        if self.autoscaler and self.autoscaler.max_replicas < self.replicas:
            raise ValueError(f"autoscaler.maxReplicas is less than replicas ({self.replicas})")
        return self

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Its one model."""
        return {("model",): self.model}

    @property
    def most_replicas(self) -> int:
        """As its settings say."""
        return self.autoscaler.max_replicas if self.autoscaler else self.replicas

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """The server; KServe adds nothing but the name of its object."""
        return self._triton(models[self.model]) if self.runtime == "triton" else self._mlserver(models[self.model])

    def _triton(self, repository: str) -> Workload:
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            command=("tritonserver",),
            args=(
                f"--model-repository={repository}",
                *(f"--{name}-port={port}" for name, port in PORTS.items()),
                *self.extra_args,
            ),
            ports=PORTS,
            health="/v2/health/ready",
            alive="/v2/health/live",
            metrics="/metrics",
            env={"HOME": f"{SCRATCH}/home"},
            # For its Python backend.
            shared_memory="1Gi",
        )

    def _mlserver(self, directory: str) -> Workload:
        """Settings as in its settings.py; a `model-settings.json` beside the model goes before what is said here."""
        return Workload(
            image=MLSERVER["cpu"],
            command=("mlserver", "start", directory),
            ports=PORTS,
            health="/v2/health/ready",
            alive="/v2/health/live",
            metrics="/metrics",
            env={
                "HOME": f"{SCRATCH}/home",
                "NUMBA_CACHE_DIR": f"{SCRATCH}/numba",
                "MLSERVER_METRICS_DIR": f"{SCRATCH}/metrics",
                "MLSERVER_ENVIRONMENTS_DIR": f"{SCRATCH}/environments",
                **{f"MLSERVER_{name.upper()}_PORT": str(port) for name, port in PORTS.items()},
                "MLSERVER_MODEL_NAME": self.name,
                "MLSERVER_MODEL_IMPLEMENTATION": IMPLEMENTATIONS[self.model_format],
                "MLSERVER_MODEL_URI": directory,
            },
        )

    def groups(self, pod: Pod, elsewhere: Placement) -> Mapping[str, Group]:
        """Servers with the model, and what is before and beside them."""
        (server,) = pod.containers
        predictor = replace(
            pod,
            init_containers=[_without_search_path(one) for one in pod.init_containers],
            containers=[replace(server, name=CONTAINER)],
        )
        return {
            MAIN: Group(pod=predictor, replicas=self.replicas),
            **{
                name: Group(pod=companion_pod(one, pod, elsewhere), replicas=one.replicas)
                for name, one in self._companions().items()
            },
        }

    def custom_resource(self, templates: Mapping[str, Mapping[str, Any]], asked: Asked) -> CustomResource:
        """An InferenceService with a whole pod and no storage URI: see docs/decisions/0015."""
        return CustomResource(
            api_version="serving.kserve.io/v1beta1",
            kind="InferenceService",
            ready="condition=Ready",
            annotations={
                "serving.kserve.io/deploymentMode": "Standard",
                AUTOSCALER: "hpa" if self.autoscaler else "none",
            },
            labels={"networking.kserve.io/visibility": "cluster-local"},
            asked=TRANSFORMER if self.transformer else MAIN,
            spec={
                "predictor": {
                    **inline_pod(templates[MAIN]),
                    "minReplicas": self.replicas,
                    **self._scaling(),
                    "deploymentStrategy": _rolling(surge=asked.surge),
                },
                **{
                    name: {
                        **inline_pod(templates[name]),
                        "annotations": {AUTOSCALER: "none"},
                        "minReplicas": one.replicas,
                    }
                    for name, one in self._companions().items()
                },
            },
        )

    def _companions(self) -> Mapping[str, Companion]:
        there = {TRANSFORMER: self.transformer, EXPLAINER: self.explainer}
        return {name: one for name, one in there.items() if one}

    def _scaling(self) -> dict[str, Any]:
        if not self.autoscaler:
            return {}
        return {
            "maxReplicas": self.autoscaler.max_replicas,
            "scaleMetric": self.autoscaler.metric,
            "scaleTarget": self.autoscaler.target_percent,
        }


def _without_search_path(container: Container) -> Container:
    """KServe refuses PYTHONPATH in every container; `python -m` looks in its working directory just as well."""
    env = {name: value for name, value in container.env.items() if name != "PYTHONPATH"}
    return replace(container, env=env, working_directory=container.env.get("PYTHONPATH"))


def _rolling(*, surge: bool) -> dict[str, Any]:
    more, fewer = (1, 0) if surge else (0, 1)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": more, "maxUnavailable": fewer}}
