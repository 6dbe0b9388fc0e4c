"""How a host is reached."""

import pulumi
from pulumi_command import remote

from components.node.settings import Host

TRIES = 10
"""Attempts to connect, with pauses of 0.1 s growing by half up to 5 s: a dead host is given up after 3 minutes."""
TRIES_AFTER_REBOOT = 120
"""About 10 minutes where the port is closed meanwhile: servers with many GPUs are slow to start."""
SECONDS_PER_TRY = 15


def connection(host: Host, private_key: pulumi.Output[str], *, tries: int = TRIES) -> remote.ConnectionArgsDict:
    """Bounded, with the host's own key checked. A silent connection ends by TCP keepalive, after 2 to 3 minutes."""
    direct: remote.ConnectionArgsDict = {
        "host": str(host.host),
        "port": host.port,
        "user": host.user,
        "private_key": private_key,
        "host_key": host.host_key,
        "dial_error_limit": tries,
        "per_dial_timeout": SECONDS_PER_TRY,
    }
    if host.jump is None:
        return direct
    jump: remote.ProxyConnectionArgsDict = {
        "host": str(host.jump.host),
        "port": host.jump.port,
        "user": host.jump.user,
        "private_key": private_key,
        "host_key": host.jump.host_key,
        "dial_error_limit": tries,
        "per_dial_timeout": SECONDS_PER_TRY,
    }
    return {**direct, "proxy": jump}
