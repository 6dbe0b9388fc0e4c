"""The stack's object store as each of its clusters sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import pulumi
import pulumi_random as random

from components.accelerators import AcceleratorRequest
from components.aws.federation import Federation
from components.aws.roles import SYNC, Bearer, peers, told
from components.cluster.cluster import Cluster
from components.storage import policies
from components.storage.minio import Minio
from components.storage.models import ACCOUNT as SYNC_ACCOUNT
from components.storage.models import NAMESPACE as MODELS_NAMESPACE
from components.storage.object_store import AccessKey, ObjectStore
from components.storage.settings import ExternalStore, MinioStore, S3Store
from components.workflows.workflows import ACCOUNT as WORKFLOWS
from components.workflows.workflows import NAMESPACE as WORKFLOWS_NAMESPACE
from components.workload.spec import Peer
from stacks.engines import NAMESPACE as ENGINES_NAMESPACE
from stacks.foundation import on
from stacks.secrets import secret
from stacks.settings import Settings

HTTPS_PORT = 443


def object_stores(
    settings: Settings, clusters: Mapping[str, Cluster], passwords: random.Provider
) -> Mapping[str, ObjectStore]:
    """Make or name the store, by cluster name."""
    match settings.store:
        case MinioStore() as store:
            return _minio(settings, store, clusters, passwords)
        case ExternalStore() as store:
            return dict.fromkeys(clusters, _external(settings, store))
        case S3Store() as store if settings.pretended:
            stack = pulumi.get_stack()
            amazon = ObjectStore(
                endpoint=None,
                region=store.region,
                bucket=store.bucket,
                identities={who: told(settings.aws, stack, who) for who in (*readers(settings), *owners(settings))},
                writer_identity=told(settings.aws, stack, SYNC) if settings.models else None,
                identity_peers=peers(settings.aws.identity),
                peer=Peer(port=HTTPS_PORT),
            )
            return dict.fromkeys(clusters, amazon)
        case S3Store():
            raise pulumi.RunError("store.kind s3 belongs to the target eks")  # which makes it itself


def readers(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Prefixes in the models' bucket that each engine reads, by its name."""
    models = {model.name: model for model in settings.models}
    return {
        engine.name: [models[name].directory for name in engine.reads] for engine in settings.deployed if engine.reads
    }


def writes(settings: Settings) -> Sequence[str]:
    """Prefixes that the sync writes."""
    return [model.directory for model in settings.models]


def owners(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Prefixes that others have for themselves, by who they are to the store."""
    return {WORKFLOWS: [settings.workflows.prefix]} if settings.workflows else {}


def bearers(settings: Settings, federations: Mapping[str, Federation]) -> Mapping[str, Bearer]:
    """Who may do what in the models' bucket by a role of Amazon's, by the name of an engine or of whoever it is.

    `federations` are those of the clusters, by name.
    """
    bucket = settings.store.bucket
    clusters = {engine.name: engine.cluster for engine in settings.deployed}
    found = {
        engine: Bearer(
            namespace=ENGINES_NAMESPACE,
            account=engine,
            may=policies.reader(bucket, prefixes),
            federation=federations[clusters[engine]],
        )
        for engine, prefixes in readers(settings).items()
    }
    for who, prefixes in owners(settings).items():
        found[who] = Bearer(
            namespace=WORKFLOWS_NAMESPACE,
            account=who,
            may=policies.owner(bucket, prefixes),
            federation=_of_workflows(settings, federations),
        )
    if prefixes := writes(settings):
        may = policies.writer(bucket, prefixes)
        home = federations[settings.home.name]
        found[SYNC] = Bearer(namespace=MODELS_NAMESPACE, account=SYNC_ACCOUNT, may=may, federation=home)
    return found


def _of_workflows(settings: Settings, federations: Mapping[str, Federation]) -> Federation:
    named = settings.workflows.cluster if settings.workflows else None
    return federations[named or settings.clusters[0].name]


def _external(settings: Settings, store: ExternalStore) -> ObjectStore:
    """Its users are not ours to make: all engines read with one key."""
    reader = AccessKey(identity=store.access_key, secret=secret("storeSecretKey", settings))
    writer = store.writer_access_key
    return ObjectStore(
        endpoint=store.endpoint,
        region=store.region,
        bucket=store.bucket,
        readers={engine.name: reader for engine in settings.deployed},
        writer=AccessKey(identity=writer, secret=secret("storeWriterSecretKey", settings)) if writer else None,
        takes_models=writer is not None,
        authority=store.certificate_authority,
        peer=_outside(store.endpoint),
    )


def _minio(
    settings: Settings, store: MinioStore, clusters: Mapping[str, Cluster], passwords: random.Provider
) -> Mapping[str, ObjectStore]:
    home = clusters[settings.home.name]
    minio = Minio(
        f"{home.name}-minio",
        store,
        clients=(ENGINES_NAMESPACE, MODELS_NAMESPACE, *((WORKFLOWS_NAMESPACE,) if settings.workflows else ())),
        readers=readers(settings),
        writes=writes(settings),
        owners=owners(settings),
        quota=settings.quota,
        addresses=_addresses(store, home),
        taints=home.settings.tolerated(AcceleratorRequest(), store.node_selector),
        opts=on(home, passwords),
    )
    elsewhere = minio.store
    if store.url:
        authority = minio.store.authority if store.url.startswith("https:") else None
        elsewhere = replace(minio.store, endpoint=store.url, authority=authority, peer=_outside(store.url))
    return {name: minio.store if name == home.name else elsewhere for name in clusters}


def _addresses(store: MinioStore, home: Cluster) -> list[str]:
    """Where it is reached from outside of its cluster."""
    nodes = [str(host.host) for host in home.settings.nodes] if store.node_port else []
    front = urlsplit(store.url).hostname if store.url else None
    return [*nodes, *([front] if front and front not in nodes else [])]


def _outside(endpoint: str) -> Peer:
    # The address behind a name may change: only the port can be named.
    url = urlsplit(endpoint)
    return Peer(port=url.port or (HTTPS_PORT if url.scheme == "https" else 80))
