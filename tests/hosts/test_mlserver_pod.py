"""MLServer itself as a pod on a real host: a model from the store, asked in the Open Inference Protocol."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from components.engines.versions import MLSERVER
from components.storage.model import Model
from components.storage.provision import WRITER, reader_user, wanted
from components.storage.settings import MinioStore
from components.storage.versions import PROGRAM
from components.workload.pod import USER
from tests import hub as hubs
from tests.e2e.deployment import Deployment
from tests.engines.servers import environment
from tests.hosts import images, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine, Site
from tests.hosts.mirror import Mirror
from tests.hub import COMMIT
from tests.minio import running

FILE, BUCKET, READER = "model.joblib", "models", reader_user("all")
MODEL: Mapping[str, Any] = {"name": "iris", "source": f"hf://org/model@{COMMIT}", "files": [FILE], "size": "8Mi"}
TRAIN = """
import sys, joblib
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

joblib.dump(DecisionTreeClassifier(random_state=0).fit(*load_iris(return_X_y=True)), sys.argv[1])
"""
ROWS = {"name": "rows", "shape": [2, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3]}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A stack with one engine, up."""

    machine: Machine
    deployment: Deployment

    @property
    def pod(self) -> dict[str, Any]:
        """The engine's."""
        selector = "app.kubernetes.io/name=tabular"
        (pod,) = self.deployment.api_server("home").get("pods", "--namespace", "inference", "--selector", selector)[
            "items"
        ]
        return pod

    def ask(self, path: str, body: object) -> Any:
        """POST, by way of the API server, which reaches every pod."""
        port = f"/api/v1/namespaces/inference/pods/{self.pod['metadata']['name']}:8080/proxy"
        api = self.deployment.api_server("home")
        return json.loads(api.kubectl("create", "--raw", port + path, "--filename=-", stdin=json.dumps(body)))


@pytest.fixture(scope="module")
def served(new_host: NewHost, mirror: Mirror, place: Site, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model was trained here, and went from a hub to the store, and from there to the engine."""
    directory = tmp_path_factory.mktemp("mlserver")
    subprocess.run([environment("mlserver") / "bin/python", "-c", TRAIN, directory / FILE], check=True)
    mirror.add_image(PROGRAM, images.litellm(), entrypoint=["litellm"])
    mirror.add_image(f"{MLSERVER['cpu']}-sklearn", images.mlserver(), entrypoint=["mlserver"])
    machine, home = new_host("tabular"), Model.model_validate(MODEL).directory
    for part in ("state", "minio"):
        (directory / part).mkdir()
    with (
        running(directory / "minio", place.gateway) as store,
        hubs.serving({FILE: (directory / FILE).read_bytes()}, place.gateway) as hub,
    ):
        store.provision(wanted(MinioStore(kind="minio", bucket=BUCKET), {"all": [home]}, [home]))
        deployment = onprem.created(
            directory / "state", settings(mirror, machine, store.server.url, hub.address), machine.private_key
        )
        deployment.set_secret("storeSecretKey", store.keys[READER])
        deployment.set_secret("storeWriterSecretKey", store.keys[WRITER])
        deployment.up()
        yield Served(machine=machine, deployment=deployment)


def settings(mirror: Mirror, machine: Machine, store: str, hub: str) -> dict[str, Any]:
    users = {"accessKey": READER, "writerAccessKey": WRITER}
    engine = {
        "name": "tabular",
        "kind": "mlserver",
        "cluster": "home",
        "models": [{"model": "iris", "runtime": "sklearn"}],
        "resources": {"cpu": "100m", "memory": "512Mi", "cpuLimit": "1", "memoryLimit": "1Gi"},
    }
    made = onprem.settings(
        mirror,
        {"home": (machine,)},
        store={"kind": "external", "endpoint": store, "bucket": BUCKET, **users},
        sources={"huggingFace": hub},
        models=[dict(MODEL)],
        engines=[engine],
    )
    made["clusters"][0]["nodes"] = [node | {"cpu": 2, "memory": "2Gi"} for node in made["clusters"][0]["nodes"]]
    return made


def test_it_answers_in_the_open_inference_protocol(served: Served) -> None:
    answer = served.ask("/v2/models/iris/infer", {"inputs": [ROWS]})
    assert answer["model_name"] == "iris"
    assert answer["outputs"][0]["data"] == [0, 2]


def test_it_runs_as_nobody_on_a_root_that_it_cannot_write(served: Served) -> None:
    process = served.machine.run("pgrep --oldest --full 'mlserver start'")
    status = dict(line.split(":", 1) for line in served.machine.run(f"cat /proc/{process}/status").splitlines())
    assert status["Uid"].split() == [str(USER)] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    root = next(
        line for line in served.machine.run(f"cat /proc/{process}/mounts").splitlines() if line.split()[1] == "/"
    )
    assert root.split()[3].startswith("ro,")


def test_a_pod_that_is_deleted_is_back_and_answers(served: Served) -> None:
    gone, api = served.pod["metadata"]["name"], served.deployment.api_server("home")
    api.kubectl("delete", "pod", gone, "--namespace", "inference")
    api.kubectl("rollout", "status", "deployment/tabular", "--namespace", "inference", "--timeout=120s")
    assert served.pod["metadata"]["name"] != gone
    assert served.ask("/v2/models/iris/infer", {"inputs": [ROWS]})["outputs"][0]["data"] == [0, 2]
