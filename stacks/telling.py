"""What a preview tells about engines beside what it would change."""

from collections.abc import Mapping, Sequence

import pulumi

from components.engines import AnyEngine
from components.engines.gpu_memory import estimate
from components.storage.model import Model

_NAMED = 5
"""Engines that a warning names."""


def tell_of_memory(cluster: str, engines: Sequence[AnyEngine], models: Mapping[str, Model]) -> None:
    """How much of its GPUs' memory each probably takes."""
    found = {
        engine.name: estimate(engine.demand, models[name])
        for engine in engines
        for name in engine.loads[:1]
        if engine.demand
    }
    if lines := [f"  {engine}: {needed}" for engine, needed in found.items() if needed]:
        pulumi.log.info("\n".join([f"{cluster}: estimated GPU memory", *lines]))


def tell_of_updates(cluster: str, engines: Sequence[str]) -> None:
    """That a rolling update of these has a gap, since GPUs are what there is none to spare of."""
    if engines:
        pulumi.log.info(
            f"{cluster}: every GPU for {', '.join(engines)} may be taken: "
            "an update stops a replica before it starts the next"
        )


def warn(engines: Sequence[AnyEngine], *, gateway: bool) -> None:
    """Of engines that nobody looks after any more, and of those that nobody may ask."""
    for engine in engines:
        if engine.CAUTION:
            pulumi.log.warn(f"{engine.name}: {engine.CAUTION}")
    unasked = [one.name for one in engines if not one.clients and not (gateway and one.speaks == "openai")]
    if unasked:
        more = f" and {len(unasked) - _NAMED} more" if len(unasked) > _NAMED else ""
        them = "it" if len(unasked) == 1 else "them"
        named = f"{', '.join(unasked[:_NAMED])}{more}"
        pulumi.log.warn(f"{named}: no pod may send {them} requests; name namespaces in `clients`")
