"""Where objects are read from: one bucket, over connections that are kept, with a signature for every request."""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qs, quote, urlsplit

from botocore import httpsession  # pyright: ignore[reportMissingTypeStubs]
from botocore.auth import S3SigV4Auth  # pyright: ignore[reportMissingTypeStubs]
from botocore.awsrequest import AWSRequest  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

from .bucket import Bucket
from .manifest import Unusable

PIECE: Final = 256 * 2**10
"""Most bytes taken from a connection at a time, and handed on while they are in the processor's cache."""
TRIES: Final = 8
"""Failures in a row without a byte in between, before an object is given up: about 25 s, a store's restart."""
CONNECT_SECONDS, READ_SECONDS = 15, 60
HEAD: Final = 64 * 2**10
"""Bytes that an answer's headers, or an error's text, may have."""
REPLACED: Final = "was replaced while it was read: try again"
TRUST: Final = "set AWS_CA_BUNDLE to a file with the authority that signed the store's certificate"


class Store:
    """One bucket, as AWS's environment variables tell. botocore finds its address and the credentials, renews them, and
    signs. Reached directly, not through an HTTP proxy.
    """

    def __init__(self, bucket: Bucket) -> None:
        session = bucket.session
        client = session.create_client("s3", config=Config(signature_version="s3v4"))
        # A presigned URL is the one public place where botocore tells how a bucket is addressed, and which region it
        # signs for; its host may be AWS's global one, which sends on to the region's.
        example = urlsplit(str(client.generate_presigned_url("get_object", Params={"Bucket": bucket.name, "Key": "k"})))
        endpoint = urlsplit(str(client.meta.endpoint_url))
        of_host = f"{bucket.name}." if example.netloc.startswith(f"{bucket.name}.") else ""
        self.bucket, self.host = bucket.name, f"{of_host}{endpoint.netloc}"
        self.address = (f"{of_host}{endpoint.hostname}", endpoint.port or (443 if endpoint.scheme == "https" else 80))
        self._before_key, self._scheme = example.path[:-1], endpoint.scheme
        self._region = parse_qs(example.query)["X-Amz-Credential"][0].split("/")[-3]
        self._credentials = session.get_credentials()
        bundle = session.get_config_variable("ca_bundle") or cast(Any, httpsession).get_cert_path(True)
        self._tls = ssl.create_default_context(cafile=bundle) if self._scheme == "https" else None

    def connect(self) -> socket.socket:
        """A new connection."""
        plain = socket.create_connection(self.address, CONNECT_SECONDS)
        plain.settimeout(READ_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._tls.wrap_socket(plain, server_hostname=self.address[0]) if self._tls else plain

    def request(self, key: str, headers: Mapping[str, str]) -> bytes:
        """A signed GET, as it is sent."""
        target = self._before_key + quote(key, safe="/~")
        asked = AWSRequest("GET", f"{self._scheme}://{self.host}{target}")
        cast(Any, S3SigV4Auth)(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(asked)
        lines = [f"GET {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in (*cast(Any, asked.headers).items(), *headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(kw_only=True)
class Object:
    """What is to be read, and what its first answer said it is."""

    key: str
    size: int
    """Bytes."""
    etag: str = ""
    """Every later answer must be of the same one: parts of two uploads would be neither."""


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    begun: memoryview
    """What came of the body together with the headers."""


class _Broken(Exception):
    """Worth another try."""


class Connection:
    """One connection, for one object after another. For one thread.

    Not http.client: it reads an answer's headers as those of an e-mail, which takes as long as all the rest of a small
    file does. What is needed of HTTP here is little: a GET whose answer has a Content-Length.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._socket = store, None
        self._head = memoryview(bytearray(HEAD))

    def close(self) -> None:
        """End it; the next read begins another."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def read(self, wanted: Object, into: memoryview, start: int = 0) -> Iterator[memoryview]:
        """The object's bytes from `start` on, until `into` is full; every piece as it has come.

        What breaks off is taken up where it broke. Unusable where the object cannot be read.
        """
        done, failures = 0, 0
        while done < len(into):
            try:
                for piece in self._answer(wanted, into[done:], start + done):
                    done, failures = done + len(piece), 0
                    yield piece
            except ssl.SSLCertVerificationError as problem:
                raise self._unusable(wanted, f"cannot be read: {problem.verify_message}; {TRUST}") from problem
            except (_Broken, OSError, ValueError) as problem:
                self.close()
                failures += 1
                if failures == TRIES:
                    raise self._unusable(wanted, f"cannot be read: {problem}; check the object store") from problem
                # The first comes at once: a server may have ended a connection that nobody used for a while.
                time.sleep(min(0.2 * 2**failures, 10) if failures > 1 else 0)

    def _answer(self, wanted: Object, into: memoryview, start: int) -> Iterator[memoryview]:
        part = f"bytes {start}-{start + len(into) - 1}" if len(into) < wanted.size else ""
        headers = {"Range": part.replace(" ", "=")} if part else {}
        answer = self._asked(self._store.request(wanted.key, headers | ({"If-Match": wanted.etag} if part else {})))
        if answer.status != (206 if part else 200):
            raise self._refusal(wanted, answer)
        length, etag = int(answer.headers.get("content-length", -1)), answer.headers.get("etag", "")
        given, _, total = answer.headers.get("content-range", "").rpartition("/")
        if int(total or length) != wanted.size:
            raise self._unusable(wanted, f"has {total or length} bytes, not {wanted.size}: sync the model again")
        if (given, length) != (part, len(into)):
            raise _Broken(f"{length} bytes came, not {len(into)}")
        if wanted.etag not in ("", etag):
            raise self._unusable(wanted, REPLACED)
        wanted.etag = etag
        begun = answer.begun[: len(into)]
        into[: len(begun)] = begun
        yield into[: len(begun)]
        yield from self._rest(into[len(begun) :])
        if answer.headers.get("connection") == "close":
            self.close()

    def _asked(self, request: bytes) -> _Answer:
        self._socket = self._socket or self._store.connect()
        self._socket.sendall(request)
        came, end = 0, -1
        while end < 0:
            size = self._socket.recv_into(self._head[came:]) if came < len(self._head) else 0
            if size == 0:
                raise _Broken("the connection ended before an answer")
            came += size
            end = bytes(self._head[:came]).find(b"\r\n\r\n")
        first, *lines = bytes(self._head[:end]).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        return _Answer(int(first.split(" ")[1]), headers, self._head[end + 4 : came])

    def _rest(self, into: memoryview) -> Iterator[memoryview]:
        assert self._socket
        while into:
            size = self._socket.recv_into(into, min(PIECE, len(into)))
            if size == 0:
                raise _Broken("the connection ended before the object did")
            yield into[:size]
            into = into[size:]

    def _refusal(self, wanted: Object, answer: _Answer) -> Exception:
        status, length = answer.status, int(answer.headers.get("content-length", 0))
        text = bytearray(min(max(length, len(answer.begun)), len(self._head)))
        text[: len(answer.begun)] = answer.begun
        for _ in self._rest(memoryview(text)[len(answer.begun) :]):
            pass
        self.close()
        found = re.search(rb"<Code>(\w+)</Code>", text)
        code = found[1].decode() if found else "no reason given"
        if status == 429 or status >= 500 or code in ("RequestTimeout", "SlowDown"):
            return _Broken(f"the store answered {status} ({code})")
        region = answer.headers.get("x-amz-bucket-region")
        match status:
            case 404 if code == "NoSuchBucket":
                why = "cannot be read: there is no such bucket; check the store's settings"
            case 404:
                why = f"is not there ({code}): sync the model again"
            case 403:
                why = f"may not be read ({code}): check the reader's key and policy"
            case 412:
                why = REPLACED
            case 301 | 307 | 400 if region:
                why = f"cannot be read: its bucket is in {region}; set AWS_DEFAULT_REGION={region}"
            case _:
                why = f"cannot be read: the store answered {status} ({code}); check its address and the reader's key"
        return self._unusable(wanted, why)

    def _unusable(self, wanted: Object, why: str) -> Unusable:
        return Unusable(f"s3://{self._store.bucket}/{wanted.key} {why}")
