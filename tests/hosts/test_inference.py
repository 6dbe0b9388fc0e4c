"""From bare hosts to an answer: llama.cpp behind LiteLLM in three clusters, asked at the hosts' own addresses."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from components.accelerators import AcceleratorRequest
from components.engines.llamacpp import LlamaCpp
from components.engines.versions import LLAMACPP
from components.gateway.versions import LITELLM
from components.storage.model import Model
from components.storage.provision import WRITER, reader_user, wanted
from components.storage.settings import MinioStore
from components.storage.versions import PROGRAM
from components.workload.pod import USER
from tests import hub as hubs
from tests.e2e.deployment import Deployment
from tests.hosts import images, k3s, onprem, tiny_model
from tests.hosts.conftest import NewHost
from tests.hosts.load import load
from tests.hosts.machine import Machine, Site
from tests.hosts.mirror import Mirror
from tests.hosts.needs import missing_for_llama_cpp
from tests.hub import COMMIT, Hub
from tests.minio import Minio, running

pytestmark = pytest.mark.timeout(1800)  # llama.cpp is compiled the first time

BUCKET, FILE, PORT = "models", "tiny.gguf", 30400
MODEL: Mapping[str, Any] = {"name": "tiny", "source": f"hf://org/model@{COMMIT}", "files": [FILE], "size": "8Mi"}
NEXT = {**MODEL, "name": "tiny-next"}
CACHE = "/srv/model-cache"
"""Of the cluster `home`; the pods of the others have copies of their own."""
READER = reader_user("all")
ENGINES = {"home": "chat", "radeon": "legal", "geforce": "cyber"}
"""The one engine of each cluster."""
QUESTION = {"role": "user", "content": "Who goes there?"}
SECONDS_TO_ANSWER = 30
SECONDS_FOR_THE_OLD_ONE_TO_GO = 15


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Three clusters on four hosts, up."""

    clusters: Mapping[str, Sequence[Machine]]
    before: Mapping[str, Mapping[str, frozenset[str]]]
    deployment: Deployment
    mirror: Mirror
    settings: dict[str, Any]
    """As last written; tests may change them."""
    outputs: Mapping[str, Any]

    def ask(self, cluster: str, path: str, body: object = None, *, key: str | None = None, host: str = "") -> Any:
        """An open answer of the cluster's gateway, at the address that the stack told or at a host's."""
        api = self.outputs["endpoints"][cluster]["outside"]["api"]
        url = f"http://{host}:{PORT}/v1" if host else api
        headers = {
            "Authorization": f"Bearer {key or self.outputs['gatewayKeys'][cluster]}",
            "Content-Type": "application/json",
        }
        data = json.dumps(body).encode() if body else None
        give_up = time.monotonic() + SECONDS_TO_ANSWER
        while True:
            try:
                return urllib.request.urlopen(urllib.request.Request(url + path, data, headers), timeout=30)
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)

    def events(self, cluster: str, host: str = "", tokens: int = 8) -> list[str]:
        """What a streamed chat completion consists of."""
        body = {"model": ENGINES[cluster], "messages": [QUESTION], "max_tokens": tokens, "stream": True}
        with self.ask(cluster, "/chat/completions", body, host=host) as answer:
            lines = [line.decode().strip() for line in answer]
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    def pod(self, cluster: str) -> dict[str, Any]:
        """The engine's."""
        selector = f"app.kubernetes.io/name={ENGINES[cluster]}"
        pods = self.deployment.api_server(cluster).get("pods", "--namespace", "inference", "--selector", selector)
        (pod,) = [one for one in pods["items"] if "deletionTimestamp" not in one["metadata"]]
        return pod


@pytest.fixture(scope="module")
def server_image(hosts_can_be_made: None) -> images.Layer:  # noqa: ARG001
    """llama.cpp's server."""
    if missing := missing_for_llama_cpp():
        pytest.skip(f"no llama.cpp: {missing}")
    return images.llama_server()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / FILE
    tiny_model.write(path)
    return path


@pytest.fixture(scope="module")
def hub(place: Site, model: Path) -> Iterator[Hub]:
    """Where the model comes from."""
    with hubs.serving({FILE: model.read_bytes(), "README.md": b"# Tiny"}, place.gateway) as hub:
        yield hub


@pytest.fixture(scope="module")
def store(place: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A store that the stack does not make itself, with an empty bucket."""
    directories = [Model.model_validate(one).directory for one in (MODEL, NEXT)]
    with running(tmp_path_factory.mktemp("minio"), place.gateway) as minio:
        minio.provision(wanted(MinioStore(kind="minio", bucket=BUCKET), {"all": directories}, directories))
        yield minio


@pytest.fixture(scope="module")
def sites(
    new_host: NewHost,
    mirror: Mirror,
    store: Minio,
    hub: Hub,
    server_image: images.Layer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Sites:
    assert LITELLM == PROGRAM
    mirror.add_image(LITELLM, images.litellm(), entrypoint=["litellm"])
    mirror.add_image(LLAMACPP["cpu"], images.shell(), server_image, entrypoint=["/app/llama-server"])
    clusters = {
        "home": (new_host("one"), new_host("two")),
        "radeon": (new_host("radeon"),),
        "geforce": (new_host("geforce"),),
    }
    machines = [machine for hosts in clusters.values() for machine in hosts]
    before = {machine.hostname: onprem.looks(machine) for machine in machines}
    state = tmp_path_factory.mktemp("sites")
    said = settings(mirror, clusters, store, hub)
    deployment = onprem.created(state, said, machines[0].private_key)
    deployment.set_secret("storeSecretKey", store.keys[READER])
    deployment.set_secret("storeWriterSecretKey", store.keys[WRITER])
    deployment.up()
    return Sites(
        clusters=clusters,
        before=before,
        deployment=deployment,
        mirror=mirror,
        settings=said,
        outputs=deployment.outputs(),
    )


def settings(mirror: Mirror, clusters: Mapping[str, Sequence[Machine]], store: Minio, hub: Hub) -> dict[str, Any]:
    users = {"accessKey": READER, "writerAccessKey": WRITER}
    made = onprem.settings(
        mirror,
        clusters,
        store={"kind": "external", "endpoint": store.server.url, "bucket": BUCKET, **users},
        sources={"huggingFace": hub.address},
        models=[MODEL],
        engines=[engine(cluster, name) for cluster, name in ENGINES.items()],
        gateway={"litellm": {"replicas": 1, "nodePort": PORT}, "openWebui": None},
    )
    made["engines"][0] |= {"nodeSelector": {"kubernetes.io/hostname": "two"}, "contextLength": 256, "slots": 2}
    made["engines"][1] |= {"memoryMap": False}
    for cluster in made["clusters"]:
        cluster["nodes"] = [node | {"cpu": 2, "memory": "2Gi"} for node in cluster["nodes"]]
    made["clusters"][0]["cache"] = {"path": CACHE, "size": "64Mi"}
    for node in made["clusters"][0]["nodes"]:
        node["taint"] = f"reserved-{node['name']}"
    return made


def engine(cluster: str, name: str) -> dict[str, Any]:
    resources = {"cpu": "100m", "memory": "256Mi", "cpuLimit": "1", "memoryLimit": "512Mi"}
    what = {"kind": "llamacpp", "model": MODEL["name"], "file": FILE}
    return {"name": name, "cluster": cluster, "accelerator": {"kind": "cpu"}, "resources": resources, **what}


@pytest.mark.parametrize("cluster", ENGINES)
def test_a_streamed_answer_comes_through_each_gateway_at_the_address_that_the_stack_tells(
    sites: Sites, cluster: str
) -> None:
    assert sites.outputs["endpoints"][cluster]["outside"] == {
        "api": f"http://{sites.clusters[cluster][0].address}:{PORT}/v1"
    }
    *chunks, end = sites.events(cluster)
    assert end == "[DONE]"
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert len("".join(deltas)) == 8
    assert len(list(filter(None, deltas))) > 2


def test_every_node_of_a_cluster_answers_wherever_the_pods_are(sites: Sites) -> None:
    for machine in sites.clusters["home"]:
        assert sites.events("home", machine.address)[-1] == "[DONE]"


@pytest.mark.parametrize("cluster", ENGINES)
def test_each_gateway_lists_the_engines_of_its_own_cluster(sites: Sites, cluster: str) -> None:
    with sites.ask(cluster, "/models") as answer:
        assert [one["id"] for one in json.load(answer)["data"]] == [ENGINES[cluster]]


@pytest.mark.parametrize("path", ["/models", "/chat/completions"])
def test_a_wrong_key_is_refused(sites: Sites, path: str) -> None:
    elsewhere = sites.outputs["gatewayKeys"]["radeon"]
    body = {"model": ENGINES["home"], "messages": [QUESTION]} if path == "/chat/completions" else None
    for key in (elsewhere, "sk-guessed"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            sites.ask("home", path, body, key=key)
        assert refused.value.code in (400, 401)  # LiteLLM without a database says 400


def test_the_model_was_fetched_once_for_all_clusters_by_a_pod(sites: Sites, hub: Hub) -> None:
    api = sites.deployment.api_server("home")
    (pod,) = api.get("pods", "--namespace", "models")["items"]
    assert pod["status"]["phase"] == "Succeeded"
    said = api.kubectl("logs", "--namespace", "models", pod["metadata"]["name"])
    assert f"{FILE}: {len(hub.files[FILE])} bytes, verified" in said
    assert hub.requests.count(f"/cdn/{FILE}") == 1
    assert "/cdn/README.md" not in hub.requests


def test_pods_of_a_node_share_a_model_and_others_have_copies_of_their_own(sites: Sites, hub: Hub) -> None:
    whole = [sha256(hub.files[FILE]).hexdigest()]
    assert sites.pod("home")["spec"]["nodeName"] == "two"
    (machine,) = [one for one in sites.clusters["home"] if one.hostname == "two"]
    assert _copies(machine, CACHE) == whole
    assert _copies(machine, "/var/lib/kubelet/pods") == []
    (alone,) = sites.clusters["radeon"]
    assert _copies(alone, "/var/lib/kubelet/pods") == whole


def test_an_engine_does_not_start_on_a_model_that_was_damaged_on_its_node(sites: Sites, hub: Hub) -> None:
    (machine,) = [one for one in sites.clusters["home"] if one.hostname == "two"]
    machine.run(f"find {CACHE} -name {FILE} -exec dd if=/dev/zero of={{}} bs=1 seek=4096 count=8 conv=notrunc ';'")
    api = sites.deployment.api_server("home")
    api.kubectl("delete", "pod", sites.pod("home")["metadata"]["name"], "--namespace", "inference")
    api.kubectl("rollout", "status", f"deployment/{ENGINES['home']}", "--namespace", "inference", "--timeout=120s")
    said = api.kubectl("logs", "--namespace", "inference", sites.pod("home")["metadata"]["name"], "-c", "model")
    assert f"{FILE} in the cache is damaged" in said
    assert _copies(machine, CACHE) == [sha256(hub.files[FILE]).hexdigest()]
    assert _eventually_streams(sites, "home")


def test_names_are_resolved_in_a_cluster_whose_every_node_is_reserved(sites: Sites) -> None:
    api = sites.deployment.api_server("home")
    taints = {one["metadata"]["name"]: one["spec"]["taints"] for one in api.get("nodes")["items"]}
    assert taints == {
        "one": [{"key": "reserved-one", "value": "true", "effect": "PreferNoSchedule"}],
        "two": [{"key": "reserved-two", "value": "true", "effect": "NoSchedule"}],
    }
    (dns,) = api.get("pods", "--namespace", "kube-system", "--selector", "k8s-app=kube-dns")["items"]
    assert dns["spec"]["nodeName"] == "one"


def test_every_image_came_through_the_mirror(sites: Sites) -> None:
    for name in (LITELLM, LLAMACPP["cpu"]):
        repository, _, tag = name.partition("/")[2].rpartition(":")
        assert f"/v2/{repository}/manifests/{tag}" in sites.mirror.requests
    repository, _, tag = k3s.COREDNS.rpartition(":")
    assert f"/v2/{repository}/manifests/{tag}" in sites.mirror.requests


@pytest.mark.parametrize("program", ["llama-server", "litellm"])
def test_servers_run_as_nobody_on_a_root_that_they_cannot_write(sites: Sites, program: str) -> None:
    (machine,) = sites.clusters["radeon"]
    process = machine.run(f"pgrep --oldest --full '{program}.* --port '")
    status = dict(line.split(":", 1) for line in machine.run(f"cat /proc/{process}/status").splitlines())
    assert status["Uid"].split() == [str(USER)] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    root = next(line for line in machine.run(f"cat /proc/{process}/mounts").splitlines() if line.split()[1] == "/")
    assert root.split()[3].startswith("ro,")


def test_an_engine_whose_pod_is_deleted_answers_again(sites: Sites) -> None:
    gone = sites.pod("geforce")["metadata"]["name"]
    api = sites.deployment.api_server("geforce")
    api.kubectl("delete", "pod", gone, "--namespace", "inference")
    api.kubectl("rollout", "status", f"deployment/{ENGINES['geforce']}", "--namespace", "inference", "--timeout=120s")
    assert sites.pod("geforce")["metadata"]["name"] != gone
    assert _eventually_streams(sites, "geforce")


def test_an_engine_whose_server_is_killed_answers_again(sites: Sites) -> None:
    (machine,) = sites.clusters["geforce"]
    machine.run("pkill --signal KILL --full 'llama-server.* --port '")
    assert _eventually_streams(sites, "geforce")
    (container,) = sites.pod("geforce")["status"]["containerStatuses"]
    assert container["restartCount"] == 1


def test_an_update_under_load_loses_no_request(sites: Sites) -> None:
    def ask() -> None:
        *chunks, end = sites.events("radeon", tokens=64)
        assert end == "[DONE]"
        assert not any("error" in json.loads(chunk) for chunk in chunks)

    old = sites.pod("radeon")["metadata"]["name"]
    sites.settings["engines"][1]["contextLength"] = 512
    sites.deployment.write_settings(sites.settings)
    with load(ask, at_once=3) as answers:
        sites.deployment.up()
        time.sleep(SECONDS_FOR_THE_OLD_ONE_TO_GO)
    assert answers.failures == []
    assert len(answers.seconds) > 50
    assert sites.pod("radeon")["metadata"]["name"] != old


def test_a_canary_is_asked_first_and_then_gets_its_share(sites: Sites) -> None:
    sites.settings["models"].append(NEXT)
    sites.settings["engines"][2]["canary"] = {"model": NEXT["name"], "share": 50}
    sites.deployment.write_settings(sites.settings)
    sites.deployment.up()
    api, name = sites.deployment.api_server("geforce"), f"{ENGINES['geforce']}-canary"
    said = api.kubectl("logs", "--namespace", "inference", f"job/check-{name}")
    assert f"{name}: 20 of 20 requests answered" in said
    body = {"model": ENGINES["geforce"], "messages": [QUESTION], "max_tokens": 1}
    asked: set[str] = set()
    for _ in range(30):
        with sites.ask("geforce", "/chat/completions", body) as answer:
            asked.add(answer.headers["x-litellm-model-api-base"])
    assert asked == {f"http://{one}.inference:8080/v1" for one in (ENGINES["geforce"], name)}


def test_a_second_up_changes_nothing(sites: Sites) -> None:
    sites.deployment.up("--expect-no-changes")


def test_destroy_gives_all_hosts_back(sites: Sites) -> None:
    sites.deployment.destroy()
    assert not [one for one in sites.deployment.resources() if one["type"] != "pulumi:pulumi:Stack"]
    for machine in (machine for hosts in sites.clusters.values() for machine in hosts):
        assert onprem.differences(sites.before[machine.hostname], machine) == {}


def test_llama_cpp_knows_every_flag_that_an_engine_may_give_it(server_image: images.Layer, tmp_path: Path) -> None:
    shutil.unpack_archive(server_image.archive, tmp_path, filter="data")
    asked = LlamaCpp(
        kind="llamacpp",
        name="chat",
        model="tiny",
        cluster="home",
        file=FILE,
        accelerator=AcceleratorRequest(kind="rocm"),
        context_length=256,
        slots=2,
        memory_map=False,
        flash_attention=True,
    )
    server, arguments = str(tmp_path / "app/llama-server"), asked.workload({"tiny": "/models/tiny"}).args
    # It ends at --version, once it has read what is in front of that.
    done = subprocess.run([server, *arguments, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unknown = subprocess.run([server, "--no-such-flag", "--version"], capture_output=True, check=False)
    assert unknown.returncode != 0


def _copies(machine: Machine, directory: str) -> list[str]:
    """What the model's file hashes to, wherever it is below the directory."""
    return [
        line.split()[0] for line in machine.run(f"find {directory} -name {FILE} -exec sha256sum {{}} +").splitlines()
    ]


def _eventually_streams(sites: Sites, cluster: str) -> bool:
    """A gateway may still hold a connection to the pod that is gone."""
    give_up = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < give_up:
        with contextlib.suppress(urllib.error.HTTPError):
            return sites.events(cluster)[-1] == "[DONE]"
        time.sleep(0.5)
    return False
