"""Policy packs: started when the engine has said for which stack, as the official host does it, and then relayed to."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NoReturn, Protocol, cast

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage] # message sizes
from pulumi.runtime.proto import analyzer_pb2, language_pb2

_SERVICE = "/pulumirpc.Analyzer"
_NOTHING = b""
_SECONDS_TO_LEAVE = 5
Call = Callable[[bytes], bytes]


class _Context(Protocol):
    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...


class _Refused(Exception):
    """Why the pack does not run."""


class PolicyPack(grpc.GenericRpcHandler):
    """One pack, and the engine's way to it."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], refusal: Callable[[Mapping[str, str]], str | None]
    ) -> None:
        """`refusal` says why a stack of this configuration is not served."""
        self._command, self._environment, self._refusal = command, environment, refusal
        self._said: queue.Queue[language_pb2.RunPluginResponse | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: grpc.Channel | None = None

    def run(self) -> Iterator[language_pb2.RunPluginResponse]:
        """Serve until `stop`; what the engine is told meanwhile, first of all the port."""
        server = grpc.server(ThreadPoolExecutor(8), handlers=[self], options=_GRPC_CHANNEL_OPTIONS)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield language_pb2.RunPluginResponse(stdout=f"{port}\n".encode())
        while (said := self._said.get()) is not None:
            yield said
        server.stop(None)
        if self._channel:
            self._channel.close()
        yield language_pb2.RunPluginResponse(exitcode=0)

    def stop(self) -> None:
        """End the pack."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_SECONDS_TO_LEAVE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._said.put(None)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Every method, in bytes."""
        method = cast("str", cast("object", handler_call_details.method))

        def answer(request: bytes, context: _Context) -> bytes:
            try:
                return self._answer(method, request)
            except _Refused as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            except grpc.RpcError as error:
                failed = cast("grpc.Call", error)
                context.abort(failed.code(), failed.details() or "")

        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(cast("Any", answer))
        return handler

    def _answer(self, method: str, request: bytes) -> bytes:
        if method == f"{_SERVICE}/Handshake":
            return _NOTHING
        if method == f"{_SERVICE}/ConfigureStack":
            self._start(analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request))
        if not self._channel:
            raise _Refused("The stand-in runs policy packs for a stack only.")
        return cast("Call", self._channel.unary_unary(method))(request)

    def _start(self, stack: analyzer_pb2.AnalyzerStackConfigureRequest) -> None:
        if reason := self._refusal(stack.config):
            raise _Refused(reason)
        about = {
            "PULUMI_ORGANIZATION": stack.organization,
            "PULUMI_PROJECT": stack.project,
            "PULUMI_STACK": stack.stack,
            "PULUMI_DRY_RUN": str(stack.dry_run).lower(),
            "PULUMI_CONFIG": json.dumps(dict(stack.config)),
        }
        environment = {**self._environment, **{name: value for name, value in about.items() if value}}
        directory = self._command[-1]
        pipe = subprocess.PIPE
        # As from the official host: in the pack's own directory, which is then where its imports come from.
        self._process = subprocess.Popen(self._command, cwd=directory, env=environment, stdout=pipe, stderr=pipe)
        stdout, stderr = cast("IO[bytes]", self._process.stdout), cast("IO[bytes]", self._process.stderr)
        port = stdout.readline()
        if not port.strip().isdigit():
            raise _Refused((port + stdout.read() + stderr.read()).decode().strip() or "The policy pack said no port.")
        for stream in (stdout, stderr):
            threading.Thread(target=self._pass_on, args=(stream, stream is stderr), daemon=True).start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(port)}", options=_GRPC_CHANNEL_OPTIONS)

    def _pass_on(self, stream: IO[bytes], is_error: bool) -> None:
        while said := os.read(stream.fileno(), 4096):
            response = language_pb2.RunPluginResponse
            self._said.put(response(stderr=said) if is_error else response(stdout=said))
