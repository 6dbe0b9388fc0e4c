"""Requests to a store go where botocore says, and carry credentials that are valid now."""

import sys
from pathlib import Path

import pytest

from components.storage.sync.bucket import Bucket
from components.storage.sync.store import Store

RENEWED = """
import json, sys, time
from datetime import datetime, timedelta, timezone
from pathlib import Path
asked = Path(sys.argv[1])
asked.write_text(asked.read_text() + "x" if asked.exists() else "x")
soon = datetime.now(timezone.utc) + timedelta(minutes=1)
answer = {"AccessKeyId": f"key-{len(asked.read_text())}", "SecretAccessKey": "secret", "SessionToken": "token"}
print(json.dumps({"Version": 1, "Expiration": soon.isoformat(), **answer}))
"""
"""Credentials that botocore finds too old at every use."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_on_aws_a_bucket_has_an_address_in_its_region() -> None:
    store = Store(Bucket("models"))
    request = store.request("legal/a b+ü.bin", {"Range": "bytes=0-9"}).decode()

    assert store.address == ("models.s3.eu-central-1.amazonaws.com", 443)
    assert request.startswith(
        "GET /legal/a%20b%2B%C3%BC.bin HTTP/1.1\r\nHost: models.s3.eu-central-1.amazonaws.com\r\n"
    )
    assert "/eu-central-1/s3/aws4_request" in request
    assert "\r\nRange: bytes=0-9\r\n" in request


def test_at_an_address_of_its_own_a_bucket_is_part_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio.storage:9000")
    store = Store(Bucket("models"))

    assert store.address == ("minio.storage", 9000)
    assert store.request("legal/x", {}).startswith(b"GET /models/legal/x HTTP/1.1\r\nHost: minio.storage:9000\r\n")


def test_the_style_of_addresses_can_be_chosen_as_for_any_client_of_aws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.lan")
    store = Store(Bucket("models"))

    assert store.address == ("models.store.lan", 443)
    assert store.request("legal/x", {}).startswith(b"GET /legal/x HTTP/1.1\r\nHost: models.store.lan\r\n")


def test_credentials_that_expire_are_renewed_between_requests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    script = tmp_path / "credentials.py"
    script.write_text(RENEWED)
    process = f"{sys.executable} {script} {tmp_path / 'asked'}"
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {process}\n")
    store = Store(Bucket("models"))
    first, second = (store.request("legal/x", {}).decode() for _ in range(2))

    assert "X-Amz-Security-Token: token" in first
    assert first.partition("Credential=")[2].split("/")[0] != second.partition("Credential=")[2].split("/")[0]


def test_the_secret_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")

    assert b"very-secret" not in Store(Bucket("models")).request("legal/x", {})
