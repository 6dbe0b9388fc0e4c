"""Settings of the gateway."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from components.section import Name, Quantity, Section
from components.workload.spec import NodePort, Resources


class LiteLlmSettings(Section):
    """LiteLLM, the OpenAI-compatible gateway."""

    replicas: Annotated[PositiveInt, Field(le=100)] = 2
    """Pods behind one Service; 1 where Open WebUI is a sidecar."""
    node_port: NodePort | None = Field(default=None, examples=[30400])
    """Port of every node, 30000 to 32767, at which the API answers outside the cluster; none when not set.

    Plain HTTP: keys and prompts can be read on the way, so it is for networks that you trust."""
    resources: Resources = Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi")
    """CPU and memory of one replica."""


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
    node_port: NodePort | None = Field(default=None, examples=[30800])
    """Port of every node, 30000 to 32767, at which the page answers outside the cluster; none when not set.

    Whoever signs up first is its administrator."""
    resources: Resources = Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi")
    """CPU and memory of the page."""


class Gateway(Section):
    """The gateway of every cluster that has engines."""

    litellm: LiteLlmSettings = LiteLlmSettings()
    """The API."""
    open_webui: OpenWebUiSettings | None = OpenWebUiSettings()
    """The chat page; `null` for none."""

    @property
    def node_ports(self) -> Mapping[str, int]:
        """Ports of nodes that are asked for, by what answers there: `litellm` and `openWebui`."""
        asked = {"litellm": self.litellm.node_port, "openWebui": self.open_webui and self.open_webui.node_port}
        return {what: port for what, port in asked.items() if port}

    @model_validator(mode="after")
    def _one_volume_one_pod(self) -> "Gateway":
        sidecar = self.open_webui is not None and self.open_webui.placement == "sidecar"
        if sidecar and self.litellm.replicas > 1:
            raise ValueError(
                "a sidecar keeps its data on one volume, so it cannot run in "
                f"{self.litellm.replicas} replicas: set litellm.replicas to 1, or openWebui.placement to own"
            )
        return self
