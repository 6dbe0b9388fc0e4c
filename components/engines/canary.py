"""Something new beside what serves: a copy of an engine that is checked, and then takes a share of the requests."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic import Field, PositiveInt

from components.engines.settings import GgufFile, Image
from components.section import Name, Section
from components.workload.pod import labels
from components.workload.spec import ConfigFiles, Container, Peer, Pod, Resources, SecretKey
from components.workload.task import Task, TaskRun

SUFFIX = "-canary"
HTTP = 80
_SCRIPT = Path(__file__).parent / "scripts" / "smoke.py"
_FAILED = 3
"""As `smoke.py` says that trying again cannot help."""


class Canary(Section):
    """A copy of the engine with something new; all that is not named here is as the engine has it."""

    model: Name | None = None
    """Another of `models`, for example its next revision."""
    file: GgufFile | None = None
    """llama.cpp's file in that model, where it has another name."""
    image: Image | None = None
    """Another version of the server."""
    replicas: Annotated[PositiveInt, Field(le=1000)] = 1
    """Of the copy; the engine keeps its own."""
    share: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of the requests that it gets: 100 promotes it, 0 takes them all back. Both stay loaded."""
    requests: Annotated[PositiveInt, Field(le=1000)] = 20
    """That it must answer, each of them, before its share changes."""


def check_name(engine: str) -> str:
    """Of the Job that asks the canary of `engine`, the copy's own name."""
    return f"check-{engine}"


class CanaryCheck(pulumi.ComponentResource):
    """Asks a canary for answers, again whenever it becomes another one. Where one is missing, `up` ends there."""

    def __init__(
        self,
        name: str,
        *,
        engine: str,
        url: str,
        requests: int,
        key: SecretKey | None,
        image: str,
        told: str,
        namespace: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`engine` serves a model of its name at `url`; `told` says which one it is, and another one is asked anew."""
        super().__init__("inference:engines:CanaryCheck", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        task = check_name(engine)
        script = kubernetes.core.v1.ConfigMap(
            name,
            metadata={"name": task, "namespace": namespace, "labels": labels(task, "job")},
            data={_SCRIPT.name: _SCRIPT.read_text()},
            opts=child,
        )
        container = Container(
            name="check",
            image=image,
            command=("python", f"/check/{_SCRIPT.name}"),
            args=(url, engine, str(requests)),
            secret_env={"ENGINE_API_KEY": key} if key else {},
            resources=Resources(cpu="50m", memory="64Mi", cpu_limit="500m", memory_limit="128Mi"),
            mounts={"/check": "check"},
        )
        port = urlsplit(url).port or HTTP
        TaskRun(
            name,
            Task(
                name=task,
                pod=Pod(containers=[container], volumes={"check": ConfigFiles(config_map=task)}),
                egress=[Peer(port=port, namespace=namespace, labels=labels(engine, "engine"))],
                told={"engine": told},
                retries=0,
                hopeless=_FAILED,
            ),
            namespace=namespace,
            opts=child.merge(pulumi.ResourceOptions(depends_on=[script])),
        )
        self.register_outputs({})
