"""Settings on the way: what of them parsed, and what is known of the rest."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from components.cluster.settings import ClusterSettings
from components.engines import AnyEngine
from components.gateway.settings import Gateway
from components.storage.settings import MinioStore, Model, Store
from stacks.problems import Problem, inside, shown
from stacks.settings import Settings
from stacks.wording import missing, shape_problems, unknown

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
    unsure: set[str] = field(default_factory=set[str])
    """Sections with parts whose names cannot be told: nothing can be said to be missing from them."""
    problems: list[Problem] = field(default_factory=list[Problem])

    def names(self, section: str) -> set[str]:
        """Names in a section, of broken parts too."""
        parts: Mapping[int, Any] = getattr(self, section)
        return {part.name for part in parts.values()} | self.broken.get(section, set())

    def named(self, section: str) -> dict[str, Any]:
        """The valid parts of a section by name; of several with one name, the first."""
        parts: Mapping[int, Any] = getattr(self, section)
        found: dict[str, Any] = {}
        for part in parts.values():
            found.setdefault(part.name, part)
        return found


def drafted(raw: Mapping[str, object], hidden: Set[str]) -> Draft:
    """Parse each part of the settings by itself; `hidden` are keys that cannot be read, being secret."""
    draft = Draft()
    fields = {info.alias or name: (name, info) for name, info in Settings.model_fields.items()}
    draft.problems += [unknown((key,), raw) for key in raw if key not in fields]
    for key, (name, info) in fields.items():
        if key in hidden:
            draft.unsure.add(key)
        elif key not in raw or (key == "clusters" and raw[key] == []):
            _left_out(draft, key, is_required=info.is_required())
        elif key in _LISTS:
            _parse_list(draft, key, raw)
        else:
            try:
                parsed = _adapters()[name].validate_python(raw[key])
                if hasattr(draft, name):
                    setattr(draft, name, parsed)
            except ValidationError as error:
                draft.problems += shape_problems(error, (key,), raw)
    return draft


def _left_out(draft: Draft, key: str, *, is_required: bool) -> None:
    if key == "clusters":
        draft.problems.append(Problem(path=key, message="is missing: at least one cluster is needed"))
        draft.unsure.add(key)
    elif is_required:
        draft.problems.append(missing((key,), {}))
    elif key == "store":
        draft.store = MinioStore(kind="minio")


def _parse_list(draft: Draft, key: str, raw: Mapping[str, object]) -> None:
    items = raw[key]
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        draft.problems.append(Problem(path=key, message=f"{shown(items)} must be a list"))
        draft.unsure.add(key)
        return
    parts: dict[int, Any] = getattr(draft, key)
    for index, item in enumerate(cast(Sequence[object], items)):
        try:
            parts[index] = _LISTS[key].validate_python(item)
        except ValidationError as error:
            problems = list(shape_problems(error, (key, index), raw))
            draft.problems += problems
            name = inside(item, ("name",))
            if isinstance(name, str) and f"{key}[{index}].name" not in {problem.path for problem in problems}:
                draft.broken.setdefault(key, set()).add(name)
            else:
                draft.unsure.add(key)


@cache
def _adapters() -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(Settings, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in Settings.model_fields}
