"""What Argo CD reads: its ConfigMaps by name, from the settings alone. JSON is YAML too."""

import json
from collections.abc import Mapping
from typing import Any

from components.gitops.settings import ArgoCd, Event, Notifications, SlackNotifications, Sso

SSO_SECRET = "oidc.clientSecret"
"""Key of `argocd-secret` with the client's secret."""
NOTIFICATION_TOKEN = "token"
"""Key of `argocd-notifications-secret`."""
NOTIFICATIONS = "argocd-notifications-cm"
_NEVER_IN_GIT = (
    {"apiGroups": ["", "discovery.k8s.io"], "kinds": ["Endpoints", "EndpointSlice"]},
    {"apiGroups": ["coordination.k8s.io"], "kinds": ["Lease"]},
    {
        "apiGroups": ["authentication.k8s.io", "authorization.k8s.io"],
        "kinds": [
            "TokenReview",
            "SelfSubjectReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
            "LocalSubjectAccessReview",
        ],
    },
    {"apiGroups": ["certificates.k8s.io"], "kinds": ["CertificateSigningRequest"]},
)
"""What the cluster makes itself, and often: neither watched nor shown."""
_EVENTS: Mapping[Event, tuple[str, str]] = {
    "sync-failed": ("app.status?.operationState?.phase in ['Error', 'Failed']", "could not be applied"),
    "degraded": ("app.status?.health?.status == 'Degraded'", "is degraded"),
    "synced": (
        "app.status?.operationState?.phase == 'Succeeded' and app.status?.health?.status == 'Healthy'",
        "is applied and healthy",
    ),
}
"""When it is told, and what."""
_WHY = (
    "{{$why := .app.status.operationState.message}}"
    "{{with .app.status.operationState.syncResult}}{{range .resources}}"
    '{{if eq .status "SyncFailed"}}{{$why = printf "%s; %s %s: %s" $why .kind .name .message}}{{end}}'
    "{{end}}{{end}}"
)
"""What Argo CD says of the whole, and of each object that it could not apply. Some have no status."""


def config_maps(settings: ArgoCd, *, notification_token: bool) -> dict[str, dict[str, str]]:
    """Every ConfigMap's content. Webhooks have a token only where there is one."""
    return {
        "argocd-cm": _general(settings),
        "argocd-rbac-cm": _roles(settings.sso),
        # Its pods are told on their own objects; `argocd admin export` fails without it.
        "argocd-cmd-params-cm": {},
        "argocd-ssh-known-hosts-cm": {"ssh_known_hosts": "".join(f"{line}\n" for line in settings.known_hosts)},
        "argocd-tls-certs-cm": dict(settings.certificates),
        "argocd-gpg-keys-cm": {},
        **(
            {NOTIFICATIONS: _notifications(settings.notifications, settings.url, token=notification_token)}
            if settings.notifications
            else {}
        ),
    }


def _general(settings: ArgoCd) -> dict[str, str]:
    data = {
        "admin.enabled": _word(settings.admin),
        "resource.exclusions": json.dumps(_NEVER_IN_GIT),
        # A status never stands in Git: its changes need no comparison.
        "resource.customizations.ignoreResourceUpdates.all": json.dumps({"jsonPointers": ["/status"]}),
    }
    if settings.url:
        data["url"] = settings.url
    if settings.sso:
        data["oidc.config"] = _oidc(settings.sso)
    return data


def _oidc(sso: Sso) -> str:
    configuration: dict[str, Any] = {
        "name": sso.name,
        "issuer": sso.issuer,
        "clientID": sso.client_id,
        "clientSecret": f"${SSO_SECRET}",
        "requestedScopes": list(sso.scopes),
        "requestedIDTokenClaims": {"groups": {"essential": True}},
    }
    if sso.certificates:
        configuration["rootCA"] = sso.certificates
    return json.dumps(configuration, indent=2)


def _roles(sso: Sso | None) -> dict[str, str]:
    groups = sorted(sso.groups.items()) if sso else []
    return {
        "policy.default": "role:readonly" if sso and sso.others == "readonly" else "",
        "policy.csv": "".join(f'g, "{group}", role:{role}\n' for group, role in groups),
        "scopes": "[groups]",
    }


def _notifications(notifications: Notifications, url: str | None, *, token: bool) -> dict[str, str]:
    service, recipient = "webhook", "webhook"
    if isinstance(notifications, SlackNotifications):
        service, recipient = "slack", f"slack:{notifications.channel}"
    data = {
        "context": json.dumps({"argocdUrl": url or ""}),
        "subscriptions": json.dumps([{"recipients": [recipient], "triggers": [*notifications.events]}]),
    }
    for event in notifications.events:
        when, what = _EVENTS[event]
        # Once for each revision, not each time that Argo CD looks.
        once = {"oncePer": "app.status.operationState.syncResult.revision"} if event == "synced" else {}
        data[f"trigger.{event}"] = json.dumps([{"when": when, "send": [event], **once}])
        data[f"template.{event}"] = json.dumps(_template(event, what, service))
    if isinstance(notifications, SlackNotifications):
        data["service.slack"] = json.dumps({"token": f"${NOTIFICATION_TOKEN}"})
    else:
        headers = [{"name": "Content-Type", "value": "application/json"}]
        if token:
            headers.append({"name": "Authorization", "value": f"Bearer ${NOTIFICATION_TOKEN}"})
        data["service.webhook.webhook"] = json.dumps({"url": notifications.url, "headers": headers})
    return data


def _template(event: Event, what: str, service: str) -> dict[str, Any]:
    why = _WHY if event == "sync-failed" else '{{$why := ""}}'
    link = "{{if .context.argocdUrl}} {{.context.argocdUrl}}/applications/{{.app.metadata.name}}{{end}}"
    if service == "slack":
        said = "{{if $why}}: {{$why}}{{end}}"
        return {"message": f"{why}Application {{{{.app.metadata.name}}}} {what}{said}{link}"}
    # toJson quotes: what Argo CD says may hold quotation marks itself.
    said = '{"application": {{.app.metadata.name | toJson}}, "event": "EVENT", "message": {{$why | toJson}}}'
    return {"webhook": {"webhook": {"method": "POST", "body": why + said.replace("EVENT", event)}}}


def _word(value: bool) -> str:
    return "true" if value else "false"
