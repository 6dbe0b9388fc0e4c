"""The object store: of the right kind, somewhere, large enough, and within reach."""

from collections.abc import Iterator

from components.section import byte_count
from components.storage.settings import MinioStore, S3Store
from stacks.checks.resources import free_nodes
from stacks.drafts import Draft, NodeGroup, names, readable
from stacks.problems import Problem, listed, there_are


def is_of_the_target(draft: Draft) -> Iterator[Problem]:
    """Only the target `eks` makes buckets in Amazon S3."""
    if isinstance(draft.store.value, S3Store) and draft.store.knows("kind") and draft.target not in ("eks", None):
        message = f"s3 belongs to the target eks; for {draft.target}, use minio or external"
        yield Problem(place=("store", "kind"), message=message)


def has_a_place(draft: Draft) -> Iterator[Problem]:
    """MinIO's cluster and node exist."""
    store = draft.store.value
    if not isinstance(store, MinioStore) or not draft.store.knows("kind"):
        return
    known = names(draft.clusters)
    if store.cluster and known is not None and draft.store.knows("cluster") and store.cluster not in known:
        yield Problem(
            place=("store", "cluster"), message=f'"{store.cluster}" is not a cluster{there_are(store.cluster, known)}'
        )
    home = draft.home(store)
    nodes = [] if home is None else [part for part in home.machines if not isinstance(part.value, NodeGroup)]
    there = names(nodes)
    if home and store.node and there is not None and draft.store.knows("node") and store.node not in there:
        message = f'"{store.node}" is not a node of "{home.name}"{there_are(store.node, there)}'
        yield Problem(place=("store", "node"), message=message)
    if store.path and not store.node and draft.store.knows("node", "path"):
        yield Problem(place=("store",), message="node is missing: `path` is a directory of one node")
    if store.path and store.storage_class and draft.store.knows("path", "storageClass"):
        yield Problem(place=("store", "storageClass"), message="cannot go with `path`, which needs no class")


def fits_a_disk(draft: Draft) -> Iterator[Problem]:
    """Its volume lies on one node's disk, unless a StorageClass or a cloud provides it."""
    store = draft.store.value
    if not isinstance(store, MinioStore) or draft.store.broken or draft.target == "eks":
        return
    if store.storage_class or store.path:
        return
    home = draft.home(store)
    if not home or not home.value or not home.whole:
        return
    shapes = [one for one in home.value.shapes if one.name == store.node] if store.node else free_nodes(home.value)
    if shapes and byte_count(store.size) > max(byte_count(shape.capacity.disk) for shape in shapes):
        disks = max((shape.capacity.disk for shape in shapes), key=byte_count)
        where = f'the disk of "{store.node}"' if store.node else f'the largest disk for it in "{home.name}"'
        yield Problem(place=("store", "size"), message=f"is {store.size}; {where} has {disks}")


def is_reached_by_all_engines(draft: Draft) -> Iterator[Problem]:
    """A Service's name ends at its own cluster."""
    store = draft.store.value
    home = draft.home(store) if isinstance(store, MinioStore) else None
    if not isinstance(store, MinioStore) or not home or not draft.store.knows("kind", "url") or store.url:
        return
    known = {cluster.name for cluster in draft.clusters or ()}
    used = {engine.cluster for _, engine in readable(draft.engines, "cluster")}
    if elsewhere := sorted(used & known - {home.name}, key=str):
        readers = f"engines in {listed(map(str, elsewhere))} read from the store in {home.name}"
        scheme = "https" if store.tls else "http"
        remedy = f"set the address at which they reach it, for example {scheme}://192.168.1.20:30900"
        message = f"url is missing: {readers}; {remedy}"
        yield Problem(place=("store",), message=message)


def has_each_bucket_once(draft: Draft) -> Iterator[Problem]:
    """With options that its store knows, and none that would delete the models."""
    store = draft.store.value
    if not isinstance(store, MinioStore | S3Store) or not draft.store.knows("kind", "bucket", "buckets"):
        return
    first: dict[str, int] = {}
    for index, bucket in enumerate(store.buckets):
        place = ("store", "buckets", index)
        if first.setdefault(bucket.name, index) != index:
            message = f'"{bucket.name}" is taken: store.buckets[{first[bucket.name]}] has it already'
            yield Problem(place=(*place, "name"), message=message)
        if bucket.purge and bucket.name == store.bucket:
            message = "would delete all models; set another `bucket` for them first"
            yield Problem(place=(*place, "purge"), message=message)
        if bucket.quota and isinstance(store, S3Store):
            yield Problem(place=(*place, "quota"), message="Amazon S3 has no quotas; leave it out")


def has_versions_to_copy(draft: Draft) -> Iterator[Problem]:
    """Amazon replicates versions, and to another bucket."""
    store = draft.store.value
    if not isinstance(store, S3Store) or not store.replica or not draft.store.knows("bucket", "buckets", "replica"):
        return
    for index, bucket in enumerate(store.buckets):
        if bucket.name == store.bucket and not bucket.versioning:
            message = "must be true: Amazon copies to a replica only what has versions"
            yield Problem(place=("store", "buckets", index, "versioning"), message=message)
    if store.replica.bucket in (bucket.name for bucket in store.every_bucket):
        message = f'"{store.replica.bucket}" is one of the buckets already; a replica needs one of its own'
        yield Problem(place=("store", "replica", "bucket"), message=message)
