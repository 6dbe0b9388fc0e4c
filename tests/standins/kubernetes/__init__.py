"""Stand-in for Pulumi's Kubernetes provider (4.34), for the dev stack and tests where the official one cannot be had.

Server-side apply, readiness, replacement, previews that never touch the API, and rendering to YAML, as the official
provider does them. Facts: its documentation, its schema and the behaviour of its releases.
"""

VERSION = "4.34.2"
FIELD_MANAGER = "pulumi-kubernetes"
