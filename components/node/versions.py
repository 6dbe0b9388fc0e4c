"""Versions that age, for hosts. Each with the date it was last looked at, and where."""

K3S = "v1.36.1+k3s1"
"""2026-11-20, https://github.com/k3s-io/k3s/releases."""
K3S_DOWNLOADS = "https://github.com/k3s-io/k3s/releases/download"
K3S_INSTALLER = "https://raw.githubusercontent.com/k3s-io/k3s/{version}/install.sh"
"""The installer of a release; https://get.k3s.io serves only the newest."""
