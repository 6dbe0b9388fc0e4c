"""A certificate that is the same each time, and that real TLS takes for what it is."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from components.storage.certificate import Certificate, issued

NAMES = st.lists(st.sampled_from(["minio", "minio.storage", "store.lan", "192.168.1.20", "fd00::20"]), min_size=1)


@given(secret=st.text(min_size=1), names=NAMES)
def test_one_secret_and_the_same_names_always_make_the_same_certificate(secret: str, names: list[str]) -> None:
    assert issued(secret, names) == issued(secret, names)


@given(secret=st.text(min_size=1), names=NAMES)
def test_other_names_make_another_certificate_and_leave_its_authority_as_it_is(secret: str, names: list[str]) -> None:
    one, other = issued(secret, names), issued(secret, [*names, "another.lan"])
    assert one.authority == other.authority
    assert serial(one.certificate) != serial(other.certificate)


def test_another_secret_makes_another_authority_and_another_key() -> None:
    one, other = issued("first", ["minio"]), issued("second", ["minio"])
    assert one.authority != other.authority
    assert one.key != other.key


def test_the_server_and_its_authority_have_keys_of_their_own() -> None:
    made = issued("secret", ["minio"])
    keys = [x509.load_pem_x509_certificate(pem.encode()).public_key() for pem in (made.authority, made.certificate)]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("name", ["minio.storage", "192.168.1.20", "fd00::20"])
def test_a_client_that_trusts_the_authority_takes_the_server_for_each_of_its_names(name: str, tmp_path: Path) -> None:
    made = issued("secret", ["minio.storage", "192.168.1.20", "fd00::20"])
    assert handshake(made, made.authority, name, tmp_path) == ""


def test_a_server_under_another_name_or_of_another_authority_is_refused(tmp_path: Path) -> None:
    made = issued("secret", ["minio.storage"])
    assert "Hostname mismatch" in handshake(made, made.authority, "elsewhere.storage", tmp_path)
    assert "unable to get local issuer" in handshake(made, issued("other", ["x"]).authority, "minio.storage", tmp_path)


def serial(pem: str) -> int:
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def handshake(server: Certificate, authority: str, name: str, directory: Path) -> str:
    """Why a strict client does not trust the server; empty if it does."""
    (directory / "pair").write_text(server.certificate + server.key)
    offering = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    offering.load_cert_chain(directory / "pair")
    trusting = ssl.create_default_context(cadata=authority)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def answer() -> None:
        try:
            offering.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        trusting.wrap_socket(near, server_hostname=name).close()
    except ssl.SSLCertVerificationError as problem:
        return problem.verify_message
    finally:
        near.close()
        thread.join()
    return ""
