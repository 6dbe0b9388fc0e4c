"""Waiting until the scheduler has said its word about every pod, and asking it what-if."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from placement.api import Api
from placement.model import Cluster, Trial, Workload
from placement.reading import read

PATIENCE = 120.0
"""Seconds that all decisions of a cluster may take; on two idle cores they take one or two."""

_QUIET = 3.0
"""Seconds without any change after which what does not fit is final: a pod that failed once is looked at again after
its backoff of 1 or 2 s, when a node became ready meanwhile or a quota was counted at last."""
_QUIET_UNEXPLAINED = 15.0
"""The same while pods were not made and Kubernetes has not said why: its controllers may be slow."""
_INTERVAL = 0.2

_Word = TypeVar("_Word")


def decided(api: Api, progress: Callable[[Cluster], None]) -> Cluster:
    """The cluster once every wanted pod is placed, or finally is not. Raises ClusterError.

    Bounded: whatever is still undecided after `PATIENCE` is returned as it is, and shown as not placed.
    """
    give_up = time.monotonic() + PATIENCE
    before, since = read(api), time.monotonic()
    while True:
        time.sleep(_INTERVAL)
        now, moment = read(api), time.monotonic()
        if now != before:
            before, since = now, moment
        progress(now)
        if moment > give_up or (_complete(now) and moment - since > _quiet(now)):
            return now


def _complete(cluster: Cluster) -> bool:
    """Whether there is a word on every wanted pod, said by a scheduler that knew every node."""
    return all(node.ready and not _settling(node.taints) for node in cluster.nodes) and all(
        pod.decided for workload in cluster.workloads for pod in cluster.replicas(workload)
    )


def _quiet(cluster: Cluster) -> float:
    """Seconds without a change after which a complete reading is final."""
    if not cluster.misfits():
        return 0
    unexplained = any(len(cluster.replicas(one)) < one.wanted and not one.problem for one in cluster.workloads)
    return _QUIET_UNEXPLAINED if unexplained else _QUIET


def _settling(taints: Sequence[str]) -> bool:
    # Kubernetes itself keeps a node reserved until it is ready.
    return any(taint.startswith("node.kubernetes.io/") for taint in taints)


def with_trials(api: Api, cluster: Cluster) -> Cluster:
    """The same reading, where each Deployment that is off has been on for a moment, alone. Raises ClusterError."""
    workloads = [workload if workload.wanted else _tried(api, workload) for workload in cluster.workloads]
    return replace(cluster, workloads=tuple(workloads))


def _tried(api: Api, workload: Workload) -> Workload:
    api.scale(workload.namespace, workload.app, 1)
    verdict = _await(api, lambda now: _verdict(now, workload))
    api.scale(workload.namespace, workload.app, 0)
    # Its place must be free again before the next one is tried.
    _await(api, lambda now: None if _has_pods(now, workload) else True)
    return replace(workload, trial=verdict or Trial(node=None, reason="The scheduler has not said why."))


def _verdict(cluster: Cluster, workload: Workload) -> Trial | None:
    for pod in cluster.replicas(workload):
        if pod.decided:
            return Trial(node=pod.node, reason=pod.reason)
    for one in cluster.workloads:
        if (one.namespace, one.app) == (workload.namespace, workload.app) and one.wanted and one.problem:
            return Trial(node=None, reason=one.problem)
    return None


def _has_pods(cluster: Cluster, workload: Workload) -> bool:
    return any(workload.has(pod) for pod in cluster.pods)


def _await(api: Api, condition: Callable[[Cluster], _Word | None]) -> _Word | None:
    """What the condition says once that is something; None when it says nothing in time."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if said := condition(read(api)):
            return said
        time.sleep(_INTERVAL)
    return None
