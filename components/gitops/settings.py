"""Settings of Argo CD."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from components.node.settings import Url
from components.section import Name, Section, rule
from components.workload.spec import NodePort, Resources

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII…\n-----END CERTIFICATE-----"
Port = Annotated[int, Field(ge=1, le=65535)]
Group = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/@-]*$", max_length=200),
    rule("a group's name, without commas and quotation marks", example="platform-engineers"),
]
Host = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253),
    rule("a host name in lower case, or an address", example="git.lan"),
]
KnownHost = Annotated[
    str,
    StringConstraints(pattern=r"^\S+ (ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+={0,2}$", max_length=4096),
    rule(
        "a line as ssh-keyscan prints it",
        example="git.lan ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLE",
    ),
]
Certificates = Annotated[
    str,
    StringConstraints(pattern=r"^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n?$"),
    rule("certificates in PEM", example=CERTIFICATE),
]
Event = Literal["sync-failed", "degraded", "synced"]


class Sso(Section):
    """Sign-in with an OpenID Connect provider, which Argo CD asks itself. The client's secret is one of the stack's."""

    issuer: Annotated[Url, Field(examples=["https://login.example.com/realms/platform"])]
    """The provider's issuer URL."""
    client_id: Annotated[
        str, StringConstraints(pattern=r"^\S+$", max_length=200), rule("an ID without spaces", example="argocd")
    ]
    """What the provider calls Argo CD. Its redirect URI there is `<url>/auth/callback`."""
    name: str = "SSO"
    """On the button of the sign-in page."""
    scopes: Annotated[tuple[str, ...], Field(min_length=1)] = ("openid", "profile", "email", "groups")
    """What is asked for at sign-in."""
    groups: dict[Group, Literal["admin", "readonly"]] = Field(
        default_factory=dict[Group, Literal["admin", "readonly"]], examples=[{"platform-engineers": "admin"}]
    )
    """What members of the provider's groups may do: everything, or look. The token's claim `groups` names them."""
    others: Literal["nothing", "readonly"] = "nothing"
    """What everybody else may do who can sign in."""
    certificates: Certificates | None = None
    """Authorities that the provider's certificate is checked with, in PEM; public ones if not set."""


class SlackNotifications(Section):
    """Messages in a channel of Slack. The bot's token is a secret of the stack."""

    kind: Literal["slack"] = "slack"
    """Always `slack`."""
    channel: Annotated[
        str,
        StringConstraints(pattern=r"^[^\s:;]+$", max_length=80),
        rule("the name of a channel", example="deployments"),
    ]
    """The channel, without `#`; the bot has to be a member."""
    events: tuple[Event, ...] = ("sync-failed", "degraded")
    """What is told, for every application."""


class WebhookNotifications(Section):
    """A POST of JSON with the application, the event and a message. A bearer token may be a secret of the stack."""

    kind: Literal["webhook"] = "webhook"
    """Always `webhook`."""
    url: Annotated[Url, Field(examples=["https://alerts.example.com/argocd"])]
    """Where it goes."""
    events: tuple[Event, ...] = ("sync-failed", "degraded")
    """What is told, for every application."""


Notifications = Annotated[SlackNotifications | WebhookNotifications, Field(discriminator="kind")]


class ArgoCdResources(Section):
    """CPU and memory of Argo CD's parts, each replica of them."""

    controller: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="2", memory_limit="2Gi")
    """Compares clusters with Git, and applies. Grows with the number of objects in the cluster."""
    repo_server: Resources = Resources(cpu="100m", memory="256Mi", cpu_limit="2", memory_limit="1Gi")
    """Fetches repositories and renders charts. Grows with their size."""
    server: Resources = Resources(cpu="50m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
    """The API and the page."""
    application_sets: Resources = Resources(cpu="50m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
    """Makes applications from templates."""
    notifications: Resources = Resources(cpu="50m", memory="128Mi", cpu_limit="500m", memory_limit="256Mi")
    """Tells of events."""
    redis: Resources = Resources(cpu="50m", memory="128Mi", cpu_limit="500m", memory_limit="512Mi")
    """The cache."""


class ArgoCd(Section):
    """Argo CD, which keeps clusters as Git and pinned charts say."""

    cluster: Name | None = None
    """The cluster that it runs in, and from where it serves all of them; each has one of its own when not set."""
    availability: Literal["normal", "ha", "core"] = "normal"
    """`ha`: two API servers and two repo servers, on different nodes if there are, and what a lost node ran is replaced
    after 30 seconds. `core`: no API server, page, sign-in or notifications; for who uses Git and kubectl alone."""
    url: Url | None = Field(default=None, examples=["https://argocd.example.com"])
    """Where people open its page, behind whatever proxy; sign-in and links in messages go there."""
    node_port: NodePort | None = Field(default=None, examples=[30443])
    """Port of every node, 30000 to 32767, at which page and API answer outside the cluster; none when not set.

    HTTPS, with a certificate that Argo CD made itself."""
    admin: bool = False
    """Whether the account `admin` may sign in, with a password that is made for it and kept as a secret."""
    sso: Sso | None = None
    """Sign-in with the accounts that people have already; none when not set."""
    notifications: Notifications | None = None
    """Who is told when something goes wrong; nobody when not set."""
    known_hosts: tuple[KnownHost, ...] = ()
    """Keys of the hosts that Git repositories are on and that are reached over SSH; no others are trusted."""
    certificates: dict[Host, Certificates] = Field(
        default_factory=dict[Host, Certificates], examples=[{"git.lan": CERTIFICATE}]
    )
    """By host of a Git repository or chart registry: authorities that its certificate is checked with, in PEM."""
    ports: tuple[Port, ...] = Field(default=(), examples=[[3000, 2222]])
    """Where Git repositories and charts of your own applications are reached, beside 22 and 443."""
    refresh_seconds: PositiveInt = 180
    """How often Git is looked at."""
    resources: ArgoCdResources = ArgoCdResources()
    """CPU and memory."""

    @property
    def signed_in(self) -> bool:
        """Whether anybody can sign in."""
        return self.admin or self.sso is not None

    @model_validator(mode="after")
    def _core_has_no_page(self) -> "ArgoCd":
        if self.availability != "core":
            return self
        asked = {
            "url": self.url,
            "nodePort": self.node_port,
            "admin": self.admin,
            "sso": self.sso,
            "notifications": self.notifications,
        }
        if pointless := [name for name, value in asked.items() if value]:
            raise ValueError(
                f"availability core has no API server and no notifications, so {', '.join(pointless)} can do nothing: "
                "remove that, or set availability to normal"
            )
        return self

    @model_validator(mode="after")
    def _somebody_can_sign_in(self) -> "ArgoCd":
        if self.node_port and not self.signed_in:
            raise ValueError(
                "nodePort opens a page that nobody can sign in to: set sso or admin: true, or remove nodePort"
            )
        if self.sso and not self.url:
            raise ValueError("sso sends people back to Argo CD, so it needs url: the address at which they open it")
        if self.sso and not self.sso.groups and self.sso.others == "nothing":
            raise ValueError("sso lets people in who may do nothing: set sso.groups, or sso.others to readonly")
        return self
