"""Images of Argo CD. Digests are added by `make pin`; a digest that was never seen is never written down."""

# renovate: datasource=docker depName=quay.io/argoproj/argocd
ARGO_CD = "quay.io/argoproj/argocd:v3.5.1"
"""2026-11-22, https://github.com/argoproj/argo-cd, manifests/install.yaml of the tag v3.5.1."""

# renovate: datasource=docker depName=public.ecr.aws/docker/library/redis
REDIS = "public.ecr.aws/docker/library/redis:8.2.3-alpine"
"""The one that this Argo CD's own manifests have. 2026-11-22, the same file."""
