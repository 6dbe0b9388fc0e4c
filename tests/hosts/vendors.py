"""Repositories of the GPU vendors, with stubs of the same names: they behave as drivers do, without a GPU.

A module that was installed is loaded only by the next boot; until then its tools fail, as the real ones do.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

BOOTED_SINCE = '[ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat /var/lib/stub-boot)" ]'
INSTALLED = """#!/bin/sh
cat /proc/sys/kernel/random/boot_id >/var/lib/stub-boot
ln -sf /usr/lib/stub/modprobe /usr/local/sbin/modprobe
"""
REMOVED = "#!/bin/sh\nrm -f /var/lib/stub-boot /usr/local/sbin/modprobe\n"
PERSISTENCED = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""
_VENDORS = {"cuda": "0x10de", "rocm": "0x1002"}
"""Of a PCI device, by kind of accelerator."""
GPUS = "/var/lib/stub-gpus"
"""On a host: how many GPUs the stub of NVIDIA's driver finds; 1 if not there."""
NVIDIA_SMI = f"""#!/bin/sh
{BOOTED_SINCE} || {{ echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."; exit 9; }}
last=$(($(cat {GPUS} 2>/dev/null || echo 1) - 1))
mig=/run/stub-mig
case "$*" in
*memory.total*) for gpu in $(seq 0 $last); do echo 24564; done ;;
*mig.mode.current*) for gpu in $(seq 0 $last); do [ -e $mig ] && echo Enabled || echo Disabled; done ;;
--multi-instance-gpu=1) : >$mig ;;
--multi-instance-gpu=0) rm -f $mig ;;
"mig --destroy-compute-instance") [ -s $mig ] || exit 6 ;;
"mig --destroy-gpu-instance") : >$mig ;;
"mig --create-gpu-instance"*) echo "$3" | tr , '\n' >$mig ;;
--list-gpus)
    for gpu in $(seq 0 $last); do
        echo "GPU $gpu: Stub (UUID: GPU-$gpu)"
        [ ! -s $mig ] || sed 's/.*/  MIG &     Device  0: (UUID: MIG-0)/' $mig
    done ;;
*) exit 2 ;;
esac
"""
NVIDIA_RUNTIME = """#!/bin/sh
# Tells a container how many GPUs there are, where the real one gives it the driver.
for argument; do
    [ "$last" != --bundle ] || bundle=$argument
    last=$argument
done
list=$(nvidia-smi --list-gpus)
gpus=STAND_IN_GPUS=$(echo "$list" | grep -c '^GPU')
mig=STAND_IN_MIG=$(echo "$list" | grep -c '^ *MIG')
[ -z "$bundle" ] || sed -i "s|\\"env\\":\\[|&\\"$gpus\\",\\"$mig\\",|" "$bundle/config.json"
exec runc "$@"
"""
LOADED_KFD = """[ ! -d /sys/class/kfd ] || exit 0
for class in /sys/class/*; do
    mkdir -p "/run/class/${class##*/}"
    for device in "$class"/*; do ln -sfn "$(readlink -f "$device")" "/run/class/${class##*/}/"; done
done
mkdir -p /run/class/kfd/kfd/topology/nodes/0 /run/class/kfd/kfd/topology/nodes/1
echo simd_count 0 >/run/class/kfd/kfd/topology/nodes/0/properties
echo simd_count 80 >/run/class/kfd/kfd/topology/nodes/1/properties
mount --bind /run/class /sys/class
touch /dev/kfd"""
AT_BOOT = """[Unit]
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/lib/stub/modprobe
[Install]
WantedBy=multi-user.target
"""


def _modprobe(then: str = ":") -> str:
    return f"#!/bin/sh\n{BOOTED_SINCE} || exit 1\n{then}\n"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package: its files by path, and scripts of its maintainer by name."""

    name: str
    version: str
    depends: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    scripts: Mapping[str, str] = field(default_factory=dict[str, str])


def packages(kernel: str) -> Mapping[str, tuple[Package, ...]]:
    """By repository. Dependencies are as the vendors' own, as far as order and holds go."""
    headers = Package(name=f"linux-headers-{kernel}", version="1")
    noted = {"postinst": INSTALLED, "postrm": REMOVED}
    return {
        "nvidia-driver": (
            headers,
            Package(
                name="nvidia-open",
                version="600.10-1",
                depends="nvidia-kernel-open-dkms (= 600.10-1), nvidia-driver-bin (= 600.10-1)",
            ),
            Package(
                name="nvidia-kernel-open-dkms",
                version="600.10-1",
                files={"usr/lib/stub/modprobe": _modprobe()},
                scripts=noted,
            ),
            Package(
                name="nvidia-driver-bin",
                version="600.10-1",
                files={
                    "usr/bin/nvidia-smi": NVIDIA_SMI,
                    "lib/systemd/system/nvidia-persistenced.service": PERSISTENCED,
                },
            ),
        ),
        "nvidia-toolkit": (
            Package(name="nvidia-container-toolkit", version="1.19.0-1"),
            Package(
                name="nvidia-container-toolkit",
                version="1.20.0-1",
                files={"usr/bin/nvidia-container-runtime": NVIDIA_RUNTIME},
            ),
        ),
        "amdgpu": (
            headers,
            Package(
                name="amdgpu-dkms",
                version="1:6.16-1",
                files={
                    "usr/lib/stub/modprobe": _modprobe(LOADED_KFD),
                    "lib/systemd/system/stub-amdgpu.service": AT_BOOT,
                },
                scripts={
                    "postinst": f"{INSTALLED}systemctl enable --quiet stub-amdgpu.service\n",
                    "prerm": "#!/bin/sh\nsystemctl disable --quiet stub-amdgpu.service\n",
                    "postrm": f"{REMOVED}[ ! -d /sys/class/kfd ] || umount /sys/class; rm -f /dev/kfd\n",
                },
            ),
        ),
    }


def publish(mirror: Mirror, kernel: str, directory: Path) -> None:
    """Build all of them, signed with a key of their own."""
    signed(mirror, packages(kernel), directory)


def signed(mirror: Mirror, repositories: Mapping[str, Sequence[Package]], directory: Path) -> str:
    """Flat repositories below `/apt`, signed with a new key, which is returned."""
    home = directory / "gnupg"
    home.mkdir(mode=0o700)
    environment = os.environ | {"GNUPGHOME": str(home)}

    def gpg(*arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--armor", *arguments]
        return subprocess.run(command, input=stdin, env=environment, check=True, capture_output=True).stdout

    gpg("--passphrase", "", "--quick-generate-key", "vendors@stub", "ed25519", "sign", "never")
    key = gpg("--export")
    for name, contents in repositories.items():
        index = "\n".join(_entry(mirror, f"/apt/{name}", _built(package, directory)) for package in contents)
        sums = f"SHA256:\n {sha256(index.encode()).hexdigest()} {len(index)} Packages\n"
        release = f"Date: Sat, 21 Nov 2026 00:00:00 UTC\n{sums}"
        mirror.files[f"/apt/{name}/Packages"] = index.encode()
        mirror.files[f"/apt/{name}/InRelease"] = gpg("--clearsign", stdin=release.encode())
        mirror.files[f"/apt/{name}/key.asc"] = key
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True, capture_output=True)
    return key.decode()


def _entry(mirror: Mirror, place: str, package: Path) -> str:
    content = package.read_bytes()
    mirror.files[f"{place}/{package.name}"] = content
    control = subprocess.run(
        ["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True
    ).stdout.strip()
    return f"{control}\nFilename: ./{package.name}\nSize: {len(content)}\nSHA256: {sha256(content).hexdigest()}\n"


def _built(package: Package, directory: Path) -> Path:
    root = directory / f"{package.name}-{package.version}"
    control = root / "DEBIAN"
    control.mkdir(parents=True, exist_ok=True)
    depends = f"Depends: {package.depends}\n" if package.depends else ""
    (control / "control").write_text(
        f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\nMaintainer: stub <stub@stub>\n"
        f"{depends}Description: stub\n"
    )
    for name, text in {**{f"DEBIAN/{one}": text for one, text in package.scripts.items()}, **package.files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644 if name.endswith(".service") else 0o755)
    target = directory / f"{package.name}_{package.version.replace(':', '')}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(root), str(target)], check=True, capture_output=True
    )
    return target


def plug_in(machine: Machine, kind: str, *, cards: int) -> None:
    """Cards on the PCI bus of a host, until it reboots."""
    for card in range(cards):
        device = f"/run/pci/{card}"
        machine.run(f"mkdir -p {device} && echo {_VENDORS[kind]} >{device}/vendor && echo 0x030000 >{device}/class")
    machine.run("mount --bind /run/pci /sys/bus/pci/devices")
