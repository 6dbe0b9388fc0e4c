"""What an engine is estimated to need of its GPUs' memory, and who is told when that cannot be had."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.engines.gpu_memory import GIB, Demand, estimate
from components.storage.model import Model
from tests.unit.mistakes import drop, put, told
from tests.unit.recording import record, stack_settings

LLAMA_8B = {"layers": 32, "kvHeads": 8, "headSize": 128}
"""Of Llama 3.1 8B."""


def model(**given: Any) -> Model:
    source = f"hf://org/repo@{0:040}"
    return Model.model_validate({"name": "m", "source": source, **given})


def demand(**given: Any) -> Demand:
    return Demand(**{"weight_bits": 16, "tokens": 8192, "gpus": 1, **given})


def test_weights_take_their_bits_and_the_cache_grows_with_the_context() -> None:
    found = estimate(demand(), model(parameters="8B", attention=LLAMA_8B))
    assert found
    assert found.weights == 16 * 10**9
    assert found.cache == 8192 * 128 * 1024  # 128 KiB a token
    assert 17 * GIB < found.each < 18 * GIB


def test_the_models_size_says_it_where_the_number_of_parameters_is_not_given() -> None:
    found = estimate(demand(weight_bits=None), model(size="5Gi"))
    assert found
    assert found.weights == 5 * GIB


def test_nothing_is_estimated_from_nothing() -> None:
    assert estimate(demand(), model()) is None
    assert estimate(demand(gpus=0), model(parameters="8B")) is None


@given(st.integers(1, 500), st.integers(1, 8), st.sampled_from([4.25, 8, 16]), st.integers(1, 10**6))
def test_more_gpus_need_less_each_and_more_bits_or_tokens_never_less(
    billions: int, gpus: int, bits: float, tokens: int
) -> None:
    def each(**given: Any) -> int:
        found = estimate(
            demand(**{"weight_bits": bits, "tokens": tokens, "gpus": gpus, **given}),
            model(parameters=f"{billions}B", attention=LLAMA_8B),
        )
        assert found
        return found.each

    assert each(gpus=gpus + 1) < each()
    assert each(weight_bits=bits * 2) > each()
    assert each(tokens=tokens * 2) > each()
    assert each(share=0.5) > each()


def test_an_engine_that_no_gpu_has_the_memory_for_is_refused() -> None:
    gpu = put("clusters", 0, "simulated", 1, "accelerator", "memory", to="24Gi")
    assert told(gpu) == []
    (found,) = told(gpu, put("models", 0, "parameters", to="70B"), drop("models", 0, "size"))
    assert found == (
        "inference:engines[0].accelerator needs about 74.1 GiB on each of 2 GPUs: 130.4 GiB of weights, 3.0 GiB "
        'beside, which is 90%; the largest for it in "dev" has 24.0 GiB: try more GPUs, a shorter contextLength, or a '
        "model with fewer bits per parameter"
    )


def test_an_instance_of_a_gpu_has_its_own_memory_and_no_more() -> None:
    mig = {"kind": "cuda", "count": 1, "memory": "80Gi", "sharing": {"kind": "mig", "profile": "1g.10gb", "parts": 7}}
    changes = [
        put("clusters", 0, "simulated", 1, "accelerator", to=mig),
        put("engines", 0, "accelerator", to={"kind": "cuda", "shared": True}),
    ]
    (found,) = told(*changes)
    assert 'the largest for it in "dev" has 10.0 GiB' in found


def test_what_is_not_known_refuses_nothing() -> None:
    assert told(put("models", 0, "parameters", to="70B")) == []


def test_the_estimate_is_shown_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    record(stack_settings("dev"), stack="dev", monkeypatch=monkeypatch)
    said = caplog.text
    assert "dev: estimated GPU memory" in said
    assert "legal: about 10.6 GiB on each of 2 GPUs: 16.0 GiB of weights, 3.0 GiB beside, which is 90%" in said
