"""How Argo CD gets at another cluster than its own: the Secret that it finds by a label."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from components.cluster.cluster import Cluster
from components.gitops.programs import NAMESPACE
from components.workload.secret import secret


def cluster_secret(name: str, cluster: Cluster, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.Secret:
    """With the administrator's certificate."""
    return secret(
        name,
        f"cluster-{cluster.name}",
        {
            "name": cluster.name,
            "server": cluster.kubeconfig.apply(_server),
            "config": cluster.kubeconfig.apply(_access),
        },
        namespace=NAMESPACE,
        labels={"app.kubernetes.io/part-of": "argocd", "argocd.argoproj.io/secret-type": "cluster"},
        opts=opts,
    )


def _server(kubeconfig: str) -> str:
    return _parts(kubeconfig)[0].get("server", "")


def _access(kubeconfig: str) -> str:
    cluster, user = _parts(kubeconfig)
    names = {
        "caData": cluster.get("certificate-authority-data"),
        "certData": user.get("client-certificate-data"),
        "keyData": user.get("client-key-data"),
    }
    return json.dumps({"tlsClientConfig": {name: value for name, value in names.items() if value}})


def _parts(kubeconfig: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    document: Any = yaml.safe_load(kubeconfig)
    if not isinstance(document, dict):  # on paper there is none
        return {}, {}
    (cluster,), (user,) = cast("Any", document)["clusters"], cast("Any", document)["users"]
    return cluster["cluster"], user["user"]
