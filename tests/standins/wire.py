"""Property values as the engine sends them, kept in the form of its wire so that nothing is lost on the way through.

The SDK's own `PropertyValue` drops the hashes of assets, by which the engine tells that a file has changed. Here a
secret, an asset or an archive stays the tagged mapping that it is on the wire (pulumi/runtime/rpc.py).
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, cast

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

Wire: TypeAlias = "bool | float | str | list[Wire] | dict[str, Wire] | None"
Properties: TypeAlias = dict[str, Wire]
Change = Literal["add", "delete", "update"]

UNKNOWN = rpc.UNKNOWN
"""A value that will only be known after an update."""
TAG = rpc._special_sig_key  # pyright: ignore[reportPrivateUsage] # the protocol's own constants, named nowhere else
_SECRET = rpc._special_secret_sig  # pyright: ignore[reportPrivateUsage]
_ASSET = rpc._special_asset_sig  # pyright: ignore[reportPrivateUsage]
_ARCHIVE = rpc._special_archive_sig  # pyright: ignore[reportPrivateUsage]


def received(message: struct_pb2.Struct) -> Properties:
    """What the engine sent."""
    return cast(Properties, json_format.MessageToDict(message))


def sent(properties: Mapping[str, Wire]) -> struct_pb2.Struct:
    """What the engine is to be sent."""
    message = struct_pb2.Struct()
    message.update(dict(properties))
    return message


def secret(value: Wire) -> Wire:
    """This value, encrypted in the state and never shown."""
    return value if _is(value, _SECRET) else {TAG: _SECRET, "value": value}


def is_secret(value: Wire) -> bool:
    """Whether this is a wrapped secret."""
    return _is(value, _SECRET)


def file_asset(path: str) -> Wire:
    """A file on this machine, as it is now."""
    with Path(path).open("rb") as content:
        return {TAG: _ASSET, "path": path, "hash": hashlib.file_digest(content, "sha256").hexdigest()}


def archive(assets: Mapping[str, Wire]) -> Wire:
    """Several assets, each by its path in the archive."""
    return {TAG: _ARCHIVE, "assets": dict(assets)}


def is_asset(value: Wire) -> bool:
    """Whether this is one file or text."""
    return _is(value, _ASSET)


def is_archive(value: Wire) -> bool:
    """Whether this is a directory or a packed file."""
    return _is(value, _ARCHIVE)


def revealed(value: Wire) -> Wire:
    """The value with no secret wrapped any more, and whole numbers as integers."""
    if isinstance(value, dict):
        return revealed(value["value"]) if _is(value, _SECRET) else {k: revealed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain(properties: Mapping[str, Wire]) -> Properties:
    """All of these values revealed, those without one left out."""
    return {name: shown for name, value in properties.items() if (shown := revealed(value)) is not None}


def is_unknown(value: Wire) -> bool:
    """Whether this or anything in it is not known yet."""
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    return value == UNKNOWN


def same(old: Wire, new: Wire) -> bool:
    """Whether nothing differs, secrecy included; files are compared by what is in them, as the engine does."""
    return not dict(_differences("", old, new))


def differences(old: Mapping[str, Wire], new: Mapping[str, Wire]) -> dict[str, Change]:
    """What changed, by the path of each property, as in `a.b[0]`."""
    return dict(_of_mappings("", old, new))


def _of_mappings(path: str, old: Mapping[str, Wire], new: Mapping[str, Wire]) -> Iterator[tuple[str, Change]]:
    for name in dict.fromkeys([*old, *new]):
        below = f"{path}.{name}" if path else name
        yield from _differences(below if name.isidentifier() else f'{path}["{name}"]', old.get(name), new.get(name))


def _differences(path: str, old: Wire, new: Wire) -> Iterator[tuple[str, Change]]:
    if old is None or new is None:
        if old is not new:
            yield path, "add" if old is None else "delete"
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (values[index] if index < len(values) else None for values in (old, new))
            yield from _differences(f"{path}[{index}]", before, after)
    elif isinstance(old, dict) and isinstance(new, dict) and TAG not in old and TAG not in new:
        yield from _of_mappings(path, old, new)
    elif _identity(old) != _identity(new):
        yield path, "update"


def _identity(value: Wire) -> Wire:
    """What tells two values apart: of files only their contents, wherever they lie."""
    if isinstance(value, dict):
        if (_is(value, _ASSET) or _is(value, _ARCHIVE)) and value.get("hash"):
            return {TAG: value[TAG], "hash": value["hash"]}
        return {name: _identity(item) for name, item in value.items() if item is not None}
    return [_identity(item) for item in value] if isinstance(value, list) else value


def _is(value: Wire, kind: str) -> bool:
    return isinstance(value, dict) and value.get(TAG) == kind
