"""A Debian host of its own: systemd as process 1, its own network, its own control groups; reached over SSH."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS_TO_BOOT, _SECONDS_TO_STOP = 60, 40
_SUPERVISE = """
for group in $GROUPS_OF_HOST; do echo $$ >"$group/cgroup.procs"; done
while :; do
    "$@"
    [ $? = 133 ] || exit
    while [ -e "/sys/class/net/$INTERFACE" ]; do sleep 0.1; done
done
"""
"""In control groups of its own, and again after a reboot, of which systemd-nspawn tells by its exit code."""


@dataclass
class Machine:
    """One host. `name` is unique on this machine and short, since its network interface is named after it."""

    name: str
    hostname: str
    address: str
    bridge: str
    gateway: str
    root: Path
    host_key: str
    private_key: Path
    binds: tuple[str, ...] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def boot(self) -> None:
        """Start it, and wait until sshd greets."""
        groups = list(self._control_groups())
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                above = group.parent / name
                if above.exists() and (group / name).exists() and not (group / name).read_text().strip():
                    (group / name).write_text(above.read_text())
        command = [
            "systemd-nspawn",
            "--register=no",
            "--keep-unit",
            "--quiet",
            f"--machine={self.name}",
            f"--hostname={self.hostname}",
            f"--directory={self.root}",
            "--boot",
            f"--network-bridge={self.bridge}",
            "--system-call-filter=keyctl",
            "--bind=/dev/null:/dev/kmsg",
            *self.binds,
        ]
        with (self.root.parent / f"{self.name}.console").open("ab") as console:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SUPERVISE, "sh", *command],
                env=os.environ | {"GROUPS_OF_HOST": " ".join(map(str, groups)), "INTERFACE": f"vb-{self.name}"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.await_ssh()

    def await_ssh(self) -> None:
        """Until sshd greets; raises `TimeoutError` with the end of the console."""
        give_up = time.monotonic() + _SECONDS_TO_BOOT
        while time.monotonic() < give_up:
            if self._process and self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1) as stream:
                if stream.recv(4) == b"SSH-":
                    return
            time.sleep(0.1)
        console = (self.root.parent / f"{self.name}.console").read_text(errors="replace")
        raise TimeoutError(f"{self.name} did not come up:\n{console[-2000:]}")

    @property
    def init(self) -> int:
        """Process 1 of the host, as seen from here."""
        assert self._process
        return _child(_child(self._process.pid))

    def run(self, command: str, *, stdin: str = "", check: bool = True) -> str:
        """What a root shell on the host prints; not over SSH, so that a broken sshd can be looked at too."""
        arguments = ["nsenter", f"--target={self.init}", "--all", "--", "/bin/bash", "-c", command]
        done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, check=False, env=_CLEAN, cwd="/")
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def over_ssh(self, command: str, *, user: str = "ops", key: Path | None = None, check: bool = True) -> str:
        """What a user's shell prints, errors too."""
        known = self.root.parent / f"{self.name}.known"
        known.write_text(f"{self.address} {self.host_key}\n")
        options = [f"-oUserKnownHostsFile={known}", "-oBatchMode=yes", "-oIdentitiesOnly=yes", "-oLogLevel=ERROR"]
        ssh = ["ssh", "-F/dev/null", *options, f"-i{key or self.private_key}", f"{user}@{self.address}", command]
        done = subprocess.run(ssh, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {user}: {command}\n{done.stdout}")
        return done.stdout.strip()

    def stop(self) -> None:
        """Power off, by force in the end; waits until network interface and control groups are gone."""
        if self._process is None:
            return
        os.kill(_child(self._process.pid), signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_STOP)
        self.kill()

    def kill(self) -> None:
        """As if its power failed."""
        if self._process is None:
            return
        if self._process.poll() is None:
            init = self.init
            self._process.kill()
            os.kill(init, signal.SIGKILL)  # and with it all of its processes
            self._process.wait()
        self._process = None
        give_up = time.monotonic() + _SECONDS_TO_STOP
        while Path(f"/sys/class/net/vb-{self.name}").exists() or not self._forget_control_groups():
            if time.monotonic() > give_up:
                raise TimeoutError(f"{self.name} left processes or its interface behind")
            time.sleep(0.2)

    def remove(self) -> None:
        """As if it had never been: hosts of half a gigabyte are not kept until all tests have ended."""
        self.kill()
        shutil.rmtree(self.root)

    def _control_groups(self) -> Iterator[Path]:
        """One per hierarchy, or hosts would share the kubelet's and delete each other's pods."""
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers:
                mounted = Path("/sys/fs/cgroup") / controllers.removeprefix("name=")
            else:
                unified = Path("/sys/fs/cgroup/unified")
                mounted = unified if unified.exists() else Path("/sys/fs/cgroup")
            if mounted.exists():
                yield mounted / path.lstrip("/") / f"inference-{self.name}"

    def _forget_control_groups(self) -> bool:
        for group in self._control_groups():
            for path, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(path).rmdir()
        return not any(group.exists() for group in self._control_groups())


def _child(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


_CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, kw_only=True)
class Site:
    """A bridge of its own, and the hosts on it."""

    directory: Path
    image: Path
    bridge: str
    network: str
    """First three numbers of its addresses."""

    @property
    def gateway(self) -> str:
        """This machine's address there."""
        return f"{self.network}.1"

    def machine(self, name: str, *binds: str) -> Machine:
        """A fresh host of this name, not yet booted; each has an address of its own."""
        number = 2 + len(list(self.directory.glob("*.host.key")))
        root = self.directory / f"{name}-{number}"
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.image), str(root)], check=True)
        machine = Machine(
            name=f"{self.bridge[-4:]}-{number}",
            hostname=name,
            address=f"{self.network}.{number}",
            bridge=self.bridge,
            gateway=self.gateway,
            root=root,
            host_key="",
            private_key=self._key("user"),
            binds=binds,
        )
        (root / "etc/systemd/network/10-host0.network").write_text(
            f"[Match]\nName=host0\n[Network]\nAddress={machine.address}/24\nGateway={self.gateway}\n"
            "LinkLocalAddressing=no\n"
        )
        names = f"127.0.0.1 localhost\n{machine.address} {name}\n{self.gateway} deb.debian.org\n"
        (root / "etc/hosts").write_text(names)
        (root / "etc/hostname").write_text(f"{name}\n")
        (root / "etc/resolv.conf").write_text(f"nameserver {self.gateway}\n")
        key = self._key(f"{number}.host")
        shutil.copy(key, root / "etc/ssh/ssh_host_ed25519_key")
        shutil.copy(_public(key), root / "etc/ssh/ssh_host_ed25519_key.pub")
        machine.host_key = " ".join(_public(key).read_text().split()[:2])
        authorized = root / "home/ops/.ssh/authorized_keys"
        authorized.parent.mkdir(mode=0o700)
        authorized.write_text(_public(machine.private_key).read_text())
        owner = (root / "home/ops").stat()
        for path in (authorized.parent, authorized):
            os.chown(path, owner.st_uid, owner.st_gid)
        authorized.chmod(0o600)
        return machine

    def _key(self, name: str) -> Path:
        path = self.directory / f"{name}.key"
        if not path.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
            subprocess.run(command, check=True)
            path.with_suffix(".key.pub").rename(_public(path))
        return path


@contextlib.contextmanager
def site(directory: Path, image: Path) -> Generator[Site]:
    """A bridge that nothing else uses; gone in the end."""
    used = subprocess.run(["ip", "-brief", "address"], capture_output=True, text=True, check=True).stdout
    free = (n for n in range(10, 250) if f"10.213.{n}." not in used and f"-f{n:03}" not in used)
    third = next(n for n in free if _is_made(f"inf{n:03}"))
    made = Site(directory=directory, image=image, bridge=f"inf{third:03}", network=f"10.213.{third}")
    try:
        _ip("address", "add", f"{made.gateway}/24", "dev", made.bridge)
        _ip("link", "set", made.bridge, "up")
        yield made
    finally:
        _ip("link", "delete", made.bridge)


def _is_made(bridge: str) -> bool:
    """False where another run was quicker."""
    try:
        _ip("link", "add", bridge, "type", "bridge")
    except subprocess.CalledProcessError:
        return False
    return True


def _public(key: Path) -> Path:
    return key.with_suffix(".pub")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
