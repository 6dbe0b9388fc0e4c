"""Settings as far as they can be read: the ground for checks across parts, however much else is wrong."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from components.aws.settings import Aws
from components.cluster.settings import ClusterSettings, K3s
from components.engines import AnyEngine
from components.gateway.settings import Gateway
from components.gitops.charts import ThirdPartyChart
from components.gitops.delivery import Delivery
from components.gitops.settings import ArgoCd
from components.node.settings import Capacity, Host, Mirror, NodeGroup, SimulatedHost
from components.node.system import System
from components.storage.model import Model, Sources
from components.storage.settings import ExternalStore, MinioStore, S3Store, Store
from components.workflows.settings import Workflows
from stacks.problems import Place, closest
from stacks.schema import Setting, find
from stacks.settings import Settings, Target

AnyStore = MinioStore | S3Store | ExternalStore
Machine = Host | SimulatedHost | NodeGroup
T = TypeVar("T")
_ROUNDS = 3
"""Some mistakes show only when others are gone: an unknown kind hides the settings of that kind."""
_MOST_MENDED = 100
"""Wrong parts of a list whose other keys are still looked at: a report does not even show as many."""
_SETTINGS: TypeAdapter[Settings] = TypeAdapter(Settings)
_TARGET: TypeAdapter[Target] = TypeAdapter(Target)
_CLUSTER: TypeAdapter[ClusterSettings] = TypeAdapter(ClusterSettings)
_SOURCES: TypeAdapter[Sources] = TypeAdapter(Sources)
_MODEL: TypeAdapter[Model] = TypeAdapter(Model)
_ENGINE: TypeAdapter[AnyEngine] = TypeAdapter(AnyEngine)
_STORE: TypeAdapter[AnyStore] = TypeAdapter(Store)
_AWS: TypeAdapter[Aws] = TypeAdapter(Aws)
_GATEWAY: TypeAdapter[Gateway | None] = TypeAdapter(Gateway | None)
_DELIVERY: TypeAdapter[Delivery] = TypeAdapter(Delivery)
_ARGOCD: TypeAdapter[ArgoCd | None] = TypeAdapter(ArgoCd | None)
_CHART: TypeAdapter[ThirdPartyChart] = TypeAdapter(ThirdPartyChart)
_WORKFLOWS: TypeAdapter[Workflows | None] = TypeAdapter(Workflows | None)
_SYSTEM: TypeAdapter[System] = TypeAdapter(System)
_K3S: TypeAdapter[K3s] = TypeAdapter(K3s)
_MIRROR: TypeAdapter[Mirror] = TypeAdapter(Mirror)
_MACHINES: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    "nodes": ("nodes", TypeAdapter(Host)),
    "simulated": ("simulated", TypeAdapter(SimulatedHost)),
    "nodeGroups": ("node_groups", TypeAdapter(NodeGroup)),
}
_OF_CAPACITY = {info.alias or name for name, info in Capacity.model_fields.items()} | {"size"}
_UNREADABLE = object()


@dataclass(frozen=True, kw_only=True)
class Part(Generic[T]):
    """One part of the settings, and how far it can be relied on."""

    place: Place
    value: T | None
    """None where it cannot be read at all."""
    broken: frozenset[str] = frozenset()
    """Keys that are wrong; the value has something harmless in their place."""
    name: str | None = None
    """Its name, if that can be read."""

    def knows(self, *keys: str) -> bool:
        """Whether these keys are as the user wants them."""
        return self.value is not None and not self.broken.intersection(keys)


Parts = Sequence[Part[T]]


@dataclass(frozen=True, kw_only=True)
class Cluster(Part[ClusterSettings]):
    """A cluster, with those of its machines that can be read."""

    machines: Parts[Machine] = ()

    @property
    def whole(self) -> bool:
        """Whether it is known what each of its machines can run."""
        return self.knows(*_MACHINES) and all(machine.knows(*_OF_CAPACITY) for machine in self.machines)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Settings in parts; a section is None where it cannot be read."""

    target: Target | None
    pretended: bool
    """Whether it is a rehearsal or rendering, which need no secret."""
    clusters: Sequence[Cluster] | None
    models: Parts[Model] | None
    engines: Parts[AnyEngine] | None
    store: Part[AnyStore]
    sources: Part[Sources]
    gateway: Part[Gateway | None]
    delivery: Part[Delivery]
    argocd: Part[ArgoCd | None]
    charts: Parts[ThirdPartyChart] | None
    workflows: Part[Workflows | None]
    aws: Part[Aws]
    has_argocd: bool
    """However little of it can be read."""
    system: Part[System]
    k3s: Part[K3s]
    mirror: Part[Mirror]

    def cluster(self, name: str) -> Cluster | None:
        """The cluster of this name, however much of it can be read."""
        return next((cluster for cluster in self.clusters or () if cluster.name == name), None)

    def home(self, store: MinioStore) -> Cluster | None:
        """The cluster that runs the store, as far as that is known."""
        if not self.store.knows("cluster"):
            return None
        return self.cluster(store.cluster) if store.cluster else next(iter(self.clusters or ()), None)


def readable(parts: Parts[T] | None, *keys: str) -> Iterator[tuple[Place, T]]:
    """Place and value of the parts whose `keys` are right."""
    for part in parts or ():
        if part.value is not None and part.knows(*keys):
            yield part.place, part.value


def names(parts: Parts[Any] | None) -> list[str] | None:
    """Every name in a section; None where one cannot be read, so that no other can be called unknown."""
    found = [part.name for part in parts or ()]
    return None if parts is None or None in found else cast("list[str]", found)


def parsed(raw: Mapping[str, object]) -> Settings:
    """Settings, strictly: neither `true` nor `"1"` is a number. ValidationError; ValueError where nested too deeply."""
    return _read(_SETTINGS, raw)


def drafted(raw: Mapping[str, object], *, unreadable: Iterable[str] = ()) -> Draft:
    """What can be read, part by part. What cannot is told by the error of `parsed`, not here."""
    known = [info.alias or name for name, info in Settings.model_fields.items()]
    # What looks like another spelling of a section is that section: it is not missing, but what it says is unknown.
    misspelt = {closest(key, known) for key in raw if key not in known} - set(raw)
    raw = {**raw, **{key: _UNREADABLE for key in (*misspelt, *unreadable) if key}}
    return Draft(
        target=_part(_TARGET, raw.get("target", _UNREADABLE), ("target",)).value,
        pretended=raw.get("rehearsal") is True or raw.get("rendering") is True,
        clusters=_clusters(raw.get("clusters", [])),
        models=_parts(_MODEL, raw, "models"),
        engines=_parts(_ENGINE, raw, "engines"),
        store=_part(_STORE, raw.get("store", {"kind": "minio"}), ("store",)),
        sources=_part(_SOURCES, raw.get("sources", {}), ("sources",)),
        gateway=_part(_GATEWAY, raw.get("gateway", {}), ("gateway",)),
        delivery=_part(_DELIVERY, raw.get("delivery", {}), ("delivery",)),
        argocd=_part(_ARGOCD, raw.get("argocd"), ("argocd",)),
        charts=_parts(_CHART, raw, "charts"),
        workflows=_part(_WORKFLOWS, raw.get("workflows"), ("workflows",)),
        aws=_part(_AWS, raw.get("aws", {}), ("aws",)),
        has_argocd=raw.get("argocd") is not None,
        system=_part(_SYSTEM, raw.get("system", {}), ("system",)),
        k3s=_part(_K3S, raw.get("k3s", {}), ("k3s",)),
        mirror=_part(_MIRROR, raw.get("mirror", {}), ("mirror",)),
    )


def _parts(adapter: TypeAdapter[T], raw: Mapping[str, object], key: str) -> Parts[T] | None:
    given = raw.get(key, [])
    return _each(adapter, cast("list[object]", given), (key,)) if isinstance(given, list) else None


def _each(adapter: TypeAdapter[T], items: list[object], place: Place) -> Parts[T]:
    parts: list[Part[T]] = []
    wrong = 0
    for index, item in enumerate(items):
        parts.append(_part(adapter, item, (*place, index), rounds=_ROUNDS if wrong < _MOST_MENDED else 1))
        wrong += bool(parts[-1].broken) or parts[-1].value is None
    return parts


def _clusters(given: object) -> Sequence[Cluster] | None:
    if not isinstance(given, list) or not given:  # there must be one: its name is what nobody knows
        return None
    return [_cluster(item, ("clusters", index)) for index, item in enumerate(cast("list[object]", given))]


def _cluster(raw: object, place: Place) -> Cluster:
    """A cluster; its machines are read one by one, so that a wrong one hides nothing about the others."""
    given = _mapping(raw) or {}
    lists = {key: cast("list[object]", given[key]) for key in _MACHINES if isinstance(given.get(key), list)}
    frame = _part(_CLUSTER, {key: value for key, value in given.items() if key not in lists}, place)
    fields: dict[str, tuple[Machine, ...]] = {}
    machines: list[Part[Machine]] = []
    for key, items in lists.items():
        field, adapter = _MACHINES[key]
        found: Parts[Machine] = _each(adapter, items, (*place, key))
        machines += found
        fields[field] = tuple(machine for _, machine in readable(found))
    value = frame.value and frame.value.model_copy(update=fields)
    return Cluster(place=place, value=value, broken=frame.broken, name=frame.name, machines=machines)


def _part(adapter: TypeAdapter[T], raw: object, place: Place, *, rounds: int = _ROUNDS) -> Part[T]:
    """Read one part. Wrong keys are left out; where one must be given, an example from its model stands in."""
    section = _mapping(raw)
    name = section.get("name") if section else None
    broken: set[str] = set()
    for _ in range(rounds):
        known = name if isinstance(name, str) and "name" not in broken else None
        try:
            value = _read(adapter, raw if section is None else section)
            return Part(place=place, value=value, broken=frozenset(broken), name=known)
        except ValidationError as error:
            wrong = {key for detail in error.errors(include_url=False) for key in _keys(detail, place)}
        except ValueError:
            break
        if section is None or not wrong:
            break
        broken |= wrong
        _mend(section, wrong, place)
    return Part(place=place, value=None, name=name if isinstance(name, str) else None)


def _read(adapter: TypeAdapter[T], raw: object) -> T:
    try:
        text = json.dumps(raw)
    except (RecursionError, TypeError) as error:
        raise ValueError("not a tree of plain values") from error
    return adapter.validate_json(text, strict=True, by_alias=True, by_name=False)


def _keys(detail: ErrorDetails, place: Place) -> Iterator[str]:
    """The key of the part at `place` that an error is about, and the one that a misspelt key was meant to be."""
    if discriminator := detail.get("ctx", {}).get("discriminator"):
        yield discriminator.strip("'")
        return
    location = (*place, *detail["loc"])
    found = find(location).place
    if len(found) > len(place):
        yield str(found[len(place)])
    elif detail["type"] == "extra_forbidden":
        key = str(location[-1])
        yield key
        if meant := closest(key, find(location[:-1]).keys):
            yield meant


def _mapping(raw: object) -> dict[str, object] | None:
    return dict(cast("Mapping[str, object]", raw)) if isinstance(raw, Mapping) else None


def _mend(section: dict[str, object], wrong: set[str], place: Place) -> None:
    for key in wrong:
        section.pop(key, None)
    if "kind" in wrong:
        section["kind"] = next(iter(find(place).kinds), None)
    setting: Setting = find((*place, str(section.get("kind"))))
    for key in wrong.intersection(setting.schema.get("required", ())) - {"kind"}:
        section[key] = setting[key].example
