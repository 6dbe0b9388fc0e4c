"""Speculative decoding with vLLM: settings."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo

from components.engines.vllm_values import SpeculativeMethod
from components.section import Name, Section


def _belongs_to_its_method(model: str | None, others: ValidationInfo) -> str | None:
    """Some ways to guess need a second model."""
    method = others.data.get("method")
    if method in ("ngram", "mtp") and model:
        raise ValueError(f"cannot go with `method: {method}`, which needs no second model: remove it")
    if method in ("draft_model", "eagle", "eagle3") and not model:
        raise ValueError(f"is missing: `method: {method}` guesses with a second model; it must be one of `models`")
    return model


class Speculation(Section):
    """Tokens that are guessed ahead and checked all at once: the same answers, sooner."""

    method: SpeculativeMethod
    """Who guesses: `ngram` the prompt itself, `mtp` further layers of the model; the others are a second model."""
    tokens: Annotated[PositiveInt, Field(le=64)]
    """Tokens at a time."""
    model: Annotated[Name | None, AfterValidator(_belongs_to_its_method)] = Field(default=None, validate_default=True)
    """The second model, one of `models`, with the same vocabulary as the first."""
