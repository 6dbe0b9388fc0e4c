"""Settings of the gateway."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from components.section import Name, Quantity, Section, rule
from components.workload.spec import NodePort, Resources

AmazonRegion = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$"),
    rule("a region of Amazon's", example="eu-central-1"),
]
_GEOGRAPHIES = ("us", "us-gov", "eu", "apac", "jp", "au", "ca", "global")
"""What the IDs of Bedrock's inference profiles begin with."""


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


class Bedrock(Section):
    """A model that Amazon Bedrock serves."""

    kind: Literal["bedrock"]
    """Whose it is."""
    name: Name
    """What requests call it."""
    model: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9][A-Za-z0-9.:-]{2,139}$"),
        rule("the ID of a model or of an inference profile", example="us.anthropic.claude-sonnet-4-20250514-v1:0"),
    ]
    """What Bedrock calls it; one that begins with `us.`, `eu.`, `apac.` or the like is an inference profile."""
    region: AmazonRegion
    """Region that is asked."""
    profile_regions: tuple[AmazonRegion, ...] = Field(default=(), examples=[["us-east-1", "us-east-2", "us-west-2"]])
    """All regions that an inference profile may answer from: the gateway's role names each."""
    mode: Literal["chat", "embedding"] = "chat"
    """What it is asked for."""

    @property
    def litellm(self) -> Mapping[str, str]:
        """Its parameters in LiteLLM; who asks is the pod's own identity."""
        return {"model": f"bedrock/{self.model}", "aws_region_name": self.region}

    @property
    def actions(self) -> Sequence[str]:
        """What its role must be allowed."""
        return ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")

    def arns(self, account: str) -> Sequence[str]:
        """What that is for: the model, or the profile and the model in each of its regions."""
        if not self.profile_regions:
            return (f"arn:aws:bedrock:{self.region}::foundation-model/{self.model}",)
        model = self.model.partition(".")[2]
        return (
            f"arn:aws:bedrock:{self.region}:{account}:inference-profile/{self.model}",
            *(f"arn:aws:bedrock:{region}::foundation-model/{model}" for region in self.profile_regions),
        )

    @model_validator(mode="after")
    def _profile_has_regions(self) -> "Bedrock":
        if self.model.partition(".")[0] in _GEOGRAPHIES and not self.profile_regions:
            raise ValueError(
                f"{self.model} is an inference profile: list the regions that it answers from in profileRegions; "
                f"aws bedrock get-inference-profile --inference-profile-identifier {self.model} --region {self.region}"
            )
        return self


class SageMaker(Section):
    """An endpoint of Amazon SageMaker that speaks OpenAI's messages, as those of its LMI and TGI images do."""

    kind: Literal["sagemaker"]
    """Whose it is."""
    name: Name
    """What requests call it."""
    endpoint: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"),
        rule("the name of an endpoint", example="mistral-7b"),
    ]
    """The endpoint's name."""
    region: AmazonRegion
    """Where it is."""

    @property
    def mode(self) -> Literal["chat"]:
        """What it is asked for."""
        return "chat"

    @property
    def litellm(self) -> Mapping[str, str]:
        """Its parameters in LiteLLM; who asks is the pod's own identity."""
        return {"model": f"sagemaker_chat/{self.endpoint}", "aws_region_name": self.region}

    @property
    def actions(self) -> Sequence[str]:
        """What its role must be allowed."""
        return ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream")

    def arns(self, account: str) -> Sequence[str]:
        """What that is for."""
        return (f"arn:aws:sagemaker:{self.region}:{account}:endpoint/{self.endpoint}",)


AmazonModel = Annotated[Bedrock | SageMaker, Field(discriminator="kind")]


class Gateway(Section):
    """The gateway of every cluster that has engines."""

    litellm: LiteLlmSettings = LiteLlmSettings()
    """The API."""
    open_webui: OpenWebUiSettings | None = OpenWebUiSettings()
    """The chat page; `null` for none."""
    amazon: tuple[AmazonModel, ...] = ()
    """Models of Amazon's beside those of our engines; target `eks`, whose pods have roles."""

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
