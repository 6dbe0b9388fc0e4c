"""What workflows have in a cluster: a closed namespace, an identity with few rights, a place for artefacts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from components.storage.object_store import AUTHORITY_FILE, ObjectStore, key_secret
from components.workflows.evaluation import API, KEYS, LABELS, NAME, Judge, artefacts, evaluation, judges_file
from components.workflows.settings import Workflows
from components.workload.around import config_map, network_policy
from components.workload.fields import stated
from components.workload.namespace import Namespace, Quota
from components.workload.pod import labels
from components.workload.secret import secret
from components.workload.spec import Peer, Placement

NAMESPACE = "workflows"
ACCOUNT = "workflows"
"""The service account of every workflow, and what the store knows it by."""
STORE_SECRET = "workflows-store"
AUTHORITY_SECRET = "store-ca"
REPOSITORIES = "artifact-repositories"
"""The ConfigMap in which Argo Workflows looks for those of a namespace."""
API_SERVER_PORTS = (443, 6443)
_SCRIPTS = Path(__file__).parent / "scripts"

Rule = kubernetes.rbac.v1.PolicyRuleArgsDict
RIGHTS: Sequence[Rule] = (
    # What a pod of a workflow says of its own end: docs/workflow-rbac.md of Argo Workflows 4.0.6.
    {"api_groups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
    {"api_groups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    {"api_groups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"api_groups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    # A restart is a patch of the pods' template.
    {"api_groups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch"]},
)
"""Of workflows, in their own namespace."""


class WorkflowsService(pulumi.ComponentResource):
    """Everything but Argo Workflows itself, which is a chart."""

    def __init__(
        self,
        name: str,
        settings: Workflows,
        *,
        judges: Sequence[Judge],
        store: ObjectStore,
        image: str,
        placement: Placement,
        quota: Quota,
        defined: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`image` has Python, for the scripts; `placement` is where workflows run.

        `defined` says whether the cluster has the definitions of Argo Workflows: none has on simulated nodes.
        """
        super().__init__("inference:workflows:WorkflowsService", name, None, opts)
        self._name, self._settings, self._store = name, settings, store
        parent = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(f"{name}-namespace", NAMESPACE, quota=quota, opts=parent)
        self._child = parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        self._account(judges)
        self._artefacts()
        network_policy(
            name,
            self._metadata(NAME),
            LABELS,
            egress=[
                *(Peer(port=port) for port in API_SERVER_PORTS),
                *store.peers,
                *(Peer(port=one.port, namespace=one.namespace, labels=labels(one.name, "engine")) for one in judges),
            ],
            opts=self._child,
        )
        if judges and defined:
            self._evaluation(judges, image, placement)
        self.register_outputs({})

    def _account(self, judges: Sequence[Judge]) -> None:
        """One for all workflows, with rights in its namespace, and to turn judges on and off where they are."""
        identity = self._store.identities.get(ACCOUNT)
        kubernetes.core.v1.ServiceAccount(
            self._name,
            metadata=stated({**self._metadata(ACCOUNT), "annotations": identity.annotations if identity else {}}),
            # Pods of a workflow tell their end to Kubernetes' API.
            automount_service_account_token=True,
            opts=self._child,
        )
        self._role(self._name, NAMESPACE, RIGHTS)
        for namespace in sorted({one.namespace for one in judges}):
            names = [one.name for one in judges if one.namespace == namespace]
            rules: list[Rule] = [
                {"api_groups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resource_names": names},
                {
                    "api_groups": ["apps"],
                    "resources": ["deployments/scale"],
                    "verbs": ["patch"],
                    "resource_names": names,
                },
            ]
            self._role(f"{self._name}-{namespace}", namespace, rules)

    def _role(self, name: str, namespace: str, rules: Sequence[Rule]) -> None:
        metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {
            "name": ACCOUNT,
            "namespace": namespace,
            "labels": labels(ACCOUNT, "workflow"),
        }
        role = kubernetes.rbac.v1.Role(name, metadata=metadata, rules=rules, opts=self._child)
        kubernetes.rbac.v1.RoleBinding(
            name,
            metadata=metadata,
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
            subjects=[{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=[role])),
        )

    def _artefacts(self) -> None:
        """The part of the bucket that is theirs, as Argo Workflows' default."""
        store, key = self._store, self._store.readers.get(ACCOUNT)
        if key:
            key_secret(f"{self._name}-store", STORE_SECRET, key, namespace=NAMESPACE, opts=self._child)
        if store.authority is not None:
            # It is none, but Argo Workflows takes it from nowhere else.
            given = {AUTHORITY_FILE: store.authority}
            secret(f"{self._name}-authority", AUTHORITY_SECRET, given, namespace=NAMESPACE, opts=self._child)
        text = artefacts(
            store.bucket,
            store.region,
            store.endpoint,
            prefix=self._settings.prefix,
            key=STORE_SECRET if key else None,
            authority={"name": AUTHORITY_SECRET, "key": AUTHORITY_FILE} if store.authority is not None else None,
        )
        metadata = self._metadata(REPOSITORIES)
        metadata["annotations"] = {"workflows.argoproj.io/default-artifact-repository": "store"}
        config_map(f"{self._name}-artefacts", metadata, {"store": text}, self._child)

    def _evaluation(self, judges: Sequence[Judge], image: str, placement: Placement) -> None:
        files = {path.name: path.read_text() for path in sorted(_SCRIPTS.glob("*.py"))}
        made = config_map(
            f"{self._name}-evaluate", self._metadata(NAME), {**files, "judges.json": judges_file(judges)}, self._child
        )
        keys: Mapping[str, pulumi.Input[str]] = {one.name: one.key for one in judges if one.key is not None}
        if keys:
            secret(f"{self._name}-judges", KEYS, keys, namespace=NAMESPACE, opts=self._child)
        kubernetes.apiextensions.CustomResource(
            f"{self._name}-evaluate",
            api_version=API,
            kind="WorkflowTemplate",
            metadata=self._metadata(NAME),
            spec=evaluation(self._settings, judges, account=ACCOUNT, config_map=NAME, image=image, placement=placement),
            opts=self._child.merge(pulumi.ResourceOptions(depends_on=[made])),
        )

    def _metadata(self, name: str) -> kubernetes.meta.v1.ObjectMetaArgsDict:
        return {"name": name, "namespace": NAMESPACE, "labels": labels(name, "workflow")}
