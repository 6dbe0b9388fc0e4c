"""Models on the Hugging Face hub, or on any server that speaks its API.

Facts from huggingface_hub 2.4.0 (`HfApi.model_info`, `HfApi.auth_check`, `hf_hub_url`, `hf_raise_for_status`). Its own
client is not used: it would write files to a disk before they can go on to the bucket. Files on Xet come by plain HTTP
as all others do: the hub redirects those who do not ask for Xet to a server that puts them together.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import urllib3

from . import http
from .manifest import Refused, Unusable
from .source import Offered, chosen

HUB = "https://huggingface.co"


class Hub:
    """One repository at one commit."""

    licence: str | None = None

    def __init__(
        self,
        repository: str,
        commit: str,
        *,
        files: Sequence[str] = ("*",),
        endpoint: str = HUB,
        token: str | None,
        through: urllib3.PoolManager,
    ) -> None:
        self.text, self.revision = f"hf://{repository}@{commit}", commit
        self._patterns = tuple(files)
        self._repository, self._through = repository, through
        self._endpoint, self._headers = endpoint.rstrip("/"), {"Authorization": f"Bearer {token}"} if token else {}

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose."""
        info = self._info(self.revision, blobs=True)
        with http.understood(self._endpoint):
            if info["sha"] != self.revision:
                raise Unusable(f"{self.text}: the hub answered with commit {info['sha']}")
            self.licence = _licence(info.get("cardData") or {})
            files = chosen([_file(one) for one in info["siblings"]], self._patterns, self.text)
        if info.get("gated"):
            self._check_gate()
        return files

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """As the hub serves them, from wherever it redirects to."""
        url = f"{self._endpoint}/{self._repository}/resolve/{self.revision}/{quote(file.path)}"
        try:
            yield from http.chunks(self._through, url, self._headers, size=file.size)
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    def resolved(self) -> str:
        """The same repository at the commit that its branch or tag stands for now."""
        with http.understood(self._endpoint):
            return f"hf://{self._repository}@{self._info(self.revision)['sha']}"

    def _info(self, revision: str, *, blobs: bool = False) -> Any:
        url = f"{self._endpoint}/api/models/{self._repository}/revision/{quote(revision, safe='')}"
        try:
            return http.document(self._through, url + ("?blobs=true" if blobs else ""), self._headers)
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    def _check_gate(self) -> None:
        url = f"{self._endpoint}/api/models/{self._repository}/auth-check"
        try:
            http.content(self._through, url, self._headers)
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    def _refusal(self, denied: http.Denied) -> Refused:
        given = "Authorization" in self._headers
        match denied.code:
            case "GatedRepo":
                page = f"{HUB}/{self._repository}"
                why = (
                    f"is gated: accept its licence at {page} with the account whose token is set"
                    if given
                    else f"is gated: accept its licence at {page}, and set a token of that account in HF_TOKEN"
                )
            case "RevisionNotFound":
                why = "has no such commit, branch or tag"
            case "EntryNotFound":
                why = "has a file less than it lists: try again, or pin another commit"
            case "DisabledRepo":
                why = "has been disabled by the hub: pin another model"
            case _ if given and denied.status == 401:
                why = "refuses the token in HF_TOKEN: it is wrong, expired, or may not read this repository"
            case _ if given and denied.status == 403:
                why = "may not be read with the token in HF_TOKEN: give that token the right to read this repository"
            case _ if denied.status in (401, 403, 404):
                why = "does not exist, or is private: check its name, and that HF_TOKEN has a token which may read it"
            case _:
                return Refused(f"{self.text}: {denied}")
        return Refused(f"{self.text}: {why}")


def _file(listed: Any) -> Offered:
    lfs: Any = listed.get("lfs")
    return Offered(
        path=listed["rfilename"],
        size=listed["size"],
        sha256=lfs["sha256"] if lfs else None,
        git_blob=None if lfs else listed["blobId"],
    )


def _licence(card: Any) -> str | None:
    """A card's `license`, or what it calls it where that is `other`."""
    licence: Any = card.get("license")
    if licence == "other":
        licence = card.get("license_name") or licence
    return licence if licence is None or isinstance(licence, str) else ", ".join(map(str, licence))
