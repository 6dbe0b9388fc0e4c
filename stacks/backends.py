"""What an engine is to the gateway: the names that requests use for it, and the share of them that each copy gets."""

from collections.abc import Iterator, Mapping

import pulumi

from components.engines import AnyEngine
from components.gateway.gateway import Backend


def backends(engine: AnyEngine, urls: Mapping[str, str], keys: Mapping[str, pulumi.Output[str]]) -> Iterator[Backend]:
    """For the engine and each of its adapters; twice while a canary takes some of the requests, and not all.

    `urls` and `keys` are those of all copies by name.
    """
    share = engine.trial.share if engine.trial else 0
    for copy, weight in zip(engine.copies, (100 - share, share), strict=False):
        names = {engine.name: copy.name} | {one.name: one.name for one in copy.lora_adapters}
        for name, model in names.items() if weight else ():
            yield Backend(
                name=name,
                model=model,
                engine=copy.name,
                url=urls[copy.name],
                weight=weight if 0 < share < 100 else None,
                key=keys.get(copy.name),
                key_generation=copy.key_generation,
            )
