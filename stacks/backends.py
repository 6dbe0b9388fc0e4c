"""What an engine is to the gateway: the names that requests use for it, and the share of them that each copy gets."""

from collections.abc import Iterator, Mapping

import pulumi

from components.engines import AnyEngine
from components.gateway.gateway import Backend


def backends(engine: AnyEngine, urls: Mapping[str, str], keys: Mapping[str, pulumi.Output[str]]) -> Iterator[Backend]:
    """For each name that the engine serves; twice while a canary takes some of the requests, and not all.

    `urls` and `keys` are those of all copies by name.
    """
    share = engine.trial.share if engine.trial else 0
    for copy, weight in zip(engine.copies, (100 - share, share), strict=False):
        for name, mode in engine.serves.items() if weight else ():
            yield Backend(
                name=name,
                model=copy.name if name == engine.name else name,
                mode=mode,
                engine=copy.name,
                url=urls[copy.name],
                weight=weight if 0 < share < 100 else None,
                key=keys.get(copy.name),
                key_generation=copy.key_generation,
            )
