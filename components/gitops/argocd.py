"""Argo CD in a namespace of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.gitops.access import grant
from components.gitops.application import API
from components.gitops.configuration import NOTIFICATION_TOKEN, SSO_SECRET, config_maps
from components.gitops.parts import REDIS_PASSWORD, Part, parts
from components.gitops.programs import NAMESPACE, SERVER_PORT
from components.gitops.settings import ArgoCd, SlackNotifications
from components.workload.application import Application
from components.workload.namespace import Namespace, Quota
from components.workload.secret import secret

OF_ARGO_CD = {"app.kubernetes.io/part-of": "argocd"}
"""Argo CD reads only ConfigMaps and Secrets that have it."""
DEFINITIONS = ("applications.argoproj.io", "applicationsets.argoproj.io", "appprojects.argoproj.io")


class ArgoCdService(pulumi.ComponentResource):
    """Argo CD of one cluster.

    Whatever it is to apply depends on all of `ready`: on destroy that goes first, while Argo CD is there to take it
    away; then Argo CD, its namespace, and the definitions last.
    """

    namespace: str
    """Where its Applications, projects and repositories' Secrets belong."""
    ready: Sequence[pulumi.Resource]
    """What Applications need: definitions, and Argo CD running."""
    url: str | None
    """In-cluster URL of page and API; None where there are none."""
    admin_password: pulumi.Output[str] | None
    """A secret; None where `admin` may not sign in."""

    def __init__(
        self,
        name: str,
        settings: ArgoCd,
        *,
        definitions: Sequence[Mapping[str, Any]],
        quota: Quota,
        taints: Sequence[str] = (),
        repositories: Sequence[str] = (),
        sso_secret: pulumi.Input[str] | None = None,
        notification_token: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it.

        `definitions` are its CustomResourceDefinitions, `taints` those that its pods tolerate, `repositories` URLs
        of Git and charts, whose ports are opened; `sso_secret` is that of the client at the SSO provider,
        `notification_token` Slack's, or what a webhook is shown. Raises ValueError for what is missing.
        """
        super().__init__("inference:gitops:ArgoCd", name, None, opts)
        _check(settings, definitions, sso_secret=sso_secret, notification_token=notification_token)
        self._name, self._settings, self.namespace = name, settings, NAMESPACE
        self._parent = pulumi.ResourceOptions(parent=self)
        defined = [self._definition(one) for one in definitions]
        namespace = Namespace(
            f"{name}-namespace",
            NAMESPACE,
            quota=quota,
            node_ports=1 if settings.node_port else 0,
            opts=self._parent.merge(pulumi.ResourceOptions(depends_on=defined)),
        )
        self._child = self._parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        self.admin_password = None
        before = [
            *self._config_maps(told=notification_token is not None),
            *self._secrets(sso_secret, notification_token),
            self._default_project(),
        ]
        running = [self._run(part, before) for part in parts(settings, taints=taints, repositories=repositories)]
        self.ready = (*defined, *running)
        self.url = None if settings.availability == "core" else f"https://argocd-server.{NAMESPACE}:{SERVER_PORT}"
        self.register_outputs({"url": self.url})

    def _definition(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        called: str = manifest["metadata"]["name"]
        labels: Mapping[str, str] = manifest["metadata"].get("labels", {})
        # The typed class would have other names for half of a schema's fields.
        return kubernetes.apiextensions.CustomResource(
            f"{self._name}-{called.partition('.')[0]}",
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata={"name": called, "labels": labels},
            spec=manifest["spec"],
            opts=self._parent,
        )

    def _config_maps(self, *, told: bool) -> list[pulumi.Resource]:
        return [
            kubernetes.core.v1.ConfigMap(
                f"{self._name}-{called}",
                metadata={"name": called, "namespace": NAMESPACE, "labels": OF_ARGO_CD},
                data=data,
                opts=self._child,
            )
            for called, data in config_maps(self._settings, notification_token=told).items()
        ]

    def _secrets(
        self, sso_secret: pulumi.Input[str] | None, notification_token: pulumi.Input[str] | None
    ) -> list[pulumi.Resource]:
        contents: dict[str, pulumi.Input[str]] = {"server.secretkey": self._password("session-key").result}
        if self._settings.admin:
            admin = self._password("admin")
            self.admin_password = admin.result
            contents["admin.password"] = admin.bcrypt_hash
        if sso_secret is not None:
            contents[SSO_SECRET] = pulumi.Output.secret(sso_secret)
        made = {"argocd-secret": contents, "argocd-redis": {REDIS_PASSWORD.key: self._password("redis").result}}
        if self._settings.notifications:
            token = {NOTIFICATION_TOKEN: pulumi.Output.secret(notification_token)} if notification_token else {}
            made["argocd-notifications-secret"] = token
        return [
            secret(f"{self._name}-{called}", called, values, namespace=NAMESPACE, labels=OF_ARGO_CD, opts=self._child)
            for called, values in made.items()
        ]

    def _password(self, what: str) -> random.RandomPassword:
        return random.RandomPassword(f"{self._name}-{what}", length=40, special=False, opts=self._parent)

    def _default_project(self) -> pulumi.Resource:
        """Closed, before Argo CD's API server makes one that allows everything."""
        return kubernetes.apiextensions.CustomResource(
            f"{self._name}-default-project",
            api_version=API,
            kind="AppProject",
            metadata={"name": "default", "namespace": NAMESPACE},
            spec={"description": "Allows nothing: applications belong to a project of their own."},
            opts=self._child,
        )

    def _run(self, part: Part, before: Sequence[pulumi.Resource]) -> Application:
        name, server = f"{self._name}-{part.server.name.removeprefix('argocd-')}", part.server
        rights = (
            grant(name, server.name, server.part, part.access, namespace=NAMESPACE, opts=self._child)
            if part.access
            else []
        )
        after = self._child.merge(pulumi.ResourceOptions(depends_on=[*before, *rights]))
        return Application(name, server, namespace=NAMESPACE, opts=after)


def _check(
    settings: ArgoCd,
    definitions: Sequence[Mapping[str, Any]],
    *,
    sso_secret: pulumi.Input[str] | None,
    notification_token: pulumi.Input[str] | None,
) -> None:
    given = {one["metadata"]["name"] for one in definitions}
    if given != set(DEFINITIONS):
        raise ValueError(f"Argo CD's definitions are {', '.join(DEFINITIONS)}; given are: {', '.join(sorted(given))}")
    if settings.sso and sso_secret is None:
        raise ValueError("sso needs the secret of its client")
    if isinstance(settings.notifications, SlackNotifications) and notification_token is None:
        raise ValueError("notifications to Slack need the token of a bot")
