"""From plain data to a pod that passes `restricted` pod security with a read-only root."""

from collections.abc import Mapping
from math import ceil

import pulumi_kubernetes as kubernetes

from components.workload.fields import stated
from components.workload.spec import (
    Claim,
    ConfigFiles,
    Container,
    Health,
    Placement,
    Pod,
    Resources,
    Scratch,
    SecretFiles,
    Volume,
)
from toolchain.images import by_digest

USER = 10001
"""Unprivileged user and group of every pod: above what hosts give to accounts."""
STARTUP_PERIOD = 1
"""Seconds between looks at a server that starts: on average it waits half of it in vain."""
DRAIN_SECONDS = 5
"""Wait before SIGTERM, so that every proxy has taken the pod out of its list."""


def pod_spec(pod: Pod, *, restart: str | None = None) -> kubernetes.core.v1.PodSpecArgsDict:
    """The Kubernetes pod for `pod`; `restart` is the restart policy where it is not `Always`."""
    placement = pod.placement
    fields: kubernetes.core.v1.PodSpecArgsDict = {
        "automount_service_account_token": pod.api_token,
        # Kubernetes would set VLLM_PORT=tcp://… for a Service called vllm, which vLLM takes for its own setting.
        "enable_service_links": False,
        "containers": [_container(container) for container in pod.containers],
        "init_containers": [_container(container) for container in pod.init_containers],
        "node_selector": dict(placement.node_selector),
        "restart_policy": restart,
        "priority_class_name": pod.priority,
        "runtime_class_name": placement.runtime_class,
        "security_context": _identity(pod),
        "termination_grace_period_seconds": pod.grace_seconds,
        "tolerations": tolerations(placement),
        "volumes": [_volume(name, volume) for name, volume in pod.volumes.items()],
    }
    return stated(fields)


def _identity(pod: Pod) -> kubernetes.core.v1.PodSecurityContextArgsDict:
    fields: kubernetes.core.v1.PodSecurityContextArgsDict = {
        "run_as_non_root": True,
        "run_as_user": pod.user.number if pod.user else USER,
        "run_as_group": USER,
        "fs_group": USER,
        "fs_group_change_policy": "OnRootMismatch",
        "supplemental_groups": list(pod.placement.groups),
        "seccomp_profile": {"type": "RuntimeDefault"},
    }
    return stated(fields)


def tolerations(placement: Placement) -> list[kubernetes.core.v1.TolerationArgsDict]:
    """Tolerations for the placement's taints, and for those of a lost node as long as the placement says."""
    lost: list[kubernetes.core.v1.TolerationArgsDict] = [
        {
            "key": f"node.kubernetes.io/{how}",
            "operator": "Exists",
            "effect": "NoExecute",
            "toleration_seconds": placement.lost_node_seconds,
        }
        for how in ("not-ready", "unreachable")
        if placement.lost_node_seconds is not None
    ]
    return [
        *({"key": taint, "operator": "Equal", "value": "true", "effect": "NoSchedule"} for taint in placement.taints),
        *lost,
    ]


def _container(container: Container) -> kubernetes.core.v1.ContainerArgsDict:
    fields: kubernetes.core.v1.ContainerArgsDict = {
        "name": container.name,
        "image": by_digest(container.image),
        "image_pull_policy": "IfNotPresent",
        "command": list(container.command),
        "args": list(container.args),
        "working_dir": container.working_directory,
        "env": _environment(container),
        "ports": [{"name": name, "container_port": port, "protocol": "TCP"} for name, port in container.ports.items()],
        "volume_mounts": [_mount(path, volume, container) for path, volume in container.mounts.items()],
        "resources": resource_requirements(container.resources, container.devices),
        "security_context": {
            "allow_privilege_escalation": False,
            "privileged": False,
            "read_only_root_filesystem": not container.writable_root,
            "capabilities": {"drop": ["ALL"]},
        },
        "lifecycle": _drain(container) if container.ports or container.drain else None,
        "restart_policy": "Always" if container.sidecar else None,
        # Why a container ended is then in the pod's status, not only in its log.
        "termination_message_policy": "FallbackToLogsOnError",
    }
    if health := container.health:
        failures = ceil(health.startup_seconds / STARTUP_PERIOD)
        ready = health.ready_path or health.path
        started = ready if health.starts_ready else health.path
        fields["startup_probe"] = _probe(health, started, period=STARTUP_PERIOD, failures=failures)
        fields["readiness_probe"] = _probe(health, ready, period=5, failures=3)
        fields["liveness_probe"] = _probe(health, health.path, period=20, failures=3)
    return stated(fields)


def _mount(path: str, volume: str, container: Container) -> kubernetes.core.v1.VolumeMountArgsDict:
    return stated({"name": volume, "mount_path": path, "read_only": path in container.read_only or None})


def _probe(health: Health, path: str | None, *, period: int, failures: int) -> kubernetes.core.v1.ProbeArgsDict:
    bounds: kubernetes.core.v1.ProbeArgsDict = {
        "period_seconds": period,
        "timeout_seconds": 5,
        "failure_threshold": failures,
    }
    if path is None:
        return {"tcp_socket": {"port": health.port}, **bounds}
    return {"http_get": {"path": path, "port": health.port, "scheme": "HTTPS" if health.tls else "HTTP"}, **bounds}


def _environment(container: Container) -> list[kubernetes.core.v1.EnvVarArgsDict]:
    secret: list[kubernetes.core.v1.EnvVarArgsDict] = [
        {"name": name, "value_from": {"secret_key_ref": {"name": source.secret, "key": source.key}}}
        for name, source in container.secret_env.items()
    ]
    return [*({"name": name, "value": value} for name, value in container.env.items()), *secret]


def resource_requirements(
    wanted: Resources, devices: Mapping[str, int]
) -> kubernetes.core.v1.ResourceRequirementsArgsDict:
    """Requests and limits; of `devices` as many as are named, since Kubernetes lends no part of one."""
    counted = {name: str(count) for name, count in devices.items()}
    return {
        "requests": {"cpu": wanted.cpu, "memory": wanted.memory, **counted},
        "limits": {"cpu": wanted.cpu_limit or wanted.cpu, "memory": wanted.memory_limit or wanted.memory, **counted},
    }


def _drain(container: Container) -> kubernetes.core.v1.LifecycleArgsDict:
    if container.drain:
        # One handler a container: who waits in a shell of the image's own sleeps there first.
        wait = ["sh", "-c", f'sleep {DRAIN_SECONDS}; exec "$@"', "drain", *container.drain]
        return {"pre_stop": {"exec_": {"command": wait}}}
    # The kubelet's own sleep needs no shell in the image (Kubernetes 1.30 and later).
    return {"pre_stop": {"sleep": {"seconds": DRAIN_SECONDS}}}


def _volume(name: str, volume: Volume) -> kubernetes.core.v1.VolumeArgsDict:
    match volume:
        case Scratch():
            medium = "Memory" if volume.memory else None
            return {"name": name, "empty_dir": stated({"size_limit": volume.size, "medium": medium})}
        case ConfigFiles():
            items: list[kubernetes.core.v1.KeyToPathArgsDict] = [
                {"key": key, "path": path} for key, path in volume.paths.items()
            ]
            return {"name": name, "config_map": stated({"name": volume.config_map, "items": items})}
        case SecretFiles():
            return {"name": name, "secret": {"secret_name": volume.secret}}
        case Claim():
            claim: kubernetes.core.v1.PersistentVolumeClaimVolumeSourceArgsDict = {
                "claim_name": volume.claim,
                "read_only": volume.read_only or None,
            }
            return {"name": name, "persistent_volume_claim": stated(claim)}


def labels(name: str, part: str) -> dict[str, str]:
    """The labels of everything that belongs to `name`; `part` says what it does, for example `engine`."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": part,
        "app.kubernetes.io/part-of": "inference",
    }
