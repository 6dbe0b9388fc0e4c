"""A real Kubernetes API server for tests, spoken to through kubectl."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KubectlError(AssertionError):
    """kubectl refused or failed; the text is what it said."""


@dataclass(frozen=True, kw_only=True)
class SimulatedNode:
    """A node that kwok keeps Ready; `gpus` by resource name, for example `{"nvidia.com/gpu": 4}`."""

    name: str
    gpus: Mapping[str, int] = field(default_factory=dict[str, int])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=lambda: {"kwok.x-k8s.io/node": "fake"})

    def manifest(self) -> dict[str, object]:
        """The Node object."""
        capacity = {"cpu": "32", "memory": "256Gi", "pods": "110", **{name: str(n) for name, n in self.gpus.items()}}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": {"kubernetes.io/hostname": self.name, **self.labels},
                "annotations": dict(self.annotations),
            },
            "status": {"capacity": capacity, "allocatable": capacity},
        }


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """A running control plane; the methods act as its administrator."""

    kubeconfig_path: Path
    kubeconfig: str
    """The file's text."""
    kubectl_path: Path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl prints. Raises KubectlError with what it says when it fails."""
        done = subprocess.run(
            [self.kubectl_path, "--kubeconfig", self.kubeconfig_path, "--cache-dir", os.devnull, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, *manifests: Mapping[str, object]) -> None:
        """Server-side apply, with strict field validation."""
        listing = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", stdin=json.dumps(listing))

    def get(self, *arguments: str) -> Any:
        """`kubectl get …` as data."""
        return json.loads(self.kubectl("get", "--output=json", *arguments))

    def await_condition(self, condition: str, *objects: str, seconds: int = 30) -> None:
        """`kubectl wait --for=<condition>`; the condition may be `condition=Ready` or `jsonpath={.status.x}=y`."""
        self.kubectl("wait", f"--for={condition}", f"--timeout={seconds}s", *objects)
