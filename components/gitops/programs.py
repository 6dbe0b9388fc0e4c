"""Argo CD's programs: one image under several names, and what they differ in. Facts: manifests/base of v3.5.1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.gitops.access import APPLICATION_SETS, CONTROLLER, NOTIFICATIONS, SERVER, Access
from components.gitops.repository import ports_of
from components.gitops.settings import ArgoCd, WebhookNotifications
from components.workload.pod import labels
from components.workload.spec import ConfigFiles, Health, ImageUser, NodePort, Peer, Resources, Scratch, Volume

NAMESPACE = "argocd"
SERVER_PORT, REPO_PORT = 8080, 8081
API_SERVER = (Peer(port=443), Peer(port=6443))
"""Kubernetes' own API: it is no pod, so no policy can name it."""
HOME = "/home/argocd"


@dataclass(frozen=True, kw_only=True)
class Program:
    """One of them."""

    name: str
    part: str
    binary: str | None = None
    """Below /usr/local/bin, where it is not the name."""
    resources: Resources
    health: Health
    ports: Mapping[str, int]
    """`metrics` among them."""
    node_ports: Mapping[str, NodePort] = field(default_factory=dict[str, NodePort])
    clients: Sequence[Peer] = ()
    egress: Sequence[Peer] = ()
    access: Access | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: Mapping[str, Volume] = field(default_factory=dict[str, Volume])
    scratch: str = "1Gi"
    """How much `/tmp` may hold."""
    cached: bool = True
    """Whether it uses the cache."""
    replicas: int = 1
    one_at_a_time: bool = False
    """Whether the old one ends before the new one starts."""
    user: ImageUser | None = None


def programs(settings: ArgoCd, *, repositories: Sequence[str] = ()) -> list[Program]:
    """Those that these settings ask for; `repositories` are URLs that will be fetched from."""
    asked = [_repo_server(settings, repositories), _controller(settings), _application_sets(settings)]
    if settings.availability != "core":
        asked.append(_server(settings))
    if settings.notifications:
        asked.append(_notifications(settings))
    return asked


def peer(name: str, part: str, port: int) -> Peer:
    """Pods of Argo CD's own."""
    return Peer(port=port, namespace=NAMESPACE, labels=labels(name, part))


def _repo_peer() -> Peer:
    return peer("argocd-repo-server", "repo-server", REPO_PORT)


def _outside(settings: ArgoCd, *ports: int) -> list[Peer]:
    """Addresses of anybody's, at these ports and those that settings name."""
    return [Peer(port=port) for port in sorted({*ports, *settings.ports})]


def _controller(settings: ArgoCd) -> Program:
    """A Deployment of one, which a lost node does not hold on to; its own manifests have a StatefulSet, for shards."""
    return Program(
        name="argocd-application-controller",
        part="application-controller",
        resources=settings.resources.controller,
        health=Health(path="/healthz", port=8082),
        ports={"metrics": 8082},
        egress=[*API_SERVER, _repo_peer()],
        access=CONTROLLER,
        env={
            "ARGOCD_CONTROLLER_REPLICAS": "1",
            "ARGOCD_RECONCILIATION_TIMEOUT": f"{settings.refresh_seconds}s",
            "KUBECACHEDIR": "/tmp/kubecache",
        },
        one_at_a_time=True,
    )


def _repo_server(settings: ArgoCd, repositories: Sequence[str]) -> Program:
    helm = "/tmp/helm"
    clients = [
        ("argocd-application-controller", "application-controller"),
        ("argocd-applicationset-controller", "applicationset-controller"),
        ("argocd-server", "server"),
        ("argocd-notifications-controller", "notifications"),
    ]
    return Program(
        name="argocd-repo-server",
        part="repo-server",
        resources=settings.resources.repo_server,
        health=Health(path="/healthz?full=true", ready_path="/healthz", port=8084),
        ports={"server": REPO_PORT, "metrics": 8084},
        clients=[peer(name, part, REPO_PORT) for name, part in clients],
        egress=_outside(settings, 22, 443, *ports_of(repositories)),
        env={
            "ARGOCD_RECONCILIATION_TIMEOUT": f"{settings.refresh_seconds}s",
            "HELM_CACHEHOME": helm,
            "HELM_CONFIGHOME": helm,
            "HELM_DATAHOME": helm,
        },
        mounts={
            "/app/config/ssh": "ssh",
            "/app/config/gpg/source": "gpg-keys",
            "/app/config/gpg/keys": "gpg-keyring",
            f"{HOME}/cmp-server/plugins": "plugins",
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


def _server(settings: ArgoCd) -> Program:
    replicas = _replicas(settings)
    return Program(
        name="argocd-server",
        part="server",
        resources=settings.resources.server,
        health=Health(path="/healthz?full=true", ready_path="/healthz", port=SERVER_PORT, tls=True),
        ports={"https": SERVER_PORT, "metrics": 8083},
        node_ports={"https": settings.node_port} if settings.node_port else {},
        egress=[*API_SERVER, _repo_peer(), *_at([settings.sso.issuer] if settings.sso else [])],
        access=SERVER,
        env={"ARGOCD_API_SERVER_REPLICAS": str(replicas)},
        mounts={"/app/config/ssh": "ssh"},
        volumes={"ssh": ConfigFiles(config_map="argocd-ssh-known-hosts-cm")},
        replicas=replicas,
    )


def _application_sets(settings: ArgoCd) -> Program:
    return Program(
        name="argocd-applicationset-controller",
        part="applicationset-controller",
        resources=settings.resources.application_sets,
        # Its probes' port knows no path.
        health=Health(port=8080),
        ports={"webhook": 7000, "metrics": 8080},
        egress=[*API_SERVER, _repo_peer(), *_outside(settings)],
        access=APPLICATION_SETS,
        env={"NAMESPACE": NAMESPACE},
        cached=False,
        one_at_a_time=True,
    )


def _notifications(settings: ArgoCd) -> Program:
    told = settings.notifications
    return Program(
        name="argocd-notifications-controller",
        part="notifications",
        binary="argocd-notifications",
        resources=settings.resources.notifications,
        health=Health(port=9001),
        ports={"metrics": 9001},
        egress=[*API_SERVER, _repo_peer(), *_at([told.url] if isinstance(told, WebhookNotifications) else [])],
        access=NOTIFICATIONS,
        cached=False,
        one_at_a_time=True,
    )


def _at(urls: Sequence[str]) -> list[Peer]:
    """Where these are, beside what is open for Kubernetes' API anyway."""
    return [Peer(port=port) for port in sorted(ports_of(urls) - {one.port for one in API_SERVER})]


def _replicas(settings: ArgoCd) -> int:
    return 2 if settings.availability == "ha" else 1
