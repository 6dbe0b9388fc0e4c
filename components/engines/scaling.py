"""Who decides how many replicas an engine has: Kubernetes' own autoscaler, or KEDA, which also knows schedules."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from components.engines.cron import cron
from components.section import Name, Section, rule
from components.workload.pod import labels

Signal = Literal["queue", "cache"]
"""Requests that wait for their turn; or the share of the cache of keys and values that is in use, from 0 to 1."""
Signals = Mapping[Signal, str]
"""Prometheus metrics by what they tell."""
TARGETS: Mapping[Signal, float] = {"queue": 1, "cache": 0.8}
_HOUR = 3600
_FEWEST_SECONDS = 300
"""Kubernetes' own patience before it takes a replica away."""

_FIELD = r"[0-9A-Za-z*?,/-]+"
Cron = Annotated[
    str,
    StringConstraints(pattern=rf"^{_FIELD}( {_FIELD}){{4}}$", max_length=100),
    rule("five fields of cron: minute, hour, day of the month, month, day of the week", example="0 8 * * 1-5"),
    AfterValidator(cron),
]


class Window(Section):
    """Times at which so many replicas are there at least."""

    from_: Cron
    """When they begin."""
    to: Cron
    """When they end."""
    timezone: Annotated[str, Field(max_length=60, examples=["Europe/Berlin"])]
    """Where the clock hangs, by its name in the IANA database."""
    replicas: Annotated[PositiveInt, Field(le=1000)] = 1
    """At least, in this time."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        # Where this machine has no database at all, KEDA is the first to know.
        if not _zone(name) and _zone("UTC"):
            raise ValueError("is no time zone; write it as in Europe/Berlin")
        return name


class Scaling(Section):
    """How many replicas there may be, and what decides between them."""

    min: Annotated[NonNegativeInt, Field(le=1000)] = 1
    """Fewest replicas; 0 with `by: keda` and a `schedule`."""
    max: Annotated[PositiveInt, Field(le=1000)]
    """Most replicas: GPUs for all of them should be there."""
    by: Literal["hpa", "keda"] = "hpa"
    """A HorizontalPodAutoscaler, whose metrics come from an adapter; or KEDA. `inference:charts` brings both."""
    signal: Signal | None = None
    """What makes more of them: requests that wait, or a cache that is full. Not every engine can tell both."""
    target: Annotated[float, Field(ge=0.001, le=1_000_000)] | None = None
    """What one replica should have of it: requests that wait, 1 when not set; share of the cache, 0.8 when not set."""
    prometheus: (
        Annotated[
            str,
            StringConstraints(pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9.:/_-]*$", max_length=300),
            rule("a URL without a user or password", example="http://prometheus.monitoring:9090"),
        ]
        | None
    ) = None
    """Where KEDA asks for the signal."""
    schedule: tuple[Window, ...] = ()
    """Replicas by the clock, with `by: keda`."""

    @property
    def aim(self) -> float:
        """What one replica should have of the signal."""
        return self.target or (TARGETS[self.signal] if self.signal else 1)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if wrong := [
            *self._wrong_anywhere(),
            *(self._wrong_with_hpa() if self.by == "hpa" else self._wrong_with_keda()),
        ]:
            raise ValueError("; ".join(wrong))
        return self

    def _wrong_anywhere(self) -> Iterator[str]:
        if self.min > self.max:
            yield f"min ({self.min}) is more than max ({self.max})"
        if self.target and not self.signal:
            yield "target is one of a signal: set signal to queue or cache"
        if self.signal == "cache" and self.target and self.target > 1:
            yield f"target ({self.target:g}) is a share of the cache: set it to at most 1"
        for number, window in enumerate(self.schedule):
            if window.from_ == window.to:
                yield f"schedule[{number}] ends when it begins: set from and to"
            if window.replicas > self.max:
                yield f"schedule[{number}] asks for {window.replicas} replicas: raise max ({self.max})"

    def _wrong_with_hpa(self) -> Iterator[str]:
        if not self.signal:
            yield "needs a signal: set it to queue or cache"
        if self.min == 0:
            yield "min is 0, to which an HPA cannot go: set min to 1, or by to keda"
        if self.schedule:
            yield "an HPA knows no schedule: set by to keda"
        if self.prometheus:
            yield "prometheus is asked by KEDA alone: set by to keda, or leave it out"

    def _wrong_with_keda(self) -> Iterator[str]:
        if not self.signal and not self.schedule:
            yield "has nothing to decide by: set signal, schedule or both"
        if self.signal and not self.prometheus:
            yield "KEDA asks Prometheus for the signal: set prometheus to its address"
        if self.min == 0 and not self.schedule:
            yield "min is 0, and without a server nobody counts what waits for it: add a schedule, or set min to 1"


def scaler(
    name: str,
    engine: Name,
    scaling: Scaling,
    signals: Signals,
    *,
    namespace: str,
    startup_seconds: int,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """What changes the engine's replicas from now on. `startup_seconds` is what a replica may take to come.

    It does not wait for the Deployment, which may be waiting for a replica that only the scaler takes away again.
    """
    metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {
        "name": engine,
        "namespace": namespace,
        "labels": labels(engine, "engine"),
    }
    # A replica that took minutes to come is not sent away for a quiet minute.
    patience = min(_HOUR, max(_FEWEST_SECONDS, startup_seconds))
    metric = signals[scaling.signal] if scaling.signal else ""
    if scaling.by == "hpa":
        # Else KEDA's webhook refuses to take over while this one is there, which goes after what is new has come.
        metadata["annotations"] = {"validations.keda.sh/hpa-ownership": "false"}
        spec = _autoscaler(engine, scaling, metric, patience)
        return kubernetes.autoscaling.v2.HorizontalPodAutoscaler(
            f"{name}-scaler", metadata=metadata, spec=spec, opts=opts
        )
    return kubernetes.apiextensions.CustomResource(
        f"{name}-scaler",
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        metadata=metadata,
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": engine},
            "minReplicaCount": scaling.min,
            "maxReplicaCount": scaling.max,
            "cooldownPeriod": patience,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": patience}},
                }
            },
            "triggers": [
                *([_on_signal(engine, namespace, scaling, metric)] if metric else []),
                *map(_on_clock, scaling.schedule),
            ],
        },
        opts=opts,
    )


def _autoscaler(
    engine: Name, scaling: Scaling, metric: str, patience: int
) -> kubernetes.autoscaling.v2.HorizontalPodAutoscalerSpecArgsDict:
    return {
        "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": engine},
        "min_replicas": scaling.min,
        "max_replicas": scaling.max,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": metric},
                    "target": {"type": "AverageValue", "average_value": _milli(scaling.aim)},
                },
            }
        ],
        "behavior": {"scale_down": {"stabilization_window_seconds": patience}},
    }


def _on_signal(engine: Name, namespace: str, scaling: Scaling, metric: str) -> Mapping[str, Any]:
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": scaling.prometheus,
            # Of all replicas together: KEDA divides by how many there are.
            "query": f'sum({metric}{{namespace="{namespace}",pod=~"{engine}-[a-z0-9]+-[a-z0-9]+"}})',
            "threshold": f"{scaling.aim:g}",
        },
    }


def _on_clock(window: Window) -> Mapping[str, Any]:
    return {
        "type": "cron",
        "metadata": {
            "timezone": window.timezone,
            "start": window.from_,
            "end": window.to,
            "desiredReplicas": str(window.replicas),
        },
    }


def _milli(number: float) -> str:
    """A Kubernetes quantity: `_milli(0.8) == "800m"`."""
    return f"{round(number * 1000)}m"


def _zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (OSError, ValueError, LookupError):
        return False
