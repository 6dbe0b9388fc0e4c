"""GPU memory that an engine needs, estimated from its settings and its model's before anything is made."""

from dataclasses import dataclass

from components.section import byte_count
from components.storage.model import Model

GIB = 2**30
BESIDE = 3 * GIB // 2
"""Bytes on each GPU for the driver's context, activations and compiled graphs: a round figure, measured nowhere."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What an engine's settings say."""

    weight_bits: float | None
    """Of each parameter in memory; None where only the model's files know."""
    cache_bits: float = 16
    """Of each number in the cache of keys and values."""
    tokens: int | None
    """Of context that must fit at once; None for the model's own limit, which is not known here."""
    share: float = 1
    """Of each GPU's memory that the engine takes for itself."""
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes, over all GPUs of a replica."""

    weights: int
    cache: int
    """For the context; 0 where the model's attention or the context is not known."""
    demand: Demand

    @property
    def each(self) -> int:
        """Bytes that each GPU must have."""
        return int(((self.weights + self.cache) / self.demand.gpus + BESIDE) / self.demand.share)

    def __str__(self) -> str:
        parts = [f"{_gib(self.weights)} of weights"]
        if self.cache:
            parts.append(f"{_gib(self.cache)} for {self.demand.tokens} tokens")
        parts.append(f"{_gib(BESIDE * self.demand.gpus)} beside")
        gpus = f"each of {self.demand.gpus} GPUs" if self.demand.gpus > 1 else "its GPU"
        share = f", which is {self.demand.share:.0%}" if self.demand.share < 1 else ""
        return f"about {_gib(self.each)} on {gpus}: {', '.join(parts)}{share}"


def estimate(demand: Demand, model: Model) -> Estimate | None:
    """From the model's `parameters` and `size`; None where settings say neither."""
    weights = _weights(demand, model)
    if weights is None or not demand.gpus:
        return None
    attention, cache = model.attention, 0
    if attention and demand.tokens:
        numbers = 2 * attention.layers * attention.kv_heads * attention.head_size * demand.tokens
        cache = int(numbers * demand.cache_bits / 8)
    return Estimate(weights=weights, cache=cache, demand=demand)


def _weights(demand: Demand, model: Model) -> int | None:
    """The least of what is known: files may be quantized already, or are as they are loaded."""
    known: list[int] = []
    if model.parameters and demand.weight_bits:
        known.append(int(model.parameter_count * demand.weight_bits / 8))
    if "size" in model.model_fields_set:
        known.append(byte_count(model.size))
    return min(known, default=None)


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
