"""A real control plane for each EKS cluster, and simulated nodes for its node groups."""

import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml

from tests.api_server import ApiServer
from tests.standins.aws import CONTROL_PLANES, rules
from tests.standins.aws.account import Account, Thing
from tests.standins.wire import Properties, Wire
from toolchain import bring, catalogue
from toolchain.control_plane.directory import directory
from toolchain.control_plane.lifecycle import start, stop
from toolchain.download import Network

STORAGE_CLASS = "gp3"
"""The class whose volumes nodes offer, since no driver makes any here."""
_VOLUMES_PER_NODE = 2
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}


class ControlPlanes:
    """Of an account's clusters; none where the environment does not ask for them."""

    def __init__(self, account: Account) -> None:
        self._wanted = bool(os.environ.get(CONTROL_PLANES))
        self._home = account.home / "clusters"

    def made(self, thing: Thing) -> Properties:
        """Bring up what belongs to it; the outputs that differ by that."""
        if not self._wanted:
            return {}
        if thing.type == rules.CLUSTER:
            cluster = yaml.safe_load(start(self._home / thing.identity))["clusters"][0]["cluster"]
            authority: Properties = {"data": cluster["certificate-authority-data"]}
            return {"endpoint": cluster["server"], "certificateAuthority": authority}
        self.changed(thing)
        return {}

    def changed(self, thing: Thing) -> None:
        """Have the nodes that a node group asks for now, no more and no fewer."""
        if not self._wanted or thing.type != rules.NODES:
            return
        server = self._server(str(thing.inputs["clusterName"]))
        self._remove(server, thing)
        if objects := [one for node in _nodes(thing) for one in (node, *_volumes(node))]:
            server.apply(*objects)

    def gone(self, thing: Thing) -> None:
        """Take down what belongs to it."""
        if not self._wanted:
            return
        if thing.type == rules.CLUSTER:
            stop(self._home / thing.identity)
        elif thing.type == rules.NODES:
            self._remove(self._server(str(thing.inputs["clusterName"])), thing)

    def _server(self, cluster: str) -> ApiServer:
        return api_server(self._home / cluster)

    def _remove(self, server: ApiServer, group: Thing) -> None:
        label = f"eks.amazonaws.com/nodegroup={group.inputs['nodeGroupName']}"
        server.kubectl("delete", "nodes,persistentvolumes", "--selector", label, "--wait=false")


def api_server(home: Path) -> ApiServer:
    """The one that runs there."""
    file = directory(home).kubeconfig
    kubectl = bring.ensure([catalogue.named("kubectl")], Network(), quiet=True)[0].path
    return ApiServer(kubeconfig_path=file, kubeconfig=file.read_text(), kubectl_path=kubectl)


def token(home: Path) -> str:
    """What `aws eks get-token` prints: here a certificate, which the control plane takes where EKS takes a token."""
    user = yaml.safe_load(directory(home).kubeconfig.read_text())["users"][0]["user"]
    certificate, secret = (base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key"))
    return json.dumps(
        {
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "spec": {},
            "status": {"clientCertificateData": certificate, "clientKeyData": secret},
        }
    )


def _nodes(group: Thing) -> Iterator[dict[str, Any]]:
    scaling, given = _mapping(group.inputs["scalingConfig"]), group.inputs
    count = int(cast(float, scaling["desiredSize"]))
    types = cast("list[str]", given.get("instanceTypes") or ["t3.medium"])
    name = str(given["nodeGroupName"])
    resources_of_one = _capacity(types[0])
    labels = {
        "eks.amazonaws.com/nodegroup": name,
        "node.kubernetes.io/instance-type": types[0],
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64" if "ARM_64" in str(given.get("amiType")) else "amd64",
        **{key: str(value) for key, value in _mapping(given.get("labels") or {}).items()},
    }
    taints = [_mapping(one) for one in cast("list[Wire]", given.get("taints") or [])]
    for index in range(count):
        own = f"{name}-{index}"
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": own,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {**labels, "kubernetes.io/hostname": own},
            },
            "spec": {"taints": [{k: _EFFECTS.get(str(v), v) for k, v in taint.items()} for taint in taints]},
            "status": {"capacity": resources_of_one, "allocatable": resources_of_one},
        }


def _volumes(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name = node["metadata"]["name"]
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}]}
    group = node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"]
    for index in range(_VOLUMES_PER_NODE):
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{name}-{index}", "labels": {"eks.amazonaws.com/nodegroup": group}},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Ti"},
                "local": {"path": f"/simulated/{index}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": STORAGE_CLASS,
                "volumeMode": "Filesystem",
            },
        }


def _capacity(instance_type: str) -> dict[str, str]:
    """What EC2 says of the type."""
    facts = _instance_types()[instance_type]
    gpus = sum(gpu["Count"] for gpu in facts.get("GpuInfo", {}).get("Gpus", []))
    return {
        "cpu": str(facts["VCpuInfo"]["DefaultVCpus"]),
        "memory": f"{facts['MemoryInfo']['SizeInMiB']}Mi",
        "ephemeral-storage": "1Ti",
        "pods": "110",
        **({"nvidia.com/gpu": str(gpus)} if gpus else {}),
    }


@cache
def _instance_types() -> Mapping[str, Any]:
    packed = resources.files("moto").joinpath("ec2/resources/instance_types.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))


def _mapping(value: Wire) -> Mapping[str, Wire]:
    assert isinstance(value, dict)
    return value
