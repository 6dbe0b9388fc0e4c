"""Ports of nodes: each for one thing in a cluster, and the one that the store's address speaks of."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from components.storage.settings import MinioStore
from stacks.drafts import Draft, Host, readable
from stacks.problems import PREFIX, Place, Problem, path

_RANGE = range(30000, 32768)


def are_unique(draft: Draft) -> Iterator[Problem]:
    """Within a cluster: the gateway is in each that has engines, the store in one."""
    gateway, store = draft.gateway.value, draft.store.value
    first: dict[int, Place] = {}
    for what, port in gateway.node_ports.items() if gateway else ():
        if draft.gateway.knows(what):
            yield from _twice(first, ("gateway", what, "nodePort"), port)
    if draft.argocd.value and draft.argocd.value.node_port and draft.argocd.knows("nodePort"):
        yield from _twice(first, ("argocd", "nodePort"), draft.argocd.value.node_port)
    home = draft.home(store) if isinstance(store, MinioStore) else None
    used = {engine.cluster for _, engine in readable(draft.engines, "cluster")}
    if isinstance(store, MinioStore) and store.node_port and home and home.name in used:
        yield from _twice(first, ("store", "nodePort"), store.node_port)


def are_those_of_the_stores_address(draft: Draft) -> Iterator[Problem]:
    """An address of the store's own nodes leads nowhere unless the store has that port."""
    store = draft.store.value
    home = draft.home(store) if isinstance(store, MinioStore) else None
    if not isinstance(store, MinioStore) or not home or not store.url:
        return
    machines = [machine for _, machine in readable(home.machines, "host") if isinstance(machine, Host)]
    port = store.url.rpartition(":")[2]
    inside = urlsplit(store.url).hostname in {str(machine.host).lower() for machine in machines}
    # Not as the URL's `port`, which fails where it is too high.
    other = port.isdecimal() and int(port) in _RANGE and int(port) != store.node_port
    if inside and other and draft.store.knows("kind", "url", "nodePort"):
        has = f"nodePort is {store.node_port}" if store.node_port else "nodePort is missing"
        message = f"{has}, and url names port {port} of a node in {home.name}: make them the same"
        yield Problem(place=("store",), message=message)
    scheme = "https" if store.tls else "http"
    direct = inside and port == str(store.node_port) and draft.store.knows("kind", "url", "nodePort", "tls")
    if direct and not store.url.startswith(f"{scheme}:"):
        message = f"names a node in {home.name}, where the store answers over {scheme} alone: begin it with {scheme}://"
        yield Problem(place=("store", "url"), message=message)


def _twice(first: dict[int, Place], place: Place, port: int) -> Iterator[Problem]:
    if port in first:
        holder = path(first[port]).removeprefix(PREFIX)
        yield Problem(place=place, message=f"{port} is taken: {holder} has it already")
    first.setdefault(port, place)
