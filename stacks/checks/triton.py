"""Triton: what it serves is among the files that are kept of its models."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from components.engines.triton.models import OWN_CONFIGURATION, TritonModel
from components.engines.triton.server import Triton
from components.engines.triton.tensorrtllm import TritonTensorRtLlm
from stacks.drafts import Draft, readable
from stacks.problems import Place, Problem, listed

_VERSION_PATTERN = re.compile(r"[0-9*?\[\]-]+")
"""Directories that such a pattern matches can be a version's."""
_Want = tuple[Place, str, str]
"""Where an engine asks for a file, the model's name, and the message without what there is."""


def find_their_files(draft: Draft) -> Iterator[Problem]:
    """Each model keeps the file that its backend reads, its labels, or the configuration that it brings along."""
    models = {model.name: model for _, model in readable(draft.models, "name", "files")}
    for place, engine in readable(draft.engines, "kind", "models"):
        for number, served in enumerate(engine.models if isinstance(engine, Triton) else ()):
            model = models.get(served.model)
            for key, file in _wanted(served) if model else ():
                if model and not _kept(file, model.files, in_version=key != "outputs"):
                    yield _missing((*place, "models", number, key), file, model.name, model.files)
    for place, engine in readable(draft.engines, "kind", "model", "directory"):
        model = models.get(engine.model) if isinstance(engine, TritonTensorRtLlm) else None
        if model and isinstance(engine, TritonTensorRtLlm) and not _kept(engine.wanted, model.files, in_version=False):
            yield _missing(
                (*place, "directory" if engine.directory else "model"), engine.wanted, model.name, model.files
            )


def _wanted(served: TritonModel) -> Iterator[tuple[str, str]]:
    """Each file, with the key of the setting that asks for it."""
    first, *labels = served.wanted
    yield "file" if served.file else "backend" if served.backend else "model", first
    yield from (("outputs", label) for label in labels)


def _kept(file: str, patterns: Sequence[str], *, in_version: bool) -> bool:
    in_version = in_version and file != OWN_CONFIGURATION
    for pattern in patterns:
        version, _, rest = pattern.partition("/")
        if fnmatchcase(file, pattern) or (
            in_version and _VERSION_PATTERN.fullmatch(version) and fnmatchcase(file, rest)
        ):
            return True
    return False


def _missing(place: Place, file: str, model: str, patterns: Sequence[str]) -> Problem:
    remedy = "; set `backend`, or add it there" if file == OWN_CONFIGURATION else ""
    return Problem(place=place, message=f'"{file}" is not among the files of "{model}": {listed(patterns)}{remedy}')
