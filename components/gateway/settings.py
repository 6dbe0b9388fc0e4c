"""Settings of the gateway."""

from typing import Literal

from pydantic import PositiveInt, model_validator

from components.section import Name, Quantity, Section
from components.workload.spec import Resources


class LiteLlmSettings(Section):
    """LiteLLM, the OpenAI-compatible gateway."""

    replicas: PositiveInt = 2
    resources: Resources = Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi")


class OpenWebUiSettings(Section):
    """Open WebUI, the chat page."""

    placement: Literal["own", "sidecar"] = "own"
    """`own`: a Deployment of its own. `sidecar`: in LiteLLM's pod, which then has one replica."""
    size: Quantity = "10Gi"
    """Volume for accounts, chats and uploads."""
    storage_class: Name | None = None
    """StorageClass of its volume; the cluster's default when not set."""
    keep_data: bool = True
    """On destroy, leave the volume and its namespace behind."""
    resources: Resources = Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi")


class Gateway(Section):
    """The gateway of every cluster that has engines."""

    litellm: LiteLlmSettings = LiteLlmSettings()
    open_webui: OpenWebUiSettings | None = OpenWebUiSettings()
    """`null` for no chat page."""

    @model_validator(mode="after")
    def _one_volume_one_pod(self) -> "Gateway":
        sidecar = self.open_webui is not None and self.open_webui.placement == "sidecar"
        if sidecar and self.litellm.replicas > 1:
            raise ValueError(
                "a sidecar keeps its data on one volume, so it cannot run in "
                f"{self.litellm.replicas} replicas: set litellm.replicas to 1, or openWebui.placement to own"
            )
        return self
