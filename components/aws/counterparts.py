"""Settings of what Amazon has in the place of parts that we run ourselves. All of it is off unless asked for."""

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from components.section import Section, rule

Upstream = Literal["docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "public.ecr.aws"]
NEEDS_LOGIN: tuple[Upstream, ...] = ("docker.io", "ghcr.io")
"""What ECR fetches from these registries, it fetches as somebody: user guide of ECR, pull-through-cache, 2026-11-22."""

SecretArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:ecr-pullthroughcache/[A-Za-z0-9/_+=.@-]+$"
    ),
    rule(
        "the ARN of a secret in Secrets Manager whose name begins with ecr-pullthroughcache/",
        example="arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/docker-AbCdEf",
    ),
]
CertificateArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-z0-9-]+$"),
    rule(
        "the ARN of a certificate in ACM",
        example="arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
    ),
]
ZoneId = Annotated[
    str,
    StringConstraints(pattern=r"^Z[A-Z0-9]{1,31}$"),
    rule("the ID of a hosted zone in Route 53", example="Z0123456789ABCDEFGHIJ"),
]
DomainName = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", max_length=64),
    rule("a domain name in lower case", example="api.example.com"),
]


def _network(text: str) -> str:
    IPv4Network(text)
    return text


Client = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"),
    AfterValidator(_network),
    rule("an IPv4 network, without bits beyond its length", example="198.51.100.0/24"),
]


class PullThrough(Section):
    """Amazon ECR in front of public registries: it keeps what was pulled once. Images of pods are then named there."""

    upstreams: tuple[Upstream, ...] = Field(default=("quay.io", "registry.k8s.io", "public.ecr.aws"), min_length=1)
    """Registries that it stands in front of; what comes from others is pulled from there, as before."""
    logins: dict[Upstream, SecretArn] = Field(default_factory=dict[Upstream, str])
    """Secrets with `username` and `accessToken` for `docker.io` and `ghcr.io`, which it asks as somebody."""

    @model_validator(mode="after")
    def _has_logins(self) -> "PullThrough":
        if missing := [one for one in self.upstreams if one in NEEDS_LOGIN and one not in self.logins]:
            raise ValueError(
                f"ECR fetches from {' and '.join(missing)} with a login only: add its secret's ARN to logins, made "
                "with aws secretsmanager create-secret --name ecr-pullthroughcache/NAME "
                """--secret-string '{"username": "…", "accessToken": "…"}'"""
            )
        return self


class Grafana(Section):
    """Amazon Managed Grafana on the managed Prometheus."""

    login: Literal["AWS_SSO", "SAML"] = "AWS_SSO"
    """Who says who somebody is: IAM Identity Center, which the organization must have, or a SAML provider."""


class Observability(Section):
    """Amazon's monitoring, beside or instead of the chart `kube-prometheus-stack`."""

    container_insights: bool = False
    """EKS's add-on with the CloudWatch agent: metrics and logs of nodes and pods. Costs by what it collects."""
    prometheus: bool = False
    """A workspace of Managed Prometheus, and a role with which the chart's Prometheus writes into it."""
    retention_days: Annotated[PositiveInt, Field(le=1095)] = 150
    """Days that the workspace keeps series."""
    grafana: Grafana | None = None
    """A workspace of Managed Grafana; none when not set. Needs `prometheus`."""

    @model_validator(mode="after")
    def _grafana_reads_something(self) -> "Observability":
        if self.grafana and not self.prometheus:
            raise ValueError("grafana shows what the managed Prometheus has: set prometheus to true")
        return self


class Entrance(Section):
    """A load balancer with TLS in front of the gateway's `nodePort`. We make it, so nothing else has to clean it up."""

    kind: Literal["application", "network"] = "application"
    """`application` reads HTTP; `network` hands connections on, for streams that last for hours."""
    internet: bool = False
    """In the public subnets with public addresses; else in the private ones."""
    clients: tuple[Client, ...] = Field(min_length=1, examples=[["198.51.100.0/24"]])
    """Networks that may connect."""
    everybody: bool = False
    """Let `0.0.0.0/0` stand among the clients: whoever has a key may ask, and whoever has none may try."""
    certificate: CertificateArn | None = None
    """A certificate that is there."""
    domain: DomainName | None = Field(default=None, examples=["api.example.com"])
    """In its place: the name to make a certificate for, and to point at the load balancer."""
    zone: ZoneId | None = None
    """The hosted zone that has `domain`."""

    @model_validator(mode="after")
    def _is_for_somebody(self) -> "Entrance":
        if "0.0.0.0/0" in self.clients and not self.everybody:
            raise ValueError("0.0.0.0/0 is everybody: name the networks that may connect, or set everybody to true")
        return self

    @model_validator(mode="after")
    def _has_a_certificate(self) -> "Entrance":
        if bool(self.certificate) == bool(self.domain) or bool(self.domain) != bool(self.zone):
            raise ValueError("needs either a certificate, or a domain with its zone to make one for")
        return self


class Database(Section):
    """RDS for PostgreSQL, in which the gateway keeps keys, budgets and spending."""

    instance_class: Annotated[
        str,
        StringConstraints(pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$"),
        rule("a class of RDS instances", example="db.t4g.small"),
    ] = "db.t4g.small"
    """Its machine."""
    version: (
        Annotated[
            str, StringConstraints(pattern=r"^[0-9]{2}(\.[0-9]{1,2})?$"), rule("a version of PostgreSQL", example="17")
        ]
        | None
    ) = None
    """Of PostgreSQL; Amazon's choice when it is made, if not set."""
    size: Annotated[int, Field(ge=20, le=65536)] = 20
    """GB of gp3; four times as much are added as they are needed."""
    both_zones: bool = True
    """A second machine in another zone takes over when one fails. Costs twice."""
    backup_days: Annotated[int, Field(ge=1, le=35)] = 7
    """Days to which it can be set back."""
    protected: bool = True
    """Amazon refuses to delete it until an `up` has seen this as false. A last snapshot stays in any case."""


class Efs(Section):
    """Amazon EFS: in all zones, grows by itself, slower than a disk. The `cache` of every cluster is on it."""

    kind: Literal["efs"]
    """Which file system."""


class Lustre(Section):
    """Amazon FSx for Lustre: in one zone, as fast as its size. The models' bucket as files, which come when read."""

    kind: Literal["lustre"]
    """Which file system."""
    size: Annotated[int, Field(ge=1200, multiple_of=1200)] = 1200
    """GB: 1200, or a multiple of 2400."""
    throughput: Literal[125, 250, 500, 1000] = 125
    """MB/s for each TiB."""

    @model_validator(mode="after")
    def _size_is_sold(self) -> "Lustre":
        if self.size > 1200 and self.size % 2400:
            raise ValueError(f"{self.size} is not sold: 1200, or a multiple of 2400")
        return self


Files = Annotated[Efs | Lustre, Field(discriminator="kind")]
