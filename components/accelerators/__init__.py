"""The one table of what each kind of accelerator needs from a cluster and gives to a pod."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from components.section import LabelValue, Section

Kind = Literal["cuda", "rocm", "cpu"]

ACCELERATOR_LABEL = "inference/accelerator"
PRODUCT_LABEL = "inference/product"


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """How one kind of accelerator appears in Kubernetes."""

    kind: Kind
    resource: str | None
    """Extended resource that its device plugin advertises."""
    runtime_class: str | None
    """RuntimeClass that injects the driver; k3s ships `nvidia`, AMD's plugin needs none."""


ACCELERATORS: dict[Kind, Accelerator] = {
    "cuda": Accelerator(kind="cuda", resource="nvidia.com/gpu", runtime_class="nvidia"),
    "rocm": Accelerator(kind="rocm", resource="amd.com/gpu", runtime_class=None),
    "cpu": Accelerator(kind="cpu", resource=None, runtime_class=None),
}


class NodeAccelerator(Section):
    """The accelerators in one node."""

    kind: Kind
    """Whose GPUs; `cpu` for none."""
    product: LabelValue | None = None
    """Product name, becomes the node label `inference/product`; for example `strix-halo`."""
    count: Annotated[PositiveInt, Field(le=1024)] = 1
    """Number of GPUs that the node advertises."""
    groups: tuple[NonNegativeInt, ...] = ()
    """Numeric IDs of the host's `render` and `video` groups, which ROCm pods must join (`getent group render`)."""


class AcceleratorRequest(Section):
    """What one replica of an engine asks for."""

    kind: Kind = "cpu"
    """What it computes on."""
    count: PositiveInt = 1
    """GPUs per replica, all on one node; without meaning for `cpu`."""
    product: LabelValue | None = Field(default=None, examples=["jetson-thor"])
    """Run only on nodes with this product."""

    @property
    def gpus(self) -> int:
        """GPUs per replica: 0 for `cpu`."""
        return self.count if ACCELERATORS[self.kind].resource else 0
