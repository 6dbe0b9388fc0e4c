"""One engine with more or fewer replicas, now, without a deployment."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from placement.api import Api, Json
from placement.deployed import Deployed
from placement.model import ENGINE, Workload, counted
from placement.problems import PlacementError
from placement.reading import read
from toolchain.progress import Step, say, shown

_INTERVAL = 1.0
_FINAL_SECONDS = 15.0
"""How long the scheduler's word must stay the same: others may have to leave first, or a node to come."""


@dataclass(frozen=True, kw_only=True)
class _Rollout:
    """What Kubernetes says of a Deployment that was scaled."""

    ready: int
    there: int
    """Pods, with those that are ending."""
    reasons: Sequence[str]
    """Why pods are nowhere."""


def scale(found: Deployed, stack: str, engine: str, replicas: int) -> bool:
    """Set an engine's replicas, and wait until they are Ready, or gone. Whether all of them found a node.

    Raises PlacementError: unknown engine, one that something else scales, or one that is not ready in time.
    """
    with ExitStack() as opened:
        apis = [opened.enter_context(closing(Api(*one))) for one in found.kubeconfigs.items()]
        api, workload = _find(apis, engine)
        if owner := _owner(api, workload):
            raise PlacementError(
                f"{engine} is scaled by {owner}, which would undo this. Its bounds are settings:\n"
                f"scaling.min and scaling.max of {engine} in Pulumi.{stack}.yaml, then: make up STACK={stack}"
            )
        api.scale(workload.namespace, workload.app, replicas)
        say(f"{engine} in {api.name}: from {workload.wanted} to {counted(replicas, 'replica')}")
        done = _wait(api, workload, replicas)
    if done:
        say(f"Done. The next `make up` that changes {engine} brings it back to the replicas in Pulumi.{stack}.yaml.")
    return done


def _find(apis: Sequence[Api], engine: str) -> tuple[Api, Workload]:
    engines = [(api, one) for api in apis for one in read(api).workloads if one.part == ENGINE]
    for api, workload in engines:
        if workload.app == engine:
            return api, workload
    there = ", ".join(sorted(workload.app for _, workload in engines)) or "none"
    raise PlacementError(f"{engine} is not an engine that is deployed; there are: {there}")


def _owner(api: Api, workload: Workload) -> str | None:
    """The autoscaler that has the say; KEDA makes one too."""
    path = f"/apis/autoscaling/v2/namespaces/{workload.namespace}/horizontalpodautoscalers"
    for one in api.get(path)["items"]:
        target = one["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == ("Deployment", workload.app):
            return f"the HorizontalPodAutoscaler {one['metadata']['name']}"
    return None


def _wait(api: Api, workload: Workload, replicas: int) -> bool:
    deployment = f"/apis/apps/v1/namespaces/{workload.namespace}/deployments/{workload.app}"
    give_up = time.monotonic() + _seconds(api.get(deployment)["spec"])
    same_since, before = time.monotonic(), ()
    with shown(Step(title=workload.app)) as step:
        while True:
            now = _rollout(api, workload, deployment)
            step.detail = f"{now.ready} of {replicas} ready" + (f", {now.there} there" if now.there > replicas else "")
            if now.ready == now.there == replicas:
                return True
            if tuple(now.reasons) != before:
                same_since, before = time.monotonic(), tuple(now.reasons)
            if before and time.monotonic() - same_since > _FINAL_SECONDS:
                break
            if time.monotonic() > give_up:
                raise PlacementError(_late(workload, replicas, now))
            time.sleep(_INTERVAL)
    for reason in dict.fromkeys(before):
        say(f"{workload.app} is not placed: {reason}")
    say(f"It stays asked for, and starts once there is room. {now.ready} of {replicas} ready.")
    return False


def _seconds(deployment: Json) -> int:
    """What the slowest start may take, and the slowest end before it."""
    return int(deployment["progressDeadlineSeconds"]) + int(
        deployment["template"]["spec"]["terminationGracePeriodSeconds"]
    )


def _rollout(api: Api, workload: Workload, deployment: str) -> _Rollout:
    status = api.get(deployment).get("status", {})
    cluster = read(api)
    return _Rollout(
        ready=int(status.get("readyReplicas", 0)),
        there=sum(map(workload.has, cluster.pods)),
        reasons=[one.reason for one in cluster.misfits() if one.workload.app == workload.app],
    )


def _late(workload: Workload, replicas: int, now: _Rollout) -> str:
    selector = f"--selector app.kubernetes.io/name={workload.app}"
    return (
        f"{workload.app} has {now.ready} of {replicas} ready, and no more time: it stays asked for. To see why:\n"
        f"  kubectl describe pods --namespace {workload.namespace} {selector}"
    )
