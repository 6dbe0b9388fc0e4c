"""What the stand-in for the language host promises, beside a real engine (tests/e2e)."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, language_pb2, language_pb2_grpc

from tests.standins.language.__main__ import interpreter, refusal
from tests.standins.serve import Permission

REPOSITORY = Path(__file__).parents[2]
SECONDS = 20


@pytest.fixture
def host() -> Generator["subprocess.Popen[str]"]:
    process = _started("tests")
    with process:
        yield process
        process.kill()


def _started(permission: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.standins.language", "-root=/", "127.0.0.1:1"],
        cwd=REPOSITORY,
        env=os.environ | {"INFERENCE_STANDINS": permission},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _port(host: "subprocess.Popen[str]") -> int:
    assert host.stdout
    return int(host.stdout.readline())


@pytest.mark.parametrize(
    ("permitted", "config", "runs"),
    [
        ("tests", {}, True),
        ("tests", {"inference:target": "eks"}, True),
        ("dev", {"inference:target": "dev"}, True),
        ("dev", {"inference:target": "onprem", "inference:rehearsal": "true"}, True),
        ("dev", {"inference:target": "onprem"}, False),
        ("dev", {"inference:target": "onprem", "inference:rehearsal": "false"}, False),
        ("dev", {"other:target": "dev"}, False),
        ("dev", {}, False),
    ],
)
def test_only_the_dev_target_and_rehearsals_run_outside_of_tests(
    permitted: Permission, config: dict[str, str], runs: bool
) -> None:
    assert (refusal(permitted, config) is None) is runs


def test_a_refusal_names_the_target_and_the_next_step() -> None:
    said = refusal("dev", {"inference:target": "eks"}) or ""
    assert "inference:target is eks" in said
    assert "Install the official plugins: https://" in said
    assert "\n" not in said


def test_the_program_gets_the_virtual_environment_of_its_project(tmp_path: Path) -> None:
    python = tmp_path / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    chosen, variables = interpreter(str(tmp_path), "env")
    assert chosen == str(python)
    assert variables["VIRTUAL_ENV"] == str(tmp_path / "env")
    assert variables["PATH"].split(os.pathsep)[0] == str(python.parent)


def test_a_virtual_environment_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"virtualenv .* env, but there is no {tmp_path}/env/bin/python"):
        interpreter(str(tmp_path), "env")


@pytest.mark.parametrize(("path", "left"), [(f"{REPOSITORY}", None), (f"{REPOSITORY}:/theirs", "/theirs")])
def test_the_program_does_not_see_what_the_launcher_added(
    monkeypatch: pytest.MonkeyPatch, path: str, left: str | None
) -> None:
    monkeypatch.setenv("PYTHONPATH", path)
    _, variables = interpreter("/", None)
    assert variables.get("PYTHONPATH") == left


def test_there_is_nothing_for_the_engine_to_download(host: "subprocess.Popen[str]") -> None:
    with grpc.insecure_channel(f"127.0.0.1:{_port(host)}") as channel:
        stub = cast(Any, language_pb2_grpc.LanguageRuntimeStub(channel))
        assert not stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest()).packages
        assert not stub.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest()).plugins
        assert stub.GetPluginInfo(empty_pb2.Empty()).version
        assert stub.About(language_pb2.AboutRequest()).executable == sys.executable
        assert not stub.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest()).prompts


@pytest.mark.parametrize("how", ["interrupted", "left alone"])
def test_the_host_leaves_quietly_when_it_is_interrupted_and_when_the_engine_is_gone(
    host: "subprocess.Popen[str]", how: str
) -> None:
    _port(host)
    if how == "interrupted":
        host.send_signal(signal.SIGINT)
    elif host.stdin:
        host.stdin.close()
    assert host.wait(SECONDS) == 0
    assert host.stderr
    assert host.stderr.read() == ""


def test_without_permission_it_leaves_with_one_line() -> None:
    process = _started("")
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "INFERENCE_STANDINS is not set" in said


@pytest.mark.parametrize(
    ("kind", "code"), [("resource", grpc.StatusCode.UNIMPLEMENTED), ("analyzer", grpc.StatusCode.FAILED_PRECONDITION)]
)
def test_of_plugins_only_policy_packs_are_run_and_only_where_there_is_a_virtual_environment(
    host: "subprocess.Popen[str]", kind: str, code: grpc.StatusCode, tmp_path: Path
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{_port(host)}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            next(_run_plugin(channel, tmp_path, kind, virtualenv="nowhere"))
        assert cast(grpc.Call, refused.value).code() == code


def test_a_policy_pack_is_refused_for_the_same_stacks_as_a_program(tmp_path: Path) -> None:
    with _started("dev") as process, grpc.insecure_channel(f"127.0.0.1:{_port(process)}") as channel:
        running = _run_plugin(channel, tmp_path, "analyzer")  # until nobody holds it
        with grpc.insecure_channel(f"127.0.0.1:{int(next(running).stdout)}") as pack:
            stub = cast(Any, analyzer_pb2_grpc.AnalyzerStub(pack))
            stub.Handshake(analyzer_pb2.AnalyzerHandshakeRequest())
            with pytest.raises(grpc.RpcError, match="inference:target is eks") as refused:
                stub.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(config={"inference:target": "eks"}))
            assert cast(grpc.Call, refused.value).code() == grpc.StatusCode.FAILED_PRECONDITION
        process.terminate()


def _run_plugin(channel: grpc.Channel, directory: Path, kind: str, **options: str) -> Any:
    info = language_pb2.ProgramInfo(root_directory=str(directory), program_directory=str(directory), entry_point=".")
    info.options.update(options)
    request = language_pb2.RunPluginRequest(kind=kind, info=info, args=["127.0.0.1:1"])
    return cast(Any, language_pb2_grpc.LanguageRuntimeStub(channel)).RunPlugin(request)
