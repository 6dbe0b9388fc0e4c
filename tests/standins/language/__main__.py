"""`python -m tests.standins.language ENGINE_ADDRESS`: the host that the engine talks to.

Every run of the program gets a fresh interpreter, as from the official host: modules that keep state would otherwise
carry it from the preview into the update. That costs 0.25 s a run with `pulumi` and 0.5 s with `pulumi_kubernetes`.
"""
# ruff: noqa: ARG002 (the protocol says which arguments there are)

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Protocol, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage] # message sizes
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2, language_pb2_grpc, plugin_pb2

from tests.standins import wire
from tests.standins.language.program import EXPLAINED, Request
from tests.standins.serve import Permission, inherited_environment, permission, stay_while_needed

_PROGRAM = str(Path(__file__).with_name("program.py"))
_SECONDS_TO_LEAVE = 5


class _Context(Protocol):
    def add_callback(self, callback: Callable[[], None]) -> bool: ...


def refusal(permitted: Permission, config: Mapping[str, str]) -> str | None:
    """Why a program with this configuration is not run on stand-ins; None when it is."""
    target = config.get("inference:target")
    pretended = "true" in (config.get("inference:rehearsal"), config.get("inference:rendering"))
    if permitted == "tests" or target == "dev" or pretended:
        return None
    return (
        f"Stand-ins serve the dev target and rehearsals only, and inference:target is {target or 'not set'}. "
        "Install the official plugins: https://www.pulumi.com/docs/install/. Nothing was changed."
    )


def interpreter(root: str, virtualenv: str | None) -> tuple[str, Mapping[str, str]]:
    """The Python to run the program with, and its environment; raises `FileNotFoundError`.

    `virtualenv` is the runtime option in Pulumi.yaml, relative to that file; without it, this very interpreter.
    """
    variables = dict(inherited_environment())
    if virtualenv is None:
        return sys.executable, variables
    folder = Path(root, virtualenv).absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(
            f"The virtualenv option in Pulumi.yaml is {virtualenv}, but there is no {python}. Make one with: make up"
        )
    variables.pop("PYTHONHOME", None)
    path = f"{python.parent}{os.pathsep}{variables.get('PATH', '')}"
    return str(python), {**variables, "VIRTUAL_ENV": str(folder), "PATH": path}


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs programs, and has nothing to install: what the program needs is there already."""

    def __init__(self, permitted: Permission, engine_address: str) -> None:
        self._permitted: Permission = permitted
        self._engine_address = engine_address
        self._running: set[subprocess.Popen[bytes]] = set()

    def Run(self, request: language_pb2.RunRequest, context: _Context) -> language_pb2.RunResponse:
        if reason := refusal(self._permitted, request.config):
            self._show_error(reason)
            return language_pb2.RunResponse(bail=True)
        options = wire.plain(wire.received(request.info.options))
        try:
            python, variables = interpreter(request.info.root_directory, cast("str | None", options.get("virtualenv")))
        except FileNotFoundError as error:
            self._show_error(str(error))
            return language_pb2.RunResponse(bail=True)
        order = json.dumps(_request(request, self._engine_address)).encode()
        # Configuration goes in through a pipe: an environment variable holds 128 KiB, and everybody's children see it.
        process = subprocess.Popen([python, "-P", _PROGRAM], stdin=subprocess.PIPE, env=variables)
        self._running.add(process)
        context.add_callback(lambda: _end(process))
        process.communicate(order)
        self._running.discard(process)
        return _response(process.returncode)

    def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        self.stop()
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: _Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPlugins(
        self, request: language_pb2.GetRequiredPluginsRequest, context: _Context
    ) -> language_pb2.GetRequiredPluginsResponse:
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: _Context
    ) -> language_pb2.GetRequiredPackagesResponse:
        return language_pb2.GetRequiredPackagesResponse()

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: _Context
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        yield language_pb2.InstallDependenciesResponse(stdout=b"Nothing to install: make sees to dependencies.\n")

    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: _Context
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: language_pb2.AboutRequest, context: _Context) -> language_pb2.AboutResponse:
        return language_pb2.AboutResponse(
            executable=sys.executable,
            version=".".join(map(str, sys.version_info[:3])),
            metadata={"host": "stand-in for the dev stack and tests"},
        )

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: _Context
    ) -> language_pb2.GetProgramDependenciesResponse:
        installed = {_normal(package.name): package for package in metadata.distributions()}
        required = {_normal(line) for package in installed.values() for line in package.requires or ()}
        wanted = installed.keys() if request.transitiveDependencies else installed.keys() - required
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=k, version=installed[k].version) for k in sorted(wanted)]
        )

    def stop(self) -> None:
        """End what is running; returns when it is gone."""
        for process in self._running.copy():
            _end(process)

    def _show_error(self, text: str) -> None:
        with grpc.insecure_channel(self._engine_address) as channel, contextlib.suppress(grpc.RpcError):
            log = cast("Callable[[engine_pb2.LogRequest], object]", engine_pb2_grpc.EngineStub(channel).Log)
            log(engine_pb2.LogRequest(severity=engine_pb2.ERROR, message=text))


def _normal(requirement: str) -> str:
    """The name of a package, in the one form that package indexes know it by."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()


def _request(request: language_pb2.RunRequest, engine_address: str) -> Request:
    return Request(
        monitor=request.monitor_address,
        engine=engine_address,
        project=request.project,
        organization=request.organization or "organization",
        stack=request.stack,
        root=request.info.root_directory,
        directory=request.pwd,
        program=request.info.entry_point,
        arguments=list(request.args),
        parallel=request.parallel,
        preview=request.dryRun,
        config=dict(request.config),
        secret_keys=list(request.configSecretKeys),
    )


def _response(status: int) -> language_pb2.RunResponse:
    if status == 0:
        return language_pb2.RunResponse()
    if status == EXPLAINED:
        return language_pb2.RunResponse(bail=True)
    return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {max(status, -1)}")


def main() -> None:
    """Serve the engine whose address is the last argument, until it is gone."""
    if set(sys.argv) & {"-version", "--version"}:
        print(f"v{metadata.version('pulumi')}")
        return
    host = Host(permission("Pulumi's Python language host"), sys.argv[-1])
    server = grpc.server(ThreadPoolExecutor(8), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stay_while_needed(port, host.stop)


if __name__ == "__main__":
    main()
