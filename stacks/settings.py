"""The whole configuration of a stack, composed of each component's own settings."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from components.aws.settings import Aws
from components.cluster.settings import ClusterSettings, K3s
from components.engines import AnyEngine
from components.gateway.settings import Gateway
from components.gitops.charts import ThirdPartyChart
from components.gitops.delivery import Delivery
from components.gitops.settings import ArgoCd
from components.node.settings import Drivers, Mirror
from components.node.system import System
from components.section import Section
from components.storage.model import Model, Sources, SyncSettings
from components.storage.settings import MinioStore, Store
from components.workflows.settings import Workflows
from components.workload.namespace import Quota

Target = Literal["dev", "onprem", "eks"]


class Settings(Section):
    """Everything that `Pulumi.<stack>.yaml` says below `inference:`."""

    target: Target
    """Where the stack runs: embedded on this machine, on hosts over SSH, or on Amazon EKS."""
    rehearsal: bool = False
    """Simulate every node, whatever the target. Set by `make rehearse`, never by hand."""
    rendering: bool = False
    """Write every object to a file, and make nothing. Set by `make render`, never by hand."""
    clusters: tuple[ClusterSettings, ...] = Field(min_length=1)
    """Kubernetes clusters and their machines."""
    store: Store = MinioStore(kind="minio")
    """Where models are kept."""
    sources: Sources = Sources()
    """Servers that models come from, where they are not those that everybody uses."""
    sync: SyncSettings = SyncSettings()
    """How models come into the store."""
    models: tuple[Model, ...] = ()
    """Models and their pinned sources."""
    engines: tuple[AnyEngine, ...] = ()
    """What serves the models."""
    gateway: Gateway | None = Gateway()
    """The API in front of the engines; `null` for none."""
    delivery: Delivery = Delivery()
    """How engines and the gateway come to their clusters."""
    argocd: ArgoCd | None = None
    """Argo CD; none when not set."""
    charts: tuple[ThirdPartyChart, ...] = ()
    """Charts of others in pinned versions: operators of engines, monitoring and the like. Needs `inference:argocd`."""
    aws: Aws = Aws()
    """The account of the target `eks`."""
    workflows: Workflows | None = None
    """What workflows may do, and one that evaluates with a judge; none when not set. Needs argo-workflows in
    `inference:charts`."""
    k3s: K3s = K3s()
    """Kubernetes on the hosts of the target `onprem`."""
    system: System = System()
    """The operating system of those hosts."""
    drivers: Drivers = Drivers()
    """GPU drivers of those hosts."""
    mirror: Mirror = Mirror()
    """What a closed network has in place of the internet."""
    quota: Quota = Quota()
    """Upper bounds for each of our namespaces."""

    @property
    def pretended(self) -> bool:
        """Whether it is a rehearsal or rendering, which have no host, account or secret at hand."""
        return self.rehearsal or self.rendering

    @property
    def deployed(self) -> Sequence[AnyEngine]:
        """Every engine, and the canaries beside them."""
        return [copy for engine in self.engines for copy in engine.copies]

    @property
    def home(self) -> ClusterSettings:
        """The cluster that the store is in, or that is asked to bring models into one that is elsewhere."""
        named = self.store.cluster if isinstance(self.store, MinioStore) else None
        return next((cluster for cluster in self.clusters if cluster.name == named), self.clusters[0])
