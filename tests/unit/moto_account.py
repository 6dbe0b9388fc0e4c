"""An account at moto: it lets everybody do everything, until it is told to enforce what IAM allows."""

import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
from moto.server import ThreadedMotoServer

ADMINISTRATOR = {"aws_access_key_id": "administrator", "aws_secret_access_key": "unchecked"}


class Account:
    """Answers at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def client(self, service: str, key: Mapping[str, str] = ADMINISTRATOR) -> Any:
        return cast(Any, boto3).client(service, endpoint_url=self._url, region_name="us-east-1", **key)

    def let_through(self, requests: str) -> None:
        """As many further requests unseen: `0` enforces from now on."""
        headers = {"Content-Type": "text/plain"}
        url = f"{self._url}/moto-api/reset-auth"
        urllib.request.urlopen(urllib.request.Request(url, requests.encode(), headers), timeout=10)


@contextmanager
def account() -> Generator[Account]:
    """A new one, in this process, whose other tests are not to meet what it enforces."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    made = Account("http://{}:{}".format(*server.get_host_and_port()))
    try:
        yield made
    finally:
        made.let_through("inf")
        server.stop()
