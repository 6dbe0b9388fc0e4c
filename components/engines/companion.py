"""A server of your own before or beside the one with the model, in KServe."""

from typing import Annotated

from pydantic import Field, PositiveInt

from components.engines.engine import Argument
from components.engines.settings import Image
from components.section import Section
from components.workload.spec import Container, Placement, Pod, Resources

CONTAINER = "kserve-container"
"""The one that KServe takes for the server, in every pod."""
PORT = 8080
"""Where KServe tells such a server to listen."""
SCRATCH = "/scratch"
WRITABLE = ("/tmp", SCRATCH)


class Companion(Section):
    """A server of your own before or beside the model's.

    KServe appends `--model_name NAME --predictor_host HOST --http_port 8080` to its arguments, as its Python SDK takes
    them: it must listen there. It runs as user 10001, with only /tmp and /scratch to write to.
    """

    image: Image
    """What runs."""
    args: tuple[Argument, ...] = ()
    """Its arguments."""
    replicas: Annotated[PositiveInt, Field(le=1000)] = 1
    """How many there are."""
    resources: Resources = Resources(cpu="1", memory="1Gi")
    """CPU and memory of one of them."""


def companion_pod(companion: Companion, pod: Pod, placement: Placement) -> Pod:
    """Its pod; `pod` is that of the model's server, with which it shares a priority and the time to end."""
    container = Container(
        name=CONTAINER,
        image=companion.image,
        args=companion.args,
        env={"HOME": f"{SCRATCH}/home"},
        ports={"http": PORT},
        mounts=dict.fromkeys(WRITABLE, "scratch"),
        resources=companion.resources,
    )
    volumes = {"scratch": pod.volumes["scratch"]}
    return Pod(
        containers=[container],
        volumes=volumes,
        placement=placement,
        grace_seconds=pod.grace_seconds,
        priority=pod.priority,
    )
