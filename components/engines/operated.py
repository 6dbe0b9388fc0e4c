"""From an engine with an operator to the objects that serve it."""

from collections.abc import Mapping
from dataclasses import replace

import pulumi
import pulumi_kubernetes as kubernetes

from components.engines.operator import (
    INSTANCE,
    MAIN,
    Asked,
    Group,
    OperatorEngine,
    group_labels,
    group_name,
    template,
)
from components.workload.application import Application, Server, progress_deadline, restart_annotations
from components.workload.around import Metadata, config_map, disruption_budget, network_policy, service, service_account
from components.workload.fields import stated
from components.workload.spec import Peer, Placement


class OperatedService(pulumi.ComponentResource):
    """A custom resource, and around the pods that its operator makes what every engine has.

    Where no operator can run, as on simulated nodes, a Deployment of each group of pods is there in its place: they are
    scheduled just the same.
    """

    def __init__(
        self,
        name: str,
        engine: OperatorEngine,
        server: Server,
        *,
        models: Mapping[str, str],
        elsewhere: Placement,
        operators: bool,
        namespace: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it. `models` are directories, `elsewhere` is where pods without GPUs go."""
        super().__init__("inference:engines:OperatedService", name, None, opts)
        self._name, self._engine, self._server, self._namespace = name, engine, server, namespace
        self._child = pulumi.ResourceOptions(parent=self)
        groups = engine.groups(server.pod, elsewhere)
        if operators:
            self._operated(groups, Asked(models=models, surge=server.update == "surge"))
        else:
            self._simulated(groups)
        self.register_outputs({})

    def _operated(self, groups: Mapping[str, Group], asked: Asked) -> None:
        guards: list[pulumi.Resource] = [
            service_account(self._name, self._account(), self._child),
            *self._network_policies(groups),
        ]
        if self._server.files:
            metadata = self._metadata()
            metadata["name"] = self._server.config_map
            guards.append(config_map(f"{self._name}-config", metadata, self._server.files, self._child))
        if groups[MAIN].replicas > 1:
            self._disruption_budget(groups)
        restart_on = restart_annotations(self._server)
        wanted = self._engine.custom_resource(
            {group: template(self._engine, group, what, restart_on) for group, what in groups.items()}, asked
        )
        if wanted.asked:
            guards.append(self._service(wanted.asked, groups[wanted.asked]))
        metadata = self._metadata()
        metadata["labels"] = {**group_labels(self._engine, MAIN), **wanted.labels}
        metadata["annotations"] = {
            **wanted.annotations,
            "pulumi.com/waitFor": wanted.ready,
            "pulumi.com/timeoutSeconds": str(progress_deadline(self._server)),
        }
        kubernetes.apiextensions.CustomResource(
            self._name,
            api_version=wanted.api_version,
            kind=wanted.kind,
            metadata=metadata,
            spec=wanted.spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=guards,
                # Where there is room for both, the operator makes the new pods before it takes the old ones away.
                replace_on_changes=None if asked.surge else list(wanted.fixed),
                delete_before_replace=True,
            ),
        )

    def _disruption_budget(self, groups: Mapping[str, Group]) -> None:
        whole = self._engine.ALL_OR_NONE
        selector = {INSTANCE: self._engine.name} if whole else group_labels(self._engine, MAIN)
        pods = sum(one.replicas for one in groups.values()) if whole else groups[MAIN].replicas
        # Not `maxUnavailable`: Kubernetes cannot ask an operator's object how many pods there should be.
        disruption_budget(self._name, self._metadata(), selector, {"min_available": pods - 1}, self._child)

    def _service(self, name: str, group: Group) -> kubernetes.core.v1.Service:
        """The engine's, at the ports of the group's pods."""
        (container,) = group.pod.containers
        return service(
            self._name, self._metadata(), group_labels(self._engine, name), ports=container.ports, opts=self._child
        )

    def _network_policies(self, groups: Mapping[str, Group]) -> list[kubernetes.networking.v1.NetworkPolicy]:
        """Its pods reach each other at any port, and nobody else does but clients and the operator."""
        everyone = {INSTANCE: self._engine.name}
        each_other = Peer(port=None, namespace=self._namespace, labels=everyone)
        operator = [Peer(port=port, namespace=self._engine.operator_namespace) for port in self._engine.OPERATOR_PORTS]
        shared = network_policy(
            self._name,
            self._metadata(),
            everyone,
            clients=(*self._server.clients, *operator, each_other),
            egress=(*self._server.egress, each_other),
            opts=self._child,
        )
        return [
            shared,
            *(
                network_policy(
                    f"{self._name}-{group}",
                    self._metadata(group),
                    group_labels(self._engine, group),
                    egress=what.egress,
                    opts=self._child,
                )
                for group, what in groups.items()
                if what.egress
            ),
        ]

    def _simulated(self, groups: Mapping[str, Group]) -> None:
        for group, what in groups.items():
            name = group_name(self._engine, group)
            server = replace(self._server, name=name, part=group, pod=what.pod, replicas=what.replicas)
            pulumi_name = self._name if group == MAIN else f"{self._name}-{group}"
            Application(pulumi_name, server, namespace=self._namespace, opts=self._child)

    def _account(self) -> Metadata:
        """Of the service account that the pods of all groups have."""
        metadata = self._metadata()
        metadata["annotations"] = self._server.account
        return stated(metadata)

    def _metadata(self, group: str = MAIN) -> Metadata:
        return {
            "name": group_name(self._engine, group),
            "namespace": self._namespace,
            "labels": group_labels(self._engine, group),
        }
