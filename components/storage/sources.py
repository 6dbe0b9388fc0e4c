"""What the sync of a model needs around it: a directory, servers' addresses, and the secret for its source alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from components.storage.model import Model, Sources
from components.workload.spec import Peer

HTTPS = 443
MOUNTED = ("pvc", "host")
"""Sources that are reached without a network."""
IN_BUCKETS = ("s3", "mlflow")
"""Sources whose files are in a bucket, or may be."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A directory that the sync reads from: of a claim, or of a node."""

    at: str
    """Where in the pod, read-only."""
    path: str = ""
    """On the node, absolute."""
    claim: str | None = None
    """PersistentVolumeClaim in the sync's own namespace."""
    node: str | None = None
    """Node that the sync must run on."""


def program_source(model: Model) -> tuple[str, Mount | None]:
    """The source as the sync is told it, and what must be mounted for that.

    The path in the pod repeats the setting, so that what a manifest says of its source is of one model alone.
    """
    address, path = model.address, model.address["path"]
    match address.kind.scheme:
        case "pvc":
            mount = Mount(at=f"/pvc/{address['claim']}", claim=address["claim"])
            where = "/".join(filter(None, (mount.at, path)))
        case "host":
            mount = Mount(at=f"/host/{address['node']}/{path}", path=f"/{path}", node=address["node"])
            where = mount.at
        case _:
            return model.source, None
    return f"path://{where}@{model.revision}", mount


def environment(scheme: str, sources: Sources) -> Mapping[str, str]:
    """Variables that say where sources of that kind are, and as who to ask."""
    found = dict[str, str]()
    if scheme == "hf" and sources.hugging_face:
        found["HF_ENDPOINT"] = sources.hugging_face
    if scheme == "mlflow" and sources.mlflow:
        found["MLFLOW_TRACKING_URI"] = sources.mlflow.url
        if sources.mlflow.username:
            found["MLFLOW_TRACKING_USERNAME"] = sources.mlflow.username
    if scheme in IN_BUCKETS and sources.s3:
        found["SOURCE_AWS_ENDPOINT_URL"] = sources.s3.endpoint
        found["SOURCE_AWS_REGION"] = sources.s3.region
        found["SOURCE_AWS_ACCESS_KEY_ID"] = sources.s3.access_key
    return found


def secrets(scheme: str, sources: Sources) -> Mapping[str, str]:
    """Names of the secrets that sources of that kind may ask for, by the variable that the program reads each from."""
    found = dict[str, str]()
    if scheme == "hf":
        found["HF_TOKEN"] = "huggingFaceToken"
    if scheme == "ngc":
        found["NGC_API_KEY"] = "ngcApiKey"
    if scheme == "mlflow":
        password = sources.mlflow and sources.mlflow.username
        found["MLFLOW_TRACKING_PASSWORD" if password else "MLFLOW_TRACKING_TOKEN"] = "mlflowToken"
    if scheme in IN_BUCKETS and sources.s3:
        found["SOURCE_AWS_SECRET_ACCESS_KEY"] = "sourceSecretKey"
    return found


def peers(scheme: str, sources: Sources) -> Sequence[Peer]:
    """Where sources of that kind are: only ports can be named, since addresses behind names change."""
    if scheme in MOUNTED:
        return ()
    urls = [url for url in environment(scheme, sources).values() if "://" in url]
    ports = {urlsplit(url).port or (80 if url.startswith("http://") else HTTPS) for url in urls}
    return [Peer(port=port) for port in sorted({HTTPS, *ports})]
