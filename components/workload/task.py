"""Something that runs to its end in the cluster, once: a Job, and what it may reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.fields import stated
from components.workload.network import egress_rule
from components.workload.pod import labels, pod_spec
from components.workload.spec import Peer, Pod


@dataclass(frozen=True, kw_only=True)
class Task:
    """What runs, and who it talks to."""

    name: str
    pod: Pod
    egress: Sequence[Peer]
    """Where it may connect to, beside DNS."""
    told: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else it depends on, by name: it runs again whenever one of these changes."""
    retries: int = 10
    hopeless: int | None = None
    """Exit code that says that trying again cannot help."""
    account: str | None = None
    """Its service account, which somebody else makes; the namespace's default, which may do nothing, if not set."""
    seconds: int = 600
    """How long `up` waits for its end."""


class TaskRun(pulumi.ComponentResource):
    """Runs a `Task`; again whenever it becomes another, and if it failed, with the next `up`."""

    job: kubernetes.batch.v1.Job

    def __init__(self, name: str, task: Task, *, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("inference:workload:TaskRun", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = labels(task.name, "job")
        policy = kubernetes.networking.v1.NetworkPolicy(
            name,
            metadata={"name": task.name, "namespace": namespace, "labels": own},
            spec={
                "pod_selector": {"match_labels": own},
                "policy_types": ["Ingress", "Egress"],
                "egress": [egress_rule(peer) for peer in task.egress],
            },
            opts=child,
        )
        self.job = kubernetes.batch.v1.Job(
            name,
            metadata={
                "name": task.name,
                "namespace": namespace,
                "labels": own,
                "annotations": {"pulumi.com/replaceUnready": "true"},
            },
            spec=_spec(task, own),
            opts=child.merge(
                pulumi.ResourceOptions(
                    depends_on=[policy],
                    # A Job runs once: whatever else is wanted needs another Job.
                    replace_on_changes=["spec"],
                    custom_timeouts=pulumi.CustomTimeouts(create=f"{task.seconds}s"),
                )
            ),
        )
        self.register_outputs({})


def _spec(task: Task, own: Mapping[str, str]) -> kubernetes.batch.v1.JobSpecArgsDict:
    # Kept in place, a failed container would hide its log behind that of the next try.
    pod = pod_spec(task.pod, restart="Never")
    if task.account:
        pod["service_account_name"] = task.account
    fields: kubernetes.batch.v1.JobSpecArgsDict = {
        "backoff_limit": task.retries,
        "pod_failure_policy": _give_up(task) if task.hopeless is not None else None,
        "template": {
            "metadata": stated(
                {"labels": own, "annotations": {f"inference/{what}": is_ for what, is_ in task.told.items()}}
            ),
            "spec": pod,
        },
    }
    return stated(fields)


def _give_up(task: Task) -> kubernetes.batch.v1.PodFailurePolicyArgsDict:
    container = task.pod.containers[0].name
    codes: kubernetes.batch.v1.PodFailurePolicyOnExitCodesRequirementArgsDict = {
        "container_name": container,
        "operator": "In",
        "values": [task.hopeless or 0],
    }
    return {"rules": [{"action": "FailJob", "on_exit_codes": codes}]}
