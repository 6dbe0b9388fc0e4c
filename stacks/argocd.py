"""The Argo CD that serves each cluster: one of its own, or one for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

from components.accelerators import AcceleratorRequest
from components.cluster.cluster import Cluster
from components.engines.chart import Chart
from components.gitops.application import Destination
from components.gitops.argocd import ArgoCdService
from components.gitops.programs import NAMESPACE
from components.gitops.remote import cluster_secret
from components.gitops.repository import repository_secret
from components.gitops.settings import ArgoCd
from stacks.foundation import Foundation
from stacks.secrets import optional_secret, secret
from stacks.settings import Settings
from toolchain import ToolchainError, definitions

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the definitions are 30 000 lines


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Who applies what a cluster is to have."""

    home: Cluster
    """Where it runs: Applications and projects go there."""
    ready: Sequence[pulumi.Resource]
    """What they need."""
    destination: Destination
    """The served cluster, as it knows it."""


class ArgoCds(pulumi.ComponentResource):
    """All of a stack."""

    serving: Mapping[str, Serving]
    """By the name of the cluster that is served."""
    urls: Mapping[str, str]
    """By the name of the cluster that one is in; in-cluster."""
    passwords: Mapping[str, pulumi.Output[str]]
    """Of `admin`, where it may sign in; secrets."""

    def __init__(
        self, name: str, settings: Settings, foundation: Foundation, wanted: ArgoCd, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("inference:stacks:ArgoCds", name, None, opts)
        self._settings, self._foundation, self._wanted = settings, foundation, wanted
        clusters = foundation.clusters
        homes = [clusters[wanted.cluster]] if wanted.cluster else list(clusters.values())
        found = _definitions()
        made = {home.name: self._service(home, found) for home in homes}
        homes_of = {one.name: clusters[wanted.cluster or one.name] for one in clusters.values()}
        self.serving = {
            one.name: self._serving(one, homes_of[one.name], made[homes_of[one.name].name]) for one in clusters.values()
        }
        self.urls = {home: service.url for home, service in made.items() if service.url}
        self.passwords = {home: one.admin_password for home, one in made.items() if one.admin_password}
        self.register_outputs({})

    def _service(self, home: Cluster, found: Sequence[Mapping[str, Any]]) -> ArgoCdService:
        service = ArgoCdService(
            f"{home.name}-argocd",
            self._wanted,
            definitions=found,
            quota=self._settings.quota,
            repositories=_repositories(self._settings),
            taints=home.settings.tolerated(AcceleratorRequest(), {}),
            sso_secret=secret("argocdSsoSecret", self._settings) if self._wanted.sso else None,
            notification_token=self._notification_token(),
            opts=self._foundation.on(home).merge(pulumi.ResourceOptions(parent=self)),
        )
        delivery = self._settings.delivery
        if delivery.repository:
            repository_secret(
                f"{home.name}-repository",
                "repository",
                url=delivery.repository,
                credential=delivery.credential,
                value=secret("gitCredential", self._settings) if delivery.credential else None,
                namespace=NAMESPACE,
                opts=self._beside(home, service),
            )
        return service

    def _notification_token(self) -> pulumi.Output[str] | None:
        told = self._wanted.notifications
        if told is None:
            return None
        read = secret if told.kind == "slack" else optional_secret
        return read("argocdNotificationToken", self._settings)

    def _serving(self, cluster: Cluster, home: Cluster, service: ArgoCdService) -> Serving:
        if cluster is home:
            return Serving(home=home, ready=service.ready, destination=Destination())
        known = cluster_secret(f"{home.name}-knows-{cluster.name}", cluster, self._beside(home, service))
        return Serving(home=home, ready=[*service.ready, known], destination=Destination(name=cluster.name))

    def _beside(self, home: Cluster, service: ArgoCdService) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=home.provider, depends_on=list(service.ready))


def _repositories(settings: Settings) -> Sequence[str]:
    """Everything that is fetched: its ports are to be open."""
    git = settings.delivery.repository
    charts = [settings.mirror.charts or one.published.repository for one in settings.charts]
    own = [engine.repository for engine in settings.engines if isinstance(engine, Chart)]
    return [*([git] if git else []), *charts, *own]


def _definitions() -> Sequence[Mapping[str, Any]]:
    try:
        files = sorted(definitions.argocd().glob("*.yaml"))
    except ToolchainError as error:
        raise pulumi.RunError(f"Argo CD's definitions cannot be had. {error}\nNothing was changed.") from None
    return [yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER) for file in files]
