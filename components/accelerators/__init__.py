"""The one table of what each kind of accelerator needs from a cluster and gives to a pod."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from components.section import LabelValue, Quantity, Section, byte_count, rule

Kind = Literal["cuda", "rocm", "cpu"]

ACCELERATOR_LABEL = "inference/accelerator"
PRODUCT_LABEL = "inference/product"
VRAM_LABEL = "inference/vram-mib"
"""Memory of each GPU; a number, so that `Gt` of a node affinity can compare it."""
SHARED_LABEL = "inference/shared"
"""Whether what the node advertises are parts of GPUs."""
PLUGIN_LABEL = "inference/device-plugin"
"""Which device plugin serves the node, and how it is configured."""
NVIDIA_CONFIG_LABEL = "nvidia.com/device-plugin.config"
"""The same for the plugin that NVIDIA's operator brings: https://github.com/NVIDIA/k8s-device-plugin, README."""


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """How one kind of accelerator appears in Kubernetes."""

    kind: Kind
    resource: str | None
    """Extended resource that its device plugin advertises."""
    runtime_class: str | None
    """RuntimeClass that injects the driver; AMD's plugin needs none."""


ACCELERATORS: dict[Kind, Accelerator] = {
    "cuda": Accelerator(kind="cuda", resource="nvidia.com/gpu", runtime_class="nvidia"),
    "rocm": Accelerator(kind="rocm", resource="amd.com/gpu", runtime_class=None),
    "cpu": Accelerator(kind="cpu", resource=None, runtime_class=None),
}

JETSON = "jetson-"
"""Begins the products whose driver is part of the system that is flashed."""


class TimeSlices(Section):
    """Pods take turns on each GPU. Nothing keeps them out of each other's memory."""

    kind: Literal["timeSlices"]
    """How GPUs are shared."""
    parts: Annotated[int, Field(ge=2, le=64)]
    """Pods on each GPU."""


class Mig(Section):
    """Each GPU is cut into like instances, with memory of their own (Ampere and later, not on Jetson)."""

    kind: Literal["mig"]
    """How GPUs are shared."""
    profile: Annotated[
        str,
        StringConstraints(pattern=r"^[1-7]g\.[1-9][0-9]{0,2}gb$"),
        rule("a MIG profile, as `nvidia-smi mig -lgip` lists them", example="1g.10gb"),
    ]
    """Size of an instance."""
    parts: Annotated[int, Field(ge=1, le=7)]
    """Instances on each GPU."""


Sharing = Annotated[TimeSlices | Mig, Field(discriminator="kind")]


class NodeAccelerator(Section):
    """The accelerators in one node."""

    kind: Kind
    """Whose GPUs; `cpu` for none."""
    product: LabelValue | None = None
    """Product name, becomes the node label `inference/product`; for example `strix-halo`."""
    count: Annotated[PositiveInt, Field(le=1024)] = 1
    """GPUs in the machine."""
    memory: Quantity | None = Field(default=None, examples=["24Gi"])
    """Memory of each GPU: compared with the card, becomes the node label `inference/vram-mib`."""
    groups: tuple[NonNegativeInt, ...] = ()
    """Numeric IDs of the host's `render` and `video` groups, which ROCm pods must join (`getent group render`)."""
    sharing: Sharing | None = None
    """Lets several pods use each GPU; every part counts as a GPU that an engine with `shared: true` can ask for."""

    @model_validator(mode="after")
    def _shareable(self) -> "NodeAccelerator":
        if self.sharing and self.kind != "cuda":
            raise ValueError(f"sharing works with cuda only: there is no device plugin that shares {self.kind}")
        if isinstance(self.sharing, Mig) and self.is_jetson:
            raise ValueError("NVIDIA's device plugin does not serve MIG instances of a Jetson; use timeSlices")
        return self

    @property
    def is_jetson(self) -> bool:
        """Whether NVIDIA ships its driver with the board's system."""
        return (self.product or "").startswith(JETSON)

    @property
    def memory_mib(self) -> int | None:
        """Memory of each GPU in MiB, if settings say so."""
        return byte_count(self.memory) // 2**20 if self.memory else None

    @property
    def part_mib(self) -> int | None:
        """Memory of what a pod is given, in MiB, if it is known: of the GPU, or of an instance of it."""
        if isinstance(self.sharing, Mig):
            return int(self.sharing.profile.partition(".")[2].removesuffix("gb")) * 1024
        return self.memory_mib

    @property
    def advertised(self) -> int:
        """What the node offers to pods: GPUs, or parts of them; 0 for `cpu`."""
        return 0 if self.kind == "cpu" else self.count * (self.sharing.parts if self.sharing else 1)

    @property
    def plugin(self) -> str | None:
        """Name of the device plugin that serves it, for nodes of one configuration."""
        match self.sharing:
            case TimeSlices():
                return f"nvidia-{self.sharing.parts}-slices"
            case Mig():
                return "nvidia-mig"
            case None:
                return {"cuda": "nvidia", "rocm": "amd"}.get(self.kind)

    @property
    def labels(self) -> dict[str, str]:
        """What the node is known by."""
        labels = {ACCELERATOR_LABEL: self.kind}
        if self.product:
            labels[PRODUCT_LABEL] = self.product
        if self.plugin:
            labels |= {PLUGIN_LABEL: self.plugin, SHARED_LABEL: str(self.sharing is not None).lower()}
        if self.plugin and isinstance(self.sharing, TimeSlices):
            labels[NVIDIA_CONFIG_LABEL] = self.plugin
        if self.memory_mib is not None:
            labels[VRAM_LABEL] = str(self.memory_mib)
        return labels


class AcceleratorRequest(Section):
    """What one replica of an engine asks for."""

    kind: Kind = "cpu"
    """What it computes on."""
    count: PositiveInt = 1
    """GPUs per replica, all on one node; without meaning for `cpu`."""
    product: LabelValue | None = Field(default=None, examples=["jetson-thor"])
    """Run only on nodes with this product."""
    shared: bool = False
    """Run on one part of a GPU, on nodes that share theirs; whole GPUs otherwise."""

    @model_validator(mode="after")
    def _one_part(self) -> "AcceleratorRequest":
        if self.shared and self.count > 1:
            raise ValueError("a shared GPU is asked for one at a time: more parts are not more of one GPU")
        return self

    @property
    def gpus(self) -> int:
        """GPUs per replica: 0 for `cpu`."""
        return self.count if ACCELERATORS[self.kind].resource else 0
