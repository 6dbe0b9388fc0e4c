"""Settings on the way: what of them parsed, and what is known of the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from components.cluster.settings import ClusterSettings
from components.engines import AnyEngine
from components.gateway.settings import Gateway
from components.storage.settings import MinioStore, Model, Store
from stacks.problems import Problem, nearest, shape_problems, shown
from stacks.settings import Settings

_LISTS: Mapping[str, TypeAdapter[Any]] = {
    "clusters": TypeAdapter(ClusterSettings),
    "models": TypeAdapter(Model),
    "engines": TypeAdapter(AnyEngine),
}


@dataclass(kw_only=True)
class Draft:
    """Every part that is valid by itself, with its place, so that checks across parts can run on what there is."""

    target: str | None = None
    rehearsal: bool = False
    clusters: dict[int, ClusterSettings] = field(default_factory=dict[int, ClusterSettings])
    models: dict[int, Model] = field(default_factory=dict[int, Model])
    engines: dict[int, AnyEngine] = field(default_factory=dict[int, AnyEngine])
    store: Store | None = None
    gateway: Gateway | None = None
    broken: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Names of parts that are there but not valid, by section."""
    problems: list[Problem] = field(default_factory=list[Problem])

    def names(self, section: str) -> set[str]:
        """Names in a section, of broken parts too."""
        parts: Mapping[int, Any] = getattr(self, section)
        return {part.name for part in parts.values()} | self.broken.get(section, set())

    def cluster(self, name: str) -> ClusterSettings | None:
        """The cluster of this name, if it is valid."""
        return next((cluster for cluster in self.clusters.values() if cluster.name == name), None)

    def model(self, name: str) -> Model | None:
        """The model of this name, if it is valid."""
        return next((model for model in self.models.values() if model.name == name), None)


def drafted(raw: Mapping[str, object]) -> Draft:
    """Parse each part of the settings by itself."""
    draft = Draft()
    fields = {info.alias or name: (name, info) for name, info in Settings.model_fields.items()}
    for key in raw:
        if key not in fields:
            message = f"unknown key{nearest(key, fields)}"
            draft.problems.append(Problem(path=shown(key)[1:-1], message=message))
    for key, (name, info) in fields.items():
        if key in _LISTS:
            _parse_list(draft, key, raw.get(key, []))
        elif key in raw:
            adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
            try:
                parsed = adapter.validate_python(raw[key])
                if hasattr(draft, name):
                    setattr(draft, name, parsed)
            except ValidationError as error:
                draft.problems += shape_problems(error, (key,), raw[key])
        elif info.is_required():
            draft.problems.append(Problem(path=key, message=f"is missing: {info.description}"))
        elif name == "store":
            draft.store = MinioStore()
    if not raw.get("clusters"):
        draft.problems.append(Problem(path="clusters", message="is missing: at least one cluster is needed"))
    return draft


def _parse_list(draft: Draft, key: str, value: object) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        draft.problems.append(Problem(path=key, message=f"{shown(value)} should be a list"))
        return
    parts: dict[int, Any] = getattr(draft, key)
    for index, item in enumerate(cast(Sequence[object], value)):
        try:
            parts[index] = _LISTS[key].validate_python(item)
        except ValidationError as error:
            draft.problems += shape_problems(error, (key, index), item)
            name = cast(Mapping[str, object], item).get("name") if isinstance(item, Mapping) else None
            if isinstance(name, str):
                draft.broken.setdefault(key, set()).add(name)
