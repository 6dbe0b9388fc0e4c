"""vLLM's own source, of the version that its images have: read as text, never imported."""

import argparse
import ast
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from toolchain import places
from toolchain.download import Network
from toolchain.problems import ToolchainError

LOCK = Path(__file__).with_name("vllm.lock")
INDEX = environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
ARGUMENTS = ("vllm/engine/arg_utils.py", "vllm/entrypoints/launchers/cli_args.py")
"""Where the flags of `vllm serve` are."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Python files of vLLM, below a directory."""

    root: Path

    def text(self, path: str) -> str:
        """One file."""
        return (self.root / path).read_text()

    def tree(self, path: str) -> ast.Module:
        """One file of Python."""
        return ast.parse(self.text(path))

    def assigned(self, path: str, name: str) -> ast.expr:
        """What a file assigns to a name, in the module or in a class."""
        for node in ast.walk(self.tree(path)):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value: ast.expr | None = getattr(node, "value", None)
            if value is not None and any(isinstance(one, ast.Name) and one.id == name for one in targets):
                return value
        raise AssertionError(f"{path} assigns nothing to {name}")

    def values(self, path: str, name: str) -> set[str]:
        """The texts in it: members of a `Literal` or a list, or the keys of a dictionary."""
        value = self.assigned(path, name)
        parts = [key for key in value.keys if key] if isinstance(value, ast.Dict) else [value]
        return {text for part in parts for text in _texts(part)}

    def written(self, path: str, name: str) -> str:
        """What it assigns, as it is written."""
        return ast.unparse(self.assigned(path, name))

    @cached_property
    def parser(self) -> argparse.ArgumentParser:
        """The flags of `vllm serve`, made again: its names, with `--no-` where vLLM has it, and types of values."""
        parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False, add_help=False)
        parser.add_argument("model_tag", nargs="?")
        fields = self._fields
        for path in ARGUMENTS:
            for call in _calls(self.tree(path), "add_argument"):
                flags = [one.value for one in call.args if isinstance(one, ast.Constant) and str(one.value)[:1] == "-"]
                if flags:
                    parser.add_argument(*map(str, flags), **_kwargs(call, fields))
        for name in ("BaseFrontendArgs", "FrontendArgs"):
            for field, annotation in fields[name].items():
                parser.add_argument(f"--{field.replace('_', '-')}", **_of_type(annotation))
        return parser

    @cached_property
    def _fields(self) -> Mapping[str, Mapping[str, str]]:
        """Types of fields as they are written, by class."""
        paths = [*sorted(str(one.relative_to(self.root)) for one in self.root.glob("vllm/config/*.py")), ARGUMENTS[1]]
        return {
            node.name: {
                str(one.target.id): ast.unparse(one.annotation)
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            }
            for path in paths
            for node in self.tree(path).body
            if isinstance(node, ast.ClassDef)
        }


def _texts(node: ast.AST) -> Iterator[str]:
    return (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


def _kwargs(call: ast.Call, fields: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """From `**model_kwargs["dtype"]`, or from what is written out."""
    written = {one.arg: one.value for one in call.keywords if one.arg}
    if isinstance(action := written.get("action"), ast.Constant):
        return {"action": action.value}
    if action is not None:
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(kind := written.get("type"), ast.Name):
        return _of_type(kind.id)
    for one in (node for keyword in call.keywords if not keyword.arg for node in ast.walk(keyword.value)):
        if isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name) and isinstance(one.slice, ast.Constant):
            group, field = one.value.id.removesuffix("_kwargs").replace("_", ""), str(one.slice.value)
            for name, known in fields.items():
                if field in known and name.lower() in (f"{group}config", f"{group}offloadconfig"):
                    return _of_type(known[field])
    return {}


def _of_type(annotation: str) -> dict[str, Any]:
    kinds = set(re.findall(r"\w+", annotation)) - {"None"}
    if "bool" in kinds:
        return {"nargs": "?", "const": True} if "str" in kinds else {"action": argparse.BooleanOptionalAction}
    return {"type": int} if kinds == {"int"} else {"type": float} if kinds == {"float"} else {}


def source() -> Source:
    """As the lock file names it: brought from the package index once, and kept for other runs of the same user."""
    lock = LOCK.read_text()
    (version,) = re.findall(r"^vllm==(\S+)", lock, re.MULTILINE)
    root = places.cache() / "sources" / f"vllm-{version}"
    if not root.is_dir():
        try:
            _bring(f"vllm-{version}", set(re.findall(r"sha256:([0-9a-f]{64})", lock)), root)
        except ToolchainError as error:
            pytest.skip(f"no source of vLLM: {error}")
    return Source(root=root)


def _bring(name: str, hashes: set[str], root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    network, page = Network(), f"{INDEX}/vllm/"
    (address,) = re.findall(rf'href="([^"#]*{re.escape(name)}\.tar\.gz)[#"]', network.text(page))
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root.parent) as temporary:
        archive = Path(temporary, "archive")
        assert network.file(urljoin(page, address), archive, lambda _: None) in hashes, (
            f"{address} is not what was locked"
        )
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data", members=_wanted(tar))
        shutil.move(Path(temporary, name), root)


def _wanted(tar: tarfile.TarFile) -> Sequence[tarfile.TarInfo]:
    return [
        one
        for one in tar
        if re.search(r"^[^/]*/(vllm/.*\.py|requirements/\w+\.txt|docker/Dockerfile\.?\w*)$", one.name)
    ]
