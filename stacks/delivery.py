"""How the applications of each cluster get there: straight from Pulumi, or through Git and Argo CD."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.cluster import Cluster
from components.gitops.application import Destination, Source, Wanted, application, project
from components.gitops.route import Route
from stacks.argocd import ArgoCds, Serving
from stacks.foundation import Foundation
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Way:
    """One cluster's."""

    route: Route
    projects: Sequence[pulumi.Resource] = ()
    """What its Applications wait for."""


class Delivery(pulumi.ComponentResource):
    """Gives components their way, and makes an Application of each where that leads through Git."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        foundation: Foundation,
        *,
        namespaces: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`namespaces` are where applications may be."""
        super().__init__("inference:stacks:Delivery", name, None, opts)
        self._settings, self._foundation, self._namespaces = settings, foundation, namespaces
        # Simulated nodes run no Argo CD: a rehearsal shows where pods go, however they come there.
        self._repository = None if settings.rehearsal else settings.delivery.repository
        child = pulumi.ResourceOptions(parent=self)
        wanted = None if settings.rendering else settings.argocd  # it is never rendered itself
        self.argocds = ArgoCds(f"{name}-argocd", settings, foundation, wanted, child) if wanted else None
        self._ways = {cluster.name: self._way(cluster) for cluster in foundation.clusters.values()}
        self.register_outputs({})

    def options(self, cluster: Cluster, called: str) -> pulumi.ResourceOptions:
        """For a component whose objects are one application."""
        return self._ways[cluster.name].route.options(_name(cluster, called))

    def deliver(
        self,
        cluster: Cluster,
        called: str,
        component: pulumi.Resource,
        *,
        namespace: str,
        scaled: Sequence[str] = (),
    ) -> pulumi.Resource:
        """What others wait for until the application is there: the component, or the Application that Argo CD has."""
        delivery = self._settings.delivery
        if not self._repository:
            return component
        way, called = self._ways[cluster.name], _name(cluster, called)
        wanted = Wanted(
            name=called,
            project=cluster.name,
            source=Source(
                repository=self._repository,
                revision=delivery.revision,
                path=f"{delivery.folder(pulumi.get_stack())}/{called}",
            ),
            destination=self.destination(cluster),
            namespace=namespace,
            scaled=scaled,
        )
        return application(
            f"{called}-application",
            wanted,
            hand_over=delivery.hand_over,
            awaited=cluster.operators,
            opts=self.argocd(cluster).merge(pulumi.ResourceOptions(parent=self, depends_on=[component, *way.projects])),
        )

    def argocd(self, cluster: Cluster) -> pulumi.ResourceOptions:
        """For what is said to the Argo CD that serves this cluster."""
        serving = self._serving(cluster)
        return pulumi.ResourceOptions(provider=serving.home.provider, depends_on=list(serving.ready))

    def destination(self, cluster: Cluster) -> Destination:
        """The cluster, as that Argo CD knows it."""
        return self._serving(cluster).destination

    def _serving(self, cluster: Cluster) -> Serving:
        if self.argocds is None:
            return Serving(home=cluster, ready=(), destination=Destination())
        return self.argocds.serving[cluster.name]

    def _way(self, cluster: Cluster) -> Way:
        delivery = self._settings.delivery
        if not self._repository:
            return Way(route=Route(cluster=cluster.provider, hand_over=delivery.hand_over))
        renderer = kubernetes.Provider(
            f"{cluster.name}-renderer",
            # Relative, so that it is the same on every machine: another one would have all objects made anew.
            render_yaml_to_directory=str(rendered(cluster.name)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        bounds = project(
            f"{cluster.name}-project",
            cluster.name,
            repositories=[self._repository],
            destination=self.destination(cluster),
            namespaces=self._namespaces,
            opts=self.argocd(cluster).merge(pulumi.ResourceOptions(parent=self)),
        )
        return Way(route=Route(cluster=cluster.provider, renderer=renderer), projects=[bounds])


def _name(cluster: Cluster, called: str) -> str:
    """An application's, and its folder's: one that a second cluster does not change."""
    return f"{cluster.name}-{called}"


def rendered(cluster: str) -> Path:
    """Where the objects of a cluster's applications are rendered to, all together; `make render` sorts them."""
    return Path(os.environ.get("INFERENCE_STATE") or ".state", pulumi.get_stack(), "rendered", cluster)
