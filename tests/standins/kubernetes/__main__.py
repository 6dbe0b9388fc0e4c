"""Serves the engine."""

from threading import Event

from tests.standins.kubernetes.servicer import Servicer
from tests.standins.provider import Log, host

stopping = Event()


def servicer(log: Log) -> Servicer:
    """The one provider of this process."""
    made = Servicer(log)
    made.stopping = stopping
    return made


host("Pulumi's Kubernetes provider", servicer, stopping.set)
