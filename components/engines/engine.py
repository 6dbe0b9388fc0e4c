"""What every engine has in common: where it runs, which model it serves, and the one method that says how."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from components.accelerators import AcceleratorRequest, Kind
from components.engines.adapters import Adapter
from components.node.settings import Architecture
from components.section import Labels, Name, Quantity, Section, rule
from components.workload.spec import Resources

LoadingKind = Literal["stream", "cache"]
"""How weights reach the engine: streamed from the object store, or from a verified copy on the node."""
Argument = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096),
    rule("text of 1 to 4096 characters", example="--enable-prefix-caching"),
]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One engine in the vocabulary of serving: which server runs, and how it is asked how it feels."""

    image: str
    args: Sequence[str]
    port: int
    health: str
    """HTTP path that answers 200 once requests can be served."""
    metrics: str
    """HTTP path of Prometheus metrics."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    shared_memory: Quantity | None = None
    """Size of /dev/shm, counted within the memory limit; the runtime's 64 MiB when not set."""


class Engine(Section):
    """Settings of every engine."""

    IMAGES: ClassVar[Mapping[Kind, str]]
    """Image by accelerator kind: what is not in it cannot be asked for."""
    ARCHITECTURES: ClassVar[Mapping[Kind, Sequence[Architecture]]]
    """What each of the images is built for."""

    name: Name
    """Also the model name in the OpenAI API, and the name of its Service."""
    model: Name
    """One of `models`."""
    cluster: Name
    """One of `clusters`."""
    accelerator: AcceleratorRequest = AcceleratorRequest()
    """What one replica computes on."""
    node_selector: Labels = Field(default_factory=dict[str, str])
    """Run only on nodes with these labels; their taints are tolerated."""
    replicas: Annotated[NonNegativeInt, Field(le=1000)] = 1
    """0 keeps everything but the pods."""
    resources: Resources = Resources(cpu="4", memory="16Gi")
    """CPU and memory of one replica."""
    startup_seconds: PositiveInt = Field(default=900, le=24 * 3600)
    """How long loading may take before the container is restarted."""
    extra_args: tuple[Argument, ...] = ()
    """Arguments for the server, behind ours. llama.cpp takes a flag and its value as two of them."""

    @property
    def lora_adapters(self) -> Sequence[Adapter]:
        """What it serves beside its model, each under a name of its own."""
        return ()

    @property
    def loads_adapters(self) -> bool:
        """Whether operators may load others while it runs."""
        return False

    @property
    @abstractmethod
    def streams(self) -> bool:
        """Whether it reads its model from the object store itself."""

    @abstractmethod
    def workload(self, model_path: str) -> Workload:
        """How to serve the model at `model_path`: an `s3://` URI to stream from, or a local directory."""


def option(flag: str, value: object) -> tuple[str, ...]:
    """The flag and its value, or nothing for None. Apart: llama.cpp knows no `--flag=value`."""
    return () if value is None else (flag, str(value))
