"""Whether models and ensembles go together: what Triton itself would refuse when it starts, found in the settings.

Its own checks: src/model_config_utils.cc and src/ensemble_scheduler/ensemble_utils.cc of triton-inference-server/core.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from components.engines.triton.models import Ensemble, Input, Step, Tensor, TritonModel

Place = tuple[str | int, ...]
"""Keys within the engine, as the user wrote them."""
Misfit = tuple[Place, str]


@dataclass(frozen=True, kw_only=True)
class _Served:
    """A model or ensemble as a step sees it; nothing is known of tensors that settings do not list."""

    max_batch_size: int | None
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def maps(self, step: Step) -> Sequence[tuple[str, Mapping[str, str], Mapping[str, Tensor]]]:
        """Both maps of a step with it, each with its own tensors of that side."""
        return ("inputMap", step.input_map, self.inputs), ("outputMap", step.output_map, self.outputs)


def misfits(models: Sequence[TritonModel], ensembles: Sequence[Ensemble], *, gpus: int) -> Iterator[Misfit]:
    """Everything that is wrong between them, on a server with that many GPUs."""
    yield from _names(models, ensembles)
    for number, model in enumerate(models):
        yield from _on_accelerator(("models", number), model, gpus)
    served = {model.served: _of_model(model) for model in models}
    served |= {one.name: _of_ensemble(one) for one in ensembles}
    yield from _circles(ensembles)
    for number, ensemble in enumerate(ensembles):
        here = ("ensembles", number)
        unknown = [(n, step.model) for n, step in enumerate(ensemble.steps) if step.model not in served]
        for step, name in unknown:
            place = (*here, "steps", step, "model")
            yield place, f'"{name}" is no model or ensemble of this engine; there are: {", ".join(served)}'
        yield from _flow(here, ensemble)
        if not unknown:
            yield from _connections(here, ensemble, served)


def _names(models: Sequence[TritonModel], ensembles: Sequence[Ensemble]) -> Iterator[Misfit]:
    taken: dict[str, str] = {}
    places = [(("models", n, "name"), model.served) for n, model in enumerate(models)]
    places += [(("ensembles", n, "name"), ensemble.name) for n, ensemble in enumerate(ensembles)]
    for place, name in places:
        if name in taken:
            yield place, f'"{name}" is taken by {taken[name]}: requests name nothing else; give this one another'
        taken.setdefault(name, f"{place[0]}[{place[1]}]")


def _on_accelerator(here: Place, model: TritonModel, gpus: int) -> Iterator[Misfit]:
    if model.backend == "tensorrt" and not gpus:
        yield (*here, "backend"), "tensorrt computes on GPUs, and the engine has none; set accelerator.kind to cuda"
    if not model.instances or model.instances.kind is None:
        return
    place = (*here, "instances", "kind")
    if model.instances.kind == "gpu" and model.backend == "openvino":
        yield place, "openvino computes on the CPU; set cpu, or use the backend onnxruntime"
    elif model.instances.kind == "gpu" and not gpus:
        yield place, "the engine has no GPU; set cpu, or accelerator.kind to cuda"
    elif model.instances.kind == "cpu" and model.backend == "tensorrt":
        yield place, "tensorrt computes on GPUs; set gpu"


def _circles(ensembles: Sequence[Ensemble]) -> Iterator[Misfit]:
    steps = {ensemble.name: [step.model for step in ensemble.steps] for ensemble in ensembles}
    try:
        TopologicalSorter(steps).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        names = [ensemble.name for ensemble in ensembles]
        first = min(names.index(name) for name in circle)
        yield ("ensembles", first, "steps"), f"{' -> '.join(circle)} goes in a circle; take one of these steps out"


def _flow(here: Place, ensemble: Ensemble) -> Iterator[Misfit]:
    """Each tensor is written once, before it is read, and for somebody."""
    written = {tensor.name: f"inputs[{n}]" for n, tensor in enumerate(ensemble.inputs)}
    read = {tensor for step in ensemble.steps for tensor in step.input_map.values()}
    results = {tensor.name for tensor in ensemble.outputs}
    for number, step in enumerate(ensemble.steps):
        for tensor in step.output_map.values():
            place = (*here, "steps", number, "outputMap")
            if tensor in written:
                yield place, f'"{tensor}" is written by {written[tensor]} already; give this one another name'
            elif tensor not in read | results:
                yield place, f'"{tensor}" is read by no step and is no output; leave it out'
            written.setdefault(tensor, f"steps[{number}]")
    for number, tensor in enumerate(ensemble.inputs):
        if tensor.name not in read:
            yield (*here, "inputs", number, "name"), f'"{tensor.name}" is read by no step; leave it out'
    for number, tensor in enumerate(ensemble.outputs):
        if tensor.name not in written:
            place = (*here, "outputs", number, "name")
            yield place, f'"{tensor.name}" is written by no step; put it into the outputMap of one'
    for number, step in enumerate(ensemble.steps):
        for tensor in step.input_map.values():
            if tensor not in written:
                place = (*here, "steps", number, "inputMap")
                yield place, f'"{tensor}" is no input, and written by no step; there are: {", ".join(written)}'
    yield from _deadlocks(here, ensemble, set(written))


def _deadlocks(here: Place, ensemble: Ensemble, written: set[str]) -> Iterator[Misfit]:
    ready = {tensor.name for tensor in ensemble.inputs}
    waiting = dict(enumerate(ensemble.steps))
    while able := [n for n, step in waiting.items() if ready.issuperset(step.input_map.values())]:
        for number in able:
            ready.update(waiting.pop(number).output_map.values())
    for number, step in waiting.items():
        late = [tensor for tensor in step.input_map.values() if tensor not in ready]
        if written.issuperset(late):
            yield (*here, "steps", number, "inputMap"), f'"{late[0]}" is only there after this step; take another'


def _connections(here: Place, ensemble: Ensemble, served: Mapping[str, _Served]) -> Iterator[Misfit]:
    """What its models say of their tensors agrees with each other, and with what the ensemble says."""
    known: dict[str, tuple[str, Tensor, bool]] = {}
    batches = ensemble.max_batch_size > 0
    for key, tensors in (("inputs", ensemble.inputs), ("outputs", ensemble.outputs)):
        for number, tensor in enumerate(tensors):
            known[tensor.name] = f"{key}[{number}]", tensor, batches
    for number, step in enumerate(ensemble.steps):
        model = served[step.model]
        if model.max_batch_size and ensemble.max_batch_size > model.max_batch_size:
            message = f'is more than the {model.max_batch_size} of "{step.model}"; lower this one, or raise that'
            yield (*here, "maxBatchSize"), message
        yield from _maps((*here, "steps", number), step, model)
        for key, mapping, own in model.maps(step):
            for name, tensor in mapping.items():
                if name not in own:
                    continue
                this = f"steps[{number}].{key}", own[name], bool(model.max_batch_size)
                where, other, batched = known.setdefault(tensor, this)
                if not _alike(own[name], other, dims=batched == this[2]):
                    message = f'"{tensor}" is {_shape(other)} at {where}, and "{name}" of "{step.model}" is'
                    yield (*here, "steps", number, key), f"{message} {_shape(own[name])}; make them the same"


def _maps(here: Place, step: Step, model: _Served) -> Iterator[Misfit]:
    for key, mapping, own in model.maps(step):
        for name in mapping if own else ():
            if name not in own:
                what = "input" if key == "inputMap" else "output"
                yield (*here, key), f'"{name}" is no {what} of "{step.model}"; there are: {", ".join(own)}'
    for name, tensor in model.inputs.items():
        if name not in step.input_map and not (isinstance(tensor, Input) and tensor.optional):
            yield (*here, "inputMap"), f'"{name}" of "{step.model}" is missing; say which tensor it gets'


def _alike(one: Tensor, other: Tensor, *, dims: bool) -> bool:
    if one.type != other.type:
        return False
    pairs = zip(one.dims, other.dims, strict=False)
    return not dims or (len(one.dims) == len(other.dims) and all(a == b or -1 in (a, b) for a, b in pairs))


def _shape(tensor: Tensor) -> str:
    return f"{tensor.type} {list(tensor.dims)}"


def _of_model(model: TritonModel) -> _Served:
    return _Served(
        max_batch_size=model.max_batch_size if model.backend else None,
        inputs={one.name: one for one in model.inputs},
        outputs={one.name: one for one in model.outputs},
    )


def _of_ensemble(ensemble: Ensemble) -> _Served:
    return _Served(
        max_batch_size=ensemble.max_batch_size,
        inputs={one.name: one for one in ensemble.inputs},
        outputs={one.name: one for one in ensemble.outputs},
    )
