"""Models on the Hugging Face hub, or on any server that speaks its API (HF_ENDPOINT)."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, TypeVar, cast

import urllib3
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import build_hf_headers  # pyright: ignore[reportUnknownVariableType]

from . import http
from .manifest import Refused, Unusable, inside
from .source import Offered

TRIES = 6
CODES: Mapping[type[HfHubHTTPError], str] = {
    GatedRepoError: "GatedRepo",
    RevisionNotFoundError: "RevisionNotFound",
    RepositoryNotFoundError: "RepoNotFound",
}
"""The hub's own codes for its refusals, by what its client makes of them; the first that fits."""
_Answer = TypeVar("_Answer")


class Hub:
    """One repository at one commit. Bytes come by plain HTTP, straight on to the bucket: the hub's own client would
    first write them to a disk.
    """

    licence: str | None = None

    def __init__(
        self,
        repository: str,
        commit: str,
        *,
        files: Sequence[str] = ("*",),
        token: str | None,
        through: urllib3.PoolManager,
    ) -> None:
        self.text, self.revision = f"hf://{repository}@{commit}", commit
        self.patterns: Sequence[str] = tuple(files)
        self._repository, self._token, self._through = repository, token, through
        self._headers = build_hf_headers(token=token or False)

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose."""
        info = cast(
            Any,
            self._asked(
                lambda: HfApi().model_info(
                    self._repository, revision=self.revision, files_metadata=True, token=self._token or False
                )
            ),
        )
        if info.sha != self.revision:
            raise Unusable(f"{self.text}: the hub answered with commit {info.sha}")
        self.licence = getattr(info.card_data, "license", None) if info.card_data else None
        chosen = [one for one in info.siblings or () if any(fnmatch(one.rfilename, wanted) for wanted in self.patterns)]
        if not chosen:
            raise Refused(f"{self.text}: no file matches {', '.join(self.patterns)}")
        return [
            Offered(
                path=inside(one.rfilename),
                size=one.size,
                sha256=one.lfs.sha256 if one.lfs else None,
                git_blob=None if one.lfs else one.blob_id,
            )
            for one in chosen
        ]

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """As the hub serves them, from wherever it redirects to."""
        url = hf_hub_url(self._repository, file.path, revision=self.revision)
        try:
            yield from http.chunks(self._through, url, self._headers, size=file.size)
        except http.Denied as problem:
            raise self._refusal(problem.status, problem.code) from problem

    def resolved(self, name: str) -> str:
        """The commit that a branch or a tag stands for now."""
        info = self._asked(lambda: HfApi().model_info(self._repository, revision=name, token=self._token or False))
        return str(cast(Any, info).sha)

    def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        for attempt in range(TRIES):
            try:
                return question()
            except (RepositoryNotFoundError, RevisionNotFoundError) as problem:
                code = next(name for kind, name in CODES.items() if isinstance(problem, kind))
                raise self._refusal(problem.response.status_code, code) from problem
            except HfHubHTTPError as problem:
                status = problem.response.status_code
                if status in (401, 403):
                    raise self._refusal(status, "") from problem
                if attempt == TRIES - 1 or (status < 500 and status != 429):
                    raise Unusable(f"{self.text}: the hub answered {status}") from problem
                time.sleep(_seconds(problem.response.headers.get("Retry-After")) or 2**attempt)
        raise AssertionError("unreachable")

    def _refusal(self, status: int, code: str) -> Refused:
        match code:
            case "GatedRepo":
                why = (
                    "is gated: accept its licence at "
                    f"https://huggingface.co/{self._repository} with the account whose token is set"
                    if self._token
                    else "is gated: set a token of an account that has accepted its licence"
                )
            case "RevisionNotFound":
                why = "has no such commit"
            case "EntryNotFound":
                why = "has a file less than it lists: try again, or pin another commit"
            case _ if status == 401 and self._token:
                why = "refuses the token: it is wrong, expired, or may not read this repository"
            case _:
                why = "does not exist, or is private: check its name, and that a token is set which may read it"
        return Refused(f"{self.text}: {why}")


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
