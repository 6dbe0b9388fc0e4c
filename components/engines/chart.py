"""Any Helm chart, through Argo CD, with the placement, policies and gateway of all others."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, field_validator

from components.accelerators import Kind
from components.engines.engine import Workload
from components.engines.image import HttpPath
from components.engines.protocol import ProtocolEngine
from components.engines.settings import CONFIDENTIAL
from components.node.settings import Architecture
from components.section import PORT, Labels, Name, rule
from components.values import merged, texts

ChartName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$", max_length=200),
    rule("the name of a chart", example="text-generation"),
]
ChartVersion = Annotated[
    str,
    StringConstraints(pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$", max_length=100),
    rule("an exact version", example="1.4.2"),
]
ChartRepository = Annotated[
    str,
    StringConstraints(pattern=rf"^(https?|oci)://[A-Za-z0-9][A-Za-z0-9.-]*{PORT}(/[A-Za-z0-9._/-]*)?$"),
    rule("the URL of a chart repository: https://…, or oci://… for a registry", example="https://charts.example.com"),
]
ValuesPath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200),
    rule("keys of the chart's values, with dots between them", example="server.pod"),
]


class Chart(ProtocolEngine):
    """Any Helm chart, which Argo CD applies: the way out for what has no kind of its own. Needs `inference:argocd`."""

    kind: Literal["chart"]
    """Which engine."""
    repository: ChartRepository
    """Where the chart is published."""
    chart: ChartName
    """Its name there."""
    version: ChartVersion
    """Its version."""
    values: dict[str, Any] = Field(default_factory=dict[str, Any], examples=[{"model": "org/model"}])
    """What the chart is told. Nothing secret: charts take the name of a Secret for that."""
    placement_at: ValuesPath | None = Field(default=None, examples=["server"])
    """Where in its values pods' `nodeSelector`, `tolerations` and `resources` stand; at the top when not set."""
    service: Name | None = None
    """The Service that answers requests; one with the engine's name when not set."""
    port: PositiveInt = Field(default=8000, le=65535)
    """Where that answers, and its pods do."""
    path: HttpPath = "/v1"
    """Where its API begins."""
    pod_labels: Labels = Field(default_factory=dict[str, str], examples=[{"app": "text-generation"}])
    """Labels of its pods, which its network policy is for; `app.kubernetes.io/instance` with the engine's name when
    not set, as charts have it that follow Helm's own."""
    reaches: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(default=(), examples=[[443]])
    """TCP ports that its pods may reach anywhere. None but DNS and each other when not set."""
    cluster_wide: bool = False
    """Whether it may make objects that belong to no namespace, such as ClusterRoles."""

    @field_validator("values")
    @classmethod
    def _nothing_secret(cls, values: dict[str, Any]) -> dict[str, Any]:
        if found := next((path for path, text in texts(values) if text and CONFIDENTIAL.search(path)), None):
            raise ValueError(f"{found} looks like a secret, which anyone could read here: name a Secret instead")
        return values

    @field_validator("scaling", "extra_args")
    @classmethod
    def _in_its_values(cls, given: Any) -> Any:
        if given:
            raise ValueError("is not for a chart: say it in its `values`")
        return given

    @property
    def images(self) -> Mapping[Kind, str]:
        """Whatever the chart says."""
        return {self.accelerator.kind: f"{self.chart}:{self.version}"}

    @property
    def built_for(self) -> Sequence[Architecture]:
        """Nobody knows: the node selector says."""
        return ("amd64", "arm64")

    @property
    def selector(self) -> Labels:
        """Labels of its pods."""
        return self.pod_labels or {"app.kubernetes.io/instance": self.name}

    def placed(self, pods: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its values, with what is told of its pods' placement where the chart looks for it."""
        keys = self.placement_at.split(".") if self.placement_at else []
        return merged(self.values, _nested(keys, {"replicaCount": self.replicas, **pods}))

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """What stands for it where no Argo CD runs, as on simulated nodes: a pod with its resources."""
        del models
        return Workload(
            image=self.images[self.accelerator.kind], ports={"http": self.port}, health=self.path, metrics=None
        )


def _nested(keys: Sequence[str], value: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return value
