"""Releases of the k3s stand-in, as a mirror serves them."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from tests.hosts import images, layers
from tests.hosts.mirror import Mirror
from toolchain import bring, catalogue
from toolchain.download import Network

SOURCE = Path(__file__).parents[1] / "standins" / "k3s"
FIRST, NEXT = "v1.36.1+k3s1", "v1.36.2+k3s1"
PAUSE = "rancher/mirrored-pause:3.6"
COREDNS = "rancher/mirrored-coredns-coredns:1.15.0"
WEB = "test/web:1"
"""Answers on port 8080 with the name of its pod."""


COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kube-proxy",
)
"""What the stand-in runs."""


def components(directory: Path) -> Path:
    """The real parts of Kubernetes, in one directory; raises `ToolchainError`."""
    directory.mkdir(exist_ok=True)
    for one in bring.ensure(map(catalogue.named, COMPONENTS), Network(), quiet=True):
        shutil.copy(one.path.resolve(), directory / one.tool.name)
    return directory


def built(version: str, directory: Path, go: Path) -> Path:
    """The program, of this version."""
    return compiled(SOURCE, directory / f"k3s-{version}", go, flags=f"-X main.version={version}")


def compiled(source: Path, program: Path, go: Path, *, flags: str = "") -> Path:
    """One static program from the module in `source`."""
    subprocess.run(
        [go, "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(program), "."],
        cwd=source,
        env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"},
        check=True,
        capture_output=True,
    )
    return program


def add_images(mirror: Mirror, program: Path, directory: Path, go: Path) -> None:
    """What every cluster pulls, and what tests run in it."""
    stand_in = layers.programs(directory / "k3s.tar", {"k3s": program})
    mirror.add_image(PAUSE, stand_in, entrypoint=["/k3s", "pause"])
    mirror.add_image(WEB, stand_in, entrypoint=["/k3s", "web"])
    mirror.add_image(COREDNS, images.coredns(go), entrypoint=["/coredns"])


def web(*, unsatisfiable: str) -> str:
    """A Deployment of two such pods, spread over nodes, or what is to be done where that cannot be."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: default}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: {unsatisfiable}
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: web
        image: docker.io/{WEB}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{sleep: {{seconds: 3}}}}}} # as all pods of the stack: until every proxy has forgotten it
"""


def release(mirror: Mirror, version: str, program: Path) -> None:
    """Publish it, with its installer and checksums."""
    installer = (SOURCE / "install.sh").read_bytes()
    sums = f"{sha256(program.read_bytes()).hexdigest()}  k3s\n{sha256(installer).hexdigest()}  install.sh\n"
    mirror.files[f"/k3s/{version}/k3s"] = program
    mirror.files[f"/k3s/{version}/install.sh"] = installer
    mirror.files[f"/k3s/{version}/sha256sum-amd64.txt"] = sums.encode()
