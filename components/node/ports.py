"""Ports of k3s: https://docs.k3s.io/installation/requirements#networking, seen 2026-11-20."""

API = 6443
KUBELET = 10250
ETCD = (2379, 2380)
FLANNEL = 8472
"""UDP, VXLAN: whoever reaches it can send packets to pods, so only other nodes may."""
