"""What Amazon supports and what we ask it for, by version of Kubernetes. It ages: each table says when it was read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from components.accelerators import Kind


@dataclass(frozen=True, kw_only=True)
class Support:
    """The last days of a version's support; extended support costs extra by the hour."""

    standard: date
    extended: date


KUBERNETES: Mapping[str, Support] = {
    "1.36": Support(standard=date(2027, 8, 2), extended=date(2028, 8, 2)),
    "1.35": Support(standard=date(2027, 3, 27), extended=date(2028, 3, 27)),
    "1.34": Support(standard=date(2026, 12, 2), extended=date(2027, 12, 2)),
    "1.33": Support(standard=date(2026, 7, 29), extended=date(2027, 7, 29)),
    "1.32": Support(standard=date(2026, 3, 23), extended=date(2027, 3, 23)),
    "1.31": Support(standard=date(2025, 11, 26), extended=date(2026, 11, 26)),
}
"""https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html, as of 2026-08-22, read by way of
https://endoflife.date/amazon-eks on 2026-11-22. Newer versions are let pass: Amazon says if it has them."""

AMI_RELEASES: Mapping[str, str] = {
    "1.36": "1.36.2-20260714",
    "1.35": "1.35.6-20260714",
    "1.34": "1.34.9-20260714",
}
"""AL2023 with and without NVIDIA's driver: https://github.com/awslabs/amazon-eks-ami/releases/tag/v20260714, read
2026-11-22. It has NVIDIA's driver 580.159.03 and container toolkit 1.19.1, whose runtime is containerd's default."""

AMI_TYPES: Mapping[tuple[Kind, str], str] = {
    ("cpu", "amd64"): "AL2023_x86_64_STANDARD",
    ("cpu", "arm64"): "AL2023_ARM_64_STANDARD",
    ("cuda", "amd64"): "AL2023_x86_64_NVIDIA",
    ("cuda", "arm64"): "AL2023_ARM_64_NVIDIA",
}
"""By accelerator and instruction set, of the same release. EKS has none for AMD's GPUs."""

ADDONS: Mapping[str, Mapping[str, str]] = {
    "1.35": {
        "vpc-cni": "v1.21.1-eksbuild.7",
        "coredns": "v1.13.2-eksbuild.4",
        "kube-proxy": "v1.35.3-eksbuild.2",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
        "aws-ebs-csi-driver": "v1.60.0-eksbuild.1",
    },
}
"""Versions that others run with that Kubernetes, found in two public repositories on 2026-11-22. An add-on or a
Kubernetes that is missing here gets what Amazon prefers on the day that it is made, and keeps it.
The newest are told by: aws eks describe-addon-versions --kubernetes-version 1.35 --addon-name NAME"""


def today() -> date:
    """The day; the one in SOURCE_DATE_EPOCH where that is set, as reproducible builds have it."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC).date()
    return datetime.now(UTC).date()


def supported(on: date, *, extended: bool = False) -> list[str]:
    """Known versions that have support on that day, newest first."""
    return [version for version, until in KUBERNETES.items() if on <= (until.extended if extended else until.standard)]


def is_over(version: str, on: date, *, extended: bool = False) -> bool:
    """Whether its support has ended by that day. What is newer than all that is known has not."""
    oldest = min(map(_number, KUBERNETES))
    until = KUBERNETES.get(version)
    if until is None:
        return _number(version) < oldest
    return on > (until.extended if extended else until.standard)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
