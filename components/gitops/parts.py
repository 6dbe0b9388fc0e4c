"""Argo CD's parts as servers: its programs, and the cache between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.engines.monitoring import NAMESPACE as MONITORING
from components.gitops.access import Access
from components.gitops.programs import HOME, Program, peer, programs
from components.gitops.settings import ArgoCd
from components.gitops.versions import ARGO_CD, REDIS
from components.workload.application import Server
from components.workload.spec import ConfigFiles, Container, Health, Peer, Placement, Pod, Scratch, SecretKey

REDIS_PASSWORD = SecretKey(secret="argocd-redis", key="auth")
REDIS_PORT = 6379
LOST_NODE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Part:
    """A server, and what it may do in Kubernetes."""

    server: Server
    access: Access | None = None


def parts(settings: ArgoCd, *, taints: Sequence[str], repositories: Sequence[str]) -> list[Part]:
    """All that these settings ask for; the cache first. `repositories` are URLs that will be fetched from."""
    lost = LOST_NODE_SECONDS if settings.availability == "ha" else None
    placement = Placement(taints=tuple(taints), lost_node_seconds=lost)
    asked = programs(settings, repositories=repositories)
    return [_redis(settings, placement), *(_part(program, placement) for program in asked)]


def _part(program: Program, placement: Placement) -> Part:
    container = Container(
        name=program.name,
        image=ARGO_CD,
        # Not as a command: the image's own entrypoint collects what git and helm leave behind.
        args=(f"/usr/local/bin/{program.binary or program.name}",),
        env={"HOME": HOME, **program.env},
        secret_env={"REDIS_PASSWORD": REDIS_PASSWORD} if program.cached else {},
        ports=program.ports,
        mounts={HOME: "home", "/tmp": "scratch", "/app/config/tls": "tls", **program.mounts},
        health=program.health,
        resources=program.resources,
        working_directory=HOME,
    )
    pod = Pod(
        containers=[container],
        volumes={
            "home": Scratch(size="256Mi"),
            "scratch": Scratch(size=program.scratch),
            "tls": ConfigFiles(config_map="argocd-tls-certs-cm"),
            **program.volumes,
        },
        placement=placement,
        api_token=program.access is not None,
        user=program.user,
    )
    server = Server(
        name=program.name,
        part=program.part,
        pod=pod,
        ports=program.ports,
        node_ports=program.node_ports,
        clients=(*program.clients, Peer(port=program.ports["metrics"], namespace=MONITORING)),
        egress=(*program.egress, *([peer("argocd-redis", "cache", REDIS_PORT)] if program.cached else [])),
        replicas=program.replicas,
        update="recreate" if program.one_at_a_time else "surge",
    )
    return Part(server=server, access=program.access)


def _redis(settings: ArgoCd, placement: Placement) -> Part:
    """A cache that may be lost: what was in it is made again. So one is enough, also where all else is there twice."""
    container = Container(
        name="redis",
        image=REDIS,
        args=("redis-server", "--save", "", "--appendonly", "no", "--requirepass", "$(REDIS_PASSWORD)"),
        secret_env={"REDIS_PASSWORD": REDIS_PASSWORD},
        ports={"redis": REDIS_PORT},
        mounts={"/data": "data"},
        working_directory="/data",
        health=Health(port=REDIS_PORT),
        resources=settings.resources.redis,
    )
    clients = [
        ("argocd-application-controller", "application-controller"),
        ("argocd-repo-server", "repo-server"),
        ("argocd-server", "server"),
    ]
    server = Server(
        name="argocd-redis",
        part="cache",
        pod=Pod(containers=[container], volumes={"data": Scratch(size="64Mi")}, placement=placement, grace_seconds=10),
        ports={"redis": REDIS_PORT},
        clients=[peer(name, part, REDIS_PORT) for name, part in clients],
    )
    return Part(server=server)
