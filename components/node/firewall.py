"""The rules that let in what a node needs, and nothing else."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from components.node.ports import API, ETCD, FLANNEL, KUBELET
from components.node.settings import Host
from components.node.system import Firewall

_POD_INTERFACES = ("cni0", "flannel.1", "flannel-wg", "docker0")


def rules(firewall: Firewall, host: Host, peers: Sequence[Host]) -> str:
    """A file for `nft --file` that replaces our table whole. `peers` are the nodes of the host's cluster."""
    interfaces = ", ".join(f'"{name}"' for name in _POD_INTERFACES)
    from_nodes = [f"{KUBELET}/tcp", f"{FLANNEL}/udp"]
    if host.role == "server":
        from_nodes += [f"{API}/tcp", *(f"{port}/tcp" for port in ETCD)]
    addresses = [peer.host for peer in peers if not isinstance(peer.host, str)]
    lines = [
        "ct state established,related accept",
        "ct state invalid drop",
        "iif lo accept",
        f"iifname {{ {interfaces} }} accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
        "udp sport 67 udp dport 68 accept",
        *(f"{source}{_port(port)} accept" for port in from_nodes for source in _sources(addresses)),
        *_from_clients(firewall, f"{host.port}/tcp"),
        *(_from_clients(firewall, f"{API}/tcp") if host.role == "server" else ()),
        *(f"{_port(port)} accept" for port in firewall.open),
    ]
    chain = "\n".join(f"    {line}" for line in lines)
    # Created, deleted and created again in one transaction, so that there is no moment without it.
    return f"""table inet inference
delete table inet inference
table inet inference {{
  chain input {{
    type filter hook input priority filter; policy drop;
{chain}
  }}
}}
"""


def _from_clients(firewall: Firewall, port: str) -> list[str]:
    return [f"{source}{_port(port)} accept" for source in _sources(firewall.clients) or [""]]


def _port(port: str) -> str:
    number, protocol = port.split("/")
    return f"{protocol} dport {number}"


def _sources(addresses: Sequence[IPv4Address | IPv6Address | IPv4Network | IPv6Network]) -> list[str]:
    return [f"{'ip' if address.version == 4 else 'ip6'} saddr {address} " for address in addresses]
