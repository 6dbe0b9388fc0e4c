"""Argo CD as settings ask for it: what people and the cluster get to see."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pydantic import TypeAdapter, ValidationError

from components.gitops.argocd import ArgoCdService
from components.gitops.repository import Credential, repository_secret
from components.gitops.settings import ArgoCd
from components.workload.namespace import Quota
from tests.unit.argocd import argocd
from tests.unit.definitions import definition
from tests.unit.manifests import manifests, plain
from tests.unit.recording import RANDOM, Recording, Registration, masked, recorded

URL = "https://argocd.example.com"
SSO = {
    "issuer": "https://login.example.com",
    "clientId": "argocd",
    "groups": {"platform": "admin", "all staff": "readonly"},
}
ALL = {"redis", "repo-server", "application-controller", "applicationset-controller", "server"}


def found(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    """The object, secrets in plain text."""
    (one,) = [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return one


def registered(recording: Recording, kind: str, name: str) -> Registration:
    (one,) = [
        one for one in recording.kubernetes() if (one.inputs["kind"], one.inputs["metadata"]["name"]) == (kind, name)
    ]
    return one


def deployments(recording: Recording) -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"].removeprefix("argocd-"): one
        for one in manifests(recording)
        if one["kind"] == "Deployment"
    }


def container(deployment: Mapping[str, Any]) -> dict[str, Any]:
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return only


def mistakes(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as raised:
        ArgoCd.model_validate(settings)
    return str(raised.value)


def test_by_default_nobody_can_sign_in_and_no_port_of_a_node_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    assert set(deployments(made)) == ALL
    assert found(made, "ConfigMap", "argocd-cm")["data"]["admin.enabled"] == "false"
    assert "admin.password" not in found(made, "Secret", "argocd-secret")["stringData"]
    assert "password" not in made.outputs["exports"]
    services = {one["spec"]["type"] for one in manifests(made) if one["kind"] == "Service"}
    assert services == {"ClusterIP"}


def test_core_is_without_api_server_and_has_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, availability="core")
    assert set(deployments(made)) == ALL - {"server"}
    assert "url" not in made.outputs["exports"]
    assert not [one for one in manifests(made) if one["metadata"]["name"] == "argocd-server"]


def test_ha_has_two_of_what_people_and_applications_ask_and_leaves_a_lost_node_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = argocd(monkeypatch, availability="ha")
    replicas = {name: one["spec"]["replicas"] for name, one in deployments(made).items()}
    assert replicas == dict.fromkeys(ALL, 1) | {"server": 2, "repo-server": 2}
    budgets = {one["metadata"]["name"] for one in manifests(made) if one["kind"] == "PodDisruptionBudget"}
    assert budgets == {"argocd-server", "argocd-repo-server"}
    for one in deployments(made).values():
        lost = {each["key"]: each["tolerationSeconds"] for each in one["spec"]["template"]["spec"]["tolerations"]}
        assert lost == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_the_admin_gets_a_password_that_argo_cd_knows_only_the_hash_of(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, admin=True)
    assert plain(made.outputs["exports"]["password"]) == f"{RANDOM}-argocd-admin-result"
    assert masked(made.outputs["exports"]["password"]) == "(secret)"
    assert found(made, "ConfigMap", "argocd-cm")["data"]["admin.enabled"] == "true"
    assert found(made, "Secret", "argocd-secret")["stringData"]["admin.password"] == f"{RANDOM}-argocd-admin-bcryptHash"


def test_every_secret_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"sso_secret": "client-secret", "notification_token": "xoxb-token"}
    told = {"kind": "slack", "channel": "deployments"}
    made = argocd(monkeypatch, secrets=secrets, url=URL, sso=SSO, admin=True, notifications=told)
    for resource in made.resources:
        text = json.dumps(resource.object)
        assert not [value for value in (*secrets.values(), RANDOM) if value in text], resource.name


def test_people_sign_in_with_their_provider_and_their_group_says_what_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, secrets={"sso_secret": "client-secret"}, url=URL, sso=SSO)
    data = found(made, "ConfigMap", "argocd-cm")["data"]
    assert data["url"] == URL
    oidc = json.loads(data["oidc.config"])
    assert (oidc["issuer"], oidc["clientID"]) == ("https://login.example.com", "argocd")
    key = oidc["clientSecret"].removeprefix("$")
    assert found(made, "Secret", "argocd-secret")["stringData"][key] == "client-secret"
    roles = found(made, "ConfigMap", "argocd-rbac-cm")["data"]
    assert roles["policy.csv"].splitlines() == ['g, "all staff", role:readonly', 'g, "platform", role:admin']
    assert roles["policy.default"] == ""


def test_slack_hears_of_what_failed_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"kind": "slack", "channel": "deployments"}
    made = argocd(monkeypatch, secrets={"notification_token": "xoxb"}, url=URL, notifications=told)
    data = found(made, "ConfigMap", "argocd-notifications-cm")["data"]
    (subscription,) = json.loads(data["subscriptions"])
    assert subscription == {"recipients": ["slack:deployments"], "triggers": ["sync-failed", "degraded"]}
    assert {key for key in data if key.startswith("trigger.")} == {"trigger.sync-failed", "trigger.degraded"}
    assert json.loads(data["service.slack"]) == {"token": "$token"}
    assert found(made, "Secret", "argocd-notifications-secret")["stringData"] == {"token": "xoxb"}


@pytest.mark.parametrize(
    ("url", "ports"),
    [("https://alerts.lan/argocd", {443, 6443}), ("http://alerts.lan:9000/argocd", {443, 6443, 9000})],
)
def test_a_webhook_is_reached_where_it_is_and_sees_a_token_only_if_there_is_one(
    url: str, ports: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = argocd(monkeypatch, notifications={"kind": "webhook", "url": url})
    rules = found(made, "NetworkPolicy", "argocd-notifications-controller")["spec"]["egress"]
    assert {rule["ports"][0]["port"] for rule in rules if "to" not in rule} == ports
    data = found(made, "ConfigMap", "argocd-notifications-cm")["data"]
    service = json.loads(data["service.webhook.webhook"])
    assert service["url"] == url
    assert [header["name"] for header in service["headers"]] == ["Content-Type"]


def test_argo_cd_finds_every_config_map_and_secret_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, secrets={"notification_token": "x"}, notifications={"kind": "webhook", "url": URL})
    for one in manifests(made):
        if one["kind"] in ("ConfigMap", "Secret"):
            assert one["metadata"]["labels"] == {"app.kubernetes.io/part-of": "argocd"}, one["metadata"]["name"]


def test_only_parts_that_speak_with_kubernetes_have_a_token_and_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    pods = {name: one["spec"]["template"]["spec"] for name, one in deployments(made).items()}
    assert {name for name, pod in pods.items() if pod["automountServiceAccountToken"]} == ALL - {"redis", "repo-server"}
    bound = {one["subjects"][0]["name"] for one in manifests(made) if one["kind"] == "RoleBinding"}
    assert bound == {f"argocd-{name}" for name in ALL - {"redis", "repo-server"}}
    everywhere = {one["subjects"][0]["name"] for one in manifests(made) if one["kind"] == "ClusterRoleBinding"}
    assert everywhere == {"argocd-application-controller", "argocd-server"}


def test_no_secret_outside_its_namespace_can_be_read_by_a_part_that_need_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    roles = {one["metadata"]["name"]: one["rules"] for one in manifests(made) if one["kind"] == "ClusterRole"}
    assert set(roles) == {"argocd-application-controller", "argocd-server"}
    assert {tuple(rule["verbs"]) for rule in roles["argocd-server"] if rule.get("resources") == ["*"]} == {
        ("get", "patch", "delete")
    }


def test_repositories_are_fetched_at_the_ports_that_settings_name_and_the_cache_reaches_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = argocd(monkeypatch, ports=[3000])
    rules = found(made, "NetworkPolicy", "argocd-repo-server")["spec"]["egress"]
    assert sorted(rule["ports"][0]["port"] for rule in rules if "to" not in rule) == [22, 443, 3000]
    cache = found(made, "NetworkPolicy", "argocd-redis")["spec"]
    assert "Egress" in cache["policyTypes"]
    assert "egress" not in cache


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://git.lan/a", 443),
        ("https://git.lan:3000/a", 3000),
        ("http://git.lan/a", 80),
        ("git@git.lan:org/a.git", 22),
        ("ssh://git@git.lan:2222/org/a.git", 2222),
        ("ssh://git@[fd00::20]/org/a.git", 22),
        ("oci://registry.lan:5000/charts", 5000),
        ("file:///srv/git/a", 443),
    ],
)
def test_what_is_fetched_from_anyway_need_not_be_named_as_a_port(
    url: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = argocd(monkeypatch, repositories=[url])
    rules = found(made, "NetworkPolicy", "argocd-repo-server")["spec"]["egress"]
    assert sorted(rule["ports"][0]["port"] for rule in rules if "to" not in rule) == sorted({22, 443, port})


def test_the_page_reaches_the_provider_that_people_sign_in_with(monkeypatch: pytest.MonkeyPatch) -> None:
    sso = {**SSO, "issuer": "https://login.lan:8443/realms/platform"}
    made = argocd(monkeypatch, secrets={"sso_secret": "client-secret"}, url=URL, sso=sso)
    for name, reaches in (("server", True), ("repo-server", False)):
        rules = found(made, "NetworkPolicy", f"argocd-{name}")["spec"]["egress"]
        assert (8443 in {rule["ports"][0]["port"] for rule in rules}) == reaches


def test_the_cache_and_the_repo_server_answer_argo_cds_own_parts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    for name, port in (("argocd-redis", 6379), ("argocd-repo-server", 8081)):
        rules = found(made, "NetworkPolicy", name)["spec"]["ingress"]
        peers = [peer for rule in rules if rule["ports"][0]["port"] == port for peer in rule["from"]]
        assert {peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in peers} == {"argocd"}
        assert all(peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"].startswith("argocd-") for peer in peers)


def test_every_part_can_be_measured_by_monitoring(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    for name in ALL - {"redis"}:
        ports = {one["name"]: one["containerPort"] for one in container(deployments(made)[name])["ports"]}
        rules = found(made, "NetworkPolicy", f"argocd-{name}")["spec"]["ingress"]
        (rule,) = [rule for rule in rules if rule["ports"][0]["port"] == ports["metrics"]]
        (peer,) = rule["from"]
        assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_the_page_opens_at_the_port_of_every_node_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, admin=True, nodePort=30443)
    (port,) = found(made, "Service", "argocd-server-node-port")["spec"]["ports"]
    assert (port["nodePort"], port["targetPort"]) == (30443, 8080)
    assert found(made, "ResourceQuota", "quota")["spec"]["hard"]["services.nodeports"] == "1"


def test_pods_go_where_nodes_are_kept_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch, taints=("cuda-inference",))
    for one in deployments(made).values():
        (toleration,) = one["spec"]["template"]["spec"]["tolerations"]
        assert toleration["key"] == "cuda-inference"


def test_only_hosts_whose_keys_settings_give_are_trusted_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "git.lan ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    known = found(argocd(monkeypatch, knownHosts=[key]), "ConfigMap", "argocd-ssh-known-hosts-cm")["data"]
    assert known == {"ssh_known_hosts": f"{key}\n"}


def test_the_project_that_everything_may_use_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = found(argocd(monkeypatch), "AppProject", "default")["spec"]
    assert set(spec) == {"description"}


def reachable(recording: Recording, registration: Registration) -> set[str]:
    """Kind and name of everything that must exist before, however indirectly."""
    by_urn = {one.urn: one for one in recording.resources}
    seen: set[str] = set()
    todo = [registration.parent, *registration.dependencies]
    while todo:
        urn = todo.pop()
        if urn not in seen:
            seen.add(urn)
            todo.extend((by_urn[urn].parent, *by_urn[urn].dependencies) if urn in by_urn else ())
    return {
        f"{by_urn[urn].inputs['kind']}/{by_urn[urn].inputs['metadata']['name']}"
        for urn in seen
        if urn in by_urn and "kind" in by_urn[urn].inputs
    }


def test_on_destroy_applications_go_while_argo_cd_lives_and_definitions_last(monkeypatch: pytest.MonkeyPatch) -> None:
    made = argocd(monkeypatch)
    first = reachable(made, registered(made, "Application", "shop"))
    alive = {f"Deployment/argocd-{name}" for name in ALL}
    rights = {"ClusterRoleBinding/argocd-application-controller", "NetworkPolicy/argocd-repo-server"}
    assert alive | rights | {"ConfigMap/argocd-cm", "Namespace/argocd"} <= first
    then = reachable(made, registered(made, "Deployment", "argocd-application-controller"))
    assert {"Namespace/argocd", "CustomResourceDefinition/applications.argoproj.io"} <= then
    last = reachable(made, registered(made, "Namespace", "argocd"))
    assert {one for one in last if one.startswith("CustomResourceDefinition/")} == {
        f"CustomResourceDefinition/{plural}.argoproj.io"
        for plural in ("applications", "applicationsets", "appprojects")
    }


def test_definitions_reach_the_cluster_as_their_publisher_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = found(argocd(monkeypatch), "CustomResourceDefinition", "applications.argoproj.io")
    assert made["spec"] == definition("applications.argoproj.io")["spec"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"availability": "core", "admin": True, "nodePort": 30443}, "so nodePort, admin can do nothing"),
        ({"nodePort": 30443}, "a page that nobody can sign in to: set sso or admin: true"),
        ({"sso": SSO}, "it needs url"),
        ({"url": URL, "sso": {**SSO, "groups": {}}}, "set sso.groups, or sso.others to readonly"),
        ({"knownHosts": ["git.lan"]}, "knownHosts"),
        ({"certificates": {"git.lan": "hello"}}, "certificates"),
        ({"url": URL, "sso": {**SSO, "groups": {'a", role:admin\ng, "b': "readonly"}}}, "groups"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_way_out(settings: dict[str, Any], says: str) -> None:
    assert says in mistakes(settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": URL, "sso": SSO}, "sso needs the secret of its client"),
        ({"notifications": {"kind": "slack", "channel": "x"}}, "notifications to Slack need the token"),
    ],
)
def test_a_secret_that_is_missing_stops_everything(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ArgoCdService(
            "argocd",
            ArgoCd.model_validate(settings),
            definitions=[
                definition(f"{one}.argoproj.io") for one in ("applications", "applicationsets", "appprojects")
            ],
            quota=Quota(),
        )


@pytest.mark.parametrize(
    ("credential", "url", "fields"),
    [
        (None, "https://git.lan/a", {}),
        ({"kind": "ssh"}, "git@git.lan:a.git", {"sshPrivateKey": "key"}),
        ({"kind": "token", "user": "deploy"}, "https://git.lan/a", {"username": "deploy", "password": "key"}),
        (
            {"kind": "githubApp", "app": 7, "installation": 8},
            "https://github.com/a/b",
            {"githubAppID": "7", "githubAppInstallationID": "8", "githubAppPrivateKey": "key"},
        ),
    ],
)
def test_a_repository_is_a_secret_in_argo_cds_own_words(
    credential: dict[str, Any] | None, url: str, fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(monkeypatch, url, credential, every=credential is not None)
    (one,) = manifests(made)
    assert one["stringData"] == {"type": "git", "url": url, **fields}
    kind = "repo-creds" if credential else "repository"
    assert one["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == kind
    assert '"key"' not in json.dumps(made.resources[-1].object)


@pytest.mark.parametrize(
    ("credential", "url", "says"),
    [
        ({"kind": "ssh"}, "https://git.lan/a", "is for URLs such as git@HOST:PATH"),
        ({"kind": "token"}, "git@git.lan:a.git", "is for URLs such as https://"),
    ],
)
def test_a_credential_that_cannot_work_with_the_url_is_refused(
    credential: dict[str, Any], url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=says):
        repository(monkeypatch, url, credential)


def repository(
    monkeypatch: pytest.MonkeyPatch, url: str, credential: dict[str, Any] | None, *, every: bool = False
) -> Recording:
    parsed: Credential | None = TypeAdapter(Credential).validate_python(credential) if credential else None

    def program() -> None:
        provider = kubernetes.Provider("kubernetes", kubeconfig="{}")
        value = pulumi.Output.secret("key") if credential else None
        opts = pulumi.ResourceOptions(provider=provider)
        repository_secret("a", "a", url=url, credential=parsed, value=value, every=every, namespace="argocd", opts=opts)

    return recorded(program, monkeypatch=monkeypatch)
