"""Fixtures for all tests: real things, made once."""

import gc
import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

from tests.api_server import ApiServer, KubectlError
from toolchain import bring, catalogue
from toolchain.control_plane.components import BINARIES
from toolchain.control_plane.directory import directory
from toolchain.control_plane.lifecycle import start, stop
from toolchain.download import Network
from toolchain.problems import ToolchainError


def pytest_configure() -> None:
    """Let SIGTERM, which CI sends at a time limit, end the run as Ctrl-C does: fixtures stop what they have started.

    And SIGINT itself: a shell's background jobs ignore it, and so would what the tests start to interrupt it.
    """
    os.environ["INFERENCE_IMAGE_LOCK"] = os.devnull  # tests say themselves which digests there are
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    # The examples' versions of Kubernetes are not to fall out of Amazon's support while nobody looks.
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(datetime(2026, 11, 22, tzinfo=UTC).timestamp())))
    # How long an example may take says something of the machine alone.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """What is imported by now stays: nobody needs to look again and again whether it is garbage."""
    gc.freeze()


@pytest.fixture(scope="session")
def control_plane_tools() -> Mapping[str, Path]:
    """The binaries of the embedded control plane, and kubectl, by name; tests that need them are skipped without."""
    try:
        brought = bring.ensure(map(catalogue.named, BINARIES), Network(), quiet=True)
    except ToolchainError as error:
        pytest.skip(f"no embedded control plane: {error}")
    return {one.tool.name: one.path for one in brought}


@pytest.fixture(scope="session")
def api_server(
    control_plane_tools: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """The embedded control plane, shared by all tests of a run: leave nothing in it that others would trip over."""
    home = tmp_path_factory.mktemp("api-server")
    try:
        kubeconfig = start(home)
        file = directory(home).kubeconfig
        yield ApiServer(kubeconfig_path=file, kubeconfig=kubeconfig, kubectl_path=control_plane_tools["kubectl"])
    finally:
        stop(home)


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """A namespace of the test's own, in which pods can be made; deleted afterwards without waiting for it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    api_server.kubectl("create", "namespace", name)
    _await_account(api_server, name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")


def _await_account(api_server: ApiServer, namespace: str) -> None:
    """Without its default service account a namespace takes no pods."""
    give_up = time.monotonic() + 30
    while True:
        try:
            api_server.get("serviceaccount", "default", "--namespace", namespace)
            return
        except KubectlError:
            if time.monotonic() > give_up:
                raise
