"""How Triton's container starts: the scripts themselves, with stand-ins for what they call."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from components.engines.engine import FILES, Workload
from components.engines.triton.server import REPOSITORY
from components.engines.triton.tensorrtllm import APP
from tests.unit.triton_settings import (
    PIPELINE,
    RESNET,
    engine,
    parsed,
    trtllm,
    workload,
)

SHOW = """\
#!/bin/sh
for argument in "$@"; do echo "$argument"; done
"""
FILL = """\
import string, sys
values = dict(one.split(":") for one in sys.argv[3].split(","))
with open(sys.argv[2]) as file:
    template = file.read()
assert sys.argv[1] == "--in_place" and all(key in template for key in values)
with open(sys.argv[2], "w") as file:
    file.write(string.Template(template).substitute(values))
"""
"""As the tool in the image: https://github.com/NVIDIA/TensorRT-LLM, triton_backend/tools/fill_template.py."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory in which the stand-ins `tritonserver` and `mpirun` show what they are called with."""
    for name in ("tritonserver", "mpirun"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(SHOW)
        program.chmod(0o755)
    return tmp_path


def start(place: Path, made: Workload) -> subprocess.CompletedProcess[str]:
    """What the container does, below `place`."""
    for name, text in made.files.items():
        (place / "files").mkdir(exist_ok=True)
        (place / "files" / name).write_text(text)
    moved = {FILES: f"{place}/files", REPOSITORY: f"{place}/repository"}
    pattern = re.compile("|".join(map(re.escape, moved)))
    args = [pattern.sub(lambda match: moved[match[0]], one) for one in made.args]
    args = [f"{place}{APP}" if one == APP else one for one in args]
    environment = {"PATH": f"{place}/bin:{os.environ['PATH']}"}
    return subprocess.run(args, env=environment, capture_output=True, text=True, check=False)


def files(directory: Path) -> set[str]:
    """Every file below, through links."""
    found = (Path(parent, name) for parent, _, names in os.walk(directory, followlinks=True) for name in names)
    return {str(one.relative_to(directory)) for one in found}


def model(place: Path, *names: str) -> str:
    """A directory with these files, that cannot be written to."""
    for name in names:
        file = place / "model" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"own {name}")
        file.chmod(0o444)
    return str(place / "model")


@pytest.mark.parametrize(
    ("own", "served"),
    [
        (["1/model.onnx", "12/model.onnx"], {"1/model.onnx", "12/model.onnx"}),
        (["model.onnx", "model.onnx.data"], {"1/model.onnx", "1/model.onnx.data"}),
        (["onnx/model.onnx", "README.md"], {"1/onnx/model.onnx", "1/README.md"}),
        (["01/model.onnx", "0/a", "1a/a", "2/model.onnx"], {"2/model.onnx"}),
    ],
    ids=["versions", "bare files", "a directory that is no version", "numbers that Triton ignores"],
)
def test_the_repository_has_version_directories(place: Path, own: list[str], served: set[str]) -> None:
    done = start(place, workload(engine(), resnet18=model(place, *own)))
    assert done.returncode == 0, done.stderr
    versions = {one for one in files(place / "repository/resnet18_imagenette") if "/" in one}
    assert versions == served


def test_labels_are_copies_since_triton_takes_none_from_outside_of_the_model(place: Path) -> None:
    start(place, workload(engine(), resnet18=model(place, "1/model.onnx", "labels.txt")))
    labels = place / "repository/resnet18_imagenette/labels.txt"
    assert (labels.read_text(), labels.is_symlink()) == ("own labels.txt", False)


def test_weights_are_never_copied(place: Path) -> None:
    start(place, workload(engine(), resnet18=model(place, "1/model.onnx")))
    assert (place / "repository/resnet18_imagenette/1").is_symlink()


def test_settings_win_over_a_models_own_configuration(place: Path) -> None:
    start(place, workload(engine(), resnet18=model(place, "1/model.onnx", "config.pbtxt")))
    assert "onnxruntime" in (place / "repository/resnet18_imagenette/config.pbtxt").read_text()


def test_without_a_backend_the_models_own_configuration_is_left_alone(place: Path) -> None:
    start(place, workload(engine({"model": "resnet18"}), resnet18=model(place, "1/model.onnx", "config.pbtxt")))
    assert (place / "repository/resnet18/config.pbtxt").read_text() == "own config.pbtxt"


def test_a_model_without_any_configuration_ends_the_start_with_what_to_do(place: Path) -> None:
    done = start(place, workload(engine({"model": "resnet18"}), resnet18=model(place, "1/model.onnx")))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("resnet18 has no config.pbtxt among its files; set its `backend`")


def test_a_container_that_is_started_again_lays_out_its_repository_anew(place: Path) -> None:
    directory = model(place, "1/model.onnx")
    start(place, workload(engine(RESNET, {**RESNET, "name": "gone"}), resnet18=directory))
    done = start(place, workload(engine(ensembles=[PIPELINE]), resnet18=directory))
    assert done.returncode == 0, done.stderr
    assert {one.name for one in (place / "repository").iterdir()} == {"resnet18_imagenette", "pipeline"}
    assert (place / "repository/pipeline/1").is_dir()
    assert Path(directory, "1/model.onnx").read_text() == "own 1/model.onnx"


def test_every_start_closes_the_calls_that_load_models_with_a_key_of_its_own(place: Path) -> None:
    made = workload(engine(), resnet18=model(place, "1/model.onnx"))
    keys: set[str] = set()
    for _ in range(2):
        closed = [one for one in start(place, made).stdout.splitlines() if "restricted" in one]
        pattern = r"--(http-\S+-api|grpc-\S+-protocol)=model-repository,shared-memory,logging,trace:key=(\w{32})"
        matches = [re.fullmatch(pattern, one) for one in closed]
        keys |= {match[2] for match in matches if match}
        assert [match[1] for match in matches if match] == ["http-restricted-api", "grpc-restricted-protocol"]
    assert len(keys) == 2


TEMPLATES = {
    "preprocessing": 'name: "preprocessing" backend: "python" max_batch_size: ${triton_max_batch_size} '
    "dynamic_batching { max_queue_delay_microseconds: ${max_queue_delay_microseconds} "
    "default_queue_policy { max_queue_size: ${max_queue_size} } } "
    "instance_group { count: ${preprocessing_instance_count} } "
    'parameters { key: "tokenizer_dir" value { string_value: "${tokenizer_dir}" } } '
    'parameters { key: "engine_dir" value { string_value: "${engine_dir}" } }',
    "postprocessing": 'name: "postprocessing" backend: "python" max_batch_size: ${triton_max_batch_size} '
    "instance_group { count: ${postprocessing_instance_count} } "
    'parameters { key: "tokenizer_dir" value { string_value: "${tokenizer_dir}" } } '
    'parameters { key: "skip_special_tokens" value { string_value: "${skip_special_tokens}" } }',
    "tensorrt_llm": 'name: "tensorrt_llm" backend: "${triton_backend}" max_batch_size: ${triton_max_batch_size} '
    "model_transaction_policy { decoupled: ${decoupled_mode} } "
    "dynamic_batching { max_queue_delay_microseconds: ${max_queue_delay_microseconds} "
    "default_queue_policy { max_queue_size: ${max_queue_size} } } "
    'input { name: "prompt" data_type: ${prompt_embedding_table_data_type} dims: -1 } '
    'input { name: "features" data_type: ${encoder_input_features_data_type} dims: -1 } '
    'output { name: "logits" data_type: ${logits_datatype} dims: -1 } '
    + "".join(
        f'parameters {{ key: "{key}" value {{ string_value: "${{{key}}}" }} }} '
        for key in (
            *("engine_dir", "tokenizer_dir", "batching_strategy", "kv_cache_free_gpu_mem_fraction"),
            *("enable_kv_cache_reuse", "enable_chunked_context", "exclude_input_in_output"),
        )
    ),
    "ensemble": 'name: "ensemble" platform: "ensemble" max_batch_size: ${triton_max_batch_size} '
    'output { name: "logits" data_type: ${logits_datatype} dims: -1 }',
}
"""In few words what stands in the image: the placeholders, and the kind of value that each must get."""


@pytest.fixture
def app(place: Path) -> Path:
    """What the image has of TensorRT-LLM's pipeline."""
    for name, text in TEMPLATES.items():
        template = place / "app/all_models/inflight_batcher_llm" / name / "config.pbtxt"
        (template.parent / "1").mkdir(parents=True)
        template.write_text(text)
    (place / "app/tools").mkdir()
    (place / "app/tools/fill_template.py").write_text(FILL)
    return place


def test_the_pipeline_of_tensorrt_llm_is_filled_in_with_what_triton_can_read(app: Path) -> None:
    fields = trtllm(directory="engine", tokenizer="words", kvCacheFraction=0.8, maxBatchSize=32, tokenizers=4)
    done = start(app, workload(fields, llama="/models/llama", words="/models/words"))
    assert done.returncode == 0, done.stderr
    configs = {name: parsed((app / "repository" / name / "config.pbtxt").read_text()) for name in TEMPLATES}
    assert {config.max_batch_size for config in configs.values()} == {32}
    llm = configs["tensorrt_llm"]
    assert llm.backend == "tensorrtllm"
    assert llm.model_transaction_policy.decoupled
    assert {key: value.string_value for key, value in llm.parameters.items()} == {
        "engine_dir": "/models/llama/engine",
        "tokenizer_dir": "/models/words",
        "batching_strategy": "inflight_fused_batching",
        "kv_cache_free_gpu_mem_fraction": "0.8",
        "enable_kv_cache_reuse": "false",
        "enable_chunked_context": "false",
        "exclude_input_in_output": "true",
    }
    assert configs["preprocessing"].parameters["tokenizer_dir"].string_value == "/models/words"
    assert configs["preprocessing"].instance_group[0].count == 4
    loaded = [one for one in done.stdout.splitlines() if one.startswith("--load-model=")]
    assert loaded == [
        f"--load-model={name}" for name in ("preprocessing", "tensorrt_llm", "postprocessing", "ensemble")
    ]


def test_an_llm_on_several_gpus_has_a_process_for_each_of_which_the_first_answers(app: Path) -> None:
    made = workload(trtllm(accelerator={"kind": "cuda", "count": 2}), llama="/models/llama")
    first, second = start(app, made).stdout.split("\n:\n")
    assert "--load-model=ensemble" in first
    assert re.findall("--load-model=.*", second) == ["--load-model=tensorrt_llm"]
    assert re.findall("prefix[0-9]_", first + second) == ["prefix0_", "prefix1_"]
