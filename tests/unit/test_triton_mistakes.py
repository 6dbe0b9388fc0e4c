"""What a user is told about settings of Triton that do not fit."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.mistakes import add, put, told
from tests.unit.recording import REPOSITORY
from tests.unit.triton_settings import CUDA, IMAGE, PIPELINE, RESNET, SCORES, STEP, engine, parsed, trtllm, workload


def problems(*engines: dict[str, Any]) -> list[str]:
    """What is told about these beside the dev stack's engines, without what all begins with."""
    source = f"hf://org/repo@{0:040}"
    models = [add("models", value={"name": "resnet18", "source": source, "files": ["*.onnx", "labels.txt"]})]
    models.append(add("models", value={"name": "llama", "source": source, "files": ["*.json"]}))
    lines = told(*models, *(add("engines", value=one) for one in engines))
    return [line.removeprefix("inference:engines[3].") for line in lines]


def changed(**fields: Any) -> dict[str, Any]:
    return engine({**RESNET, **fields})


def test_settings_that_fit_are_right() -> None:
    assert problems(engine(ensembles=[PIPELINE])) == []


def test_the_example_in_the_documentation_is_right() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs/triton.md").read_text(), re.DOTALL)
    (shown,) = yaml.safe_load(example)["inference:engines"]
    labelled = put("clusters", 0, "simulated", 2, "labels", to=shown["nodeSelector"])
    models = [
        add("models", value={"name": one["model"], "source": f"hf://org/repo@{0:040}"}) for one in shown["models"]
    ]
    assert told(*models, labelled, add("engines", value=shown)) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            changed(instances={"kind": "gpu"}),
            "models[0].instances.kind the engine has no GPU; set cpu, or accelerator.kind to cuda",
        ),
        (
            changed(backend="tensorrt", file="model.onnx"),
            "models[0].backend tensorrt computes on GPUs, and the engine has none; set accelerator.kind to cuda",
        ),
        (
            engine({**RESNET, "backend": "openvino", "file": "a.onnx", "instances": {"kind": "gpu"}}, accelerator=CUDA),
            "models[0].instances.kind openvino computes on the CPU; set cpu, or use the backend onnxruntime",
        ),
        (
            changed(backend="tensorflow"),
            'models[0].backend "tensorflow" is not one of: onnxruntime, openvino, pytorch, tensorrt, python',
        ),
        (
            changed(model="resnet19"),
            'models[0].model "resnet19" is not a model; there are: legal-8b, chat-gguf, resnet18, llama',
        ),
        (
            changed(backend="pytorch"),
            'models[0].backend "model.pt" is not among the files of "resnet18": *.onnx, labels.txt',
        ),
        (
            changed(file="resnet.pt"),
            'models[0].file "resnet.pt" is not among the files of "resnet18": *.onnx, labels.txt',
        ),
        (
            changed(outputs=[{**SCORES, "labels": "classes.txt"}]),
            'models[0].outputs "classes.txt" is not among the files of "resnet18": *.onnx, labels.txt',
        ),
        (
            engine({"model": "resnet18"}),
            'models[0].model "config.pbtxt" is not among the files of "resnet18": *.onnx, labels.txt; set `backend`',
        ),
        (
            engine({"model": "resnet18", "maxBatchSize": 8}),
            "models[0] needs `backend`: without it, the model's own config.pbtxt says how it is served",
        ),
        (
            changed(maxBatchSize=0, dynamicBatching={}),
            "models[0] dynamicBatching needs a `maxBatchSize` of at least 1",
        ),
        (
            changed(dynamicBatching={"preferredSizes": [16]}),
            "models[0] dynamicBatching.preferredSizes are at most `maxBatchSize`, 8",
        ),
        (
            changed(versionPolicy={"latest": 1, "all": True}),
            "models[0].versionPolicy needs one of `latest`, `specific` and `all: true`",
        ),
        (
            changed(inputs=[{**IMAGE, "dims": [0]}]),
            "models[0].inputs[0] image: a dimension cannot be 0; use -1",
        ),
        (
            engine(RESNET, RESNET),
            'models[1].name "resnet18_imagenette" is taken by models[0]: requests name nothing else; give',
        ),
        (
            engine(ensembles=[{**PIPELINE, "steps": [{**STEP, "model": "resnet"}]}]),
            'ensembles[0].steps[0].model "resnet" is no model or ensemble of this engine; there are: resnet18',
        ),
        (
            engine(ensembles=[{**PIPELINE, "steps": [{**STEP, "inputMap": {"image": "pictures"}}]}]),
            'ensembles[0].steps[0].inputMap "pictures" is no input, and written by no step; there are: picture, answer',
        ),
        (
            engine(ensembles=[{**PIPELINE, "steps": [{**STEP, "inputMap": {"pixels": "picture"}}]}]),
            'ensembles[0].steps[0].inputMap "image" of "resnet18_imagenette" is missing; say which tensor it gets',
        ),
        (
            engine(ensembles=[{**PIPELINE, "inputs": [{**IMAGE, "name": "picture", "type": "UINT8"}]}]),
            'ensembles[0].steps[0].inputMap "picture" is UINT8 [3, 224, 224] at inputs[0], and "image" of "resnet18_im',
        ),
        (
            engine(ensembles=[{**PIPELINE, "maxBatchSize": 16}]),
            'ensembles[0].maxBatchSize is more than the 8 of "resnet18_imagenette"; lower this one, or raise that',
        ),
        (
            engine(ensembles=[{**PIPELINE, "steps": [{**STEP, "model": "pipeline"}]}]),
            "ensembles[0].steps pipeline -> pipeline goes in a circle; take one of these steps out",
        ),
        (
            engine(accelerator={"kind": "rocm"}),
            "accelerator.kind triton has no image for rocm; there are: cpu, cuda",
        ),
        (
            trtllm(accelerator={"kind": "cpu"}),
            "accelerator.kind triton-tensorrtllm has no image for cpu; there are: cuda",
        ),
        (trtllm(), 'model "rank0.engine" is not among the files of "llama": *.json'),
        (trtllm(directory="a"), 'directory "a/rank0.engine" is not among the files of "llama": *.json'),
        (
            trtllm(tokenizer="words"),
            'tokenizer "words" is not a model; there are: legal-8b, chat-gguf, resnet18, llama',
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(fields: dict[str, Any], expected: str) -> None:
    found = problems(fields)
    assert any(one.startswith(expected) for one in found), found


def test_all_mistakes_are_told_at_once() -> None:
    step = {**STEP, "model": "resnet"}
    found = problems(
        engine(
            {**RESNET, "instances": {"kind": "gpu"}},
            {**RESNET, "name": "second", "instances": {"kind": "gpu"}},
            ensembles=[{**PIPELINE, "steps": [step, {**step, "outputMap": {"scores": "other"}}]}],
        )
    )
    assert len(found) == 5


@settings(max_examples=200)
@given(st.data())
def test_no_settings_of_an_ensemble_break_the_checks(data: st.DataObject) -> None:
    names = st.sampled_from(["resnet18_imagenette", "pipeline", "other", "none"])
    maps = st.dictionaries(st.sampled_from(["image", "scores", "x"]), st.sampled_from("abc"), min_size=1, max_size=3)
    steps = st.fixed_dictionaries({"model": names, "inputMap": maps, "outputMap": maps})
    ends = st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True)
    ensembles = [
        {
            "name": name,
            "inputs": [{**IMAGE, "name": one} for one in data.draw(ends)],
            "outputs": [{**SCORES, "name": one} for one in data.draw(ends)],
            "steps": data.draw(st.lists(steps, min_size=1, max_size=4)),
        }
        for name in ("pipeline", "other")
    ]
    fields = engine(ensembles=ensembles)
    try:
        made = workload(fields)
    except ValidationError as error:
        assert {one["type"] for one in error.errors()} == {"value_error"}  # noqa: PT017 -- most examples are wrong
    else:
        assert {parsed(made.files[f"{name}.pbtxt"]).platform for name in ("pipeline", "other")} == {"ensemble"}
