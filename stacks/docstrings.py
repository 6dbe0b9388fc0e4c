"""What the models say of each setting, in the docstring below its field.

Pydantic can read them too, but does so whenever a model is imported, which every preview would wait for.
"""

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise
from textwrap import dedent
from typing import cast

from components.section import Section


def sections(above: type[Section] = Section) -> Mapping[str, type[Section]]:
    """Every model of settings by its name."""
    found: dict[str, type[Section]] = {}
    for section in above.__subclasses__():
        found |= {section.__name__: section, **sections(section)}
    return found


def docstrings(section: type[Section]) -> Mapping[str, str]:
    """By the key that users write; of fields that the section inherits as well."""
    texts: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, Section):
            texts |= _below_fields(base)
    fields = section.model_fields.items()
    return {info.alias or name: texts[name] for name, info in fields if name in texts}


def _below_fields(section: type[Section]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    (definition,) = ast.parse(dedent(inspect.getsource(section))).body
    for field, text in pairwise(cast("ast.ClassDef", definition).body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
            case _:
                pass
    return found
