"""The file system that test hosts are copies of: a small Debian 12 with systemd, sshd and apt."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from toolchain import places

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "cron",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "logrotate",
    "nftables",
    "openssh-server",
    "pciutils",
    "procps",
    "python3",
    "runc",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""What an installed Debian has and debootstrap's smallest variant lacks, and what the stand-in for k3s runs."""
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")


def cache() -> Path:
    """Where file systems and packages are kept, for other runs of the same user."""
    return places.cache() / "hosts"


def image() -> Path:
    """The file system, made on first use, in about a minute."""
    known_by = sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    made = cache() / f"{SUITE}-{known_by}"
    if not made.exists():
        unfinished = made.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        include = f"--include={','.join(PACKAGES)}"
        command = ["debootstrap", "--variant=minbase", include, SUITE, str(unfinished), MIRROR]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        _prepare(unfinished)
        unfinished.rename(made)
    return made


def _prepare(root: Path) -> None:
    """What the installer would have done, and nothing more: a user `ops` with sudo, DHCP replaced by our network."""
    (root / "etc/machine-id").write_text("")
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for command in (
        "useradd --create-home --shell /bin/bash ops",
        "systemctl enable systemd-networkd ssh",
        "systemctl disable containerd",
        "systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer",
        "apt-get clean",
    ):
        subprocess.run(["chroot", str(root), *command.split()], check=True, capture_output=True)
    (root / "etc/sudoers.d/ops").write_text("ops ALL=(ALL) NOPASSWD: ALL\n")
    (root / "etc/sudoers.d/ops").chmod(0o440)
