"""Images of the storage room. Digests are added by `make pin`; a digest that was never seen is never written down."""

# renovate: datasource=docker depName=quay.io/minio/minio versioning=loose
MINIO = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
"""MinIO's community edition is unmaintained since 2026-02-12; this tag on quay.io is frozen. Carries `mc`.

2026-11-21."""

# renovate: datasource=docker depName=ghcr.io/berriai/litellm
PROGRAM = "ghcr.io/berriai/litellm:v1.89.0"
"""Runs our program for models: the gateway's image, which has Python with botocore and is on the cluster anyway."""
