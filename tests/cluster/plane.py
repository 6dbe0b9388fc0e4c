"""A control plane as a person or the Pulumi engine meets it: through its command line."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.api_server import ApiServer

REPOSITORY = Path(__file__).parents[2]
COMPONENTS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller"}


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One control plane, commanded with a home directory of its own that must stay empty."""

    directory: Path
    home: Path
    kubectl_path: Path
    path: str = os.environ["PATH"]

    def command(self, verb: str, *options: str) -> list[str]:
        """The command line of a verb: start, stop or status."""
        return [sys.executable, "-m", "toolchain.control_plane", verb, "--directory", str(self.directory), *options]

    def environment(self) -> dict[str, str]:
        """Enough to find the tools; nothing of this process's own home."""
        cache = os.environ.get("INFERENCE_CACHE") or Path("~/.cache/inference").expanduser()
        return {"PATH": self.path, "HOME": str(self.home), "TMPDIR": str(self.home), "INFERENCE_CACHE": str(cache)}

    def run(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end through pipes, as the Pulumi engine does."""
        return subprocess.run(
            self.command(verb, *options),
            cwd=REPOSITORY,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def popen(self, verb: str) -> subprocess.Popen[bytes]:
        """Run it, to be interrupted."""
        return subprocess.Popen(
            self.command(verb),
            cwd=REPOSITORY,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self, *options: str) -> str:
        """Start it, successfully; its kubeconfig."""
        done = self.run("start", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pids(self) -> dict[str, int | None]:
        """Its processes by component, as `status` knows them."""
        return json.loads(self.run("status", "--json").stdout)["processes"]

    def processes(self) -> list[psutil.Process]:
        """Everything that runs from its directory, known or not."""
        return [
            process
            for process in psutil.process_iter()
            if any(str(self.directory) in argument for argument in _arguments(process)[:1])
        ]

    def kill(self) -> None:
        """What a crash of the machine does."""
        processes = self.processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)

    def api_server(self) -> ApiServer:
        """To speak with it."""
        file = self.directory / "kubeconfig"
        return ApiServer(kubeconfig_path=file, kubeconfig=file.read_text(), kubectl_path=self.kubectl_path)


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
