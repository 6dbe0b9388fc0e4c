"""MinIO in a cluster: one server, one volume, a user for each engine that reads, and one for the sync that writes."""

from collections.abc import Collection, Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.section import byte_count
from components.storage import provision
from components.storage.certificate import issued
from components.storage.object_store import AUTHORITY, AccessKey, ObjectStore, authority_config_maps
from components.storage.provision import Provision
from components.storage.settings import MinioStore
from components.storage.versions import MINIO
from components.workload.application import Application, Server
from components.workload.claim import volume_claim
from components.workload.namespace import Namespace, Quota
from components.workload.pod import labels
from components.workload.spec import (
    Claim,
    Container,
    Health,
    Peer,
    Placement,
    Pod,
    Resources,
    Scratch,
    SecretFiles,
    SecretKey,
    Volume,
)

NAMESPACE = "storage"
PORT = 9000
CREDENTIALS = "minio-credentials"
CERTIFICATE = "minio-certificate"
NAMES = (f"minio.{NAMESPACE}", "minio", f"minio.{NAMESPACE}.svc", f"minio.{NAMESPACE}.svc.cluster.local", "localhost")
"""What pods call it, and who forwards its port."""


class Minio(pulumi.ComponentResource):
    """MinIO, its buckets and its users. The data outlives a destroy unless `keepData` is false."""

    store: ObjectStore

    def __init__(
        self,
        name: str,
        settings: MinioStore,
        *,
        clients: tuple[str, ...],
        readers: Mapping[str, Collection[str]],
        writes: Collection[str],
        owners: Mapping[str, Collection[str]] | None = None,
        quota: Quota,
        addresses: Sequence[str] = (),
        taints: tuple[str, ...] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it.

        `clients` are the namespaces whose pods may connect, `readers` the prefixes that each engine reads, by its name,
        `writes` those that the sync writes, `owners` those that others have for themselves, `addresses` where it is
        reached from outside, and `taints` those that its pods tolerate.
        """
        super().__init__("inference:storage:Minio", name, None, opts)
        self._name, self._settings = name, settings
        self._placement = Placement(node_selector=settings.node_selector, taints=taints)
        parent = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(
            f"{name}-namespace",
            NAMESPACE,
            quota=quota,
            node_ports=1 if settings.node_port else 0,
            keep=settings.keep_data and not settings.directory,
            opts=parent,
        )
        self._child = parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        self._names = (*NAMES, *addresses) if settings.tls else ()
        authority, trust = self._certificate()
        credentials = self._credentials(self._password("root-password"))
        server = self._server(clients, after=[credentials, self._volume(), *trust])
        users = {engine: self._key(provision.reader_user(engine)) for engine in readers}
        users |= {name: self._key(provision.owner_user(name)) for name in owners or {}}
        writer = self._key(provision.WRITER) if writes else None
        address = Peer(port=PORT, namespace=NAMESPACE, labels=labels("minio", "store"))
        self.store = ObjectStore(
            endpoint=f"{self._scheme}://minio.{NAMESPACE}:{PORT}",
            region=settings.region,
            bucket=settings.bucket,
            readers=users,
            writer=writer,
            room=byte_count(settings.models_bucket.quota or settings.size),
            authority=authority,
            peer=address,
            ready=(
                Provision(
                    f"{name}-provision",
                    provision.wanted(settings, readers, writes, owners),
                    keys=[*users.values(), *([writer] if writer else [])],
                    generation=settings.generation,
                    server=address,
                    root=SecretKey(secret=CREDENTIALS, key="MC_HOST_store"),
                    trusting=settings.tls,
                    placement=self._placement,
                    opts=self._child.merge(pulumi.ResourceOptions(depends_on=[server])),
                ),
            ),
        )
        self.register_outputs({"endpoint": self.store.endpoint})

    def _metadata(self, name: str) -> kubernetes.meta.v1.ObjectMetaArgsDict:
        return {"name": name, "namespace": NAMESPACE, "labels": labels("minio", "store")}

    def _password(self, what: str) -> pulumi.Output[str]:
        return random.RandomPassword(
            f"{self._name}-{what}",
            length=40,
            special=False,
            keepers={"generation": str(self._settings.generation)},
            opts=pulumi.ResourceOptions(parent=self),
        ).result

    def _key(self, user: str) -> AccessKey:
        return AccessKey(identity=user, secret=self._password(user))

    @property
    def _scheme(self) -> str:
        return "https" if self._settings.tls else "http"

    def _certificate(self) -> tuple[pulumi.Output[str] | None, list[pulumi.Resource]]:
        """Its authority, which is no secret, and what the server and its clients here read."""
        if not self._names:
            return None, []
        made = self._password("certificate-seed").apply(lambda seed: issued(seed, self._names))
        authority = pulumi.Output.unsecret(made.apply(lambda certificate: certificate.authority))
        secret = kubernetes.core.v1.Secret(
            f"{self._name}-certificate",
            metadata=self._metadata(CERTIFICATE),
            string_data={  # as MinIO calls its files
                "public.crt": made.apply(lambda certificate: certificate.certificate),
                "private.key": made.apply(lambda certificate: certificate.key),
            },
            opts=self._child,
        )
        configs = authority_config_maps(f"{self._name}-{AUTHORITY}", authority, namespace=NAMESPACE, opts=self._child)
        return authority, [secret, *configs]

    def _credentials(self, root: pulumi.Output[str]) -> kubernetes.core.v1.Secret:
        return kubernetes.core.v1.Secret(
            f"{self._name}-credentials",
            metadata=self._metadata(CREDENTIALS),
            string_data={
                "MINIO_ROOT_USER": "root",
                "MINIO_ROOT_PASSWORD": root,
                "MC_HOST_store": pulumi.Output.concat(f"{self._scheme}://root:", root, f"@minio:{PORT}"),
            },
            opts=self._child,
        )

    def _volume(self) -> kubernetes.core.v1.PersistentVolumeClaim:
        return volume_claim(
            f"{self._name}-data",
            "minio-data",
            namespace=NAMESPACE,
            labels=labels("minio", "store"),
            size=self._settings.size,
            storage_class=self._settings.storage_class,
            directory=self._settings.directory,
            keep=self._settings.keep_data,
            opts=self._child,
        )

    def _server(self, clients: tuple[str, ...], *, after: list[pulumi.Resource]) -> Application:
        tls = self._settings.tls
        volumes: dict[str, Volume] = {"data": Claim(claim="minio-data"), "scratch": Scratch(size="64Mi")}
        container = Container(
            name="minio",
            image=MINIO,
            args=("server", "/data", "--address", f":{PORT}", "--certs-dir", "/certs" if tls else "/scratch/certs"),
            env=environment(self._settings),
            secret_env={
                key: SecretKey(secret=CREDENTIALS, key=key) for key in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
            },
            ports={"s3": PORT},
            health=Health(path="/minio/health/live", ready_path="/minio/health/ready", port=PORT, tls=tls),
            resources=Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi"),
            mounts={"/data": "data", "/scratch": "scratch", **({"/certs": "certificate"} if tls else {})},
        )
        server = Server(
            name="minio",
            part="store",
            pod=Pod(
                containers=[container],
                volumes=volumes | ({"certificate": SecretFiles(secret=CERTIFICATE)} if tls else {}),
                placement=self._placement,
            ),
            ports=container.ports,
            node_ports={"s3": self._settings.node_port} if self._settings.node_port else {},
            clients=[
                *(Peer(port=PORT, namespace=client) for client in clients),
                Peer(port=PORT, namespace=NAMESPACE, labels=provision.LABELS),
            ],
            # Two servers must never write to one volume.
            update="recreate",
            restart_on={"generation": str(self._settings.generation), "names": ",".join(self._names)},
        )
        opts = self._child.merge(pulumi.ResourceOptions(depends_on=after))
        return Application(f"{self._name}-server", server, namespace=NAMESPACE, opts=opts)


def environment(settings: MinioStore) -> dict[str, str]:
    """The server's own settings."""
    return {
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        # Its lifecycle rules know nothing of uploads: it drops that part of a rule.
        "MINIO_API_STALE_UPLOADS_EXPIRY": f"{settings.abort_uploads_days * 24}h",
    }
