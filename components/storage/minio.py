"""MinIO in a cluster: one server, one volume, a bucket, and a user who can only read."""

from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.storage.object_store import ObjectStore
from components.storage.settings import MinioStore
from components.storage.versions import MINIO
from components.workload.application import Application, Server, digest
from components.workload.claim import volume_claim
from components.workload.namespace import Namespace, Quota
from components.workload.network import egress_rule
from components.workload.pod import labels, pod_spec
from components.workload.spec import (
    Claim,
    ConfigFiles,
    Container,
    Health,
    Peer,
    Placement,
    Pod,
    Resources,
    Scratch,
    SecretKey,
)

NAMESPACE = "storage"
PORT = 9000
READER = "inference-reader"
PROVISION = Path(__file__).parent / "scripts" / "provision.sh"
CREDENTIALS = "minio-credentials"


class Minio(pulumi.ComponentResource):
    """MinIO, its bucket and its reader. The volume outlives a destroy unless `keepData` is false."""

    store: ObjectStore

    def __init__(
        self,
        name: str,
        settings: MinioStore,
        *,
        clients: tuple[str, ...],
        quota: Quota,
        taints: tuple[str, ...] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`clients` are the namespaces whose pods may connect; `taints` those that its pods tolerate."""
        super().__init__("inference:storage:Minio", name, None, opts)
        self._name, self._settings = name, settings
        self._placement = Placement(node_selector=settings.node_selector, taints=taints)
        parent = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(
            f"{name}-namespace",
            NAMESPACE,
            quota=quota,
            node_ports=1 if settings.node_port else 0,
            keep=settings.keep_data,
            opts=parent,
        )
        self._child = parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        root = random.RandomPassword(f"{name}-root-password", length=40, special=False, opts=parent)
        reader = random.RandomPassword(f"{name}-reader-key", length=40, special=False, opts=parent)
        credentials = self._credentials(root.result, reader.result)
        server = self._server(clients, after=[credentials, self._volume()])
        self.store = ObjectStore(
            endpoint=f"http://minio.{NAMESPACE}:{PORT}",
            region=settings.region,
            bucket=settings.bucket,
            access_key=READER,
            secret_key=reader.result,
            peer=Peer(port=PORT, namespace=NAMESPACE, labels=labels("minio", "store")),
            ready=(self._provision(server),),
        )
        self.register_outputs({"endpoint": self.store.endpoint})

    def _metadata(self, name: str) -> kubernetes.meta.v1.ObjectMetaArgsDict:
        return {"name": name, "namespace": NAMESPACE, "labels": labels("minio", "store")}

    def _credentials(self, root: pulumi.Output[str], reader: pulumi.Output[str]) -> kubernetes.core.v1.Secret:
        return kubernetes.core.v1.Secret(
            f"{self._name}-credentials",
            metadata=self._metadata(CREDENTIALS),
            string_data={
                "MINIO_ROOT_USER": "root",
                "MINIO_ROOT_PASSWORD": root,
                "MC_HOST_store": pulumi.Output.concat("http://root:", root, f"@minio:{PORT}"),
                "READER_SECRET_KEY": reader,
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
            keep=self._settings.keep_data,
            opts=self._child,
        )

    def _server(self, clients: tuple[str, ...], *, after: list[pulumi.Resource]) -> Application:
        container = Container(
            name="minio",
            image=MINIO,
            args=("server", "/data", "--address", f":{PORT}", "--certs-dir", "/scratch/certs"),
            env={"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"},
            secret_env=_from_credentials("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"),
            ports={"s3": PORT},
            health=Health(path="/minio/health/live", ready_path="/minio/health/ready", port=PORT),
            resources=Resources(cpu="500m", memory="1Gi", cpu_limit="2", memory_limit="2Gi"),
            mounts={"/data": "data", "/scratch": "scratch"},
        )
        server = Server(
            name="minio",
            part="store",
            pod=Pod(
                containers=[container],
                volumes={"data": Claim(claim="minio-data"), "scratch": Scratch(size="64Mi")},
                placement=self._placement,
            ),
            ports=container.ports,
            node_ports={"s3": self._settings.node_port} if self._settings.node_port else {},
            clients=[
                *(Peer(port=PORT, namespace=client) for client in clients),
                Peer(port=PORT, namespace=NAMESPACE, labels=labels("minio-provision", "job")),
            ],
            # Two servers must never write to one volume.
            update="recreate",
        )
        opts = self._child.merge(pulumi.ResourceOptions(depends_on=after))
        return Application(f"{self._name}-server", server, namespace=NAMESPACE, opts=opts)

    def _provision(self, server: Application) -> kubernetes.batch.v1.Job:
        """Bucket, versioning and reader; MinIO's own client makes users, since S3 has no call for it."""
        own = labels("minio-provision", "job")
        script = kubernetes.core.v1.ConfigMap(
            f"{self._name}-provision-script",
            metadata=self._metadata("minio-provision"),
            data={PROVISION.name: PROVISION.read_text()},
            opts=self._child,
        )
        kubernetes.networking.v1.NetworkPolicy(
            f"{self._name}-provision",
            metadata=self._metadata("minio-provision"),
            spec={
                "pod_selector": {"match_labels": own},
                "policy_types": ["Ingress", "Egress"],
                "egress": [egress_rule(Peer(port=PORT, namespace=NAMESPACE, labels=labels("minio", "store")))],
            },
            opts=self._child,
        )
        container = Container(
            name="provision",
            image=MINIO,
            command=("sh", f"/script/{PROVISION.name}", self._settings.bucket, READER),
            env={"MC_CONFIG_DIR": "/tmp/mc"},
            secret_env=_from_credentials("MC_HOST_store", "READER_SECRET_KEY"),
            resources=Resources(cpu="50m", memory="128Mi", cpu_limit="500m", memory_limit="256Mi"),
            mounts={"/script": "script", "/tmp": "scratch"},
        )
        pod = Pod(
            containers=[container],
            volumes={"script": ConfigFiles(config_map="minio-provision"), "scratch": Scratch(size="64Mi")},
            placement=self._placement,
        )
        return kubernetes.batch.v1.Job(
            f"{self._name}-provision",
            metadata=self._metadata("minio-provision"),
            spec={
                "backoff_limit": 10,
                "template": {
                    "metadata": {"labels": own, "annotations": {"inference/script": digest(PROVISION.read_text())}},
                    "spec": pod_spec(pod, restart="OnFailure"),
                },
            },
            opts=self._child.merge(
                # A Job runs once: another script or bucket needs another Job.
                pulumi.ResourceOptions(depends_on=[server, script], replace_on_changes=["spec"])
            ),
        )


def _from_credentials(*keys: str) -> dict[str, SecretKey]:
    return {key: SecretKey(secret=CREDENTIALS, key=key) for key in keys}
