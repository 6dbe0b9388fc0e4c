"""Images of what a cluster and an engine run: built from published sources and packages, under the names we pin."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.hosts.image import MIRROR, SUITE
from tests.hosts.layers import Layer, kept

_HERE = Path(__file__).parent
_COREDNS = _HERE.parent / "standins" / "coredns"
_LLAMA_CPP_LOCK = _HERE / "llama-cpp-python.lock"
_LITELLM_LOCK = _HERE / "litellm.lock"
_MLSERVER_LOCK = _HERE.parent / "engines" / "mlserver.lock"
_LLAMA_CPP_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=None",  # -O1 alone: twice as quick to build, and the model is tiny
    "-DCMAKE_C_FLAGS=-O1",
    "-DCMAKE_CXX_FLAGS=-O1",
    "-DCMAKE_EXE_LINKER_FLAGS=-static -s",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_OPENMP=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)
_LITELLM_LEAVES_OUT = (
    "_polars_runtime_32",  # a third of it all, for reports of costs
)
_DEBIAN_LEAVES_OUT = ("dev", "proc", "sys", "var/cache", "var/lib/apt", "var/log", "usr/share/doc", "usr/share/locale")


def coredns(go: Path) -> Layer:
    """CoreDNS as `/coredns`."""

    def fill(root: Path) -> None:
        environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
        command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", root / "coredns", "."]
        _run(command, _COREDNS, **environment)

    return kept("coredns", "".join((_COREDNS / name).read_text() for name in ("go.mod", "go.sum", "main.go")), fill)


def llama_server() -> Layer:
    """llama.cpp's server as `/app/llama-server`, where its own image has it. Takes minutes the first time."""

    def fill(root: Path) -> None:
        with tempfile.TemporaryDirectory() as directory:
            source = _llama_cpp_source(Path(directory))
            build = Path(directory, "build")
            _run(["cmake", "-S", source, "-B", build, *_LLAMA_CPP_OPTIONS])
            _run(["cmake", "--build", build, "--target", "llama-server", "--parallel", str(os.cpu_count() or 1)])
            (root / "app").mkdir()
            shutil.copy(build / "bin/llama-server", root / "app")

    return kept("llama-server", _LLAMA_CPP_LOCK.read_text() + "\n".join(_LLAMA_CPP_OPTIONS), fill)


def shell() -> Layer:
    """Debian with curl: what llama.cpp's own images have below the server."""

    def fill(root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", "--include=curl", SUITE, root, MIRROR])
        for path in _DEBIAN_LEAVES_OUT:
            shutil.rmtree(root / path)

    return kept("shell", "\n".join(_DEBIAN_LEAVES_OUT), fill)


def _llama_cpp_source(directory: Path) -> Path:
    """What llama-cpp-python carries of it."""
    exactly = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *exactly]
    _run([*download, "--requirement", _LLAMA_CPP_LOCK, "--dest", directory])
    (archive,) = directory.glob("llama_cpp_python-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz") / "vendor/llama.cpp"


def litellm() -> Layer:
    """LiteLLM and boto3 on Debian's own Python, as `litellm` and `python` on the PATH."""
    return _python_program("litellm", _LITELLM_LOCK, "from litellm import run_server as main", _LITELLM_LEAVES_OUT)


def mlserver() -> Layer:
    """MLServer with scikit-learn, as `mlserver` on the PATH."""
    return _python_program("mlserver", _MLSERVER_LOCK, "from mlserver.cli import main")


def _python_program(name: str, lock: Path, main: str, leaves_out: Sequence[str] = ()) -> Layer:
    """Packages on Debian's own Python, and one command: what `main` imports under this name."""
    program = f'#!/usr/bin/python3\n{main}\n\nif __name__ == "__main__":\n    main()\n'

    def fill(root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", "--include=python3", SUITE, root, MIRROR])
        for path in _DEBIAN_LEAVES_OUT:
            shutil.rmtree(root / path)
        packages = root / "usr/lib/python3/dist-packages"
        of_debian = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", *of_debian]
        _run([*install, "--requirement", lock, "--target", packages])
        for path in leaves_out:
            shutil.rmtree(packages / path)
        (root / "usr/bin/python").symlink_to("python3")
        command = root / "usr/bin" / name
        command.write_text(program)
        command.chmod(0o755)

    return kept(name, "\n".join((lock.read_text(), program, *leaves_out, *_DEBIAN_LEAVES_OUT)), fill)


def argocd(program: Path, scripts: Path) -> Layer:
    """Argo CD under all its names, and what its own image has beside it: git, gpg, ssh, tini, and the user argocd.

    `scripts` is the folder `hack` of its source.
    """
    packages = "ca-certificates,git,gpg,gpg-agent,openssh-client,tini"
    folders = ("app/config/gpg/keys", "app/config/gpg/source", "app/config/ssh", "app/config/tls", "home/argocd")
    wrappers = ("git-verify-wrapper.sh", "gpg-wrapper.sh")

    def fill(root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, root, MIRROR])
        for path in _DEBIAN_LEAVES_OUT:
            shutil.rmtree(root / path)
        _run(["chroot", root, "useradd", "--system", "--uid=999", "--user-group", "argocd"])
        for folder in folders:
            (root / folder).mkdir(parents=True)
        (root / "etc/ssh/ssh_known_hosts").symlink_to("/app/config/ssh/ssh_known_hosts")
        here = root / "usr/local/bin"
        shutil.copy(program, here / "argocd")
        for part in ("application-controller", "applicationset-controller", "notifications", "repo-server", "server"):
            (here / f"argocd-{part}").symlink_to("argocd")
        for script in wrappers:
            shutil.copy(scripts / script, here)
            (here / script).chmod(0o755)

    return kept("argocd", "\n".join((str(program), packages, *folders, *wrappers, *_DEBIAN_LEAVES_OUT)), fill)


def redis() -> Layer:
    """Debian's Redis."""

    def fill(root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", "--include=redis-server", SUITE, root, MIRROR])
        for path in _DEBIAN_LEAVES_OUT:
            shutil.rmtree(root / path)

    return kept("redis", "\n".join(_DEBIAN_LEAVES_OUT), fill)


def minio(server: Path, client: Path) -> Layer:
    """MinIO and `mc` on a shell and coreutils, and without what MinIO's own image lacks."""

    def fill(root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", SUITE, root, MIRROR])
        for path in _DEBIAN_LEAVES_OUT:
            shutil.rmtree(root / path)
        for program in ("grep", "sed", "mawk", "awk", "find", "perl"):
            (root / "usr/bin" / program).unlink()
        for program in (server, client):
            shutil.copy(program, root / "usr/bin" / program.name)

    return kept("minio", f"{server} {client}", fill)


def _run(command: Sequence[str | Path], directory: Path = _HERE, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=directory, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))} … failed:\n{(done.stdout + done.stderr)[-3000:]}")
