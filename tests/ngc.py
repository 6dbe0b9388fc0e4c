"""NGC as its own client knows it: see components/storage/sync/ngc.py for where that is from."""

import base64
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.stub import Request, Stub

ORG, TEAM, MODEL, VERSION = "nvidia", "tao", "peoplenet", "1.0+a-fp16"
KEY = "nvapi-right"
OLD_KEY = "b2xkLXN0eWxlLWtleQ"
PAGE = 2
"""Files that are listed at a time."""


@dataclass(kw_only=True)
class Ngc(Stub):
    """One version of one model."""

    guests: bool = True
    accepted: bool = True
    """Whether its terms are."""
    state: str = "UPLOAD_COMPLETE"
    digests: bool = True
    tokens: set[str] = field(default_factory=lambda: {KEY})
    signatures: "itertools.count[int]" = field(default_factory=itertools.count)
    leaked: list[str] = field(default_factory=list[str])
    """Authorizations that came along with a signed URL."""

    def answer(self, request: Request) -> None:
        if request.route == "/token":
            self._exchange(request)
        elif request.route.startswith("/signed/"):
            self.leaked += [value] if (value := request.headers.get("Authorization")) else []
            request.file(self.files[request.route.removeprefix("/signed/")])
        elif status := self._refused(request):
            request.json({"requestStatus": {"statusCode": "REFUSED"}}, status)
        else:
            self._known(request)

    def environment(self, key: str | None = KEY) -> dict[str, str]:
        """What makes clients come here."""
        return {"NGC_CLI_API_URL": self.address, "NGC_CLI_AUTH_URL": self.address} | (
            {"NGC_API_KEY": key} if key else {}
        )

    def _exchange(self, request: Request) -> None:
        login = base64.b64encode(f"$oauthtoken:{OLD_KEY}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            request.json({}, 401)
            return
        self.tokens.add(token := f"exchanged-{next(self.signatures)}")
        request.json({"token": token, "expires_in": 3600})

    def _refused(self, request: Request) -> int | None:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return None if self.guests and request.route.startswith("/v2/models/") else 401
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return 401
        return None

    def _known(self, request: Request) -> None:
        home = f"/v2/org/{ORG}/team/{TEAM}/models/{MODEL}"
        guest = f"/v2/models/{ORG}/{TEAM}/{MODEL}"
        match request.route.replace(guest, home, 1) if request.route.startswith(guest) else request.route:
            case path if path == home:
                terms = [{"licenseId": "nvidia-open-model-license", "needsAcceptance": True}]
                request.json({"model": {"name": MODEL, "latestVersionIdStr": VERSION, "licenseTerms": terms}})
            case path if path == f"{home}/versions/{VERSION}":
                request.json({"modelVersion": {"versionId": VERSION, "status": self.state}})
            case path if path == f"{home}/versions/{VERSION}/files":
                self._page(request)
            case path if path in (
                f"{home}/{VERSION}/files",
                f"/v2/models/org/{ORG}/team/{TEAM}/{MODEL}/{VERSION}/files",
            ):
                name = request.query["path"]
                url = f"{self.address}/signed/{name}?signature={next(self.signatures)}"
                request.json({"urls": [url], "filepath": [name]})
            case _:
                request.json({"requestStatus": {"statusCode": "NOT_FOUND"}}, 404)

    def _page(self, request: Request) -> None:
        if not self.accepted:
            request.json({"requestStatus": {"statusCode": "PRECONDITION_FAILED"}}, 412)
            return
        number = int(request.query.get("page-number", "0"))
        pages = [list(page) for page in _batches(list(self.files), PAGE)]
        listed = [self._listed(path) for path in pages[number]]
        information = {"index": number, "totalPages": len(pages), "totalResults": len(self.files), "size": PAGE}
        request.json({"modelFiles": listed, "paginationInfo": information})

    def _listed(self, path: str) -> Mapping[str, Any]:
        digest = base64.b64encode(hashlib.sha256(self.files[path]).digest()).decode()
        listed = {"path": path, "sizeInBytes": len(self.files[path])}
        return {**listed, "sha256_base64": digest} if self.digests else listed


def _batches(paths: list[str], size: int) -> list[list[str]]:
    return [paths[start : start + size] for start in range(0, len(paths), size)]
