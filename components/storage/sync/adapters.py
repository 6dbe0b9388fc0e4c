"""LoRA adapters beside an engine: brought before it starts, and loaded or unloaded while it runs."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import urllib3
from urllib3.exceptions import HTTPError

from .bucket import Bucket
from .digesting import Digest
from .home import Home
from .manifest import Refused, Unusable
from .opening import opened
from .pull import pull
from .source import Source
from .store import Store

Report = Callable[[str], None]
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
ENGINE: Final = "http://127.0.0.1:8000"
"""vLLM in the same pod. What loads adapters there is not for other pods: the gateway does not pass it on."""
SECONDS: Final = 300
"""That an engine may take to load an adapter."""
KEY: Final = "ENGINE_API_KEY"
"""Variable with the key that the engine asks for, if it does."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """What requests call it, and where it comes from."""

    name: str
    source: str
    """`s3://BUCKET/PREFIX` of a synced model, or a source such as `mlflow://MODEL@ALIAS`."""

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From `NAME=SOURCE`."""
        name, _, source = text.partition("=")
        if not NAME.fullmatch(name) or not source:
            raise Refused(f"{text!r} is not NAME=SOURCE, with a name of letters, digits, . _ and -")
        return cls(name=name, source=source)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The directory that an engine has its adapters in, one below the other."""

    directory: Path
    through: urllib3.PoolManager
    report: Report

    def bring(self, wanted: Sequence[Adapter]) -> Mapping[str, str]:
        """Each of them. Why those are missing that could not be had, by name: an engine does without one."""
        missing: dict[str, str] = {}
        for one in wanted:
            try:
                self.add(one)
            except Unusable as problem:
                missing[one.name] = str(problem)
        return missing

    def add(self, one: Adapter) -> Path:
        """All of it, or nothing: it is brought beside its place, and renamed."""
        place, partial = self.directory / one.name, self.directory / f".{one.name}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            if one.source.startswith("s3://") and "@" not in one.source:
                self._from_home(one.source, partial)
            else:
                self._from_source(opened(one.source, through=self.through), partial)
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return place

    def vllm_config(self) -> str:
        """For `vllm serve --config`: YAML, as which JSON counts. An empty list is no flag."""
        there = sorted(path for path in self.directory.iterdir() if path.is_dir() and not path.name.startswith("."))
        return json.dumps({"lora-modules": [f"{path.name}={path}" for path in there]}) + "\n"

    def load(self, one: Adapter, engine: str = ENGINE) -> None:
        """Bring it, and have the running engine serve it."""
        place = self.add(one)
        self._tell(f"{engine}/v1/load_lora_adapter", lora_name=one.name, lora_path=str(place))

    def unload(self, name: str, engine: str = ENGINE) -> None:
        """Have the running engine forget it, and remove it."""
        self._tell(f"{engine}/v1/unload_lora_adapter", lora_name=name)
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def _from_home(self, uri: str, to: Path) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        home = Home(bucket=Bucket(bucket), prefix=prefix)
        pull(Store(home.bucket), home.manifest(), prefix, to, self.report)

    def _from_source(self, source: Source, to: Path) -> None:
        for offered in source.offered():
            target, seen = to / offered.path, Digest(offered)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for chunk in source.chunks(offered):
                    seen.update(chunk)
                    file.write(chunk)
            self.report(f"{offered.path}: {seen.file().size} bytes")

    def _tell(self, url: str, **what: str) -> None:
        try:
            key = os.environ.get(KEY)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = self.through.request("POST", url, json=what, headers=headers, timeout=SECONDS, retries=False)
        except HTTPError as problem:
            raise Unusable(f"the engine does not answer at {url}: {problem}") from problem
        if answer.status != 200:
            raise Unusable(f"the engine refused with {answer.status}: {answer.data.decode(errors='replace')[:500]}")
