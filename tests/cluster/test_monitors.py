"""Monitors of engines against the definitions of the Prometheus operator that the stack's chart brings."""

from collections.abc import Iterator

import pytest

from tests.api_server import ApiServer
from tests.operators import defined, definitions
from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS, ray_settings
from tests.unit.recording import record, stack_settings
from tests.unit.test_monitoring import CHART
from toolchain.problems import Unavailable

MODULE = ("prometheus-definitions", "github.com/prometheus-operator/prometheus-operator")


@pytest.fixture(scope="module", autouse=True)
def operator(api_server: ApiServer) -> Iterator[None]:
    """The operator's definitions, and the engines' namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "inference"}}
    try:
        files = list(definitions(*MODULE, "example/prometheus-operator-crd"))
    except Unavailable as error:
        pytest.skip(f"no definitions: {error}")
    with defined(api_server, files):
        api_server.apply(namespace)
        yield
        api_server.kubectl("delete", "namespace", "inference", "--timeout=60s")


def test_every_monitor_is_taken_with_nothing_dropped_or_added(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = (stack_settings("onprem"), ray_settings())
    objects = [
        one
        for settings in stacks
        for one in manifests(record({**settings, **CHART}, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))
    ]
    monitors = [one for one in objects if one["kind"] in ("ServiceMonitor", "PodMonitor")]
    assert {one["kind"] for one in monitors} == {"ServiceMonitor", "PodMonitor"}
    api_server.apply(*monitors)
    for one in monitors:
        name = f"{one['kind']}/{one['metadata']['name']}".lower()
        assert api_server.get(name, "--namespace", "inference")["spec"] == one["spec"]
