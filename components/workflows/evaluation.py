"""The workflow that evaluates with a judge, as Argo Workflows takes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.storage.object_store import key_environment
from components.workflows.settings import Workflows
from components.workload.pod import USER, labels, tolerations
from components.workload.spec import Placement

NAME = "evaluate"
API = "argoproj.io/v1alpha1"
FILES = "/workflow"
JUDGES = f"{FILES}/judges.json"
KEYS = "judges"
"""The Secret with the key of each judge, by its name."""
LABELS = labels(NAME, "workflow")
_DATASET, _RESULT = "/tmp/dataset.jsonl", "/tmp/result.json"
_JUDGE = "{{workflow.parameters.judge}}"
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, kw_only=True)
class Judge:
    """An engine that evaluations may turn on and ask."""

    name: str
    namespace: str
    url: str
    """Base URL of its OpenAI API."""
    port: int
    seconds: int
    """How long its first replica may take, with a node that comes up for it."""
    key: pulumi.Output[str] | None = None


def judges_file(judges: Sequence[Judge]) -> str:
    """What the scripts read: JSON by judge."""
    told = {one.name: {"namespace": one.namespace, "url": one.url, "seconds": one.seconds} for one in judges}
    return json.dumps(told, indent=1)


def evaluation(
    settings: Workflows, judges: Sequence[Judge], *, account: str, config_map: str, image: str, placement: Placement
) -> Mapping[str, Any]:
    """The spec of the WorkflowTemplate: on, ask, and off, which is done however the rest ends."""
    names = [one.name for one in judges]
    return {
        "entrypoint": NAME,
        "onExit": "off",
        "serviceAccountName": account,
        "activeDeadlineSeconds": settings.hours * _HOUR,
        "ttlStrategy": {"secondsAfterCompletion": settings.kept_days * _DAY},
        "podGC": {"strategy": "OnPodSuccess"},
        # A second one with the same judge waits: else the first would turn it off under the second's hands.
        "synchronization": {"mutexes": [{"name": f"judge-{_JUDGE}"}]},
        "podMetadata": {"labels": LABELS},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": dict(placement.node_selector),
        "tolerations": tolerations(placement),
        "arguments": {
            "parameters": [
                {"name": "judge", "value": names[0], "enum": names, "description": "the engine that judges"},
                {"name": "dataset", "value": settings.dataset, "description": f"below {settings.prefix}/"},
            ]
        },
        "volumes": [{"name": "files", "configMap": {"name": config_map}}, {"name": "scratch", "emptyDir": {}}],
        "templates": [
            {"name": NAME, "steps": [[{"name": "on", "template": "on"}], [{"name": "ask", "template": "ask"}]]},
            _scaling("on", image, 1),
            _scaling("off", image, 0),
            {
                "name": "ask",
                "inputs": {
                    "artifacts": [
                        {
                            "name": "dataset",
                            "path": _DATASET,
                            "s3": {"key": f"{settings.prefix}/{{{{workflow.parameters.dataset}}}}"},
                        }
                    ]
                },
                "outputs": {
                    "artifacts": [
                        {
                            "name": "result",
                            "path": _RESULT,
                            "archive": {"none": {}},
                            "s3": {"key": f"{settings.prefix}/results/{{{{workflow.name}}}}/result.json"},
                        }
                    ]
                },
                "container": {
                    **_container(image, "ask.py", JUDGES, _JUDGE, _DATASET, _RESULT, str(settings.parallel)),
                    "env": [{"name": "JUDGE_KEY", "valueFrom": {"secretKeyRef": _key()}}],
                },
            },
        ],
    }


def artefacts(
    bucket: str, region: str, endpoint: str | None, *, prefix: str, key: str | None, authority: Mapping[str, str] | None
) -> str:
    """A repository as Argo Workflows reads it. `key` is the Secret with the store's; pods have a role where None."""
    host = endpoint.split("://", 1)[1] if endpoint else f"s3.{region}.amazonaws.com"
    names = list(key_environment(key).values()) if key else []
    shown = {
        what: {"name": one.secret, "key": one.key}
        for what, one in zip(("accessKeySecret", "secretKeySecret"), names, strict=False)
    }
    s3 = {
        "bucket": bucket,
        "region": region,
        "endpoint": host,
        "insecure": bool(endpoint and endpoint.startswith("http:")),
        "keyFormat": f"{prefix}/runs/{{{{workflow.name}}}}/{{{{pod.name}}}}",
        **({"caSecret": authority} if authority else {}),
        **(shown or {"useSDKCreds": True}),
    }
    return json.dumps({"archiveLogs": True, "s3": s3}, indent=1)


def _scaling(name: str, image: str, replicas: int) -> Mapping[str, Any]:
    return {
        "name": name,
        # Where its pod is lost: the script itself is patient with an API server that is away.
        "retryStrategy": {"limit": "5", "retryPolicy": "OnError", "backoff": {"duration": "10s"}},
        "container": _container(image, "scale.py", JUDGES, _JUDGE, str(replicas)),
    }


def _key() -> Mapping[str, Any]:
    """Of the judge; optional, for not every engine asks for one."""
    return {"name": KEYS, "key": _JUDGE, "optional": True}


def _container(image: str, script: str, *arguments: str) -> dict[str, Any]:
    return {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", f"{FILES}/{script}"],
        "args": list(arguments),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "files", "mountPath": FILES, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
