"""From plain data to a pod that passes `restricted` pod security with a read-only root."""

from math import ceil

import pulumi_kubernetes as kubernetes

from components.workload.spec import Claim, ConfigFiles, Container, Placement, Pod, Scratch, Volume

USER = 10001
"""Unprivileged user and group of every pod: above what hosts give to accounts."""
DRAIN_SECONDS = 5
"""Wait before SIGTERM, so that every proxy has taken the pod out of its list."""


def pod_spec(pod: Pod, *, restart: str | None = None) -> kubernetes.core.v1.PodSpecArgs:
    """The Kubernetes pod for `pod`; `restart` is the restart policy where it is not `Always`."""
    placement = pod.placement
    return kubernetes.core.v1.PodSpecArgs(
        automount_service_account_token=False,
        # Kubernetes would set VLLM_PORT=tcp://… for a Service called vllm, which vLLM takes for its own setting.
        enable_service_links=False,
        containers=[_container(container) for container in pod.containers],
        init_containers=[_container(container) for container in pod.init_containers] or None,
        node_selector=dict(placement.node_selector) or None,
        restart_policy=restart,
        runtime_class_name=placement.runtime_class,
        security_context=kubernetes.core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            fs_group_change_policy="OnRootMismatch",
            supplemental_groups=list(placement.groups) or None,
            seccomp_profile=kubernetes.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        termination_grace_period_seconds=pod.grace_seconds,
        tolerations=tolerations(placement) or None,
        volumes=[_volume(name, volume) for name, volume in pod.volumes.items()] or None,
    )


def tolerations(placement: Placement) -> list[kubernetes.core.v1.TolerationArgs]:
    """Tolerations for the placement's taints."""
    return [
        kubernetes.core.v1.TolerationArgs(key=taint, operator="Equal", value="true", effect="NoSchedule")
        for taint in placement.taints
    ]


def _container(container: Container) -> kubernetes.core.v1.ContainerArgs:
    health = container.health
    return kubernetes.core.v1.ContainerArgs(
        name=container.name,
        image=container.image,
        image_pull_policy="IfNotPresent",
        command=list(container.command) or None,
        args=list(container.args) or None,
        env=_environment(container) or None,
        ports=[
            kubernetes.core.v1.ContainerPortArgs(name=name, container_port=port, protocol="TCP")
            for name, port in container.ports.items()
        ]
        or None,
        volume_mounts=[
            kubernetes.core.v1.VolumeMountArgs(name=volume, mount_path=path)
            for path, volume in container.mounts.items()
        ]
        or None,
        resources=_resources(container),
        security_context=kubernetes.core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=not container.writable_root,
            capabilities=kubernetes.core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
        lifecycle=_drain() if container.ports else None,
        # Why a container ended is then in the pod's status, not only in its log.
        termination_message_policy="FallbackToLogsOnError",
        startup_probe=health
        and _probe(health.path, health.port, period=10, failures=ceil(health.startup_seconds / 10)),
        readiness_probe=health and _probe(health.ready_path or health.path, health.port, period=5, failures=3),
        liveness_probe=health and _probe(health.path, health.port, period=20, failures=3),
    )


def _probe(path: str, port: int, *, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    return kubernetes.core.v1.ProbeArgs(
        http_get=kubernetes.core.v1.HTTPGetActionArgs(path=path, port=port, scheme="HTTP"),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=failures,
    )


def _environment(container: Container) -> list[kubernetes.core.v1.EnvVarArgs]:
    plain = [kubernetes.core.v1.EnvVarArgs(name=name, value=value) for name, value in container.env.items()]
    secret = [
        kubernetes.core.v1.EnvVarArgs(
            name=name,
            value_from=kubernetes.core.v1.EnvVarSourceArgs(
                secret_key_ref=kubernetes.core.v1.SecretKeySelectorArgs(name=source.secret, key=source.key)
            ),
        )
        for name, source in container.secret_env.items()
    ]
    return plain + secret


def _resources(container: Container) -> kubernetes.core.v1.ResourceRequirementsArgs:
    wanted = container.resources
    devices = {name: str(count) for name, count in container.devices.items()}
    return kubernetes.core.v1.ResourceRequirementsArgs(
        requests={"cpu": wanted.cpu, "memory": wanted.memory, **devices},
        limits={"cpu": wanted.cpu_limit or wanted.cpu, "memory": wanted.memory_limit or wanted.memory, **devices},
    )


def _drain() -> kubernetes.core.v1.LifecycleArgs:
    # The kubelet's own sleep needs no shell in the image (Kubernetes 1.30 and later).
    sleep = kubernetes.core.v1.SleepActionArgs(seconds=DRAIN_SECONDS)
    return kubernetes.core.v1.LifecycleArgs(pre_stop=kubernetes.core.v1.LifecycleHandlerArgs(sleep=sleep))


def _volume(name: str, volume: Volume) -> kubernetes.core.v1.VolumeArgs:
    match volume:
        case Scratch():
            directory = kubernetes.core.v1.EmptyDirVolumeSourceArgs(
                size_limit=volume.size, medium="Memory" if volume.memory else None
            )
            return kubernetes.core.v1.VolumeArgs(name=name, empty_dir=directory)
        case ConfigFiles():
            files = kubernetes.core.v1.ConfigMapVolumeSourceArgs(name=volume.config_map)
            return kubernetes.core.v1.VolumeArgs(name=name, config_map=files)
        case Claim():
            claim = kubernetes.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=volume.claim)
            return kubernetes.core.v1.VolumeArgs(name=name, persistent_volume_claim=claim)


def labels(name: str, part: str) -> dict[str, str]:
    """The labels of everything that belongs to `name`; `part` says what it does, for example `engine`."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": part,
        "app.kubernetes.io/part-of": "inference",
    }
