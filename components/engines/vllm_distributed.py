"""vLLM over several nodes, for models that are larger than one: a LeaderWorkerSet makes each replica's pods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, field_validator

from components.accelerators import AcceleratorRequest
from components.engines.engine import Workload
from components.engines.operator import MAIN, Asked, CustomResource, Group, OperatorEngine
from components.engines.scaling import Scaling
from components.engines.versions import VLLM_ARCHITECTURES, VLLM_DISTRIBUTED
from components.engines.vllm_rules import divides_the_gpus_of_all_nodes
from components.engines.vllm_server import VllmServer
from components.section import LabelKey, Name
from components.workload.spec import Container, Placement, Pod

WORKER = "worker"
MASTER_PORT = 29501
"""Where the leader's first process waits for the others: the default of vLLM 0.30.0."""
GROUP_KEY = "leaderworkerset.sigs.k8s.io/group-key"
"""Label with one value for all pods of a replica, and no others."""
LEADER = "LWS_LEADER_ADDRESS"
"""Like `LWS_WORKER_INDEX` a variable that LeaderWorkerSet sets in every container."""
DRAIN = f"""
import os, socket, sys, time
leader = socket.getaddrinfo(os.environ["{LEADER}"], sys.argv[1])[0][4][:2]
while True:
    try:
        socket.create_connection(leader, 2).close()
    except OSError:
        break
    time.sleep(1)
"""
"""Returns when the leader's first process, at the port that it is told, is gone: until then it may need this pod."""


class VllmDistributed(VllmServer, OperatorEngine):
    """vLLM's OpenAI-compatible server, each replica over several nodes; LeaderWorkerSet must be in the cluster.

    The first pod of a replica answers requests. The others compute with it, and all start again when one is lost.
    """

    IMAGES = VLLM_DISTRIBUTED
    ARCHITECTURES = VLLM_ARCHITECTURES
    GROUPS = (MAIN, WORKER)
    OPERATOR_PORTS = ()
    ALL_OR_NONE = True

    kind: Literal["vllm-distributed"]
    """Which engine."""
    nodes: Annotated[int, Field(ge=2, le=64)]
    """Nodes of one replica. On each there is a pod with `accelerator.count` GPUs, and with `resources`."""
    pipeline_parallel: Annotated[PositiveInt | None, AfterValidator(divides_the_gpus_of_all_nodes)] = None
    """Stages that the model's layers are split into; the GPUs of a stage split each layer among them. When not set
    each node is a stage, so that little goes over the network; 1 splits each layer over the GPUs of all nodes."""
    topology: LabelKey | None = Field(default=None, examples=["topology.kubernetes.io/zone"])
    """Label of nodes, such as one for a rack: a replica stays on nodes with the same value, and has those for itself
    among the replicas of all LeaderWorkerSets."""
    operator_namespace: Name = "lws-system"
    """Where LeaderWorkerSet's controller runs."""

    @field_validator("scaling")
    @classmethod
    def _has_its_own(cls, scaling: Scaling | None) -> Scaling | None:
        if scaling:
            raise ValueError("is for engines in one pod; remove it, and set replicas")
        return scaling

    @field_validator("accelerator")
    @classmethod
    def _has_whole_gpus(cls, request: AcceleratorRequest) -> AcceleratorRequest:
        if request.shared:
            raise ValueError("asks for parts of GPUs, and all nodes compute in step: remove shared")
        return request

    @field_validator("topology")
    @classmethod
    def _has_several_nodes(cls, topology: LabelKey | None) -> LabelKey | None:
        if topology == "kubernetes.io/hostname":
            raise ValueError("has another value on every node; set a label that several have, or remove it")
        return topology

    @property
    def stages(self) -> int:
        """As its settings say, or its nodes."""
        return self.pipeline_parallel or self.nodes

    @property
    def pods_each(self) -> int:
        """One on each node."""
        return self.nodes

    @property
    def surge(self) -> int:
        """LeaderWorkerSet takes replicas one by one."""
        return 1

    @property
    def further_names(self) -> Sequence[str]:
        """Each replica has a Service and a StatefulSet of its own, called after its number."""
        numbered = [f"{copy.name}-{number}" for copy in self.copies for number in range(copy.most_replicas + 1)]
        return [*super().further_names, *numbered]

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Every pod's, as the leader has it. Kubernetes puts the variables into the arguments."""
        served = super().workload(models)
        model, *flags = served.args
        across = (
            "--distributed-executor-backend=mp",
            f"--nnodes={self.nodes}",
            "--node-rank=$(LWS_WORKER_INDEX)",
            f"--master-addr=$({LEADER})",
            f"--master-port={MASTER_PORT}",
        )
        return replace(served, args=(model, *across, *flags))

    def groups(self, pod: Pod, elsewhere: Placement) -> Mapping[str, Group]:
        """Leaders, and what computes with them."""
        del elsewhere
        (container,) = pod.containers
        leader = _patient(container)
        worker = replace(
            leader,
            args=(*leader.args, "--headless"),
            ports={},
            health=None,
            secret_env={name: key for name, key in leader.secret_env.items() if name != self.key_variable},
            drain=("python3", "-c", DRAIN, str(MASTER_PORT)),
        )
        return {
            MAIN: Group(pod=replace(pod, containers=[leader]), replicas=self.replicas, apart_by=GROUP_KEY),
            WORKER: Group(
                pod=replace(pod, containers=[worker]), replicas=self.replicas * (self.nodes - 1), apart_by=GROUP_KEY
            ),
        }

    def custom_resource(self, templates: Mapping[str, Mapping[str, Any]], asked: Asked) -> CustomResource:
        """A LeaderWorkerSet. Each replica has a headless Service of its own, since one for all would have our name."""
        more, fewer = (1, 0) if asked.surge else (0, 1)
        return CustomResource(
            api_version="leaderworkerset.x-k8s.io/v1",
            kind="LeaderWorkerSet",
            ready="condition=Available",
            asked=MAIN,
            annotations={"leaderworkerset.sigs.k8s.io/exclusive-topology": self.topology} if self.topology else {},
            spec={
                "replicas": self.replicas,
                "startupPolicy": "LeaderCreated",
                "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
                "rolloutStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdateConfiguration": {"maxSurge": more, "maxUnavailable": fewer},
                },
                "leaderWorkerTemplate": {
                    "size": self.nodes,
                    "restartPolicy": "RecreateGroupOnPodRestart",
                    "leaderTemplate": templates[MAIN],
                    "workerTemplate": templates[WORKER],
                },
            },
        )


def _patient(container: Container) -> Container:
    """Nodes may bring the model at different speeds: who is first waits for the last, as long as a start may take."""
    seconds = container.health.startup_seconds if container.health else 0
    model, *flags = container.args
    return replace(container, args=(model, f"--distributed-timeout-seconds={seconds}", *flags))
