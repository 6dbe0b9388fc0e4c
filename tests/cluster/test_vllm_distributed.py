"""vLLM over several nodes on a real API server, with LeaderWorkerSet's real controller and webhooks."""

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer, KubectlError, SimulatedNode
from tests.operators import leader_worker_set
from tests.unit.distributed_stack import distributed_settings
from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS
from tests.unit.recording import record
from toolchain.problems import ToolchainError, Unavailable

IN = ("--namespace", "inference")
GROUP = "leaderworkerset.sigs.k8s.io/group-index"
INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
NODES = (
    SimulatedNode(name="distributed-plain"),
    # Room for two pods on each, so that nothing but the rule keeps those of a replica apart.
    *(
        SimulatedNode(
            name=f"distributed-gpu-{number}",
            gpus={"nvidia.com/gpu": 8},
            labels={"inference/accelerator": "cuda", "example.com/rack": "a" if number < 2 else "b"},
        )
        for number in range(4)
    ),
)


@pytest.fixture(scope="module", autouse=True)
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """LeaderWorkerSet on a cluster with four nodes that have GPUs, and one that has none."""
    api_server.apply(*(node.manifest() for node in NODES))
    try:
        with leader_worker_set(api_server, tmp_path_factory.mktemp("lws")):
            yield
    except (ToolchainError, Unavailable) as error:
        pytest.skip(f"no LeaderWorkerSet: {error}")
    finally:
        api_server.kubectl("delete", "node", *(node.name for node in NODES))


def ours(**engine: Any) -> list[dict[str, Any]]:
    """What the program makes for the engine."""
    settings = distributed_settings(hosts=4, gpus=8, **engine)
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))
    around = ("Namespace", "RuntimeClass", "PriorityClass")
    return [
        one
        for one in objects
        if one["metadata"].get("namespace") == "inference"
        or (one["kind"] in around and one["metadata"]["name"] not in ("storage", "gateway"))
    ]


def pods(api_server: ApiServer) -> list[dict[str, Any]]:
    """All that are not on their way out, those of a replica together, its leader first."""
    there = api_server.get("pods", *IN, "--selector", "app.kubernetes.io/instance=chat")["items"]
    alive = [one for one in there if "deletionTimestamp" not in one["metadata"]]
    return sorted(alive, key=lambda one: (one["metadata"]["labels"][GROUP], one["metadata"]["labels"][INDEX]))


def until(true: Callable[[], object], *, seconds: int = 60) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it took too long"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def served(api_server: ApiServer, operator: None) -> Iterator[list[dict[str, Any]]]:
    """Two replicas over two nodes each, all pods Ready."""
    del operator
    objects = ours(replicas=2, topology="example.com/rack", priority="high", chatTemplate="{{ messages }}")
    api_server.apply(*objects)
    api_server.await_condition("condition=Available", "leaderworkerset/chat", *IN, seconds=90)
    yield objects
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", "leaderworkerset/chat", *IN)
    named = [f"{one['kind']}/{one['metadata']['name']}" for one in objects if "namespace" not in one["metadata"]]
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", *named)


@pytest.mark.usefixtures("served")
def test_pods_of_a_replica_are_on_two_nodes_of_one_rack_and_both_replicas_are_ready(api_server: ApiServer) -> None:
    rack = {node.name: node.labels.get("example.com/rack") for node in NODES}
    there = pods(api_server)
    nodes = [one["spec"]["nodeName"] for one in there]
    assert [one["metadata"]["name"] for one in there] == ["chat-0", "chat-0-1", "chat-1", "chat-1-1"]
    assert len(set(nodes)) == 4
    assert [rack[nodes[0]], rack[nodes[2]]] == [rack[nodes[1]], rack[nodes[3]]]
    ready = [condition for pod in there for condition in pod["status"]["conditions"] if condition["type"] == "Ready"]
    assert [one["status"] for one in ready] == ["True"] * 4


@pytest.mark.usefixtures("served")
def test_pods_with_what_the_operator_adds_pass_restricted_pod_security(api_server: ApiServer) -> None:
    labels = api_server.get("namespace", "inference")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(pods(api_server)) == 4


@pytest.mark.usefixtures("served")
def test_each_pod_is_told_its_leader_and_its_rank_under_the_names_that_its_arguments_have(
    api_server: ApiServer,
) -> None:
    told: list[tuple[str, str]] = []
    for pod in pods(api_server):
        (container,) = pod["spec"]["containers"]
        values = {one["name"]: one.get("value") for one in container["env"]}
        wanted = {"$(LWS_LEADER_ADDRESS)", "$(LWS_WORKER_INDEX)"}
        assert wanted <= {argument.partition("=")[2] for argument in container["args"]}
        told.append((values["LWS_LEADER_ADDRESS"], values["LWS_WORKER_INDEX"]))
    addresses = ("chat-0.chat-0.inference", "chat-1.chat-1.inference")
    assert told == [(address, rank) for address in addresses for rank in ("0", "1")]


@pytest.mark.usefixtures("served")
def test_the_address_of_a_leader_is_known_before_it_is_ready(api_server: ApiServer) -> None:
    for number in (0, 1):
        service = api_server.get("service", f"chat-{number}", *IN)["spec"]
        assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)


@pytest.mark.usefixtures("served")
def test_the_service_with_the_engines_name_leads_to_leaders_alone(api_server: ApiServer) -> None:
    assert api_server.get("service", "chat", *IN)["spec"]["clusterIP"] != "None"

    def behind() -> set[str]:
        slices = api_server.get("endpointslices", *IN, "--selector", "kubernetes.io/service-name=chat")["items"]
        return {one["targetRef"]["name"] for slice in slices for one in slice.get("endpoints") or ()}

    until(lambda: behind() == {"chat-0", "chat-1"})


@pytest.mark.usefixtures("served")
def test_a_drained_node_may_take_one_pod_and_none_of_another_replica_after_it(api_server: ApiServer) -> None:
    def allowed() -> int:
        return api_server.get("poddisruptionbudget", "chat", *IN)["status"].get("disruptionsAllowed", 0)

    until(lambda: allowed() == 1)


def test_all_of_a_replica_starts_again_when_a_worker_is_lost(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    del served
    before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in pods(api_server)}
    api_server.kubectl("delete", "pod", "chat-0-1", *IN, "--wait=false")

    def again() -> bool:
        now = {one["metadata"]["name"]: one["metadata"]["uid"] for one in pods(api_server)}
        changed = {name for name in before if name in now and now[name] != before[name]}
        return changed == {"chat-0", "chat-0-1"}

    until(again)
    api_server.await_condition("condition=Available", "leaderworkerset/chat", *IN, seconds=60)


def test_a_new_version_takes_the_place_of_the_old_one_a_replica_at_a_time(
    api_server: ApiServer, served: list[dict[str, Any]]
) -> None:
    changed = ours(replicas=2, topology="example.com/rack", priority="high", chatTemplate="{{ messages[-1] }}")
    assert len(changed) == len(served)
    (lws,) = (one for one in changed if one["kind"] == "LeaderWorkerSet")
    annotation = "inference/chat-template.jinja"
    wanted = lws["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["metadata"]["annotations"][annotation]
    api_server.apply(*changed)

    def updated() -> bool:
        there = pods(api_server)
        return len(there) == 4 and {one["metadata"]["annotations"][annotation] for one in there} == {wanted}

    until(updated, seconds=90)
    api_server.await_condition("condition=Available", "leaderworkerset/chat", *IN, seconds=60)


@pytest.mark.usefixtures("served")
def test_its_definition_takes_nothing_that_it_does_not_know(api_server: ApiServer) -> None:
    (lws,) = (one for one in ours() if one["kind"] == "LeaderWorkerSet")
    wrong = copy.deepcopy(lws)
    wrong["spec"]["leaderWorkerTemplate"]["nodes"] = 2
    with pytest.raises(KubectlError, match="unknown field"):
        api_server.apply(wrong)


@pytest.mark.usefixtures("served")
def test_deleting_it_leaves_no_pod_and_no_service_of_its_own(api_server: ApiServer) -> None:
    api_server.kubectl("delete", "leaderworkerset/chat", *IN, "--timeout=60s")
    until(lambda: not pods(api_server))
    mine = ("--selector", "leaderworkerset.sigs.k8s.io/name=chat")
    until(lambda: not api_server.get("statefulsets,services", *IN, *mine)["items"])
