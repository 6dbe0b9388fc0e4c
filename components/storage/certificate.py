"""A server's certificate and the authority behind it, made of one secret: the same each time, so that nothing changes.

The secret is in Pulumi's state; the keys are derived from it (HKDF, RFC 5869), and ECDSA signs deterministically
(RFC 6979). Another secret is another authority.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CURVE = ec.SECP256R1()
"""P-256: what every TLS library that reads from object stores knows; Ed25519 is not, in s2n, Amazon's own."""
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points P-256 has (FIPS 186-5)."""
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2056, 1, 1, tzinfo=UTC)
"""Long: another `generation` ends it, not the calendar."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """All in PEM."""

    authority: str
    """What clients trust; no secret."""
    certificate: str
    key: str


def issued(secret: str, names: Sequence[str]) -> Certificate:
    """For a server that is reached under these names and addresses; the first is its common name."""
    root, own = _key(secret, "authority"), _key(secret, "server")
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inference object store")])
    usage = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    authority = (
        _builder(issuer, issuer, root.public_key(), root, distinct="")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(root, hashes.SHA256(), ecdsa_deterministic=True)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    server = (
        _builder(subject, issuer, own.public_key(), root, distinct=",".join(names))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .sign(root, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return Certificate(
        authority=_pem(authority),
        certificate=_pem(server),
        key=own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    distinct: str,
) -> x509.CertificateBuilder:
    """`distinct` tells it from others of the same issuer and key, which must not have the same number."""
    identity = x509.SubjectKeyIdentifier.from_public_key(public)
    number = sha256(identity.digest + distinct.encode()).digest()[:16]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(int.from_bytes(number) >> 1 | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(identity, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _key(secret: str, purpose: str) -> ec.EllipticCurvePrivateKey:
    """A number below the order; from 16 bytes more than it has, so that none is likelier (FIPS 186-5, A.2.1)."""
    derived = HKDF(hashes.SHA256(), length=48, salt=None, info=f"inference {purpose}".encode()).derive(secret.encode())
    return ec.derive_private_key(int.from_bytes(derived) % (ORDER - 1) + 1, CURVE)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
