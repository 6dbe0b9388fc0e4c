"""A registry of images as those on the internet are: it wants a token that anybody gets, and has several platforms."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from tests.stub import Request, Stub

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(kw_only=True)
class ImageRegistry(Stub):
    """`files` has the index of each image by `repository:tag`; who does not ask for one gets the manifest of amd64."""

    challenge: str = 'Bearer realm="{address}/token",service="images",scope="repository:{repository}:pull"'
    """What it says to those without a token; empty where it wants none."""
    says: str = ""
    """The digest that it says things have, in place of their own."""
    elsewhere: str = ""
    """Address of where it sends people for everything, if it does."""
    leaked: list[str] = field(default_factory=list[str])
    """Authorizations that came along there."""

    @property
    def host(self) -> str:
        """What its images' names begin with."""
        return urlsplit(self.address).netloc.replace("localhost", "127.0.0.1")

    def answer(self, request: Request) -> None:
        _, version, *parts = request.route.split("/")
        if request.route == "/token":
            request.json({"token": _token(request.query["scope"].split(":")[1])})
        elif version == "elsewhere":
            self.leaked += [value] if (value := request.headers.get("Authorization")) else []
            self._manifest(request, parts)
        elif self.challenge and request.headers.get("Authorization") != f"Bearer {_token('/'.join(parts[:-2]))}":
            asked = self.challenge.format(address=self.address, repository="/".join(parts[:-2]))
            request.send(401, b"", {"WWW-Authenticate": asked})
        elif self.elsewhere:
            request.send(307, b"", {"Location": f"{self.elsewhere}/elsewhere/{'/'.join(parts)}"})
        else:
            self._manifest(request, parts)

    def _manifest(self, request: Request, parts: list[str]) -> None:
        index = self.files.get(f"{'/'.join(parts[:-2])}:{parts[-1]}")
        if index is None:
            request.json({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
            return
        wants_index = INDEX in request.headers.get("Accept", "")
        content, kind = (index, INDEX) if wants_index else (manifest("amd64"), MANIFEST)
        said = self.says or f"sha256:{sha256(content).hexdigest()}"
        request.send(200, content, {"Content-Type": kind, "Docker-Content-Digest": said})


def index_of(name: str) -> bytes:
    """An image for two platforms."""
    platforms = [{"digest": f"sha256:{sha256(manifest(one)).hexdigest()}"} for one in ("amd64", "arm64")]
    return _document({"mediaType": INDEX, "manifests": platforms, "annotations": {"name": name}})


def manifest(architecture: str) -> bytes:
    """Of one platform."""
    return _document({"mediaType": MANIFEST, "annotations": {"architecture": architecture}})


def _document(content: Mapping[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, **content}).encode()


def _token(repository: str) -> str:
    return f"guest-of-{repository}"
