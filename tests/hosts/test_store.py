"""MinIO on a real node: its directory, its certificate, and its users, of whom one syncs and one serves."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from components.engines.versions import LLAMACPP
from components.storage.model import Model
from components.storage.provision import WRITER, reader_user
from components.storage.versions import MINIO, PROGRAM
from components.workload.pod import USER
from tests import hub as hubs
from tests.e2e.deployment import Deployment
from tests.hosts import images, onprem, tiny_model
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine, Site
from tests.hosts.mirror import Mirror
from tests.hosts.needs import missing_for_llama_cpp
from tests.hub import COMMIT, Hub
from tests.object_store import S3Server
from toolchain import bring, catalogue
from toolchain.download import Network

pytestmark = pytest.mark.timeout(1800)  # llama.cpp is compiled the first time

BUCKET, DIRECTORY, FILE, PORT = "inference-models", "/srv/models", "tiny.gguf", 30900
MODEL = Model(name="tiny", source=f"hf://org/model@{COMMIT}", files=(FILE,), size="8Mi")


@dataclass(frozen=True, kw_only=True)
class Home:
    """A node that has both."""

    machine: Machine
    deployment: Deployment
    mirror: Mirror
    hub: Hub
    directory: Path

    def settings(self, *, purge: bool = False) -> dict[str, Any]:
        engine = {
            "kind": "llamacpp",
            "name": "chat",
            "model": MODEL.name,
            "file": FILE,
            "cluster": "home",
            "contextLength": 256,
            "accelerator": {"kind": "cpu"},
            "resources": {"cpu": "100m", "memory": "256Mi", "cpuLimit": "1", "memoryLimit": "512Mi"},
        }
        made = onprem.settings(
            self.mirror,
            {"home": (self.machine,)},
            store={"kind": "minio", "node": "one", "path": DIRECTORY, "size": "1Gi", "nodePort": PORT},
            sources={"huggingFace": self.hub.address},
            models=[{"name": MODEL.name, "source": MODEL.source, "files": [FILE], "size": MODEL.size, "purge": purge}],
            engines=[] if purge else [engine],
        )
        made["clusters"][0]["nodes"][0] |= {"cpu": 2, "memory": "4Gi"}
        return made

    def secret(self, name: str) -> Mapping[str, str]:
        """Of the namespace that the store is in."""
        found = self.deployment.api_server("home").get("secret", name, "--namespace", "storage")
        return {key: b64decode(value).decode() for key, value in found["data"].items()}

    def authority(self) -> str:
        """Who vouches for the store."""
        config = self.deployment.api_server("home").get("configmap", "store-ca", "--namespace", "storage")
        return config["data"]["ca.crt"]

    @property
    def store(self) -> S3Server:
        """At the host's own address, for who trusts the stack's authority."""
        authority = self.directory / "ca.crt"
        authority.write_text(self.authority())
        password = self.secret("minio-credentials")["MINIO_ROOT_PASSWORD"]
        return S3Server(
            host=f"{self.machine.address}:{PORT}",
            password=password,
            directory=self.directory,
            authority=authority,
            tls=True,
        )


@pytest.fixture(scope="module")
def hub(place: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Where the model comes from."""
    path = tmp_path_factory.mktemp("model") / FILE
    tiny_model.write(path)
    with hubs.serving({FILE: path.read_bytes()}, place.gateway) as hub:
        yield hub


@pytest.fixture(scope="module")
def home(new_host: NewHost, mirror: Mirror, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Up: the model went from the hub to the store, and from there to the engine."""
    if missing := missing_for_llama_cpp():
        pytest.skip(f"no llama.cpp: {missing}")
    tools = {one.tool.name: one.path for one in bring.ensure(map(catalogue.named, ("minio", "mc")), Network())}
    mirror.add_image(MINIO, images.minio(tools["minio"], tools["mc"]), entrypoint=["minio"])
    mirror.add_image(PROGRAM, images.litellm(), entrypoint=["litellm"])
    mirror.add_image(LLAMACPP["cpu"], images.shell(), images.llama_server(), entrypoint=["/app/llama-server"])
    machine = new_host("one")
    machine.run(f"install --directory {DIRECTORY}")
    directory = tmp_path_factory.mktemp("home")
    (directory / "state").mkdir()
    deployment = Deployment(state=directory / "state", stack="onprem")
    home = Home(machine=machine, deployment=deployment, mirror=mirror, hub=hub, directory=directory)
    onprem.create(deployment, home.settings(), machine.private_key)
    deployment.up()
    return home


def test_the_store_answers_at_the_hosts_address_with_the_buckets_that_settings_say(home: Home) -> None:
    assert home.store.client().get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_an_engine_has_a_key_that_reads_its_model_and_changes_nothing(home: Home) -> None:
    keys = home.secret("minio-keys")
    assert set(keys) == {WRITER, reader_user("chat")}
    reader = home.store.client(reader_user("chat"), keys[reader_user("chat")])
    where = {"Bucket": BUCKET, "Key": f"{MODEL.prefix}/{FILE}"}
    assert reader.get_object(**where)["Body"].read() == home.hub.files[FILE]
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(**where, Body=b"changed")


def test_the_directory_belongs_to_the_stores_group_and_the_store_runs_as_nobody(home: Home) -> None:
    assert home.machine.run(f"stat --format '%u %g' {DIRECTORY}") == f"0 {USER}"
    process = home.machine.run("pgrep --oldest --full 'minio server'")
    status = dict(line.split(":", 1) for line in home.machine.run(f"cat /proc/{process}/status").splitlines())
    assert status["Uid"].split() == [str(USER)] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


@pytest.mark.parametrize(("namespace", "part"), [("models", "containers"), ("inference", "initContainers")])
def test_the_model_came_and_went_over_tls(home: Home, namespace: str, part: str) -> None:
    (pod,) = home.deployment.api_server("home").get("pods", "--namespace", namespace)["items"]
    (status,) = pod["status"]["containerStatuses" if part == "containers" else "initContainerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 0
    environment = {one["name"]: one.get("value") for one in pod["spec"][part][0]["env"]}
    assert environment["AWS_ENDPOINT_URL"] == "https://minio.storage:9000"


def test_a_second_up_changes_nothing(home: Home) -> None:
    home.deployment.up("--expect-no-changes")


def test_new_keys_and_a_new_certificate_come_with_another_generation(home: Home) -> None:
    old, authority = home.secret("minio-keys")[WRITER], home.authority()
    settings = home.settings()
    settings["store"]["generation"] = 2
    home.deployment.write_settings(settings)
    home.deployment.up()
    assert home.authority() != authority
    where = {"Bucket": BUCKET, "Prefix": f"{MODEL.prefix}/{FILE}"}
    new = home.store.client(WRITER, home.secret("minio-keys")[WRITER])
    assert new.list_objects_v2(**where)["KeyCount"] == 1
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        home.store.client(WRITER, old).list_objects_v2(**where)


def test_a_new_cluster_finds_what_the_old_one_kept_in_the_directory(home: Home) -> None:
    home.deployment.destroy()
    assert "k3s" not in home.machine.run("ls /usr/local/bin")
    assert home.machine.run(f"ls {DIRECTORY}/{BUCKET}")
    home.deployment.up()
    where = {"Bucket": BUCKET, "Key": f"{MODEL.prefix}/{FILE}"}
    assert home.store.client().get_object(**where)["Body"].read() == home.hub.files[FILE]
    assert home.hub.requests.count(f"/cdn/{FILE}") == 1


def test_a_purged_model_is_gone_with_everything_that_it_was(home: Home) -> None:
    home.deployment.write_settings(home.settings(purge=True))
    home.deployment.up()
    left = home.store.client().list_object_versions(Bucket=BUCKET, Prefix=f"{MODEL.directory}/")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
