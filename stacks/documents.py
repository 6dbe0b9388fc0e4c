"""YAML as Pulumi reads it, and nothing that could hurt: bounded in size and depth, without tags, no key twice."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from stacks.problems import Problem, echo

MOST_BYTES = 2**20
"""A settings file is a page or two: a megabyte is another file."""
_MOST_DEPTH = 50
_TEXT = "tag:yaml.org,2002:str"
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]{0,99}")
_BASED = re.compile(r"[-+]?(0x[0-9a-fA-F]{1,99}|0o?[0-7]{1,99}|0b[01]{1,99})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Mapping[str, object] = {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.title(), word.upper())
} | {"": None, "~": None}
"""YAML 1.2, as Pulumi's own parser has it: `yes` and `on` are text."""


class DocumentError(Exception):
    """The text is no tree of plain values."""

    def __init__(self, message: str, *, where: str = "the file") -> None:
        super().__init__(message)
        self.problem = Problem(place=where, message=message)


def read_document(data: bytes) -> object:
    """The one YAML document in `data`. DocumentError."""
    if len(data) > MOST_BYTES:
        raise DocumentError(f"has more than {MOST_BYTES // 2**20} MiB; settings are a page or two: is it another file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError("has bytes that are not UTF-8; save it as UTF-8", where=f"line {line}") from None
    try:
        return _Builder(events=_events(text)).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text) from None
    except yaml.YAMLError as error:
        position = cast("int", getattr(error, "position", 0))
        line = text.count("\n", 0, position) + 1
        raise DocumentError("has a control character; remove it", where=f"line {line}") from None


def _events(text: str) -> Iterator[yaml.Event]:
    # The parser in C is ten times as fast; wheels have it, some distributions do not.
    parser = cast("Any", yaml).parse
    return cast("Iterator[yaml.Event]", parser(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _syntax(error: yaml.MarkedYAMLError, text: str) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    before = lines[line][: column + 1] if line < len(lines) else ""
    where = f"line {line + 1}, column {column + 1}"
    if "\t" in before and not before.strip():
        return DocumentError("is indented with a tab; use spaces", where=where)
    return DocumentError(f"is not valid YAML: {error.problem}", where=where)


@dataclass(kw_only=True)
class _Builder:
    """Builds values from the parser's events, and stops at the first that goes too far."""

    events: Iterator[yaml.Event]
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict[str, tuple[object, int]])
    """Value and size by name."""
    size: int = 0
    """Characters and values so far, those that aliases repeat included."""

    def document(self) -> object:
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise DocumentError("is empty; it begins with `config:`")
        value = self._value(next(self.events), 0)
        next(self.events)  # the end of the document
        following = next(self.events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise _at(following, "begins a second document; one file has one")
        return value

    def _value(self, event: yaml.Event, depth: int) -> object:
        if depth > _MOST_DEPTH:
            raise _at(event, f"is nested more than {_MOST_DEPTH} levels deep")
        before, name = self.size, cast("str | None", getattr(event, "anchor", None))
        if isinstance(event, yaml.AliasEvent):
            if name not in self.anchors:
                raise _at(event, f"uses {echo(name)}, which is not defined before")
            value, size = self.anchors[name]
            self._grow(event, size)
            return value
        tag = cast("str | None", getattr(event, "tag", None))
        if tag not in (None, "!", _TEXT):
            raise _at(event, f"has the tag {echo(tag)}; settings are plain values, without tags")
        self._grow(event, 1)
        if isinstance(event, yaml.ScalarEvent):
            self._grow(event, len(event.value))
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(depth)
        else:
            value = self._mapping(depth)
        if name:
            self.anchors[name] = (value, self.size - before)
        return value

    def _list(self, depth: int) -> list[object]:
        values: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        merged: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _at(event, "has a key that is not text")
            self._grow(event, len(event.value))
            key, is_merge = event.value, event.value == "<<" and event.implicit[0]
            value = self._value(next(self.events), depth + 1)
            if is_merge:
                self._merge(event, value, into=merged)
            elif key in values:
                raise _at(event, f"the key {echo(key)} stands twice in one mapping; remove one")
            else:
                values[key] = value
        return merged | values if merged else values

    def _merge(self, event: yaml.Event, value: object, *, into: dict[str, object]) -> None:
        for one in cast("list[object]", value) if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise _at(event, "merges something that is not a mapping")
            self._grow(event, len(cast("dict[str, object]", one)))
            for key, inner in cast("dict[str, object]", one).items():
                into.setdefault(key, inner)

    def _grow(self, event: yaml.Event, by: int) -> None:
        self.size += by
        if self.size > MOST_BYTES:
            raise _at(event, "the file is too large once its aliases are followed; write less of it by alias")


def _at(event: yaml.Event, message: str) -> DocumentError:
    mark = event.start_mark
    return DocumentError(message, where=f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file")


def _scalar(event: yaml.ScalarEvent) -> object:
    text = event.value
    if event.style or event.tag:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _BASED.fullmatch(text):
        return int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", text), 0)
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
