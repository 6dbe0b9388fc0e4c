"""What the hosts of tests need on this machine, and which packages of Debian have it."""

import os
import shutil

HOSTS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "dpkg-deb": "dpkg",
    "gpg": "gnupg",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
LLAMA_CPP = {"g++": "g++", "cmake": "cmake"}


def missing_for_hosts() -> str | None:
    """Why no hosts can be made here, with the next step; None if they can."""
    if os.geteuid() != 0:
        return "hosts are made by root only; run: sudo make test"
    return _missing(HOSTS)


def missing_for_llama_cpp() -> str | None:
    """Why llama.cpp cannot be built here, with the next step; None if it can."""
    return _missing(LLAMA_CPP)


def _missing(programs: dict[str, str]) -> str | None:
    lacking = [program for program in programs if not shutil.which(program)]
    if not lacking:
        return None
    return f"no {', '.join(lacking)}; get them with: apt-get install {' '.join(programs[one] for one in lacking)}"
