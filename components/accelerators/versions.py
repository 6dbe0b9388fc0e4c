"""Images of the device plugins. Digests are added by `make pin`; one that was never seen is never written."""

# renovate: datasource=docker depName=nvcr.io/nvidia/k8s-device-plugin
NVIDIA = "nvcr.io/nvidia/k8s-device-plugin:v0.20.0"
"""2026-11-21, https://github.com/NVIDIA/k8s-device-plugin, changelog and static manifest."""
# renovate: datasource=docker depName=docker.io/rocm/k8s-device-plugin
AMD = "docker.io/rocm/k8s-device-plugin:1.31.0.9"
"""2026-11-21, https://github.com/ROCm/k8s-device-plugin, chart 0.21.0."""
