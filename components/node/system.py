"""Settings of a host's operating system."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from components.node.keys import LoginKey, SigningKey
from components.node.settings import Url, UserName
from components.section import Name, Quantity, Section, rule

PackageName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$", max_length=200),
    rule("a Debian package, or package=version", example="htop"),
]


Port = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?/(tcp|udp)$"),
    rule("a port or a range, and its protocol", example="9100/tcp"),
]


class Firewall(Section):
    """What hosts let in: SSH, the API server, and from the other nodes of their cluster what these need."""

    open: tuple[Port, ...] = ()
    """Further ports, for whatever else runs on the hosts."""
    clients: tuple[IPv4Network | IPv6Network, ...] = ()
    """Who may reach SSH and the API server; everybody when empty. This machine must be among them."""


AptWord = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9./][A-Za-z0-9.+/_~-]*$", max_length=100),
    rule("a suite or a component of a package repository", example="bookworm"),
]


class AptSource(Section):
    """A repository of Debian packages."""

    name: Name
    """What its files on the host are called after."""
    url: Url
    """Where it is."""
    suites: tuple[AptWord, ...] = Field(default=("/",), min_length=1, examples=[["bookworm", "bookworm-updates"]])
    """Its suites; `/` for one that is flat."""
    components: tuple[AptWord, ...] = Field(default=(), examples=[["main"]])
    """Components of those suites; none for one that is flat."""
    key: SigningKey
    """The key that signs it, as `gpg --armor --export` prints it."""

    @model_validator(mode="after")
    def _is_flat_or_has_components(self) -> Self:
        for suite in self.suites:
            if suite.endswith("/") == bool(self.components):
                words = "is flat and has no components" if self.components else "needs components; a flat one ends in /"
                raise ValueError(f"the suite {suite} {words}")
        return self


class ServiceAccount(Section):
    """An account without a password, for monitoring and operators.

    Reads the journal and the state of GPUs, may restart k3s, and nothing else.
    """

    name: UserName
    """Its name; no account of this name may be there already."""
    keys: tuple[LoginKey, ...] = Field(min_length=1)
    """Public SSH keys that log in as it."""


class System(Section):
    """How every host is set up before it becomes a node. What is turned off is left, or put back, as it was."""

    packages: tuple[PackageName, ...] = ()
    """Further Debian packages."""
    apt_sources: tuple[AptSource, ...] = ()
    """Further package repositories."""
    only_apt_sources: bool = False
    """Set all other repositories aside, as in a closed network; those of drivers stay."""
    security_upgrades: bool = True
    """Security updates install themselves every night, but for the kernel, drivers and container runtimes."""
    ssh_by_key: bool = True
    """No logins with a password."""
    time_sync: bool = True
    """A time service, unless one runs already: certificates depend on the clock."""
    firewall: Firewall | None = Firewall()
    """A table of its own in nftables, beside the rules of k3s; `null` for none."""
    service_account: ServiceAccount | None = None
    """One more account; `null` for none."""
    limits: bool = True
    """Open files, locked memory, memory maps and file watches, for logins and services, as large models need them."""
    journal_size: Quantity | None = "1Gi"
    """Most that the system's journal keeps; `null` for the distribution's own bound."""
    journal_days: Annotated[PositiveInt, Field(le=3650)] | None = 30
    """How long it keeps them, and how long logs of our own steps are kept; `null` for no bound."""
