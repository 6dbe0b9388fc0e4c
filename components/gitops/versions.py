"""Images of Argo CD, and charts. `make pin` adds digests; one that was never seen is never written down."""

# renovate: datasource=docker depName=quay.io/argoproj/argocd
ARGO_CD = "quay.io/argoproj/argocd:v3.5.1"
"""2026-11-22, https://github.com/argoproj/argo-cd, manifests/install.yaml of the tag v3.5.1."""

# renovate: datasource=docker depName=public.ecr.aws/docker/library/redis
REDIS = "public.ecr.aws/docker/library/redis:8.2.3-alpine"
"""The one that this Argo CD's own manifests have. 2026-11-22, the same file."""

# renovate: datasource=helm depName=gpu-operator-charts registryUrl=https://rocm.github.io/gpu-operator
AMD_GPU_OPERATOR = "v1.5.1"
"""2026-11-22, https://github.com/ROCm/gpu-operator, index.yaml of its Helm repository (branch gh-pages)."""

# renovate: datasource=helm depName=argo-workflows registryUrl=https://argoproj.github.io/argo-helm
ARGO_WORKFLOWS = "1.0.18"
"""2026-11-22, https://github.com/argoproj/argo-helm, charts/argo-workflows/Chart.yaml."""

# renovate: datasource=docker depName=quay.io/jetstack/charts/cert-manager
CERT_MANAGER = "v1.21.1"
"""2026-11-22, the newest tag of https://github.com/cert-manager/cert-manager, whose RELEASE.md names the registry."""

# renovate: datasource=helm depName=cloudnative-pg registryUrl=https://cloudnative-pg.github.io/charts
CLOUDNATIVE_PG = "0.29.0"
"""2026-11-22, https://github.com/cloudnative-pg/charts, charts/cloudnative-pg/Chart.yaml."""

# renovate: datasource=docker depName=public.ecr.aws/karpenter/karpenter
KARPENTER = "1.14.1"
"""2026-11-22, https://github.com/aws/karpenter-provider-aws, charts/karpenter/Chart.yaml; docs of the release say the
same."""

# renovate: datasource=helm depName=keda registryUrl=https://kedacore.github.io/charts
KEDA = "2.20.2"
"""2026-11-22, https://github.com/kedacore/charts, keda/Chart.yaml."""

# renovate: datasource=docker depName=ghcr.io/kserve/charts/kserve-resources
KSERVE = "v0.20.0"
"""2026-11-22, https://github.com/kserve/kserve, charts/kserve-resources/Chart.yaml: the release that our objects are
tried with."""

# renovate: datasource=helm depName=kube-prometheus-stack registryUrl=https://prometheus-community.github.io/helm-charts
KUBE_PROMETHEUS_STACK = "88.5.3"
"""2026-11-22, https://github.com/prometheus-community/helm-charts, charts/kube-prometheus-stack/Chart.yaml."""

# renovate: datasource=helm depName=kuberay-operator registryUrl=https://ray-project.github.io/kuberay-helm
KUBERAY = "1.6.2"
"""2026-11-22, https://github.com/ray-project/kuberay, helm-chart/kuberay-operator/Chart.yaml of the tag v1.6.2: the
release that our objects are tried with."""

# renovate: datasource=docker depName=registry.k8s.io/lws/charts/lws
LEADER_WORKER_SET = "0.9.0"
"""2026-11-22, https://github.com/kubernetes-sigs/lws, installation page of the tag v0.9.0: the release that our objects
are tried with."""

# renovate: datasource=helm depName=gpu-operator registryUrl=https://helm.ngc.nvidia.com/nvidia
NVIDIA_GPU_OPERATOR = "v26.7.0"
"""2026-11-22, https://github.com/NVIDIA/gpu-operator, versions.mk of the tag v26.7.0, from which its chart has its
version; NVIDIA's reference of the chart's values names the same."""

# renovate: datasource=helm depName=prometheus-adapter registryUrl=https://prometheus-community.github.io/helm-charts
PROMETHEUS_ADAPTER = "5.3.0"
"""2026-11-22, https://github.com/prometheus-community/helm-charts, charts/prometheus-adapter/Chart.yaml."""
