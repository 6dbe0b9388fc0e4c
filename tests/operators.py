"""Real operators for tests, as processes beside the control plane."""

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.aggregation import registration
from tests.api_server import ApiServer
from tests.certificates import for_loopback
from tests.waiting import until
from toolchain import bring, catalogue, golang
from toolchain.download import Network
from toolchain.tool import this_platform


def definitions(family: str, module: str, folder: str) -> Iterator[Path]:
    """Files with an operator's CustomResourceDefinitions, as its own pinned Go module has them. Raises Unavailable."""
    yield from sorted(one for one in source(family, module, folder).glob("*.yaml") if one.stem != "kustomization")


def source(family: str, module: str, path: str) -> Path:
    """A file or folder of a pinned Go module, which is brought. Raises Unavailable."""
    return golang.module(golang.find(this_platform()), family, module) / path


@contextmanager
def kuberay(api_server: ApiServer, log: Path, *options: str) -> Generator[None]:
    """KubeRay's operator with its definitions, until the block ends. Raises as `bring.ensure`, or Unavailable."""
    (operator,) = bring.ensure([catalogue.named("ray-operator")], Network(), quiet=True)
    files = definitions("kuberay", "github.com/ray-project/kuberay/ray-operator", "config/crd/bases")
    # No ports: other runs on this machine would want the same.
    command = [operator.path, "--enable-leader-election=false", "--metrics-addr=0", "--health-probe-bind-address=0"]
    with defined(api_server, files), running([*command, *options], api_server, log):
        yield


@contextmanager
def kserve(api_server: ApiServer, directory: Path) -> Generator[None]:
    """KServe's controller with its definitions and webhooks, until the block ends; its log is in `directory`.

    Raises ToolchainError where it cannot be had.
    """
    (manager,) = bring.ensure([catalogue.named("kserve-manager")], Network(), quiet=True)
    module = ("kserve", "github.com/kserve/kserve")
    certificates = directory / "k8s-webhook-server/serving-certs"
    certificates.mkdir(parents=True)
    port = free_port()
    hooks = _at_loopback(source(*module, "config/webhook/manifests.yaml"), port, _serving_certificate(certificates))
    # No other ports: other runs on this machine would want the same.
    command = [manager.path, f"--webhook-port={port}", "--metrics-addr=0", "--health-probe-addr=0"]
    log = directory / "manager.log"
    with defined(api_server, definitions(*module, "config/crd/full")), _namespace(api_server, "kserve"):
        settings = source(*module, "config/configmap/inferenceservice.yaml")
        api_server.kubectl("apply", "--server-side", "--namespace=kserve", f"--filename={settings}")
        with running(command, api_server, log, TMPDIR=str(directory)), _hooked(api_server, hooks, port):
            yield


@contextmanager
def leader_worker_set(api_server: ApiServer, directory: Path) -> Generator[None]:
    """LeaderWorkerSet's controller with its definition and webhooks, until the block ends; its log is in `directory`.

    Raises ToolchainError where it cannot be had.
    """
    (manager,) = bring.ensure([catalogue.named("lws-manager")], Network(), quiet=True)
    module, port = ("lws", "sigs.k8s.io/lws"), free_port()
    hooks = _at_loopback(source(*module, "config/webhook/manifests.yaml"), port, _serving_certificate(directory))
    # No other ports, and no authority of its own: other runs on this machine would want the same.
    settings = {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "internalCertManagement": {"enable": False},
        "leaderElection": {"leaderElect": False},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
        "webhook": {"port": port, "certDir": str(directory)},
    }
    (configuration := directory / "configuration.yaml").write_text(yaml.safe_dump(settings))
    command = [manager.path, f"--config={configuration}"]
    with (
        defined(api_server, definitions(*module, "config/crd/bases")),
        running(command, api_server, directory / "manager.log"),
        _hooked(api_server, hooks, port),
    ):
        yield


@contextmanager
def keda(api_server: ApiServer, directory: Path) -> Generator[None]:
    """KEDA's operator, the API of its metrics and its webhooks, with its definitions, until the block ends.

    Their logs are in `directory`. ScaledObjects that are left go in the end.

    Raises ToolchainError where it cannot be had.
    """
    programs = bring.ensure(
        map(catalogue.named, ("keda-operator", "keda-adapter", "keda-webhooks")), Network(), quiet=True
    )
    operator, adapter, webhooks = (one.path for one in programs)
    module, (inner, served, hooked) = ("keda", "github.com/kedacore/keda/v2"), (free_port() for _ in range(3))
    authority = _serving_certificate(directory)
    shutil.copy(authority, directory / "ca.crt")  # the three of them trust each other by it
    hooks = _at_loopback(source(*module, "config/webhooks/validation_webhooks.yaml"), hooked, authority)
    # No other ports: other runs on this machine would want the same.
    certificates, quiet = f"--cert-dir={directory}", ("--metrics-bind-address=0", "--health-probe-bind-address=0")
    operating = [operator, *quiet, certificates, f"--metrics-service-bind-address=127.0.0.1:{inner}"]
    asked = ("lister", "authentication", "authorization")
    adapting = [
        *(adapter, certificates, f"--metrics-service-address=127.0.0.1:{inner}", f"--port={free_port()}"),
        *("--bind-address=127.0.0.1", f"--secure-port={served}"),
        *(f"--tls-cert-file={directory / 'tls.crt'}", f"--tls-private-key-file={directory / 'tls.key'}"),
        *(f"--{what}-kubeconfig={api_server.kubeconfig_path}" for what in asked),
    ]
    home = {"KEDA_CLUSTER_OBJECT_NAMESPACE": "keda", "WATCH_NAMESPACE": ""}
    with (
        defined(api_server, definitions(*module, "config/crd/bases")),
        _namespace(api_server, "keda"),
        running(operating, api_server, directory / "operator.log", **home),
        running(adapting, api_server, directory / "adapter.log", **home),
        running([webhooks, *quiet, certificates, f"--port={hooked}"], api_server, directory / "webhooks.log"),
        _hooked(api_server, hooks, hooked),
        _aggregated(api_server, registration("external.metrics.k8s.io", "v1beta1", namespace="keda", port=served)),
    ):
        try:
            yield
        finally:  # while the operator is there, without which they do not end
            api_server.kubectl("delete", "scaledobjects", "--all", "--all-namespaces", "--timeout=60s")


def await_definitions(api_server: ApiServer) -> None:
    """Until every kind that is defined can be used.

    `kubectl wait` takes one that has no conditions yet, or null in their place, for an error.
    """

    def established() -> bool:
        told: list[list[dict[str, str]]] = [
            one.get("status", {}).get("conditions") or [] for one in api_server.get("crd")["items"]
        ]
        return all(("Established", "True") in ((one["type"], one["status"]) for one in those) for those in told)

    until(established, 30)


@contextmanager
def defined(api_server: ApiServer, files: Iterable[Path]) -> Generator[None]:
    """The definitions in these files; in the end they go, and all objects with them."""
    names = [f"--filename={file}" for file in files]
    api_server.kubectl("apply", "--server-side", *names)
    await_definitions(api_server)
    try:
        yield
    finally:
        api_server.kubectl("delete", "--wait", "--timeout=60s", *names)


@contextmanager
def running(command: Sequence[str | Path], api_server: ApiServer, log: Path, **more: str) -> Generator[None]:
    """A controller of this API server, until the block ends; `more` is its environment's."""
    environment = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig_path), **more}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()  # what has ended is not minded


@contextmanager
def _hooked(api_server: ApiServer, hooks: Sequence[dict[str, Any]], port: int) -> Generator[None]:
    """Webhooks, once their server answers at the port; they go before it does."""
    await_port(port)
    api_server.apply(*hooks)
    try:
        yield
    finally:
        kinds = {f"{hook['kind']}/{hook['metadata']['name']}" for hook in hooks}
        api_server.kubectl("delete", "--ignore-not-found", *kinds)


@contextmanager
def _aggregated(api_server: ApiServer, objects: Sequence[dict[str, Any]]) -> Generator[None]:
    """A group of the API server's that a server on this machine answers; it goes before the server does."""
    api_server.apply(*objects)
    names = [f"apiservice/{one['metadata']['name']}" for one in objects if one["kind"] == "APIService"]
    try:
        api_server.await_condition("condition=Available", *names, seconds=60)
        yield
    finally:
        api_server.kubectl("delete", *names)


@contextmanager
def _namespace(api_server: ApiServer, name: str) -> Generator[None]:
    api_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield
    finally:
        api_server.kubectl("delete", "--wait=false", "namespace", name)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _serving_certificate(directory: Path) -> Path:
    """For a webhook server of controller-runtime's; the authority that trusts it."""
    _, authority = for_loopback(directory)
    (directory / "server.pem").rename(directory / "tls.crt")
    (directory / "server.key").rename(directory / "tls.key")
    return authority


def _at_loopback(file: Path, port: int, authority: Path) -> list[dict[str, Any]]:
    """The webhooks that a release has, for a server on this machine instead of a Service."""
    documents = [one for one in yaml.safe_load_all(file.read_text()) if one]
    for document in documents:
        for hook in document["webhooks"]:
            path = hook["clientConfig"]["service"]["path"]
            trusted = base64.b64encode(authority.read_bytes()).decode()
            hook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": trusted}
        document["metadata"].pop("creationTimestamp", None)
    return documents


def await_port(port: int) -> None:
    """Until something on this machine listens at the port."""
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
        else:
            return
