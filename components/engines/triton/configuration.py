"""Triton's own config.pbtxt: a `ModelConfig` of its model_config.proto, in protobuf's text format."""

from collections.abc import Iterator, Mapping, Sequence

from components.engines.triton.models import DynamicBatching, Ensemble, Input, Output, Tensor, TritonModel


class Constant(str):
    """One of an enumeration, which stands without quotes."""


Value = str | int | Mapping[str, "Field"]
Field = Value | Sequence[Value] | None
"""What is None is left out; of a sequence, each stands for itself."""
Message = Mapping[str, Field]


def model_configuration(model: TritonModel, *, gpus: int) -> str:
    """How to serve a model that has a `backend`, on a server with that many GPUs."""
    message: Message = {
        "name": model.served,
        "backend": model.backend,
        "default_model_filename": model.file,
        "max_batch_size": model.max_batch_size,
        "version_policy": _version_policy(model),
        "input": [_tensor(one) for one in model.inputs],
        "output": [_tensor(one) for one in model.outputs],
        "instance_group": _instance_group(model, gpus),
        "dynamic_batching": model.dynamic_batching and _dynamic_batching(model.dynamic_batching),
        "model_transaction_policy": {"decoupled": True} if model.decoupled else None,
        "parameters": [{"key": key, "value": {"string_value": text}} for key, text in model.parameters.items()],
    }
    return _text(message)


def ensemble_configuration(ensemble: Ensemble) -> str:
    """How tensors go through an ensemble's steps."""
    steps: list[Value] = [
        {
            "model_name": step.model,
            "model_version": step.version or -1,
            "input_map": _map(step.input_map),
            "output_map": _map(step.output_map),
        }
        for step in ensemble.steps
    ]
    message: Message = {
        "name": ensemble.name,
        "platform": "ensemble",
        "max_batch_size": ensemble.max_batch_size,
        "input": [_tensor(one) for one in ensemble.inputs],
        "output": [_tensor(one) for one in ensemble.outputs],
        "ensemble_scheduling": {"step": steps},
    }
    return _text(message)


def _instance_group(model: TritonModel, gpus: int) -> Message | None:
    on_cpu = model.backend == "openvino" or not gpus
    if model.instances is None:
        # What Triton chooses by itself is right but for OpenVINO, which finds no GPU of its own beside NVIDIA's.
        return {"count": 1, "kind": Constant("KIND_CPU")} if on_cpu and gpus else None
    kind = model.instances.kind or ("cpu" if on_cpu else "gpu")
    return {"count": model.instances.count, "kind": Constant(f"KIND_{kind.upper()}")}


def _version_policy(model: TritonModel) -> Message | None:
    policy = model.version_policy
    if policy is None:
        return None
    if policy.latest is not None:
        return {"latest": {"num_versions": policy.latest}}
    return {"specific": {"versions": policy.specific}} if policy.specific else {"all": {}}


def _tensor(tensor: Tensor) -> Message:
    return {
        "name": tensor.name,
        "data_type": Constant(f"TYPE_{tensor.type}"),
        "dims": tensor.dims,
        "optional": (isinstance(tensor, Input) and tensor.optional) or None,
        "label_filename": tensor.labels if isinstance(tensor, Output) else None,
    }


def _dynamic_batching(batching: DynamicBatching) -> Message:
    limit = batching.max_queue_size
    return {
        "preferred_batch_size": batching.preferred_sizes,
        "max_queue_delay_microseconds": batching.max_queue_delay_microseconds,
        "preserve_ordering": batching.preserve_ordering or None,
        "default_queue_policy": {"max_queue_size": limit} if limit else None,
    }


def _map(entries: Mapping[str, str]) -> list[Value]:
    return [{"key": key, "value": value} for key, value in entries.items()]


def _text(message: Message) -> str:
    return "".join(f"{line}\n" for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    for name, field in message.items():
        for value in field if isinstance(field, Sequence) and not isinstance(field, str) else (field,):
            if isinstance(value, Mapping):
                yield f"{name} {{"
                yield from (f"  {line}" for line in _lines(value))
                yield "}"
            elif value is not None:
                yield f"{name}: {_scalar(value)}"


def _scalar(value: str | int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Constant | int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
