"""TorchServe: PyTorch model archives with their own handlers. Unmaintained, so only for those who say so."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, StringConstraints, field_validator, model_validator

from components.engines.engine import FILES, Engine, ModelFile, Workload
from components.engines.settings import each_once, listed_models
from components.engines.versions import TORCHSERVE, TORCHSERVE_ARCHITECTURES
from components.section import Name, Section, rule

HTTP = 8080
MANAGEMENT = 8081
METRICS = 8082
GRPC = 7070
GRPC_MANAGEMENT = 7071
HOME = "/scratch/torchserve"
START = """\
set -eu
home=$1 config=$2
shift 2
rm -rf "$home"
mkdir -p "$home/store" "$home/tmp"
while [ "$1" != -- ]; do
    [ -f "$2" ] || { echo "there is no file $2" >&2; exit 1; }
    ln -s "$2" "$home/store/$1.mar"
    shift 2
done
shift
exec torchserve --start --foreground --ncs --ts-config "$config" "$@"
"""
"""Usage: HOME CONFIG [MODEL ARCHIVE]... -- [ARGUMENT]... It knows one directory of archives, and ignores what is not
there; `--ncs` keeps it from coming back with the models of an earlier life.
"""


class TorchServeModel(Section):
    """One model archive of a TorchServe."""

    model: Name
    """One of `models`."""
    file: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\.mar$", max_length=200),
        rule("the name of a .mar file", example="densenet.mar"),
    ]
    """The archive among the model's files, as `torch-model-archiver` writes it. It is code that runs in the pod. One
    that cannot be read is only told in the log: requests for it are answered with 404."""
    name: Name | None = None
    """What requests call it: `/predictions/NAME`. The model's own name when not set."""
    version: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40),
        rule("a version: letters, digits, . _ -", example="1.0"),
    ] = "1.0"
    """The version in the archive; the settings below are ignored for any other. An archive's own come first."""
    batch_size: Annotated[PositiveInt, Field(le=10_000)] = 1
    """Requests that its handler gets at once, at most."""
    max_batch_delay: Annotated[PositiveInt, Field(le=60_000)] = 100
    """How long a batch waits to be full, in milliseconds."""
    min_workers: Annotated[PositiveInt, Field(le=256)] = 1
    """Processes that it always has, each with the model in its memory."""
    max_workers: Annotated[PositiveInt, Field(le=256)] = 1
    """Processes that it may have."""
    response_timeout: Annotated[PositiveInt, Field(le=24 * 3600)] = 120
    """Seconds that a worker may take for one answer before it is started again."""

    @property
    def served_as(self) -> Name:
        """What requests call it."""
        return self.name or self.model

    @model_validator(mode="after")
    def _no_fewer_than_at_least(self) -> Self:
        if self.max_workers < self.min_workers:
            raise ValueError(f"has maxWorkers {self.max_workers}, which is less than minWorkers ({self.min_workers})")
        return self


class TorchServe(Engine):
    """PyTorch's TorchServe: no fixes and no security patches since 2025. Only its inference port can be reached."""

    IMAGES = TORCHSERVE
    ARCHITECTURES = TORCHSERVE_ARCHITECTURES
    PROTOCOL = "http"
    CAUTION = "TorchServe gets no security patches any more; Triton, MLServer and KServe do"

    kind: Literal["torchserve"]
    """Which engine."""
    unmaintained: Annotated[
        Literal["accept"],
        rule(
            "accept, if you can live without security patches: TorchServe gets none; "
            "Triton, MLServer and KServe are maintained",
            example="accept",
        ),
    ]
    """`accept` says that you know: nobody mends it. Triton, MLServer and KServe are maintained."""
    models: Annotated[tuple[TorchServeModel, ...], Field(min_length=1, max_length=100)]
    """What it serves."""
    queue_size: Annotated[PositiveInt, Field(le=100_000)] = 100
    """Requests that wait for each model, at most; one more is refused with 503."""

    @field_validator("models")
    @classmethod
    def _have_names_of_their_own(cls, models: tuple[TorchServeModel, ...]) -> tuple[TorchServeModel, ...]:
        each_once([one.served_as for one in models], remedy="set another `name` for one of them")
        return models

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """All its models."""
        return listed_models(self.models)

    @property
    def opens(self) -> Mapping[tuple[str | int, ...], ModelFile]:
        """The archives."""
        return {
            ("models", number, "file"): ModelFile(model=one.model, file=one.file)
            for number, one in enumerate(self.models)
        }

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Flags as in ts/arg_parser.py, keys of its file as in ConfigManager.java."""
        archives = [text for one in self.models for text in (one.served_as, f"{models[one.model]}/{one.file}")]
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            command=("sh", "-c", START, "start"),
            args=(HOME, f"{FILES}/config.properties", *archives, "--", *self.extra_args),
            ports={"http": HTTP, "metrics": METRICS},
            health="/ping",
            metrics="/metrics",
            env={
                "HOME": HOME,
                # Where it unpacks archives, and keeps the number of its process.
                "TEMP": f"{HOME}/tmp",
                "LOG_LOCATION": f"{HOME}/logs",
                "METRICS_LOCATION": f"{HOME}/logs",
            },
            files={"config.properties": "".join(f"{key}={value}\n" for key, value in self._properties().items())},
            drain=("sh", "-c", _drain()),
        )

    def _properties(self) -> Mapping[str, object]:
        return {
            "inference_address": f"http://0.0.0.0:{HTTP}",
            "management_address": f"http://127.0.0.1:{MANAGEMENT}",
            "metrics_address": f"http://0.0.0.0:{METRICS}",
            "grpc_inference_address": "127.0.0.1",
            "grpc_inference_port": GRPC,
            "grpc_management_address": "127.0.0.1",
            "grpc_management_port": GRPC_MANAGEMENT,
            "model_store": f"{HOME}/store",
            "load_models": ",".join(f"{one.served_as}={one.served_as}.mar" for one in self.models),
            "models": json.dumps({one.served_as: {one.version: _model(one)} for one in self.models}),
            "default_workers_per_model": 1,
            "job_queue_size": self.queue_size,
            "install_py_dep_per_model": "false",
            "enable_model_api": "false",
            "allowed_urls": "none",
            # Its tokens are made up at each start in a file of the pod, and end after an hour: no client can know
            # them. Who may send requests is said by the network policy.
            "disable_token_authorization": "true",
            "metrics_mode": "prometheus",
            "disable_system_metrics": "true",
        }


def _model(one: TorchServeModel) -> Mapping[str, object]:
    fields = one.model_dump(
        by_alias=True, include={"batch_size", "max_batch_delay", "min_workers", "max_workers", "response_timeout"}
    )
    return {"defaultVersion": True, "marName": f"{one.served_as}.mar", **fields}


def _drain() -> str:
    """Asked to stop, it would drop the requests that it has, and its launcher, as process 1, does not hear SIGTERM.

    It does not tell how many requests it has, so this waits until nobody is connected.
    """
    connected = f"^ *[0-9]+: [0-9A-F]+:{HTTP:04X} [0-9A-F]+:[0-9A-F]{{4}} 01 "
    return f"""\
while grep -Eqs '{connected}' /proc/net/tcp /proc/net/tcp6; do sleep 0.5; done
exec torchserve --stop --foreground
"""
