"""A host becomes a Kubernetes node."""
