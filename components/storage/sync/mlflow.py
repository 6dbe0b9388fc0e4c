"""Models and LoRA adapters in an MLflow model registry.

Facts from MLflow 3.17.2, asked and read on 2026-11-21: its REST API 2.0 (`registered-models/alias` and
`model-versions/get-download-uri`) and its artifact proxy (`mlflow-artifacts/artifacts`, as
`mlflow/store/artifact/http_artifact_repo.py` uses it). MLflow has no checksums: the size is verified, and what was
first seen is what counts from then on.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from . import http
from .address import Address
from .manifest import Refused
from .prefix import Prefix
from .source import Offered, Source, chosen

DEEPEST: Final = 32
"""Directories within directories."""


class Mlflow:
    """One version of a registered model; an alias stands for the version that has it when this is made."""

    licence: str | None = None

    def __init__(
        self,
        address: Address,
        *,
        files: Sequence[str] = ("*",),
        server: str | None,
        login: dict[str, str],
        s3: Callable[[], Any],
        through: urllib3.PoolManager,
    ) -> None:
        if not server:
            raise Refused(f"{address.text}: MLFLOW_TRACKING_URI is not set; set it to https://HOST of your MLflow")
        if urlsplit(server).scheme not in ("http", "https"):
            raise Refused(f"{address.text}: MLFLOW_TRACKING_URI must be a URL that begins with https:// or http://")
        self._asked_for, self._model = address.text, address["model"]
        self._server, self._login, self._s3 = server.rstrip("/"), login, s3
        self._patterns = tuple(files)
        self._through = through
        self.revision = address["revision"] or self._version(address["alias"])
        self.text = f"mlflow://{self._model}@{self.revision}"
        self._prefix: Source | None = None
        self._root = ""

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose."""
        with http.understood(self._server):
            self._root = str(self._question("model-versions/get-download-uri", version=self.revision)["artifact_uri"])
            where = urlsplit(self._root)
            if where.scheme == "s3":
                self._prefix = Prefix(
                    where.netloc,
                    where.path,
                    text=self.text,
                    revision=self.revision,
                    files=self._patterns,
                    client=self._s3(),
                    through=self._through,
                )
                return self._prefix.offered()
            if where.scheme != "mlflow-artifacts":
                raise Refused(
                    f"{self.text}: its files are at {self._root}, which only MLflow itself reaches; run it with "
                    "--serve-artifacts, or with an artifact root on S3"
                )
            return chosen(self._listed(""), self._patterns, self.text)

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """Through MLflow, or straight from the bucket where it keeps its files in one."""
        if self._prefix:
            yield from self._prefix.chunks(file)
            return
        url = f"{self._artifacts}/{quote(self._below(file.path))}"
        try:
            yield from http.chunks(self._through, url, self._login, size=file.size)
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    @property
    def _artifacts(self) -> str:
        return f"{self._server}/api/2.0/mlflow-artifacts/artifacts"

    def _below(self, path: str) -> str:
        return "/".join(filter(None, (urlsplit(self._root).path.strip("/"), path)))

    def _listed(self, directory: str) -> Iterator[Offered]:
        if directory.count("/") > DEEPEST:
            raise Refused(f"{self.text}: more than {DEEPEST} directories within each other")
        listed = self._document(f"{self._artifacts}?{urlencode({'path': self._below(directory)})}")
        for one in listed.get("files") or ():
            path = f"{directory}/{one['path']}".lstrip("/")
            if one["is_dir"]:
                yield from self._listed(path)
            else:
                yield Offered(path=path, size=int(one["file_size"]) if "file_size" in one else None)

    def _version(self, alias: str) -> str:
        with http.understood(self._server):
            return str(self._question("registered-models/alias", alias=alias)["model_version"]["version"])

    def _question(self, path: str, **parameters: str) -> Any:
        return self._document(f"{self._server}/api/2.0/mlflow/{path}?{urlencode({'name': self._model, **parameters})}")

    def _document(self, url: str) -> Any:
        try:
            return http.document(self._through, url, self._login)
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    def _refusal(self, denied: http.Denied) -> Refused:
        match denied.status:
            case 401 | 403:
                given = "refuses" if self._login else "asks for"
                why = f"{self._server} {given} MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and its password"
            case 400 | 404:
                why = f"there is no such model, version, alias or file at {self._server}"
            case _:
                why = str(denied)
        return Refused(f"{self._asked_for}: {why}")
