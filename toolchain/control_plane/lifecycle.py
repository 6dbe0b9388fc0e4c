"""Starting, stopping and inspecting the embedded control plane."""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from toolchain import bring, catalogue
from toolchain.control_plane import components, processes
from toolchain.control_plane.directory import ControlPlaneError, Directory, directory, say, write
from toolchain.download import Network

PATIENCE = 180.0
"""Seconds that a start may take; on two idle cores it takes 3 to 4."""

_REPAIRS = 3


def start(path: Path, *, session: str | None = None) -> str:
    """Start the control plane in the directory `path` and return its kubeconfig. Safe to run again at any time.

    What runs is left alone; what was stopped, killed or interrupted starts with the data it had; else a new one is
    made. Raises ControlPlaneError, with the end of the failing component's log, and ToolchainError when a binary cannot
    be had.
    """
    plane = directory(path)
    plane.refuse_foreign()
    with plane.alone():
        plane.refuse_foreign()
        was_running = plane.is_running()
        try:
            if not plane.kubeconfig.exists():
                _create(plane)
            elif not was_running:
                _resume(plane)
            _await_ready(plane, quick=was_running)
        except BaseException:  # an interrupt too: what nobody will use shall not run on
            if not was_running:
                _end(plane, grace=1)
            raise
        if not plane.kubeconfig.exists():
            write(plane.kubeconfig, plane.kubeconfig_text())
        if session is not None:
            write(plane.session, session + "\n")
        say(f"{'was already running' if was_running else 'ready'} at https://127.0.0.1:{plane.port}")
        return plane.kubeconfig.read_text()


def stop(path: Path, *, keep_data: bool = False) -> None:
    """End all processes and, unless `keep_data`, remove what is ours in the directory `path`. Safe to run twice."""
    plane = directory(path)
    plane.refuse_foreign()
    if not plane.root.exists():
        say(f"there is none in {plane.root}")
        return
    with plane.alone():
        _end(plane, grace=3)
        if keep_data:
            say(f"stopped; its data is kept in {plane.root}")
            return
        plane.kubeconfig.unlink(missing_ok=True)  # first, so that no start takes the rest for whole
        if plane.home.exists():
            shutil.rmtree(plane.home)
        for file in (plane.session, plane.marker, plane.lock):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # someone else's files stay, and so does their directory
            plane.root.rmdir()
        say("stopped and removed")


def status(path: Path, *, as_json: bool = False) -> tuple[bool, str]:
    """Whether all components run, and a report: a line per component, or JSON."""
    plane = directory(path)
    pids = {process.name: process.pid for process in processes.started_from(plane.cluster / "bin")}
    states = {component: pids.get(component) for component in components.COMPONENTS}
    created = plane.kubeconfig.exists()
    running = created and all(states.values())
    server = f"https://127.0.0.1:{plane.port}" if created else None
    if as_json:
        report = {"running": running, "server": server, "kubeconfig": str(plane.kubeconfig), "processes": states}
        return running, json.dumps(report, indent=2)
    lines = [f"{name:<24}{f'running, process {pid}' if pid else 'stopped'}" for name, pid in states.items()]
    return running, "\n".join([*lines, f"{'address':<24}{server or 'none: it was never started'}"])


def _create(plane: Directory) -> None:
    """A new control plane, in place of one whose creation was never finished."""
    binaries = _binaries()
    _end(plane, grace=1)
    if plane.home.exists():
        shutil.rmtree(plane.home)
    port = processes.free_port()
    plane.mark(port)
    plane.home.mkdir(mode=0o700)
    plane.configuration.parent.mkdir()
    plane.configuration.write_text(components.configuration(binaries, port=port))
    say(f"creating it in {plane.root}, port {port}")
    _kwokctl(plane, binaries, *components.CREATE)


def _resume(plane: Directory) -> None:
    """Start what does not run, with the data, port and certificates that are there."""
    binaries = _binaries()
    processes.end(plane.cluster / "bin", [components.LAUNCHER], grace=0)  # left behind by a start that was killed
    absent = plane.missing()
    if "kube-apiserver" in absent and not processes.is_free(plane.port):
        raise ControlPlaneError(_port_taken(plane))
    for component in absent:
        plane.pid_file(component).unlink(missing_ok=True)  # kwokctl would take any process of that number for its own
        binary = plane.cluster / "bin" / component
        binary.unlink(missing_ok=True)
        binary.symlink_to(binaries[components.COMPONENTS[component]])  # perhaps a newer version than last time
    say(f"starting {', '.join(absent)}")
    _kwokctl(plane, binaries, *components.START)


def _kwokctl(plane: Directory, binaries: Mapping[str, Path], *arguments: str) -> None:
    """Run kwokctl with nothing of the user's home or environment; do not wait for it when what it started has died."""
    folders = dict.fromkeys(str(binary.parent) for binary in binaries.values())
    environment = {
        "PATH": os.pathsep.join([*folders, "/usr/bin", "/bin"]),
        "HOME": str(plane.home),  # and not KWOK_WORKDIR, which ends at the first space
        "TMPDIR": str(plane.home),
        "KUBECACHEDIR": os.devnull,  # kwokctl asks one question through kubectl: nothing to keep
    }
    # By this name a later start or stop finds it, should this process be killed.
    command = [f"{plane.cluster}/bin/{components.LAUNCHER}", "--name", plane.cluster.name, *arguments]
    with plane.log(components.LAUNCHER).open("wb") as log:
        launcher = subprocess.Popen(
            command,
            executable=binaries[components.LAUNCHER],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        while launcher.poll() is None:
            _refuse_dead(plane, [name for name in components.FOUNDATION if plane.pid_file(name).exists()])
            time.sleep(0.1)
    finally:
        launcher.kill()
        launcher.wait()
    if launcher.returncode != 0:
        raise ControlPlaneError(_failure(plane, components.LAUNCHER))


def _await_ready(plane: Directory, *, quick: bool) -> None:
    """Wait until the API server is ready and, unless `quick`, the controllers act on what they see."""
    _until(plane, lambda: _ask(plane, "GET", "/readyz") == 200)
    if quick:
        return
    # After a restart everything is there already; what they bring back shows that they live. Nothing uses this one.
    probe = "/api/v1/namespaces/kube-public/serviceaccounts/default"
    _ask(plane, "DELETE", probe)
    accounts = (probe, "/api/v1/namespaces/default/serviceaccounts/default")
    _until(plane, lambda: all(_ask(plane, "GET", account) == 200 for account in accounts))


def _until(plane: Directory, condition: Callable[[], bool]) -> None:
    """Poll. Controllers that gave up waiting for a slow API server are started again, a few times."""
    give_up = time.monotonic() + PATIENCE
    repairs = 0
    while not condition():
        absent = plane.missing()
        if absent and repairs < _REPAIRS and not set(absent) & set(components.FOUNDATION):
            repairs += 1
            _resume(plane)
        _refuse_dead(plane, components.COMPONENTS)
        if time.monotonic() > give_up:
            raise ControlPlaneError(f"Not ready after {PATIENCE:.0f} s. {_failure(plane, 'kube-apiserver')}")
        time.sleep(0.05)


def _refuse_dead(plane: Directory, expected: Collection[str]) -> None:
    if expected and (dead := [component for component in plane.missing() if component in expected]):
        raise ControlPlaneError(_failure(plane, dead[0]))


def _end(plane: Directory, *, grace: float) -> None:
    for group in components.STOP_ORDER:
        processes.end(plane.cluster / "bin", group, grace=grace)


def _ask(plane: Directory, method: str, path: str) -> int:
    """The API server's status code to its administrator; 0 when it does not answer."""
    pki = plane.cluster / "pki"
    try:
        trust = ssl.create_default_context(cafile=pki / "ca.crt")
        trust.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", plane.port, timeout=5, context=trust)
        with contextlib.closing(connection):
            connection.request(method, path)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def _failure(plane: Directory, component: str) -> str:
    log = plane.log(component)
    lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else ["(there is none)"]
    return "\n  ".join([f"{component} failed. The end of its log, {log}:", *lines])


def _port_taken(plane: Directory) -> str:
    give_up = shlex.join(["python", "-m", "toolchain.control_plane", "stop", "--directory", str(plane.root)])
    return (
        f"Port {plane.port}, which the kubeconfig of {plane.root} names, is taken by "
        f"{processes.port_holder(plane.port)}.\n"
        f"Next: end that process and start again; or, for a new port, give up what this control plane holds: {give_up}"
    )


def _binaries() -> dict[str, Path]:
    brought = bring.ensure(map(catalogue.named, components.BINARIES), Network(), quiet=True)
    return {one.tool.name: one.path.resolve() for one in brought}
