"""Every engine: one file each, and its line here."""

from typing import Annotated

from pydantic import Field

from components.engines.llamacpp import LlamaCpp
from components.engines.mlserver import MLServer
from components.engines.torchserve import TorchServe
from components.engines.vllm import Vllm

AnyEngine = Annotated[Vllm | LlamaCpp | MLServer | TorchServe, Field(discriminator="kind")]
ENGINES = (Vllm, LlamaCpp, MLServer, TorchServe)
