"""Which driver a host needs, and from where."""

from components.accelerators import Mig
from components.node.settings import Drivers, Host, Mirror
from components.node.step import SCRIPTS, Step
from components.node.versions import (
    AMDGPU_KEY,
    AMDGPU_REPOSITORY,
    CONTAINER_TOOLKIT_KEY,
    CONTAINER_TOOLKIT_REPOSITORY,
    CUDA_KEY,
    CUDA_REPOSITORY,
    JETSON_LINUX,
)
from components.section import byte_count

STRIX_HALO = "strix-halo"
KEPT_FROM_GPU = 4 * 2**30
"""Bytes of memory that a GPU which shares it leaves to the host; of 128 GiB it then takes 124."""


def driver_step(host: Host, drivers: Drivers, mirror: Mirror) -> Step | None:
    """The step that installs it; None for a host without GPUs, or whose driver the user brings."""
    accelerator = host.accelerator
    if accelerator.kind == "cpu" or not drivers.install:
        return None
    if accelerator.kind == "rocm":
        return Step(name="driver", script=SCRIPTS / "rocm.sh", variables=_rocm(host, drivers, mirror))
    if accelerator.is_jetson:
        return Step(name="driver", script=SCRIPTS / "jetson.sh", variables={"LOWEST": str(JETSON_LINUX)})
    return Step(name="driver", script=SCRIPTS / "cuda.sh", variables=_cuda(drivers, mirror))


def mig_step(host: Host) -> Step | None:
    """The step that cuts its GPUs into instances."""
    sharing = host.accelerator.sharing
    if not isinstance(sharing, Mig):
        return None
    return Step(
        name="mig", script=SCRIPTS / "mig.sh", variables={"PROFILE": sharing.profile, "PARTS": str(sharing.parts)}
    )


def proof(host: Host) -> dict[str, str]:
    """What `prove.sh` looks for."""
    return {
        "NODE": host.name,
        "KIND": host.accelerator.kind,
        "GPUS": str(host.accelerator.count),
        "VRAM_MIB": str(host.accelerator.memory_mib or ""),
        "ROCM_GROUPS": " ".join(map(str, host.accelerator.groups)),
    }


def _cuda(drivers: Drivers, mirror: Mirror) -> dict[str, str]:
    driver, driver_key = _source(mirror, "nvidia-driver", f"{CUDA_REPOSITORY}/ /", f"{CUDA_REPOSITORY}/{CUDA_KEY}")
    toolkit, toolkit_key = _source(
        mirror, "nvidia-toolkit", f"{CONTAINER_TOOLKIT_REPOSITORY}/ /", CONTAINER_TOOLKIT_KEY
    )
    return {
        "DRIVER": drivers.cuda or "",
        "TOOLKIT": drivers.container_toolkit or "",
        "DRIVER_SOURCE": driver,
        "DRIVER_KEY": driver_key,
        "TOOLKIT_SOURCE": toolkit,
        "TOOLKIT_KEY": toolkit_key,
    }


def _rocm(host: Host, drivers: Drivers, mirror: Mirror) -> dict[str, str]:
    if host.accelerator.product == STRIX_HALO:  # newer than what AMD's packages know: the kernel's own driver serves
        return {"GTT_MIB": str((byte_count(host.memory) - KEPT_FROM_GPU) // 2**20)}
    repository = AMDGPU_REPOSITORY.format(release=drivers.amdgpu)
    source, key = _source(mirror, "amdgpu", f"{repository} @ubuntu main", AMDGPU_KEY)
    return {"SOURCE": source, "KEY": key}


def _source(mirror: Mirror, name: str, source: str, key: str) -> tuple[str, str]:
    """A repository as `apt_source` of `host.sh` takes it, and where its key is."""
    return (f"{mirror.apt}/{name}/ /", f"{mirror.apt}/{name}/key.asc") if mirror.apt else (source, key)
