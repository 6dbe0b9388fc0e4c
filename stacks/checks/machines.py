"""Machines: there, of the right sort for the target, each listed once, and with servers among them."""

from collections.abc import Iterator

from stacks.drafts import Draft, Host, readable
from stacks.problems import PREFIX, Place, Problem, path
from stacks.settings import Target

_SORTS: dict[Target, str] = {"dev": "simulated", "onprem": "nodes", "eks": "nodeGroups"}


def are_there(draft: Draft) -> Iterator[Problem]:
    """Every cluster has one or more."""
    for cluster in draft.clusters or ():
        if cluster.knows(*_SORTS.values()) and not cluster.machines:
            wanted = _SORTS[draft.target] if draft.target else "nodes, simulated or nodeGroups"
            yield Problem(place=cluster.place, message=f"has no machines; list them under {wanted}")


def belong_to_the_target(draft: Draft) -> Iterator[Problem]:
    """Each target knows how to make one sort of machine."""
    if not draft.target:
        return
    wanted = _SORTS[draft.target]
    for cluster in draft.clusters or ():
        for sort in sorted({str(machine.place[2]) for machine in cluster.machines} - {wanted}):
            message = f"belong to another target; machines of {draft.target} are listed under {wanted}"
            yield Problem(place=(*cluster.place, sort), message=message)


def have_servers(draft: Draft) -> Iterator[Problem]:
    """Hosts need an odd number of servers, so that a majority is left when one fails."""
    for cluster in draft.clusters or ():
        hosts = [part for part in cluster.machines if part.place[2] == "nodes"]
        if not hosts or not all(part.knows("role") for part in hosts):
            continue
        servers = sum(isinstance(part.value, Host) and part.value.role == "server" for part in hosts)
        place = (*cluster.place, "nodes")
        if servers == 0:
            message = "no node has the role server; give it to one, or to three for high availability"
            yield Problem(place=place, message=message)
        elif servers % 2 == 0:
            message = f"{servers} nodes have the role server, which is no majority when one fails; use 1 or 3"
            yield Problem(place=place, message=message)


def are_listed_once(draft: Draft) -> Iterator[Problem]:
    """Two entries with one address would install over each other."""
    first: dict[str, Place] = {}
    for cluster in draft.clusters or ():
        for place, machine in readable(cluster.machines, "host"):
            if not isinstance(machine, Host):
                continue
            address = str(machine.host).lower()
            if address in first:
                holder = path(first[address]).removeprefix(PREFIX)
                message = f'"{address}" is the host of {holder} too'
                yield Problem(place=(*place, "host"), message=message)
            first.setdefault(address, place)


def log_in_as_someone_else_than_the_service_account(draft: Draft) -> Iterator[Problem]:
    """It is made, and given rights and keys of its own."""
    account = draft.system.value and draft.system.value.service_account
    if account is None or not draft.system.knows("serviceAccount"):
        return
    for cluster in draft.clusters or ():
        for place, host in readable(cluster.machines, "user"):
            if isinstance(host, Host) and host.user == account.name:
                holder = path(place).removeprefix(PREFIX)
                message = f'"{account.name}" is the user of {holder} already; choose another'
                yield Problem(place=("system", "serviceAccount", "name"), message=message)
                return


def pull_their_images_with_what_can(draft: Draft) -> Iterator[Problem]:
    """A mirror of every registry is a file of k3s's, which only its containerd reads."""
    k3s, mirror = draft.k3s.value, draft.mirror.value
    if not k3s or not mirror or not draft.k3s.knows("containerRuntime") or not draft.mirror.knows("images"):
        return
    if k3s.container_runtime == "docker" and mirror.images:
        message = "docker does not use it; set k3s.containerRuntime to containerd, or leave it out"
        yield Problem(place=("mirror", "images"), message=message)


def have_addresses_for_their_firewall(draft: Draft) -> Iterator[Problem]:
    """A firewall is loaded before names can be resolved, so nodes that let each other in need addresses."""
    system = draft.system.value
    if system is None or system.firewall is None or not draft.system.knows("firewall"):
        return
    for cluster in draft.clusters or ():
        hosts = [(place, one) for place, one in readable(cluster.machines, "host") if isinstance(one, Host)]
        for place, host in hosts if len(hosts) > 1 else ():
            if isinstance(host.host, str):
                message = f'"{host.host}" is a name; the firewall needs its IP address, or set system.firewall to null'
                yield Problem(place=(*place, "host"), message=message)
