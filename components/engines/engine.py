"""What every engine has in common: where it runs, which models it serves, and the one method that says how."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from components.accelerators import AcceleratorRequest, Kind
from components.engines.adapters import Adapter
from components.engines.canary import Canary
from components.engines.gpu_memory import Demand
from components.engines.priorities import Priority
from components.engines.scaling import Scaling, Signals
from components.node.settings import Architecture
from components.section import Labels, Name, Quantity, Section, rule
from components.workload.spec import Resources, SecretKey

LoadingKind = Literal["stream", "cache"]
"""How weights reach the engine: streamed from the object store, or from a verified copy on the node."""
Protocol = Literal["openai", "v2", "http"]
"""What it answers in: OpenAI's API, which the gateway hands on; the Open Inference Protocol; one of its own."""
Mode = Literal["chat", "embedding", "image_generation", "audio_transcription", "audio_speech"]
"""What a model is asked for, as LiteLLM's `model_info.mode` calls it."""
Argument = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096),
    rule("text of 1 to 4096 characters", example="--enable-prefix-caching"),
]
FILES = "/etc/engine"
"""Where a workload's files are mounted."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One engine in the vocabulary of serving: which server runs, and how it is asked how it feels."""

    image: str
    ports: Mapping[str, int]
    """By name; the one called `http` answers requests, health and metrics, unless a `metrics` is there."""
    health: str
    """HTTP path that answers 200 once requests can be served."""
    alive: str | None = None
    """HTTP path that answers 200 while the server is not stuck, where that is another."""
    metrics: str | None
    """HTTP path of Prometheus metrics; None where it has none."""
    command: Sequence[str] = ()
    """In place of the image's own."""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict[str, SecretKey])
    """Variables from Secrets in the engines' namespace."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Text by path, below `FILES`; nothing secret."""
    drain: Sequence[str] = ()
    """Command that returns when no request is left, for a server that would drop them when it is asked to stop."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, counted within the memory limit; the runtime's 64 MiB when not set."""
    writable_root: str | None = None
    """Why its root must be writable: an exception, shown on the object."""
    groups: Sequence[int] = ()
    """Numbers of groups that may read what the image keeps from everyone else."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file among those of a model."""

    model: Name
    file: str


class Engine(Section):
    """Settings of every engine."""

    IMAGES: ClassVar[Mapping[Kind, str]]
    """Image by accelerator kind: what is not in it cannot be asked for."""
    ARCHITECTURES: ClassVar[Mapping[Kind, Sequence[Architecture]]]
    """What each of the images is built for."""
    PROTOCOL: ClassVar[Protocol] = "openai"
    CAUTION: ClassVar[str | None] = None
    """What is said at each preview to those who run it."""
    SIGNALS: ClassVar[Signals] = {}
    """What its own metrics say that it could be scaled on."""

    name: Name
    """Also the model name in the OpenAI API, and the name of its Service."""
    cluster: Name
    """One of `clusters`."""
    accelerator: AcceleratorRequest = AcceleratorRequest()
    """What one replica computes on."""
    node_selector: Labels = Field(default_factory=dict[str, str])
    """Run only on nodes with these labels; their taints are tolerated."""
    replicas: Annotated[NonNegativeInt, Field(le=1000)] = 1
    """0 keeps everything but the pods."""
    scaling: Scaling | None = None
    """Something else decides how many replicas there are; `replicas` is then left out."""
    resources: Resources = Resources(cpu="4", memory="16Gi")
    """CPU and memory of one replica."""
    priority: Priority = "normal"
    """Who comes first where there is no room for all: a `high` one makes `batch` and `normal` ones leave."""
    startup_seconds: PositiveInt | None = Field(default=None, le=24 * 3600)
    """How long loading may take before the container is restarted; 240, and 16 more per GiB of `size` of its models,
    when not set."""
    drain_seconds: PositiveInt = Field(default=120, le=3600)
    """Time that running requests get to end when a replica is asked to stop; those that take longer are cut off."""
    key_generation: PositiveInt = 1
    """The next number makes a new key for its requests; its pods and the gateway's restart."""
    clients: tuple[Name, ...] = Field(default=(), examples=[["evaluation"]])
    """Namespaces whose pods may send requests; those of the gateway may besides, to a server with OpenAI's API."""
    extra_args: tuple[Argument, ...] = ()
    """Arguments for the server, behind ours. llama.cpp takes a flag and its value as two of them."""

    @property
    def images(self) -> Mapping[Kind, str]:
        """Image by accelerator kind."""
        return self.IMAGES

    @property
    def built_for(self) -> Sequence[Architecture]:
        """What the image for its accelerator is built for."""
        return self.ARCHITECTURES.get(self.accelerator.kind, ())

    @property
    def speaks(self) -> Protocol:
        """What it answers in."""
        return self.PROTOCOL

    @property
    def serves(self) -> Mapping[str, Mode]:
        """What requests may name, and what they then ask for."""
        return dict.fromkeys((self.name, *(one.name for one in self.lora_adapters)), "chat")

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Models by the place in its settings that names them."""
        return {}

    @property
    def opens(self) -> Mapping[tuple[str | int, ...], ModelFile]:
        """Files that must be among those of its models, by the place in its settings that names them."""
        return {}

    @property
    def loads(self) -> Sequence[Name]:
        """Names of the models that it loads, each once."""
        return tuple(dict.fromkeys(self.uses.values()))

    def at_most(self) -> Self:
        """The same with as many replicas as there may be, and nothing that scales them: whether these fit."""
        return self.model_copy(update={"replicas": self.most_replicas, "scaling": None})

    @property
    def lora_adapters(self) -> Sequence[Adapter]:
        """What it serves beside its model, each under a name of its own."""
        return ()

    @property
    def reads(self) -> Sequence[Name]:
        """All models that it must be able to read: those that it loads, and its adapters."""
        return (*self.loads, *(one.model for one in self.lora_adapters if one.model))

    @property
    def loads_adapters(self) -> bool:
        """Whether operators may load others while it runs."""
        return False

    @property
    def trial(self) -> Canary | None:
        """What is new beside it."""
        return None

    @property
    def copies(self) -> Sequence[Self]:
        """What is deployed of it: itself, and its canary."""
        return (self,)

    @property
    def most_replicas(self) -> int:
        """How many there may be at once, where something adds them as they are needed."""
        return self.scaling.max if self.scaling else self.replicas

    @property
    def pods_each(self) -> int:
        """Pods of one replica, each with an accelerator of its own, on a node of its own."""
        return 1

    @property
    def surge(self) -> int:
        """Replicas that are there in addition while it is updated, where there is room."""
        return 1

    @property
    def streams(self) -> bool:
        """Whether it reads its models from the object store itself."""
        return False

    @property
    def key_variable(self) -> str | None:
        """The variable in which its server takes the key that requests must show; None where it asks for none."""
        return None

    @property
    def demand(self) -> Demand | None:
        """What it asks of its GPUs' memory; None where that is not known."""
        return None

    @abstractmethod
    def workload(self, models: Mapping[Name, str]) -> Workload:
        """How to serve `models`: each is an `s3://` URI to stream from, or a local directory."""
