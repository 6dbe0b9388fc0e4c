"""What containers may use, and who may use GPUs."""

import re
from collections.abc import Iterator, Mapping

from policy.rules.pods import Pod, pods
from policy.rules.resource import Resource, at, mapping
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_GPU = re.compile(r"(nvidia\.com/(gpu|mig-)|amd\.com/gpu|gpu\.intel\.com/)")
_COMPONENT, _INSTANCE = "app.kubernetes.io/component", "app.kubernetes.io/instance"
_WITHOUT_GPUS = ("head", "transformer", "explainer")
"""Groups of an operator's engine that compute nothing on GPUs."""


def _stated(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for pod in pods(resource):
        for where, container in pod.containers:
            missing = [
                f"resources.{side}.{name}"
                for side in ("requests", "limits")
                for name in ("cpu", "memory")
                if at(container, "resources", side, name) in (None, "")
            ]
            if missing:
                yield f"{where} does not say {', '.join(missing)}. Next: set what it needs, and the most it may use."


def _gpus(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for pod in pods(resource):
        if _is_engine(pod):
            continue
        for where, container in pod.containers:
            if asked := sorted(_devices(container)):
                yield (
                    f"{where} asks for {', '.join(asked)} and is no engine. Next: take the request away, or label its "
                    f"pods {_COMPONENT}: engine if it is one."
                )


def _is_engine(pod: Pod) -> bool:
    component = pod.labels.get(_COMPONENT)
    # An operator's engine has several groups of pods, all of one instance.
    return component == "engine" or (_INSTANCE in pod.labels and component not in (None, *_WITHOUT_GPUS))


def _devices(container: Mapping[str, object]) -> set[str]:
    return {
        name
        for side in ("requests", "limits")
        for name, count in mapping(at(container, "resources", side)).items()
        if _GPU.match(name) and str(count) not in ("0", "0.0")
    }


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="stated-resources",
        description="Every container says how much CPU and memory it needs, and the most that it may use.",
        remedy="Set requests and limits for cpu and memory.",
        check=_stated,
    ),
    ResourceRule(
        name="gpus-for-engines",
        description="Only engines ask for GPUs.",
        remedy="Take the request away, or label the pods as an engine's.",
        check=_gpus,
    ),
)
