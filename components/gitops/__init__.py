"""Argo CD, and how objects come to a cluster: straight from Pulumi, or through Git."""
