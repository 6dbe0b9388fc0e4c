"""Argo CD's parts as servers: one image under several names, and a cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.gitops.access import APPLICATION_SETS, CONTROLLER, NOTIFICATIONS, SERVER, Access
from components.gitops.settings import ArgoCd, WebhookNotifications
from components.gitops.versions import ARGO_CD, REDIS
from components.workload.application import Server
from components.workload.pod import labels
from components.workload.spec import (
    ConfigFiles,
    Container,
    Health,
    ImageUser,
    Peer,
    Placement,
    Pod,
    Resources,
    Scratch,
    SecretKey,
    Volume,
)

NAMESPACE = "argocd"
MONITORING = "monitoring"
"""Namespace whose pods may read metrics."""
REDIS_SECRET = "argocd-redis"
REDIS_PASSWORD = SecretKey(secret=REDIS_SECRET, key="auth")
SERVER_PORT, REPO_PORT, REDIS_PORT = 8080, 8081, 6379
API_SERVER = (Peer(port=443), Peer(port=6443))
"""Kubernetes' own API: it is no pod, so no policy can name it."""
LOST_NODE_SECONDS = 30
_HOME = "/home/argocd"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A server, and what it may do in Kubernetes."""

    server: Server
    access: Access | None = None


@dataclass(frozen=True, kw_only=True)
class _Program:
    """What Argo CD's own parts differ in."""

    name: str
    part: str
    resources: Resources
    health: Health
    ports: Mapping[str, int]
    clients: Sequence[Peer]
    egress: Sequence[Peer]
    access: Access | None = None
    env: Mapping[str, str] | None = None
    mounts: Mapping[str, str] | None = None
    volumes: Mapping[str, Volume] | None = None
    cached: bool = True
    """Whether it uses the cache."""
    scratch: str = "1Gi"
    replicas: int = 1
    one_at_a_time: bool = False
    user: ImageUser | None = None
    node_ports: Mapping[str, int] | None = None


def parts(settings: ArgoCd, *, taints: Sequence[str]) -> list[Part]:
    """All that these settings ask for; the cache first."""
    lost = LOST_NODE_SECONDS if settings.availability == "ha" else None
    placement = Placement(taints=tuple(taints), lost_node_seconds=lost)
    programs = [_repo_server(settings), _controller(settings), _application_sets(settings)]
    if settings.availability != "core":
        programs.append(_server(settings))
    if settings.notifications:
        programs.append(_notifications(settings))
    return [_redis(settings, placement), *(_part(program, placement) for program in programs)]


def _part(program: _Program, placement: Placement) -> Part:
    container = Container(
        name=program.name,
        image=ARGO_CD,
        # Not as a command: the image's own entrypoint collects what git and helm leave behind.
        args=(f"/usr/local/bin/{program.name.removesuffix('-controller')}",)
        if program.part == "notifications"
        else (f"/usr/local/bin/{program.name}",),
        env={"HOME": _HOME, **(program.env or {})},
        secret_env={"REDIS_PASSWORD": REDIS_PASSWORD} if program.cached else {},
        ports=program.ports,
        mounts={_HOME: "home", "/tmp": "scratch", "/app/config/tls": "tls", **(program.mounts or {})},
        health=program.health,
        resources=program.resources,
        working_directory=_HOME,
    )
    server = Server(
        name=program.name,
        part=program.part,
        pod=Pod(
            containers=[container],
            volumes={
                "home": Scratch(size="256Mi"),
                "scratch": Scratch(size=program.scratch),
                "tls": ConfigFiles(config_map="argocd-tls-certs-cm"),
                **(program.volumes or {}),
            },
            placement=placement,
            api_token=program.access is not None,
            user=program.user,
        ),
        ports=program.ports,
        node_ports=program.node_ports or {},
        clients=(*program.clients, Peer(port=program.ports["metrics"], namespace=MONITORING)),
        egress=(*program.egress, *([_peer("argocd-redis", "cache", REDIS_PORT)] if program.cached else [])),
        replicas=program.replicas,
        update="recreate" if program.one_at_a_time else "surge",
    )
    return Part(server=server, access=program.access)


def _peer(name: str, part: str, port: int) -> Peer:
    return Peer(port=port, namespace=NAMESPACE, labels=labels(name, part))


def _repo_peer() -> Peer:
    return _peer("argocd-repo-server", "repo-server", REPO_PORT)


def _outside(settings: ArgoCd, *ports: int) -> list[Peer]:
    """Addresses of anybody's, at these ports and those that settings name."""
    return [Peer(port=port) for port in sorted({*ports, *settings.ports})]


def _controller(settings: ArgoCd) -> _Program:
    """A Deployment of one, which a lost node does not hold on to; its own manifests have a StatefulSet, for shards."""
    return _Program(
        name="argocd-application-controller",
        part="application-controller",
        resources=settings.resources.controller,
        health=Health(path="/healthz", port=8082),
        ports={"metrics": 8082},
        clients=[],
        egress=[*API_SERVER, _repo_peer()],
        access=CONTROLLER,
        env={
            "ARGOCD_CONTROLLER_REPLICAS": "1",
            "ARGOCD_RECONCILIATION_TIMEOUT": f"{settings.refresh_seconds}s",
            "KUBECACHEDIR": "/tmp/kubecache",
        },
        one_at_a_time=True,
    )


def _repo_server(settings: ArgoCd) -> _Program:
    helm = "/tmp/helm"
    clients = [
        ("argocd-application-controller", "application-controller"),
        ("argocd-applicationset-controller", "applicationset-controller"),
        ("argocd-server", "server"),
        ("argocd-notifications-controller", "notifications"),
    ]
    return _Program(
        name="argocd-repo-server",
        part="repo-server",
        resources=settings.resources.repo_server,
        health=Health(path="/healthz?full=true", ready_path="/healthz", port=8084),
        ports={"server": REPO_PORT, "metrics": 8084},
        clients=[_peer(name, part, REPO_PORT) for name, part in clients],
        egress=_outside(settings, 22, 443),
        env={
            "ARGOCD_RECONCILIATION_TIMEOUT": f"{settings.refresh_seconds}s",
            "HELM_CACHE_HOME": helm,
            "HELM_CONFIG_HOME": helm,
            "HELM_DATA_HOME": helm,
        },
        mounts={
            "/app/config/ssh": "ssh",
            "/app/config/gpg/source": "gpg-keys",
            "/app/config/gpg/keys": "gpg-keyring",
            f"{_HOME}/cmp-server/plugins": "plugins",
        },
        volumes={
            "ssh": ConfigFiles(config_map="argocd-ssh-known-hosts-cm"),
            "gpg-keys": ConfigFiles(config_map="argocd-gpg-keys-cm"),
            "gpg-keyring": Scratch(size="16Mi"),
            "plugins": Scratch(size="1Mi"),
        },
        scratch="10Gi",
        replicas=_replicas(settings),
        user=ImageUser(number=999, why="ssh works for users only that the image knows: this is its own, argocd"),
    )


def _server(settings: ArgoCd) -> _Program:
    replicas = _replicas(settings)
    return _Program(
        name="argocd-server",
        part="server",
        resources=settings.resources.server,
        health=Health(path="/healthz?full=true", ready_path="/healthz", port=SERVER_PORT, tls=True),
        ports={"https": SERVER_PORT, "metrics": 8083},
        node_ports={"https": settings.node_port} if settings.node_port else {},
        clients=[],
        egress=[*API_SERVER, _repo_peer(), *(_outside(settings) if settings.sso else [])],
        access=SERVER,
        env={"ARGOCD_API_SERVER_REPLICAS": str(replicas)},
        mounts={"/app/config/ssh": "ssh"},
        volumes={"ssh": ConfigFiles(config_map="argocd-ssh-known-hosts-cm")},
        replicas=replicas,
    )


def _application_sets(settings: ArgoCd) -> _Program:
    return _Program(
        name="argocd-applicationset-controller",
        part="applicationset-controller",
        resources=settings.resources.application_sets,
        # Its probes' port knows no path.
        health=Health(port=8080),
        ports={"webhook": 7000, "metrics": 8080},
        clients=[],
        egress=[*API_SERVER, _repo_peer(), *_outside(settings)],
        access=APPLICATION_SETS,
        env={"NAMESPACE": NAMESPACE},
        cached=False,
        one_at_a_time=True,
    )


def _notifications(settings: ArgoCd) -> _Program:
    told = settings.notifications
    return _Program(
        name="argocd-notifications-controller",
        part="notifications",
        resources=settings.resources.notifications,
        health=Health(port=9001),
        ports={"metrics": 9001},
        clients=[],
        egress=[*API_SERVER, _repo_peer(), *_outside_of(told)],
        access=NOTIFICATIONS,
        cached=False,
        one_at_a_time=True,
    )


def _outside_of(told: object) -> list[Peer]:
    """Where a webhook is; Slack is at 443, like Kubernetes' API."""
    if not isinstance(told, WebhookNotifications):
        return []
    scheme, _, rest = told.url.partition("://")
    _, _, port = rest.partition("/")[0].partition(":")
    number = int(port) if port else {"http": 80, "https": 443}[scheme]
    return [] if number in {peer.port for peer in API_SERVER} else [Peer(port=number)]


def _replicas(settings: ArgoCd) -> int:
    return 2 if settings.availability == "ha" else 1


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
        clients=[_peer(name, part, REDIS_PORT) for name, part in clients],
    )
    return Part(server=server)
