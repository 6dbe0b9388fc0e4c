"""Each model on its way into the object store: a Job that brings it there once, whole and verified."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as kubernetes

from components.section import byte_count
from components.storage import program, sources
from components.storage.model import Model, Sources, SyncSettings
from components.storage.object_store import (
    AUTHORITY,
    ObjectStore,
    PodIdentity,
    authority_config_maps,
    key_environment,
    key_secret,
)
from components.storage.versions import PROGRAM
from components.workload.application import digest
from components.workload.around import service_account
from components.workload.claim import Directory, volume_claim
from components.workload.fields import stated
from components.workload.namespace import Namespace, Quota
from components.workload.pod import labels
from components.workload.secret import secret
from components.workload.spec import Claim, Container, Peer, Placement, Pod, SecretKey, Volume
from components.workload.task import Task, TaskRun

NAMESPACE = "models"
ACCOUNT = "sync"
"""The service account of all Jobs, where the store knows them by it."""
WRITER_SECRET = "store-writer"
METRICS = 9090
REFUSED = 3
"""The exit code with which the program says that trying again cannot help: `components/storage/sync/__main__.py`."""
SLOWEST = 5 * 2**20
"""Bytes a second that a sync brings at the least: with fewer, `up` gives up waiting. The Job goes on."""
RETRIES = 6
HOST = "kubernetes.io/hostname"
PATIENCE = 1800
"""Seconds on top, for a node to be found, an image to be pulled, and a hub to be asked to come back later."""


class Models(pulumi.ComponentResource):
    """A namespace with a Job for each model. To remove one deletes no data: only one that says `purge` goes."""

    synced: Mapping[str, pulumi.Resource]
    """By model: what must be there before the model is."""

    def __init__(
        self,
        name: str,
        models: Sequence[Model],
        *,
        store: ObjectStore,
        settings: SyncSettings,
        origins: Sources,
        secrets: Mapping[str, pulumi.Input[str]],
        placement: Placement,
        quota: Quota,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`secrets` are what sources ask for, by the name of the setting, as `sources.secrets` has it."""
        super().__init__("inference:storage:Models", name, None, opts)
        self._name, self._store, self._settings, self._origins = name, store, settings, origins
        self._placement = placement
        parent = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(f"{name}-namespace", NAMESPACE, quota=quota, opts=parent)
        self._child = parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        before: list[pulumi.Resource] = [
            program.program(f"{name}-program", namespace=NAMESPACE, opts=self._child),
            *authority_config_maps(f"{name}-{AUTHORITY}", store.authority, namespace=NAMESPACE, opts=self._child),
            *store.ready,
        ]
        if store.writer_identity:
            before.append(self._account(store.writer_identity))
        if store.writer:
            before.append(
                key_secret(f"{name}-writer", WRITER_SECRET, store.writer, namespace=NAMESPACE, opts=self._child)
            )
        self.synced = {
            model.name: self._purge(model, before) if model.purge else self._sync(model, secrets, before)
            for model in models
        }
        self.register_outputs({})

    def _sync(
        self, model: Model, secrets: Mapping[str, pulumi.Input[str]], before: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        name, task = f"{self._name}-{model.name}", f"sync-{model.name}"
        scheme = model.address.kind.scheme
        wanted = sources.secrets(scheme, self._origins)
        given = {variable: secrets[key] for variable, key in wanted.items() if key in secrets}
        _, mount = sources.program_source(model)
        own = [secret(f"{name}-source", task, given, namespace=NAMESPACE, opts=self._child)] if given else []
        own += [self._claim(name, model, mount)] if mount and mount.node else []
        source: dict[str, Volume] = {"source": Claim(claim=mount.claim or task, read_only=True)} if mount else {}
        placement = replace(self._placement, node_selector={HOST: mount.node}) if mount and mount.node else None
        runs = Task(
            name=task,
            pod=Pod(
                containers=[self._container(model, {one: SecretKey(secret=task, key=one) for one in given})],
                volumes={**program.VOLUMES, **self._store.volumes(), **source},
                placement=placement or self._placement,
            ),
            egress=[*self._store.peers, *self._peers(scheme)],
            account=ACCOUNT if self._store.writer_identity else None,
            told={"source": model.source, **self._identity()},
            retries=RETRIES,
            hopeless=REFUSED,
            seconds=PATIENCE + byte_count(model.size) // SLOWEST,
        )
        opts = self._child.merge(pulumi.ResourceOptions(depends_on=[*before, *own]))
        return TaskRun(name, runs, namespace=NAMESPACE, opts=opts)

    def _container(self, model: Model, of_source: Mapping[str, SecretKey]) -> Container:
        text, mount = sources.program_source(model)
        origin = sources.environment(model.address.kind.scheme, self._origins)
        return Container(
            name="sync",
            image=self._settings.image or PROGRAM,
            command=("python", "-m", "sync"),
            args=_arguments(model, text, self._store),
            env={**program.ENVIRONMENT, **self._store.environment(), **origin, **self._proxy()},
            secret_env={**self._writer(), **of_source},
            ports={"metrics": METRICS},
            resources=self._settings.resources,
            mounts={**program.MOUNTS, **self._store.mounts(), **({mount.at: "source"} if mount else {})},
            read_only=(mount.at,) if mount else (),
        )

    def _proxy(self) -> Mapping[str, str]:
        """As every program reads it, botocore too, which is to reach the store without."""
        proxy, store = self._settings.proxy, urlsplit(self._store.endpoint or "").hostname
        around = {"NO_PROXY": store} if store else {}
        return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, **around} if proxy else {}

    def _peers(self, scheme: str) -> Sequence[Peer]:
        if self._settings.proxy and scheme not in sources.MOUNTED:
            return [Peer(port=urlsplit(self._settings.proxy).port or sources.HTTPS)]
        return sources.peers(scheme, self._origins)

    def _writer(self) -> Mapping[str, SecretKey]:
        return key_environment(WRITER_SECRET) if self._store.writer else {}

    def _account(self, identity: PodIdentity) -> pulumi.Resource:
        metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {
            "name": ACCOUNT,
            "namespace": NAMESPACE,
            "labels": labels(ACCOUNT, "job"),
            "annotations": identity.annotations,
        }
        return service_account(f"{self._name}-{ACCOUNT}", stated(metadata), self._child)

    def _identity(self) -> Mapping[str, str]:
        identity = self._store.writer_identity
        return {"identity": digest(identity.named)} if identity else {}

    def _purge(self, model: Model, before: Sequence[pulumi.Resource]) -> pulumi.Resource:
        container = Container(
            name="purge",
            image=self._settings.image or PROGRAM,
            command=("python", "-m", "sync"),
            args=("purge", f"s3://{self._store.bucket}/{model.directory}", "--yes"),
            env={**program.ENVIRONMENT, **self._store.environment()},
            secret_env=self._writer(),
            resources=self._settings.resources,
            mounts={**program.MOUNTS, **self._store.mounts()},
        )
        volumes = {**program.VOLUMES, **self._store.volumes()}
        runs = Task(
            name=f"purge-{model.name}",
            pod=Pod(containers=[container], volumes=volumes, placement=self._placement),
            egress=self._store.peers,
            account=ACCOUNT if self._store.writer_identity else None,
            told=self._identity(),
            retries=RETRIES,
            hopeless=REFUSED,
        )
        opts = self._child.merge(pulumi.ResourceOptions(depends_on=before))
        return TaskRun(f"{self._name}-{model.name}-purge", runs, namespace=NAMESPACE, opts=opts)

    def _claim(self, name: str, model: Model, mount: sources.Mount) -> pulumi.Resource:
        return volume_claim(
            f"{name}-source",
            f"sync-{model.name}",
            namespace=NAMESPACE,
            labels=labels(f"sync-{model.name}", "job"),
            size=model.size,
            directory=Directory(node=str(mount.node), path=mount.path),
            keep=False,
            opts=self._child,
        )


def _arguments(model: Model, source: str, store: ObjectStore) -> tuple[str, ...]:
    return (
        "sync",
        source,
        store.uri(model),
        *(f"--files={pattern}" for pattern in model.files),
        *(f"--licence={licence}" for licence in model.licences),
        *([f"--room={store.room}"] if store.room else []),
        f"--metrics-port={METRICS}",
    )
