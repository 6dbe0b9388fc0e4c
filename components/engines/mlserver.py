"""MLServer: scikit-learn, XGBoost, LightGBM, CatBoost and MLflow models over the Open Inference Protocol, on CPU."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints, field_validator, model_validator

from components.engines.engine import FILES, Argument, Engine, ModelFile, Workload
from components.engines.settings import each_once, listed_models
from components.engines.versions import MLSERVER, MLSERVER_ARCHITECTURES, MLSERVER_OF_ONE
from components.section import Name, Section, rule
from components.workload.spec import cpu_count

HTTP = 8080
GRPC = 8081
METRICS = 8082
SCRATCH = "/scratch"
Runtime = Literal["sklearn", "xgboost", "lightgbm", "catboost", "mlflow"]
IMPLEMENTATIONS: Mapping[str, str] = {
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "catboost": "mlserver_catboost.CatboostModel",
    "mlflow": "mlserver_mlflow.MLflowRuntime",
}
DRAIN = """\
import re, sys, time, urllib.request

IN_PROGRESS = re.compile(r'^rest_server_requests_in_progress\\{.*method="POST".*\\} (\\S+)$', re.MULTILINE)


def in_progress():
    with urllib.request.urlopen(sys.argv[1], timeout=5) as metrics:
        return sum(map(float, IN_PROGRESS.findall(metrics.read().decode())))


while in_progress():
    time.sleep(0.5)
"""
"""Asked to stop, it ends its workers first: requests that wait for them or for their batch would be answered with 500.
Of those over gRPC it does not tell how many there are. Usage: METRICS, a URL.
"""


class Batching(Section):
    """Requests that come close together are computed together: adaptive batching."""

    max_size: Annotated[int, Field(ge=2, le=10_000)]
    """Requests in one batch at most."""
    max_seconds: Annotated[float, Field(gt=0, le=60)]
    """How long the first request of a batch waits for others, in seconds."""


class MLServerModel(Section):
    """One model of an MLServer."""

    model: Name
    """One of `models`."""
    name: Name | None = None
    """What requests call it: `/v2/models/NAME/infer`. The model's own name when not set."""
    runtime: Runtime
    """What loads it. Pickled models (sklearn, mlflow) are code: serve only those whose origin you trust."""
    file: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$", max_length=200),
            rule("the name of a file", example="model.joblib"),
        ]
        | None
    ) = None
    """The file among the model's files; the one that the runtime looks for when not set, such as `model.joblib`."""
    batching: Batching | None = None
    """Adaptive batching; none when not set."""

    @property
    def served_as(self) -> Name:
        """What requests call it."""
        return self.name or self.model

    @model_validator(mode="after")
    def _directories_have_no_file(self) -> "MLServerModel":
        if self.runtime == "mlflow" and self.file:
            raise ValueError("cannot have a `file`: an MLflow model is a whole directory")
        return self


class MLServer(Engine):
    """Seldon's MLServer. Whoever may send requests may also unload its models: it has no keys of its own."""

    IMAGES = MLSERVER
    ARCHITECTURES = MLSERVER_ARCHITECTURES
    PROTOCOL = "v2"

    kind: Literal["mlserver"]
    """Which engine."""
    models: Annotated[tuple[MLServerModel, ...], Field(min_length=1, max_length=100)]
    """What it serves."""
    workers: Annotated[NonNegativeInt, Field(le=256)] = 1
    """Processes that compute, each with all models in its memory; 0 computes in the server's own."""

    @field_validator("models")
    @classmethod
    def _have_names_of_their_own(cls, models: tuple[MLServerModel, ...]) -> tuple[MLServerModel, ...]:
        each_once([one.served_as for one in models], remedy="set another `name` for one of them")
        return models

    @field_validator("extra_args")
    @classmethod
    def _has_no_arguments(cls, extra_args: tuple[Argument, ...]) -> tuple[Argument, ...]:
        if extra_args:
            raise ValueError("must be empty: `mlserver start` takes no arguments")
        return extra_args

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """All its models."""
        return listed_models(self.models)

    @property
    def opens(self) -> Mapping[tuple[str | int, ...], ModelFile]:
        """Those that are named."""
        return {
            ("models", number, "file"): ModelFile(model=one.model, file=one.file)
            for number, one in enumerate(self.models)
            if one.file
        }

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """It looks for `model-settings.json` in every folder below the one that it is started with."""
        return Workload(
            image=self._image(),
            command=("mlserver", "start", FILES),
            ports={"http": HTTP, "grpc": GRPC, "metrics": METRICS},
            health="/v2/health/ready",
            alive="/v2/health/live",
            metrics="/metrics",
            env={
                "HOME": f"{SCRATCH}/home",
                # Its image has this one below a root that is read-only here.
                "NUMBA_CACHE_DIR": f"{SCRATCH}/numba",
                # MLflow makes a directory for its own records, in the working directory otherwise.
                "MLFLOW_TRACKING_URI": f"file://{SCRATCH}/mlruns",
                # OpenMP and BLAS would start a thread for each CPU of the node, in each worker.
                "OMP_NUM_THREADS": str(self._threads()),
            },
            files={
                "settings.json": _text(self._settings()),
                **{f"{one.served_as}/model-settings.json": _text(_model(one, models)) for one in self.models},
            },
            drain=("python", "-c", DRAIN, f"http://127.0.0.1:{METRICS}/metrics"),
        )

    def _image(self) -> str:
        """The one with every runtime has several GB, so it is for several runtimes only."""
        runtimes = {one.runtime for one in self.models}
        return MLSERVER_OF_ONE[runtimes.pop()] if len(runtimes) == 1 else self.IMAGES[self.accelerator.kind]

    def _threads(self) -> int:
        cpus = cpu_count(self.resources.cpu_limit or self.resources.cpu)
        return max(1, int(cpus) // max(1, self.workers))

    def _settings(self) -> Mapping[str, object]:
        """As in mlserver/settings.py; what it writes into its working directory otherwise goes to scratch."""
        return {
            "http_port": HTTP,
            "grpc_port": GRPC,
            "metrics_port": METRICS,
            "parallel_workers": self.workers,
            "metrics_dir": f"{SCRATCH}/metrics",
            "environments_dir": f"{SCRATCH}/environments",
        }


def _model(one: MLServerModel, models: Mapping[Name, str]) -> Mapping[str, object]:
    directory = models[one.model]
    batching = one.batching
    return {
        "name": one.served_as,
        "implementation": IMPLEMENTATIONS[one.runtime],
        "parameters": {"uri": f"{directory}/{one.file}" if one.file else directory},
        **({"max_batch_size": batching.max_size, "max_batch_time": batching.max_seconds} if batching else {}),
    }


def _text(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2) + "\n"
