"""Triton's configuration and flags, from settings."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.engines.triton.models import MODEL_FILES, DataType
from tests.unit.triton_settings import CUDA, PIPELINE, RESNET, SCORES, ModelConfig, engine, parsed, workload

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
TENSORS = st.from_regex(r"[A-Za-z0-9_/][A-Za-z0-9_.:/+-]{0,20}", fullmatch=True)
TYPES = [
    name.removeprefix("TYPE_") for name in ModelConfig.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name
]
DIMS = st.lists(st.just(-1) | st.integers(1, 2**31 - 1), min_size=1, max_size=4)


def configuration(model: Mapping[str, Any], **changed: Any) -> Any:
    made = workload(engine(model, **changed))
    (text,) = [text for name, text in made.files.items() if name.endswith(".pbtxt")]
    return parsed(text)


def test_what_a_tensor_may_be_is_what_triton_knows() -> None:
    assert set(get_args(DataType)) == set(TYPES) - {"INVALID"}


def test_a_model_is_configured_as_settings_say() -> None:
    config = configuration(
        {
            **RESNET,
            "file": "resnet18.onnx",
            "dynamicBatching": {"preferredSizes": [4, 8], "maxQueueDelayMicroseconds": 100, "maxQueueSize": 64},
            "instances": {"count": 2},
            "versionPolicy": {"specific": [1, 3]},
            "decoupled": True,
            "parameters": {"key": 'a "b" \\ é'},
        }
    )
    assert (config.name, config.backend, config.default_model_filename) == (
        "resnet18_imagenette",
        "onnxruntime",
        "resnet18.onnx",
    )
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 100
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 64
    assert list(config.version_policy.specific.versions) == [1, 3]
    assert config.model_transaction_policy.decoupled
    assert config.parameters["key"].string_value == 'a "b" \\ é'


@pytest.mark.parametrize(
    ("policy", "expected"),
    [({"all": True}, "all"), ({"latest": 2}, "latest"), ({"specific": [7]}, "specific"), (None, None)],
)
def test_a_version_policy_is_the_one_that_settings_name(policy: Mapping[str, Any] | None, expected: str | None) -> None:
    config = configuration({**RESNET, "versionPolicy": policy} if policy else RESNET)
    assert config.version_policy.WhichOneof("policy_choice") == expected


@pytest.mark.parametrize(
    ("backend", "instances", "accelerator", "expected"),
    [
        ("onnxruntime", None, {}, []),
        ("onnxruntime", {"count": 3}, {}, [("KIND_CPU", 3)]),
        ("onnxruntime", {"count": 3}, CUDA, [("KIND_GPU", 3)]),
        ("onnxruntime", {"kind": "cpu"}, CUDA, [("KIND_CPU", 1)]),
        ("openvino", None, CUDA, [("KIND_CPU", 1)]),
        ("openvino", {"count": 2}, CUDA, [("KIND_CPU", 2)]),
        ("tensorrt", None, CUDA, []),
    ],
)
def test_instances_are_where_the_engine_and_the_backend_can_compute(
    backend: str, instances: object, accelerator: Mapping[str, Any], expected: list[tuple[str, int]]
) -> None:
    model = {**RESNET, "backend": backend} | ({"instances": instances} if instances else {})
    groups = configuration(model, accelerator=accelerator).instance_group
    kinds = ModelConfig.DESCRIPTOR.fields_by_name["instance_group"].message_type.enum_types_by_name["Kind"]
    assert [(kinds.values_by_number[one.kind].name, one.count) for one in groups] == expected


@st.composite
def tensors(draw: st.DrawFn) -> list[dict[str, Any]]:
    types = st.sampled_from(sorted(set(TYPES) - {"INVALID"}))
    names = draw(st.lists(TENSORS, max_size=4, unique=True))
    return [{"name": name, "type": draw(types), "dims": draw(DIMS)} for name in names]


@given(
    name=NAMES,
    backend=st.sampled_from(sorted(set(MODEL_FILES) - {"tensorrt"})),
    batch=st.integers(0, 2**31 - 1),
    inputs=tensors(),
    outputs=tensors(),
    parameters=st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["C"]), max_size=30), max_size=3),
)
def test_triton_reads_from_any_configuration_what_settings_said(
    name: str,
    backend: str,
    batch: int,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    parameters: dict[str, str],
) -> None:
    fields = {"name": name, "backend": backend, "maxBatchSize": batch, "inputs": inputs, "outputs": outputs}
    config = configuration({"model": "m", **fields, "parameters": parameters})
    assert (config.name, config.backend, config.max_batch_size) == (name, backend, batch)
    for sent, read in ((inputs, config.input), (outputs, config.output)):
        types = ModelConfig.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number
        found = [
            {"name": one.name, "type": types[one.data_type].name.removeprefix("TYPE_"), "dims": list(one.dims)}
            for one in read
        ]
        assert found == sent
    assert {key: value.string_value for key, value in config.parameters.items()} == parameters


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.integers(0, 8))
def test_any_chain_of_models_becomes_an_ensemble_that_triton_reads(names: list[str], batch: int) -> None:
    models = [{**RESNET, "name": name, "inputs": [SCORES], "outputs": [{**SCORES, "name": "better"}]} for name in names]
    steps = [
        {"model": name, "inputMap": {"scores": f"t{n}"}, "outputMap": {"better": f"t{n + 1}"}}
        for n, name in enumerate(names)
    ]
    chain = {
        **PIPELINE,
        "name": "the.chain.of-all_models",
        "maxBatchSize": batch,
        "inputs": [{**SCORES, "name": "t0"}],
        "outputs": [{**SCORES, "name": f"t{len(names)}"}],
        "steps": list(reversed(steps)),
    }
    made = workload(engine(*models, ensembles=[chain]))
    config = parsed(made.files["the.chain.of-all_models.pbtxt"])
    assert (config.platform, config.backend, config.max_batch_size) == ("ensemble", "", batch)
    read = [(one.model_name, one.model_version, dict(one.input_map)) for one in config.ensemble_scheduling.step]
    assert read == [(one["model"], -1, one["inputMap"]) for one in reversed(steps)]


def test_only_what_settings_list_is_loaded() -> None:
    args = workload(engine(RESNET, {**RESNET, "name": "second"}, ensembles=[PIPELINE])).args
    assert "--model-control-mode=explicit" in args
    assert [one for one in args if one.startswith("--load-model")] == [
        "--load-model=resnet18_imagenette",
        "--load-model=second",
        "--load-model=pipeline",
    ]


def test_running_requests_get_the_drain_time_to_end() -> None:
    assert "--exit-timeout-secs=600" in workload(engine(drainSeconds=600)).args
