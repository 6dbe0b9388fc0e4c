"""Kubernetes clusters: each ends in a provider and a list of the nodes it has."""
