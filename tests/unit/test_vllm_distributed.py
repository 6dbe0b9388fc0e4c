"""What LeaderWorkerSet and vLLM are told of an engine over several nodes, and who may talk to its pods."""

import copy
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from components.engines.vllm_distributed import DRAIN
from stacks.loading import checked
from stacks.problems import SettingsError
from tests.unit.distributed_stack import distributed_settings
from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS
from tests.unit.recording import Recording, record, stack_settings

PART = "app.kubernetes.io/component"


def recorded(monkeypatch: pytest.MonkeyPatch, **given: Any) -> Recording:
    return record(distributed_settings(**given), stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def made(recording: Recording, kind: str, name: str = "chat") -> dict[str, Any]:
    """The object of the engine's namespace."""
    (found,) = (
        one
        for one in manifests(recording)
        if one["kind"] == kind and one["metadata"]["name"] == name and one["metadata"].get("namespace") == "inference"
    )
    return found


def templates(recording: Recording) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the leader's pod and of a worker's."""
    inside = made(recording, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    return inside["leaderTemplate"], inside["workerTemplate"]


def servers(recording: Recording) -> tuple[dict[str, Any], dict[str, Any]]:
    """The leader's container and a worker's."""
    leader, worker = (template["spec"]["containers"] for template in templates(recording))
    assert len(leader) == len(worker) == 1
    return leader[0], worker[0]


def refused(change: dict[str, Any] | None = None, **given: Any) -> list[str]:
    """What is told about such a stack."""
    settings = distributed_settings(**given)
    settings.update(change or {})
    try:
        checked(settings, {"sshPrivateKey"}, "Pulumi.onprem.yaml")
    except SettingsError as error:
        _, *lines, _ = str(error).splitlines()
        return [" ".join(line.split()) for line in lines]
    return []


def test_each_replica_has_a_pod_on_each_of_its_nodes_and_all_start_again_when_one_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = made(recorded(monkeypatch, replicas=2, nodes=3, hosts=6), "LeaderWorkerSet")["spec"]
    inside = spec["leaderWorkerTemplate"]
    assert (spec["replicas"], inside["size"], inside["restartPolicy"]) == (2, 3, "RecreateGroupOnPodRestart")
    assert spec["startupPolicy"] == "LeaderCreated"


def test_pods_of_one_replica_never_share_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for template in templates(recorded(monkeypatch)):
        (rule,) = template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert rule["topologyKey"] == "kubernetes.io/hostname"
        assert rule["matchLabelKeys"] == ["leaderworkerset.sigs.k8s.io/group-key"]
        assert rule["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_every_pod_has_the_gpus_and_reads_the_model_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for template in templates(recorded(monkeypatch, loading="cache")):
        (server,) = template["spec"]["containers"]
        assert server["resources"]["limits"]["nvidia.com/gpu"] == "4"
        assert [one["args"][0] for one in template["spec"]["initContainers"]] == ["cache"]
        assert server["args"][0].startswith("/models/general/chat-400b/")


def test_a_node_is_a_stage_of_the_model_unless_settings_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, worker = servers(recorded(monkeypatch))
    for server in (leader, worker):
        assert {"--tensor-parallel-size=4", "--pipeline-parallel-size=2", "--nnodes=2"} <= set(server["args"])
    across, _ = servers(recorded(monkeypatch, pipelineParallel=1))
    assert "--tensor-parallel-size=8" in across["args"]
    assert not [one for one in across["args"] if one.startswith("--pipeline-parallel-size")]


def test_pods_find_their_leader_and_their_rank_in_what_leader_worker_set_tells_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for server in servers(recorded(monkeypatch)):
        assert {"--master-addr=$(LWS_LEADER_ADDRESS)", "--node-rank=$(LWS_WORKER_INDEX)"} <= set(server["args"])


def test_the_first_node_that_has_the_model_waits_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, worker = servers(recorded(monkeypatch, startupSeconds=3600))
    assert leader["startupProbe"]["failureThreshold"] * leader["startupProbe"]["periodSeconds"] == 3600
    for server in (leader, worker):
        assert "--distributed-timeout-seconds=3600" in server["args"]


def test_only_leaders_are_probed_and_have_the_key_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, worker = servers(recorded(monkeypatch))
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= leader.keys()
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & worker.keys()
    assert "--headless" in worker["args"]
    assert "--headless" not in leader["args"]
    assert "VLLM_API_KEY" in [one["name"] for one in leader["env"]]
    assert "VLLM_API_KEY" not in [one["name"] for one in worker["env"]]


def test_requests_go_to_leaders_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(monkeypatch)
    leader, worker = templates(recording)
    selector = made(recording, "Service")["spec"]["selector"].items()
    assert selector <= leader["metadata"]["labels"].items()
    assert not selector <= worker["metadata"]["labels"].items()


def test_leader_worker_set_makes_no_service_of_the_engines_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = made(recorded(monkeypatch), "LeaderWorkerSet")["spec"]
    assert spec["networkConfig"]["subdomainPolicy"] == "UniquePerReplica"  # else that is what it makes


def test_a_worker_goes_on_until_its_leader_has_answered_what_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(monkeypatch, drainSeconds=300)
    leader, worker = servers(recording)
    assert "--shutdown-timeout=300" in leader["args"]
    assert worker["lifecycle"]["preStop"]["exec"]["command"][-2:] == [DRAIN, "29501"]
    assert {one["spec"]["terminationGracePeriodSeconds"] for one in templates(recording)} == {320}


def test_what_a_worker_waits_for_is_that_its_leader_answers_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as leader:
        waiting = subprocess.Popen(
            [sys.executable, "-c", DRAIN, str(leader.getsockname()[1])],
            env={**os.environ, "LWS_LEADER_ADDRESS": "127.0.0.1"},
        )
        leader.accept()[0].close()
        leader.accept()[0].close()  # it comes back, and so has not ended
    assert waiting.wait(timeout=20) == 0


def test_its_pods_reach_each_other_at_any_port_and_others_reach_only_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = made(recorded(monkeypatch), "NetworkPolicy")["spec"]
    everyone = {"app.kubernetes.io/instance": "chat"}
    assert policy["podSelector"]["matchLabels"] == everyone
    among = [
        rule
        for rule in policy["ingress"]
        if any(peer.get("podSelector", {}).get("matchLabels") == everyone for peer in rule["from"])
    ]
    others = [rule for rule in policy["ingress"] if rule not in among]
    assert [rule.get("ports") for rule in among] == [None]
    assert others
    assert all([port["port"] for port in rule["ports"]] == [8000] for rule in others)


@pytest.mark.parametrize(("gpus", "surge"), [(4, 0), (8, 1)])
def test_an_update_adds_a_replica_only_where_as_many_nodes_have_gpus_that_are_certainly_free(
    monkeypatch: pytest.MonkeyPatch, gpus: int, surge: int
) -> None:
    rollout = made(recorded(monkeypatch, gpus=gpus), "LeaderWorkerSet")["spec"]["rolloutStrategy"]
    assert rollout["rollingUpdateConfiguration"] == {"maxSurge": surge, "maxUnavailable": 1 - surge}


def test_gpus_of_one_node_that_are_enough_for_both_pods_do_not_make_it_two_nodes() -> None:
    (line,) = refused(hosts=1, gpus=8)
    assert 'is 2, and "home" has one with 4 cuda GPUs for it: add nodes, or use kind: vllm' in line


def test_draining_nodes_takes_one_replica_at_a_time_whichever_pod_it_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = made(recorded(monkeypatch, replicas=2, hosts=4), "PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"] == {"app.kubernetes.io/instance": "chat"}
    assert budget["minAvailable"] == 3


def test_a_new_key_or_chat_template_restarts_all_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    before = templates(recorded(monkeypatch, chatTemplate="{{ messages }}"))
    after = templates(recorded(monkeypatch, chatTemplate="{{ messages[-1] }}", keyGeneration=2))
    for old, new in zip(before, after, strict=True):
        assert old["metadata"]["annotations"].keys() == {"inference/key", "inference/chat-template.jinja"}
        assert not old["metadata"]["annotations"].items() & new["metadata"]["annotations"].items()


def test_a_replica_stays_where_the_topology_says(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "leaderworkerset.sigs.k8s.io/exclusive-topology"
    with_one = made(recorded(monkeypatch, topology="example.com/rack"), "LeaderWorkerSet")
    assert with_one["metadata"]["annotations"][key] == "example.com/rack"
    assert key not in made(recorded(monkeypatch), "LeaderWorkerSet")["metadata"]["annotations"]


def test_memory_is_estimated_over_the_gpus_of_all_nodes() -> None:
    nodes = distributed_settings()["clusters"][0]["nodes"]
    for node in nodes[1:]:
        node["accelerator"]["memory"] = "40Gi"
    clusters = {"clusters": [{"name": "home", "nodes": nodes}]}
    assert refused(clusters) == []
    (line,) = refused({**clusters, "engines": [_on_one_node()]})
    assert "each of 4 GPUs" in line


def _on_one_node() -> dict[str, Any]:
    (engine,) = copy.deepcopy(distributed_settings()["engines"])
    return {key: value for key, value in engine.items() if key != "nodes"} | {"kind": "vllm"}


def test_a_canary_is_over_several_nodes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    image = "registry.lan:5000/vllm-openai:v0.31.0"
    recording = recorded(monkeypatch, hosts=4, canary={"image": image, "share": 10})
    new = made(recording, "LeaderWorkerSet", "chat-canary")["spec"]["leaderWorkerTemplate"]
    assert new["size"] == 2
    assert {new[one]["spec"]["containers"][0]["image"] for one in ("leaderTemplate", "workerTemplate")} == {image}


def test_on_simulated_nodes_deployments_of_leaders_and_workers_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev")
    accelerator = {"kind": "cuda", "count": 2}
    simulated = [
        {"name": f"big-{number}", "arch": "amd64", "cpu": 64, "memory": "512Gi", "accelerator": accelerator}
        for number in range(2)
    ]
    settings["clusters"][0]["simulated"] += simulated
    model = settings["models"][0]["name"]
    fields = {"name": "chat", "kind": "vllm-distributed", "model": model, "cluster": "dev"}
    settings["engines"] = [{**fields, "nodes": 2, "accelerator": accelerator}]
    recording = record(settings, stack="dev", monkeypatch=monkeypatch)
    assert made(recording, "Deployment")["spec"]["replicas"] == 1
    assert made(recording, "Deployment", "chat-worker")["spec"]["replicas"] == 1
    assert not [one for one in manifests(recording) if one["kind"] == "LeaderWorkerSet"]


@pytest.mark.parametrize(
    ("engine", "told_of"),
    [
        ({"nodes": 1}, "engines[0].nodes"),
        ({"nodes": 3}, 'is 3, and "home" has 2 with 4 cuda GPUs for it: set 2 or fewer, or add nodes'),
        (
            {"pipelineParallel": 3},
            "engines[0].pipelineParallel 8 GPUs, 4 on each of 2 nodes, cannot be split into 3 equal stages: set a "
            "divisor of 8, or leave it out for a stage on each node",
        ),
        (
            {"accelerator": {"kind": "cuda", "count": 1, "shared": True}},
            "engines[0].accelerator asks for parts of GPUs, and all nodes compute in step: remove shared",
        ),
        ({"accelerator": {"kind": "cpu"}}, "vllm-distributed has no image for cpu"),
        ({"scaling": {"max": 2, "signal": "queue"}}, "is for engines in one pod; remove it, and set replicas"),
        ({"runtimeAdapters": True}, "engines[0].runtimeAdapters"),
        ({"topology": "kubernetes.io/hostname"}, "has another value on every node; set a label that several have"),
    ],
)
def test_what_could_not_run_over_several_nodes_is_told_with_the_next_step(engine: dict[str, Any], told_of: str) -> None:
    (line,) = refused(**engine)
    assert told_of in line


def test_no_other_engine_is_called_as_a_replica_is() -> None:
    (engine,) = distributed_settings()["engines"]
    (line,) = refused({"engines": [engine, {**engine, "name": "chat-0"}]})
    assert '"chat-0" is taken: pods of engine "chat" are called so; choose another' in line
