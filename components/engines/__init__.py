"""Every engine: one file each, and its line here."""

from typing import Annotated

from pydantic import Field

from components.engines.llamacpp import LlamaCpp
from components.engines.vllm import Vllm

AnyEngine = Annotated[Vllm | LlamaCpp, Field(discriminator="kind")]
ENGINES = (Vllm, LlamaCpp)
