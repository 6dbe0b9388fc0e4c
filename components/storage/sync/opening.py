"""From a source's text to the source. Addresses of servers, and all secrets, come from the environment."""

import os
from collections.abc import Sequence
from typing import Any

import urllib3

from . import ngc, prefix, web
from .address import Address, parsed, pinned
from .directory import Directory
from .hub import HUB, Hub
from .manifest import Refused
from .mlflow import Mlflow
from .source import Source


def opened(text: str, files: Sequence[str] = ("*",), *, through: urllib3.PoolManager) -> Source:
    """The source that a text means, with those of its files that the patterns choose.

    Refused where the text is none, or is not pinned. An alias of MLflow is taken as it stands now: its home in the
    bucket is the version's.
    """
    address = parsed(text)
    return _source(address if address.kind.scheme == "mlflow" else pinned(text), files, through)


def resolved(text: str, *, through: urllib3.PoolManager) -> str:
    """The text pinned to what its branch, tag, alias, latest version or file is now."""
    address = parsed(text)
    if address.pinned:
        return text
    match address.kind.scheme:
        case "hf":
            return _hub(address["repository"], address["name"] or "main", (), through).resolved()
        case "ngc":
            return _ngc(address, (), through).resolved()
        case "https":
            return web.resolved(text, through)
        case _:
            return _mlflow(address, (), through).text


def _source(address: Address, files: Sequence[str], through: urllib3.PoolManager) -> Source:
    match address.kind.scheme:
        case "hf":
            return _hub(address["repository"], address["revision"], files, through)
        case "ngc":
            return _ngc(address, files, through)
        case "https":
            return web.Web(address.text.rpartition("@")[0], address["revision"], files=files, through=through)
        case "mlflow":
            return _mlflow(address, files, through)
        case "s3":
            return prefix.Prefix(
                address["bucket"],
                address["prefix"],
                text=address.text,
                revision=address["revision"],
                files=files,
                client=_s3(),
                through=through,
            )
        case _:
            where = f"/{address['directory']}"
            return Directory(where, text=address.text, revision=address["revision"], files=files)


def _hub(repository: str, revision: str, files: Sequence[str], through: urllib3.PoolManager) -> Hub:
    endpoint = _variable("HF_ENDPOINT") or HUB
    return Hub(repository, revision, files=files, endpoint=endpoint, token=_variable("HF_TOKEN"), through=through)


def _ngc(address: Address, files: Sequence[str], through: urllib3.PoolManager) -> ngc.Ngc:
    return ngc.Ngc(
        address,
        files=files,
        key=_variable("NGC_API_KEY"),
        through=through,
        api=_variable("NGC_CLI_API_URL") or ngc.API,
        authn=_variable("NGC_CLI_AUTH_URL") or ngc.AUTHN,
    )


def _mlflow(address: Address, files: Sequence[str], through: urllib3.PoolManager) -> Mlflow:
    token, user = _variable("MLFLOW_TRACKING_TOKEN"), _variable("MLFLOW_TRACKING_USERNAME")
    if token:
        login = {"Authorization": f"Bearer {token}"}
    elif user:
        login = urllib3.make_headers(basic_auth=f"{user}:{_variable('MLFLOW_TRACKING_PASSWORD') or ''}")
    else:
        login = {}
    server = _variable("MLFLOW_TRACKING_URI")
    return Mlflow(address, files=files, server=server, login=dict(login), s3=_s3, through=through)


def _s3() -> Any:
    key, secret = _variable("SOURCE_AWS_ACCESS_KEY_ID"), _variable("SOURCE_AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise Refused("SOURCE_AWS_ACCESS_KEY_ID and SOURCE_AWS_SECRET_ACCESS_KEY belong together: set both, or none")
    endpoint, region = _variable("SOURCE_AWS_ENDPOINT_URL"), _variable("SOURCE_AWS_REGION")
    return prefix.client(endpoint=endpoint, region=region, key=key, secret=secret)


def _variable(name: str) -> str | None:
    """What is set, without the line end that files of secrets have; None where that is nothing."""
    value = os.environ.get(name, "").strip()
    if not value.isascii() or not value.isprintable():
        raise Refused(f"{name} holds characters that belong into no address, name or token; set it again")
    return value or None
