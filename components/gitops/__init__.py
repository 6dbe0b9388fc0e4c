"""Argo CD in a cluster, and how it gets at Git repositories."""
