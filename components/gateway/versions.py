"""Images of the gateway. Digests are added by `make pin`; a digest that was never seen is never written down."""

# renovate: datasource=docker depName=ghcr.io/berriai/litellm
LITELLM = "ghcr.io/berriai/litellm:v1.89.0"
"""Never 1.82.7 or 1.82.8 as packages: those on PyPI carried malware. 2026-11-21."""

# renovate: datasource=docker depName=ghcr.io/open-webui/open-webui
OPEN_WEBUI = "ghcr.io/open-webui/open-webui:v0.11.3"
"""2026-11-21."""
