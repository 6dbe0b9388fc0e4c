"""Settings of an account at Amazon, and of the EKS clusters in it. Nothing here needs Pulumi's package for AWS."""

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, StringConstraints

from components.aws.counterparts import Database, Entrance, Files, Observability, PullThrough
from components.section import Name, Section, rule

Region = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$"),
    rule("a region of Amazon's", example="eu-central-1"),
]
AccountId = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{12}$"), rule("an account's 12 digits", example="123456789012")
]
ZoneLetter = Annotated[
    str, StringConstraints(pattern=r"^[a-z]$"), rule("the letter behind the region in a zone's name", example="a")
]
VpcId = Annotated[
    str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8,17}$"), rule("a VPC's ID", example="vpc-0123456789abcdef0")
]
SubnetId = Annotated[
    str,
    StringConstraints(pattern=r"^subnet-[0-9a-f]{8,17}$"),
    rule("a subnet's ID", example="subnet-0123456789abcdef0"),
]
RoleName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+=,.@_-]{1,64}$"),
    rule("an IAM role's name: at most 64 letters, digits and + = , . @ _ -", example="my-triton-s3-read"),
]
Principal = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[!-~]+$"),
    rule("the ARN of an IAM role or user", example="arn:aws:iam::123456789012:role/platform"),
]
PriceName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+){0,2}$"),
    rule("an instance type, or another name in components/aws/prices.py", example="g5.xlarge"),
]
Endpoint = Literal[
    "s3", "ecr", "sts", "logs", "ec2", "eks-auth", "eks", "elasticloadbalancing", "autoscaling", "ssm", "sqs"
]
LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""Those that CloudWatch keeps logs for: `retentionInDays` of its API PutRetentionPolicy, as botocore 1.44.5 has it."""


def _network(text: str) -> str:
    IPv4Network(text)
    return text


Cidr = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"),
    AfterValidator(_network),
    rule("an IPv4 network, without bits beyond its length", example="10.0.0.0/16"),
]
VpcCidr = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/(1[6-9]|20)$"),
    AfterValidator(_network),
    rule("an IPv4 network of /16 to /20, without bits beyond its length", example="10.0.0.0/16"),
]


class ExistingNetwork(Section):
    """A VPC that is there already. Nothing in it is changed but the tags that load balancers look for."""

    vpc: VpcId
    """Its ID."""
    cidr: Cidr
    """Its addresses, which may ask what stands beside the nodes, such as file systems and databases."""
    private_subnets: dict[ZoneLetter, SubnetId] = Field(min_length=2)
    """By zone: where nodes run. They need a way out, or the endpoints of all services that nodes ask."""
    public_subnets: dict[ZoneLetter, SubnetId] = Field(default_factory=dict[ZoneLetter, SubnetId])
    """By zone: where load balancers for the internet would stand."""


class NetworkSettings(Section):
    """The VPC that the stack's clusters share."""

    cidr: VpcCidr = "10.0.0.0/16"
    """Addresses of the VPC. A zone's nodes and pods have a quarter of them: 16,379 of a /16, 1,019 of a /20."""
    zones: tuple[ZoneLetter, ...] = Field(default=("a", "b"), min_length=2, max_length=3)
    """Two or three availability zones, by the letter behind the region. Add one at the end: order decides addresses."""
    nat: Literal["one", "each", "none"] = "one"
    """Ways out for nodes: one for all zones, one in each, or none, where the endpoints must do."""
    endpoints: tuple[Endpoint, ...] = ("s3",)
    """Services that are asked without leaving the VPC. That of S3 costs nothing; the others cost by the hour."""
    flow_log_days: LogDays | None = 14
    """Days that records of connections are kept; none are made when null."""
    existing: ExistingNetwork | None = None
    """A VPC of yours, in the place of all the above."""

    @property
    def letters(self) -> tuple[ZoneLetter, ...]:
        """Zones that have private subnets."""
        return tuple(self.existing.private_subnets) if self.existing else self.zones


class Aws(Section):
    """The account and region of the target `eks`."""

    region: Region = "us-east-1"
    """Where everything is made."""
    account: AccountId | None = Field(default=None, examples=["123456789012"])
    """The only account that may be changed; whichever the credentials open when not set."""
    tags: dict[str, str] = Field(default_factory=dict[str, str], examples=[{"team": "ml"}])
    """On everything that can have tags, beside our own."""
    network: NetworkSettings = NetworkSettings()
    """The VPC."""
    identity: Literal["irsa", "pod-identity"] = "irsa"
    """How pods come to their roles: by the cluster's OIDC provider, or by EKS's agent on each node."""
    roles: dict[Name, RoleName] = Field(default_factory=dict[Name, str], examples=[{"triton": "my-triton-s3-read"}])
    """Names of roles by engine; `<stack>-<engine>` where none is given. `models` is that of the sync."""
    registry: PullThrough | None = None
    """ECR in front of public registries."""
    observability: Observability = Observability()
    """CloudWatch, Managed Prometheus and Managed Grafana."""
    entrance: Entrance | None = None
    """A load balancer with TLS in front of the gateway."""
    database: Database | None = None
    """PostgreSQL for the gateway."""
    files: Files | None = None
    """A file system with models for all nodes of a cluster; engines that do not stream load from it."""
    prices: dict[PriceName, PositiveFloat] = Field(
        default_factory=dict[str, float], examples=[{"g5.xlarge": 1.006, "nat-gateway": 0.045}]
    )
    """US dollars an hour for the estimate, where ours are of another region, or you pay less; GB by the month."""
    delete_leftovers: bool = False
    """On destroy, also delete what controllers made and left behind: load balancers, volumes, network interfaces."""


AddOn = Literal["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "eks-pod-identity-agent", "metrics-server"]
AddOnVersion = Annotated[
    str,
    StringConstraints(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+-eksbuild\.[0-9]+$"),
    rule("a version of an EKS add-on", example="v1.21.1-eksbuild.7"),
]


def _not_everybody(text: str) -> str:
    if IPv4Network(text).prefixlen == 0:
        raise ValueError("is everybody: name the networks of those who administer the cluster, or none")
    return text


PublicCidr = Annotated[Cidr, AfterValidator(_not_everybody)]


class Eks(Section):
    """One Kubernetes cluster at Amazon."""

    version: Annotated[
        str, StringConstraints(pattern=r"^1\.[0-9]{2}$"), rule("a minor version of Kubernetes", example="1.35")
    ] = "1.35"
    """Minor version of Kubernetes; one that Amazon supports without extra charge."""
    extended_support: bool = False
    """Stay on a version past its standard support, at Amazon's extra charge; else Amazon upgrades the cluster then."""
    public_access: tuple[PublicCidr, ...] = ()
    """Networks from which the API server answers at its public address; nowhere but in the VPC when empty."""
    administrators: tuple[Principal, ...] = ()
    """ARNs of IAM roles or users who may do everything in the cluster, beside whoever makes it (not listed here)."""
    logs: tuple[Literal["api", "audit", "authenticator", "controllerManager", "scheduler"], ...] = (
        "api",
        "audit",
        "authenticator",
    )
    """Logs of the control plane that CloudWatch keeps."""
    log_days: LogDays = 90
    """Days that they are kept."""
    addons: dict[AddOn, AddOnVersion] = Field(
        default_factory=dict[AddOn, str], examples=[{"vpc-cni": "v1.21.1-eksbuild.7"}]
    )
    """Versions of EKS's add-ons; else those we know for the version of Kubernetes, else Amazon's choice."""
    autoscaler: Literal["none", "cluster-autoscaler", "karpenter"] = "none"
    """Who adds and removes nodes: nobody, the Cluster Autoscaler, or Karpenter in the place of GPU groups.

    The two come as charts of `inference:charts`."""
    delete_protection: bool = False
    """Amazon refuses to delete the cluster until an `up` has seen this as false."""
