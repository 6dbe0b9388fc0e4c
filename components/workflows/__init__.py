"""Argo Workflows: a closed namespace for them, where their artefacts go, and one that evaluates with a judge."""
