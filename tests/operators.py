"""Real operators for tests, as processes beside the control plane."""

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api_server import ApiServer
from toolchain import bring, build, catalogue, golang
from toolchain.download import Network
from toolchain.problems import Unavailable
from toolchain.tool import this_platform


def definitions(family: str, module: str, folder: str) -> Iterator[Path]:
    """Files with an operator's CustomResourceDefinitions, as its own pinned Go module has them. Raises Unavailable."""
    done = subprocess.run(
        [golang.find(this_platform()), "mod", "download", "-json", module],
        cwd=build.MODULES / family,
        env={**os.environ, "GOWORK": "off", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(done.stderr or done.stdout)
    yield from sorted(Path(json.loads(done.stdout)["Dir"], folder).glob("*.yaml"))


@contextmanager
def kuberay(api_server: ApiServer, log: Path, *options: str) -> Generator[None]:
    """KubeRay's operator with its definitions, until the block ends. Raises as `bring.ensure`, or Unavailable."""
    (operator,) = bring.ensure([catalogue.named("ray-operator")], Network(), quiet=True)
    files = list(definitions("kuberay", "github.com/ray-project/kuberay/ray-operator", "config/crd/bases"))
    names = [f"--filename={file}" for file in files]
    api_server.kubectl("apply", "--server-side", *names)
    api_server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    # No ports: other runs on this machine would want the same.
    command = [operator.path, "--enable-leader-election=false", "--metrics-addr=0", "--health-probe-bind-address=0"]
    environment = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig_path)}
    with log.open("w") as output:
        process = subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
        api_server.kubectl("delete", "--wait", "--timeout=60s", *names)
