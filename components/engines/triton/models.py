"""Settings of what Triton serves: models, with what else would stand in a config.pbtxt, and ensembles of them."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from components.section import Name, Section, rule

Backend = Literal["onnxruntime", "openvino", "pytorch", "tensorrt", "python"]
"""Those that are in Triton's image."""
MODEL_FILES: dict[Backend, str] = {
    "onnxruntime": "model.onnx",
    "openvino": "model.xml",
    "pytorch": "model.pt",
    "tensorrt": "model.plan",
    "python": "model.py",
}
"""What each backend looks for in a version directory: src/constants.h of triton-inference-server/core. 2026-11-22."""
OWN_CONFIGURATION = "config.pbtxt"

DataType = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "STRING",
]
"""`DataType` of Triton's model_config.proto, without its `TYPE_`. 2026-11-22."""
ServedName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100),
    rule("letters, digits, _ . and -, beginning with a letter or digit", example="resnet18_imagenette"),
]
TensorName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_.:/+-]*$", max_length=200),
    rule("the name of a tensor: letters, digits, _ . : / + -", example="input__0"),
]
FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$", max_length=200),
    rule("the name of a file: letters, digits, _ - and single . and /", example="resnet18.onnx"),
]
Text = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=4096),
    rule("text in one line", example="true"),
]
Size = Annotated[int, Field(ge=1, le=2**31 - 1)]
Dimension = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class Tensor(Section):
    """A tensor by name, data type and shape."""

    name: TensorName
    """As the model itself calls it; within an ensemble, any name."""
    type: DataType = Field(examples=["FP32"])
    """Data type of its elements; `STRING` is what clients call BYTES."""
    dims: tuple[Dimension, ...] = Field(min_length=1, examples=[[3, 224, 224]])
    """Shape of one request, without the batch where `maxBatchSize` is at least 1; -1 for any size."""

    @model_validator(mode="after")
    def _has_no_empty_dimension(self) -> "Tensor":
        if 0 in self.dims:
            raise ValueError(f"{self.name}: a dimension cannot be 0; use -1 for any size")
        return self


class Input(Tensor):
    """What a request carries."""

    optional: bool = False
    """Requests may leave it out."""


class Output(Tensor):
    """What an answer carries."""

    labels: FileName | None = Field(default=None, examples=["labels.txt"])
    """File of the model with a name for each class, one a line."""


class DynamicBatching(Section):
    """Requests that arrive together are computed together."""

    preferred_sizes: tuple[PositiveInt, ...] = ()
    """Sizes that are not waited beyond; `maxBatchSize` when not set."""
    max_queue_delay_microseconds: NonNegativeInt = 0
    """How long a request may wait for others."""
    max_queue_size: NonNegativeInt = 0
    """Requests that may wait; more are refused. 0 for any number."""
    preserve_ordering: bool = False
    """Answer in the order in which requests came."""


class Instances(Section):
    """How many requests, or batches of them, are computed at the same time."""

    count: Annotated[PositiveInt, Field(le=1000)] = 1
    """Instances of the model; on GPUs, that many on each."""
    kind: Literal["cpu", "gpu"] | None = None
    """Where they are; on GPUs where the engine has some, when not set."""


class VersionPolicy(Section):
    """Which of a model's version directories are served: one of these."""

    latest: Size | None = Field(default=None, examples=[1])
    """That many, those with the highest numbers."""
    specific: tuple[Size, ...] = Field(default=(), examples=[[1, 3]])
    """Those with these numbers."""
    all: bool = False
    """Every one."""

    @model_validator(mode="after")
    def _is_one(self) -> "VersionPolicy":
        if (self.latest is not None) + bool(self.specific) + self.all != 1:
            raise ValueError("needs one of `latest`, `specific` and `all: true`")
        return self


class TritonModel(Section):
    """A model that Triton serves, and how.

    Its files are version directories (`1/model.onnx`), with or without a config.pbtxt beside them, or those of one
    version. With `backend`, the config.pbtxt is made from what stands here, whatever its files say; without it, its
    files must have one, which is left as it is.
    """

    model: Name
    """One of `models`."""
    name: ServedName | None = None
    """What requests call it; its name in `models` when not set."""
    backend: Backend | None = None
    """What computes it; as its own config.pbtxt says, when not set."""
    file: FileName | None = None
    """The model's file in each version directory; the one that the backend looks for when not set."""
    max_batch_size: Annotated[NonNegativeInt, Field(le=2**31 - 1)] = 0
    """Requests that are computed together at most; 0 where the model knows no batches."""
    dynamic_batching: DynamicBatching | None = None
    """Gather requests to batches on the server; only those that clients send as one, when not set."""
    instances: Instances | None = None
    """How many there are of it, and where; one on each GPU, or one on the CPU, when not set."""
    version_policy: VersionPolicy | None = None
    """Which versions are served; the latest one when not set."""
    inputs: tuple[Input, ...] = ()
    """What requests carry; as the model's file says, where that is known to the backend, when not set."""
    outputs: tuple[Output, ...] = ()
    """What answers carry; the same."""
    decoupled: bool = False
    """A request may get any number of answers, as it does from a Python model that streams."""
    parameters: dict[ServedName, Text] = Field(default_factory=dict[str, str], examples=[{"threads": "4"}])
    """For the backend or the model's own code, as text."""

    @model_validator(mode="after")
    def _fits_itself(self) -> "TritonModel":
        told = self.model_fields_set - {"model", "name"}
        if not self.backend and told:
            raise ValueError("needs `backend`: without it, the model's own config.pbtxt says how it is served")
        if batching := self.dynamic_batching:
            if not self.max_batch_size:
                raise ValueError("dynamicBatching needs a `maxBatchSize` of at least 1")
            if batching.preferred_sizes and max(batching.preferred_sizes) > self.max_batch_size:
                raise ValueError(f"dynamicBatching.preferredSizes are at most `maxBatchSize`, {self.max_batch_size}")
        for what, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if len({one.name for one in tensors}) < len(tensors):
                raise ValueError(f"{what} has two of one name; leave one out")
        return self

    @property
    def served(self) -> str:
        """What requests call it."""
        return self.name or self.model

    @property
    def wanted(self) -> tuple[str, ...]:
        """Files without which it cannot be served: the first may be in a version directory, the others are not."""
        if not self.backend:
            return (OWN_CONFIGURATION,)
        return (self.file or MODEL_FILES[self.backend], *(one.labels for one in self.outputs if one.labels))


class Step(Section):
    """A model in an ensemble, and how its tensors are connected."""

    model: ServedName
    """What requests call it: one of this engine's models or ensembles."""
    version: Size | None = None
    """Its version; the latest one when not set."""
    input_map: dict[TensorName, TensorName] = Field(min_length=1, examples=[{"input__0": "image"}])
    """By each input of the model, the ensemble's tensor that it gets."""
    output_map: dict[TensorName, TensorName] = Field(min_length=1, examples=[{"output__0": "scores"}])
    """By each output of the model that is used, the ensemble's tensor that it becomes."""


class Ensemble(Section):
    """Models one behind the other, as one request: tensors go from step to step within the server."""

    name: ServedName
    """What requests call it."""
    max_batch_size: Annotated[NonNegativeInt, Field(le=2**31 - 1)] = 0
    """At most that of each of its models; 0 for no batches."""
    inputs: tuple[Input, ...] = Field(min_length=1, examples=[[{"name": "image", "type": "UINT8", "dims": [-1]}]])
    """What requests carry."""
    outputs: tuple[Tensor, ...] = Field(min_length=1, examples=[[{"name": "scores", "type": "FP32", "dims": [10]}]])
    """What answers carry."""
    steps: tuple[Step, ...] = Field(
        min_length=1,
        examples=[[{"model": "resnet18", "inputMap": {"input__0": "image"}, "outputMap": {"output__0": "scores"}}]],
    )
    """In any order: each begins when its inputs are there."""
