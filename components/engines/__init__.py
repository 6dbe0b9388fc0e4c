"""Every engine: one file each, and its line here."""

from typing import Annotated

from pydantic import Field

from components.engines.chart import Chart
from components.engines.comfyui import ComfyUi
from components.engines.custom import Custom
from components.engines.kserve import KServe
from components.engines.llamacpp import LlamaCpp
from components.engines.mlserver import MLServer
from components.engines.ray_serve import RayServe
from components.engines.speaches import Speaches
from components.engines.torchserve import TorchServe
from components.engines.triton.server import Triton
from components.engines.triton.tensorrtllm import TritonTensorRtLlm
from components.engines.vllm import Vllm
from components.engines.vllm_distributed import VllmDistributed

AnyEngine = Annotated[
    Vllm
    | VllmDistributed
    | LlamaCpp
    | Triton
    | TritonTensorRtLlm
    | RayServe
    | KServe
    | MLServer
    | TorchServe
    | ComfyUi
    | Speaches
    | Custom
    | Chart,
    Field(discriminator="kind"),
]
ENGINES = (
    Vllm,
    VllmDistributed,
    LlamaCpp,
    Triton,
    TritonTensorRtLlm,
    RayServe,
    KServe,
    MLServer,
    TorchServe,
    ComfyUi,
    Speaches,
    Custom,
    Chart,
)
