"""The embedded control plane is started, lost, found again and stopped."""

import http.server
import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.api_server import SimulatedNode
from tests.cluster.plane import COMPONENTS, REPOSITORY, Plane
from toolchain.control_plane import generation, lifecycle


def _snapshot(directory: Path) -> set[Path]:
    return set(directory.rglob("*"))


def _names(plane: Plane) -> list[str]:
    return sorted(process.name() for process in plane.processes())


# Starting


def test_two_starts_at_once_make_one_control_plane(plane: Plane) -> None:
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(plane.start) for _ in range(2)]
    assert starts[0].result() == starts[1].result()
    assert _names(plane) == sorted(COMPONENTS)


def test_start_prints_a_kubeconfig_and_nothing_else_and_returns_though_its_processes_live_on(
    running: Plane, tmp_path: Path
) -> None:
    started = running.run("start")
    printed = tmp_path / "printed"
    printed.write_text(started.stdout)
    assert replace(running.api_server(), kubeconfig_path=printed).kubectl("get", "--raw", "/readyz") == "ok"
    assert str(running.directory) not in started.stdout, "it must be of use without the directory's files"
    assert "control plane: was already running at https://127.0.0.1:" in started.stderr


def test_a_second_start_prints_the_same_and_starts_nothing(running: Plane) -> None:
    before = running.pids()
    assert running.start() == running.api_server().kubeconfig
    assert running.pids() == before
    assert _names(running) == sorted(COMPONENTS)


def test_nothing_is_written_outside_its_directory_and_nothing_is_downloaded(running: Plane) -> None:
    assert _snapshot(running.home) == set()
    assert not list(running.directory.rglob("cache")), "kwokctl keeps what it downloads in a folder of this name"


def test_only_its_owner_can_read_the_keys_or_reach_etcd(running: Plane) -> None:
    open_to_others = [
        file
        for file in (running.directory, *running.directory.iterdir())
        if stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert open_to_others == []


def test_it_listens_on_one_port_of_the_loopback_address_and_no_other(running: Plane) -> None:
    listening = {
        connection.laddr
        for process in running.processes()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_its_processes_are_in_sessions_and_process_groups_of_their_own(running: Plane) -> None:
    for process in running.processes():
        assert os.getsid(process.pid) == process.pid
        assert os.getpgid(process.pid) == process.pid


def test_a_start_that_was_killed_at_any_moment_can_be_run_again(fresh: Plane) -> None:
    for seconds in (0.2, 0.7, 1.4, 2.2):
        start = fresh.popen("start")
        time.sleep(seconds)
        start.kill()
        start.wait()
    fresh.start()
    assert _names(fresh) == sorted(COMPONENTS)
    assert fresh.api_server().kubectl("get", "--raw", "/readyz") == "ok"


def test_an_interrupted_start_leaves_nothing_running(fresh: Plane) -> None:
    start = fresh.popen("start")
    while not fresh.processes():
        time.sleep(0.05)
    start.send_signal(signal.SIGINT)
    assert start.wait() == 130
    assert fresh.processes() == []


def test_start_refuses_a_directory_with_other_things_in_it(fresh: Plane) -> None:
    fresh.directory.mkdir(parents=True)
    (fresh.directory / "thesis.tex").touch()
    refused = fresh.run("start")
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert "--directory" in refused.stderr
    assert _snapshot(fresh.directory) == {fresh.directory / "thesis.tex"}


def test_a_component_that_fails_is_named_with_the_end_of_its_log_and_leaves_nothing_running(
    fresh: Plane, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "etcd"
    broken.parent.mkdir()
    broken.write_text("""#!/bin/sh
[ "$1" = --version ] && echo "etcd Version: 3.7.3" && exit
echo "disk on fire"
exit 1
""")
    broken.chmod(0o755)
    failed = replace(fresh, path=f"{broken.parent}:{fresh.path}").run("start")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert re.search(r"etcd failed\. The end of its log, .*/etcd\.log:\n  disk on fire", failed.stderr)
    assert fresh.processes() == []


# Losing it and finding it again


def test_after_a_crash_of_the_machine_start_brings_back_the_same_cluster(running: Plane) -> None:
    kubeconfig = running.start("--session", "7")
    assert generation(running.directory) == "7"
    before = running.api_server()
    before.apply(SimulatedNode(name="old-node").manifest())
    before.kubectl("create", "deployment", "web", "--image=web:1")
    before.await_condition("condition=Available", "deployment/web")
    running.kill()
    for file in running.directory.rglob("*.pid"):
        file.write_text(str(os.getpid()))  # process numbers are used again after a reboot
    status = running.run("status")
    assert status.returncode == 1
    assert all(re.search(rf"^{name} +stopped$", status.stdout, re.MULTILINE) for name in COMPONENTS)
    assert generation(running.directory) == "8"

    assert running.start("--session", "8") == kubeconfig
    assert generation(running.directory) == "8"
    after = running.api_server()
    after.kubectl("set", "image", "deployment/web", "web=web:2")
    after.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert after.kubectl("get", "pods", "--output=jsonpath={.items[*].spec.nodeName}").split()[0] == "old-node"


def test_start_replaces_only_the_component_that_died(running: Plane) -> None:
    before = running.pids()
    scheduler = before["kube-scheduler"]
    assert scheduler is not None
    os.kill(scheduler, signal.SIGKILL)
    running.start()
    after = running.pids()
    assert {name for name in COMPONENTS if before[name] != after[name]} == {"kube-scheduler"}


def test_a_port_that_was_taken_meanwhile_is_named_with_its_holder_and_the_next_step(running: Plane) -> None:
    kubeconfig = running.start()
    running.run("stop", "--keep-data")
    port = int(re.findall(r"https://127\.0\.0\.1:(\d+)", kubeconfig)[0])
    with http.server.HTTPServer(("", port), http.server.BaseHTTPRequestHandler):
        refused = running.run("start")
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr
    assert f"(process {os.getpid()})" in refused.stderr
    assert "Next: end that process and start again" in refused.stderr
    assert running.start() == kubeconfig


def test_status_names_every_component_with_its_process(running: Plane) -> None:
    status = running.run("status")
    assert status.returncode == 0
    assert all(re.search(rf"^{name} +running, process \d+$", status.stdout, re.MULTILINE) for name in COMPONENTS)


def test_a_control_plane_that_was_never_started_is_stopped_and_of_the_first_generation(tmp_path: Path) -> None:
    assert generation(tmp_path / "none") == "1"
    running, _ = lifecycle.status(tmp_path / "none")
    assert not running


# Stopping


def test_stop_ends_every_process_and_removes_everything_and_can_run_twice(running: Plane) -> None:
    (stuck,) = (process for process in running.processes() if process.name() == "kube-scheduler")
    stuck.suspend()  # it cannot react to SIGTERM
    stopped = running.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert running.processes() == []
    assert not running.directory.exists()
    assert running.run("stop").returncode == 0
    assert not running.directory.exists()


def test_stop_of_half_a_start_keeps_only_the_files_that_are_not_its_own(fresh: Plane) -> None:
    start = fresh.popen("start")
    while not fresh.processes():
        time.sleep(0.05)
    start.kill()
    start.wait()
    (fresh.directory / "notes.txt").touch()
    assert fresh.run("stop").returncode == 0
    assert fresh.processes() == []
    assert _snapshot(fresh.directory) == {fresh.directory / "notes.txt"}


@pytest.mark.parametrize("directory", ["/", "/etc", "."])
def test_stop_refuses_a_directory_that_is_not_one_of_ours(directory: str, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    done = subprocess.run(
        [sys.executable, "-m", "toolchain.control_plane", "stop", "--directory", directory],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "not a control plane's directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert _snapshot(tmp_path) == {tmp_path / "precious"}
