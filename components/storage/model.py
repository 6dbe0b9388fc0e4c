"""Settings of models: what they are, where they come from, and what brings them."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints, field_validator

from components.section import Name, Quantity, Section, rule
from components.storage.settings import AccessKeyId, Endpoint, Region
from components.storage.sync.address import IN_SETTINGS, Address, forms, parsed, unpinned
from components.storage.sync.manifest import Unusable
from components.workload.spec import Resources


def _pinned(given: object) -> object:
    """Refuses what may change with the command that pins it; of anything else, the pattern says what it must be."""
    try:
        found = parsed(given, IN_SETTINGS) if isinstance(given, str) else None
    except Unusable:
        return given
    if found and not found.pinned:
        raise ValueError(unpinned(found))
    return given


Source = Annotated[
    str,
    BeforeValidator(_pinned),
    StringConstraints(pattern=f"^({'|'.join(kind.pattern for kind in IN_SETTINGS)})$", max_length=500),
    rule(f"one of {forms(IN_SETTINGS)}", example="hf://org/repo@0123456789abcdef0123456789abcdef01234567"),
]
Licence = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .,_+-]*$", max_length=100),
    rule("a licence as its source names it", example="apache-2.0"),
]

FilePattern = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9*?._/\[\]-]+$", max_length=200),
    rule("a file name or shell pattern: letters, digits, * ? . _ / [ ] -", example="*.safetensors"),
]


class MlflowServer(Section):
    """An MLflow registry, for sources `mlflow://MODEL@VERSION`."""

    url: Endpoint = Field(examples=["https://mlflow.lan"])
    """Its address."""
    username: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", max_length=100),
            rule("a user name: letters, digits, . _ @ -", example="sync"),
        ]
        | None
    ) = None
    """Whose password `pulumi config set --secret inference:mlflowToken` sets; that is a token when not set."""


class SourceStore(Section):
    """Where `s3://BUCKET/PREFIX@REVISION` is, if not in the store that models come to."""

    endpoint: Endpoint = Field(examples=["https://s3.eu-central-1.amazonaws.com"])
    """S3 endpoint."""
    region: Region = "us-east-1"
    """Region that requests are signed for."""
    access_key: AccessKeyId
    """Access key ID of a read-only user. Its secret: `pulumi config set --secret inference:sourceSecretKey`."""


class Sources(Section):
    """Servers that models come from."""

    hugging_face: Endpoint | None = Field(default=None, examples=["https://hub.lan"])
    """A mirror of Hugging Face; the hub itself when not set."""
    mlflow: MlflowServer | None = None
    """An MLflow registry."""
    s3: SourceStore | None = None
    """Another object store; the one that models come to when not set."""


class SyncSettings(Section):
    """The Jobs that bring models into the store, in the cluster that the store is in; else in the first one."""

    image: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[a-z0-9][A-Za-z0-9./_:@-]*$", max_length=300),
            rule("an image", example="registry.lan:5000/python-botocore:3.12"),
        ]
        | None
    ) = None
    """What they run in: anything with Python 3.11, botocore and urllib3; the gateway's image when not set."""
    proxy: Endpoint | None = Field(default=None, examples=["http://proxy.lan:3128"])
    """What they reach the sources of models through, but not the store; nothing when not set."""
    resources: Resources = Resources(cpu="1", memory="256Mi", cpu_limit="4", memory_limit="512Mi")
    """CPU and memory of one of them; what it holds does not depend on the size of a model."""


Parameters = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]*(\.[0-9]+)?[MBT]$", max_length=12),
    rule("a number of parameters in millions (M), billions (B) or trillions (T)", example="8B"),
]


class Attention(Section):
    """What a model's `config.json` says about its attention: how much memory each token of context takes."""

    layers: PositiveInt
    """`num_hidden_layers`."""
    kv_heads: PositiveInt
    """`num_key_value_heads`."""
    head_size: PositiveInt = 128
    """`head_dim`, or `hidden_size` divided by `num_attention_heads`."""


class Model(Section):
    """A model and its pinned source."""

    name: Name
    """What engines call it."""
    domain: Name = "general"
    """What the model is for: legal, healthcare, financial, cyber, general, or any other name."""
    source: Source
    """Where it comes from, pinned: `hf://ORG/REPO@COMMIT`, `ngc://ORG/TEAM/MODEL:VERSION`, `mlflow://MODEL@VERSION`,
    `https://HOST/PATH/FILE@SHA256`, `s3://BUCKET/PREFIX@REVISION`, `pvc://CLAIM/PATH@REVISION` or
    `host://NODE/PATH@REVISION`. What moves (a branch, an alias, a latest version, a file on the web) is pinned by
    `python -m components.storage.sync resolve SOURCE`; REVISION is a name that you give to what is there now.
    """
    files: tuple[FilePattern, ...] = ("*",)
    """Which files of the source belong to the model, as shell patterns."""
    licences: tuple[Licence, ...] = ()
    """Licences that it may have, as its source names them; any when not set. Another one is not synced."""
    size: Quantity = "20Gi"
    """All its files together: sizes caches and the time an engine gets to start."""
    parameters: Parameters | None = None
    """How many it has: engines estimate from it the GPU memory that they need."""
    attention: Attention | None = None
    """For the part of that estimate that grows with the context."""
    purge: bool = False
    """Delete the model and all its revisions from the store, for good. One that is merely removed here stays there."""

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        if any(".." in pattern for pattern in files):
            raise ValueError("must not contain '..'")
        return files

    @property
    def parameter_count(self) -> int:
        """`8000000000` for `8B`; 0 where settings do not say."""
        factors = {"M": 10**6, "B": 10**9, "T": 10**12}
        return int(Decimal(self.parameters[:-1]) * factors[self.parameters[-1]]) if self.parameters else 0

    @property
    def address(self) -> Address:
        """Its source, taken apart."""
        return parsed(self.source, IN_SETTINGS)

    @property
    def revision(self) -> str:
        """What its source is pinned to: a commit, a version, a file's SHA-256, or the name given behind `@`."""
        return self.address["revision"]

    @property
    def directory(self) -> str:
        """Where all its revisions live in the bucket, without slashes at the ends."""
        return f"{self.domain}/{self.name}"

    @property
    def prefix(self) -> str:
        """Where this revision lives in the bucket, without slashes at the ends."""
        return f"{self.directory}/{self.revision}"
