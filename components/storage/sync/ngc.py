"""Models in NVIDIA's NGC registry.

Facts from NVIDIA's own client, ngcsdk 4.37.0 on PyPI, read on 2026-11-21: `registry/api/models.py` (paths, pages,
states, 412 for terms that nobody accepted, other paths for guests), `ngcbase/api/authentication.py` (keys that begin
with `nvapi-` are tokens themselves, older ones are exchanged), `registry/data/model/ModelFile.py` (a sha256 in base64,
which may be missing) and `ngcbase/transfer/async_download.py` (URLs of files are signed, and expire). Where a file has
no sha256, its size is verified, and what was first seen is what counts from then on.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from . import http
from .address import Address
from .manifest import Refused, Unusable
from .source import Offered, chosen

API: Final = "https://api.ngc.nvidia.com"
AUTHN: Final = "https://authn.nvidia.com"
CATALOG: Final = "https://catalog.ngc.nvidia.com"
PAGE: Final = 1000
"""Files that are listed at a time."""


class Ngc:
    """One version of a model."""

    licence: str | None = None

    def __init__(
        self,
        address: Address,
        *,
        files: Sequence[str] = ("*",),
        key: str | None,
        through: urllib3.PoolManager,
        api: str = API,
        authn: str = AUTHN,
    ) -> None:
        self.text, self.revision = address.text, address["revision"]
        self._org, self._team, self._model = address["org"], address["team"], address["model"]
        self._patterns = tuple(files)
        self._key, self._through = key, through
        self._api, self._authn = api.rstrip("/"), authn.rstrip("/")
        self._token: Mapping[str, str] | None = None

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose."""
        version = f"{self._home}/versions/{quote(self.revision, safe='')}"
        with http.understood(self._api):
            self.licence = _licence(self._asked(self._home)["model"])
            state = self._asked(version)["modelVersion"]["status"]
            if state != "UPLOAD_COMPLETE":
                raise Unusable(f"{self.text}: its state is {state}; wait until it was uploaded, or pin another version")
            files = [_file(one) for one in self._pages(f"{version}/files")]
            return chosen(files, self._patterns, self.text)

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """From where NGC says that the file lies: that URL is signed, and must not get our key."""
        team = f"/team/{self._team}" if self._team else ""
        scope = f"org/{self._org}{team}"
        path = f"{scope}/models/{self._model}" if self._key else f"models/{scope}/{self._model}"
        url = f"{self._api}/v2/{path}/{quote(self.revision, safe='')}/files?{urlencode({'path': file.path})}"

        def signed() -> str:
            with http.understood(url):
                return str(self._asked(url)["urls"][0])

        yield from http.chunks(self._through, signed, {}, size=file.size)

    def resolved(self) -> str:
        """The same model at its latest version."""
        with http.understood(self._api):
            latest = self._asked(self._home)["model"].get("latestVersionIdStr")
        if not latest:
            raise Refused(f"{self.text}: it has no version")
        return f"ngc://{'/'.join(filter(None, (self._org, self._team, self._model)))}:{latest}"

    @property
    def _home(self) -> str:
        if not self._key:
            return f"{self._api}/v2/models/{'/'.join(filter(None, (self._org, self._team, self._model)))}"
        team = f"/team/{self._team}" if self._team else ""
        return f"{self._api}/v2/org/{self._org}{team}/models/{self._model}"

    def _pages(self, url: str) -> Iterator[Any]:
        number, pages = 0, 1
        while number < pages:
            page = self._asked(f"{url}?page-size={PAGE}&page-number={number}")
            yield from page.get("modelFiles") or ()
            information: Any = page.get("paginationInfo")
            number, pages = number + 1, int(information["totalPages"]) if information else 1

    def _asked(self, url: str) -> Any:
        for last in (False, True):
            try:
                return http.document(self._through, url, self._authorization())
            except http.Denied as problem:
                if last or problem.status != 401:
                    raise self._refusal(problem) from problem
                self._token = None  # tokens expire before a large model has come
        raise AssertionError("unreachable")

    def _authorization(self) -> Mapping[str, str]:
        if self._token is None:
            self._token = {"Authorization": f"Bearer {self._exchanged(self._key)}"} if self._key else {}
        return self._token

    def _exchanged(self, key: str) -> str:
        if key.startswith("nvapi-"):
            return key
        scopes = [f"group/ngc:{self._org}", *([f"group/ngc:{self._org}/{self._team}"] if self._team else [])]
        query = urlencode([("service", "ngc"), *(("scope", scope) for scope in scopes)], safe=":/")
        login = urllib3.make_headers(basic_auth=f"$oauthtoken:{key}")
        url = f"{self._authn}/token?{query}"
        try:
            with http.understood(url):
                return str(http.document(self._through, url, login)["token"])
        except http.Denied as problem:
            raise self._refusal(problem) from problem

    def _refusal(self, denied: http.Denied) -> Refused:
        match denied.status:
            case 401:
                why = "refuses the key in NGC_API_KEY: it is wrong or expired" if self._key else "needs NGC_API_KEY"
            case 403:
                why = (
                    "may not be read with the key in NGC_API_KEY: the key needs the service NGC Catalog, or Private "
                    f"Registry in {self._org}"
                    if self._key
                    else "may not be read by guests: set NGC_API_KEY"
                )
            case 404:
                why = "does not exist, or is private: check its name and version, and that NGC_API_KEY may read it"
            case 412:
                page = "/".join(filter(None, ("orgs", self._org, self._team and f"teams/{self._team}")))
                why = f"has terms that were not accepted: accept them at {CATALOG}/{page}/models/{self._model}"
            case _:
                return Refused(f"{self.text}: {denied}")
        return Refused(f"{self.text}: {why}")


def _file(listed: Any) -> Offered:
    digest = listed.get("sha256_base64")
    sha256 = base64.b64decode(digest, validate=True).hex() if digest else None
    return Offered(path=listed["path"], size=listed["sizeInBytes"], sha256=sha256)


def _licence(model: Any) -> str | None:
    names = [str(one["licenseId"]) for one in model.get("licenseTerms") or () if one.get("licenseId")]
    return ", ".join(names) or None
