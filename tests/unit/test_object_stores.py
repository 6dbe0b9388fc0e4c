"""The object store in the whole program: whose key is where, and what a change of the settings brings about."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography import x509

from components.storage.certificate import issued
from tests.unit.manifests import manifests
from tests.unit.recording import Recording, record, stack_settings

EXTERNAL = {"kind": "external", "endpoint": "https://s3.lan:9000", "accessKey": "reader", "writerAccessKey": "writer"}


def dev(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Recording:
    """The dev stack with these settings in place of its own."""
    secrets = {"storeSecretKey": "of-the-reader", "storeWriterSecretKey": "of-the-writer"}
    return record({**stack_settings("dev"), **changed}, stack="dev", monkeypatch=monkeypatch, secrets=secrets)


def named(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def containers(recording: Recording, engine: str) -> Iterator[dict[str, Any]]:
    spec = named(recording, "Deployment", engine)["spec"]["template"]["spec"]
    yield from (*spec["initContainers"], *spec["containers"])


def authorities(recording: Recording) -> dict[str, str]:
    """What clients in each namespace trust."""
    found = [one for one in manifests(recording) if one["metadata"]["name"] == "store-ca"]
    return {one["metadata"]["namespace"]: one["data"]["ca.crt"] for one in found}


def every_container(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def plain_environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container.get("env", ()) if "value" in one}


def secrets_of(container: Mapping[str, Any]) -> set[str]:
    sources = [one["valueFrom"]["secretKeyRef"]["name"] for one in container.get("env", ()) if "valueFrom" in one]
    return set(sources)


@pytest.mark.parametrize("engine", ["legal", "legal-rocm", "chat"])
def test_an_engine_reads_with_a_key_of_its_own_and_sees_no_other(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    recording = dev(monkeypatch)
    seen = [secrets_of(one) for one in containers(recording, engine)]
    assert set().union(*seen) - {f"{engine}-api-key"} == {f"{engine}-store"}
    key = named(recording, "Secret", f"{engine}-store")["stringData"]
    assert key["AWS_ACCESS_KEY_ID"] == f"inference-engine-{engine}"
    assert (
        key["AWS_SECRET_ACCESS_KEY"]
        == named(recording, "Secret", "minio-keys")["stringData"][f"inference-engine-{engine}"]
    )


def test_at_an_external_store_all_engines_read_with_the_key_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch, store=EXTERNAL)
    for engine in ("legal", "legal-rocm", "chat"):
        key = named(recording, "Secret", f"{engine}-store")["stringData"]
        assert key == {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "of-the-reader"}


def test_no_key_is_in_the_files_or_arguments_of_what_makes_users(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch)
    keys = named(recording, "Secret", "minio-keys")["stringData"].values()
    told = str([named(recording, kind, "minio-provision") for kind in ("ConfigMap", "Job")])
    assert keys
    assert not [key for key in keys if key in told]


def test_users_are_made_anew_when_an_engine_reads_another_model_and_not_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = copy.deepcopy(stack_settings("dev")["engines"])
    first = named(dev(monkeypatch), "Job", "minio-provision")
    engines[2]["replicas"] = 1
    assert named(dev(monkeypatch, engines=engines), "Job", "minio-provision") == first
    engines[1] = {**engines[1], "model": "chat-gguf"}
    assert named(dev(monkeypatch, engines=engines), "Job", "minio-provision") != first


def test_another_generation_makes_new_keys_and_another_certificate_and_restarts_the_store_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recordings = [
        dev(monkeypatch, store={**stack_settings("dev")["store"], "generation": generation}) for generation in (1, 2)
    ]
    keepers = [
        [
            one.inputs["keepers"]
            for one in recording.resources
            if one.name.startswith("dev-minio-") and "keepers" in one.inputs
        ]
        for recording in recordings
    ]
    assert keepers == [[{"generation": "1"}] * 6, [{"generation": "2"}] * 6]
    for kind, name in (("Deployment", "minio"), ("Job", "minio-provision")):
        assert named(recordings[0], kind, name) != named(recordings[1], kind, name)


def test_data_in_a_directory_needs_nothing_kept_in_the_cluster_to_outlive_a_destroy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = {"Namespace", "PersistentVolume", "PersistentVolumeClaim"}

    def kept(**store: Any) -> set[tuple[str, str]]:
        recording = dev(monkeypatch, store={"kind": "minio", "size": "1Gi", **store})
        objects = [
            (one.object["kind"], one.object["metadata"]["name"]) for one in recording.kubernetes() if one.retained
        ]
        return {(kind, name) for kind, name in objects if kind in kinds and name != "open-webui"}

    assert kept() == {("Namespace", "storage"), ("PersistentVolumeClaim", "minio-data")}
    assert kept(node="cpu-1", path="/srv/models") == set()


def test_whoever_reads_from_our_own_store_trusts_its_certificate_and_asks_over_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = copy.deepcopy(stack_settings("dev"))
    settings["models"].append({**settings["models"][0], "name": "lora"})
    settings["models"].append({**settings["models"][0], "name": "old", "purge": True})
    settings["engines"][0] |= {"adapters": [{"name": "contracts", "model": "lora"}], "runtimeAdapters": True}
    recording = dev(monkeypatch, models=settings["models"], engines=settings["engines"])
    given = authorities(recording)
    assert set(given) == {"inference", "models", "storage"}
    (authority,) = set(given.values())
    certificate = named(recording, "Secret", "minio-certificate")["stringData"]
    issuer = x509.load_pem_x509_certificate(authority.encode())
    x509.load_pem_x509_certificate(certificate["public.crt"].encode()).verify_directly_issued_by(issuer)
    pods = [one["spec"]["template"]["spec"] for one in manifests(recording) if one["kind"] in ("Deployment", "Job")]
    readers = [
        (pod, one) for pod in pods for one in every_container(pod) if "AWS_ENDPOINT_URL" in plain_environment(one)
    ]
    assert {one["name"] for _, one in readers} >= {"sync", "purge", "model", "engine", "adapters", "operators"}
    for pod, one in readers:
        assert plain_environment(one)["AWS_ENDPOINT_URL"] == "https://minio.storage:9000"
        assert plain_environment(one)["AWS_CA_BUNDLE"] == "/store-ca/ca.crt"
        assert {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}["/store-ca"] == "store-ca"
        assert {"name": "store-ca", "configMap": {"name": "store-ca"}} in pod["volumes"]


def test_without_tls_nothing_speaks_of_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = dev(monkeypatch, store={**stack_settings("dev")["store"], "tls": False})
    pods = str([one["spec"] for one in manifests(recording) if one["kind"] in ("Deployment", "Job")])
    assert "http://minio.storage:9000" in pods
    assert "AWS_CA_BUNDLE" not in pods
    assert not {"store-ca", "minio-certificate"} & {one["metadata"]["name"] for one in manifests(recording)}


def test_an_external_stores_own_authority_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    pem = issued("anybody", ["s3.lan"]).authority
    recording = dev(monkeypatch, store={**EXTERNAL, "certificateAuthority": pem})
    assert authorities(recording) == {"inference": pem, "models": pem}
    for kind, name in (("Deployment", "legal"), ("Job", "sync-legal-8b")):
        assert "AWS_CA_BUNDLE" in str(named(recording, kind, name))


@pytest.mark.parametrize(("url", "trusts"), [("https://192.168.1.20:30900", True), ("http://store.lan", False)])
def test_other_clusters_trust_the_store_where_its_address_says_https(
    monkeypatch: pytest.MonkeyPatch, url: str, trusts: bool
) -> None:
    settings = stack_settings("onprem")
    settings["store"] |= {"url": url}
    recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "of-the-hosts"})
    deployment = named(recording, "Deployment", "cyber")
    assert ("AWS_CA_BUNDLE" in str(deployment)) is trusts
    assert url in str(deployment)


def test_the_certificate_names_every_address_at_which_the_store_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem")
    settings["store"] |= {"url": "https://store.lan:30900"}
    recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "of-the-hosts"})
    pem = named(recording, "Secret", "minio-certificate")["stringData"]["public.crt"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"minio.storage", "minio", "localhost", "store.lan"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(one) for one in names.get_values_for_type(x509.IPAddress)} == {"192.168.1.20", "192.168.1.21"}
