"""Public keys as settings have them: of hosts, of people, and of package repositories."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from components.section import rule

_EXAMPLE_BODY = f"AAAAC3NzaC1lZDI1NTE5AAAAI{('EXAMPLE' * 7)[:43]}"
_ARMOUR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[A-Za-z]+: [ -~]*\n)*\n"
    r"(?P<body>(?:[A-Za-z0-9+/]+={0,2}\n)+)(?:=(?P<checksum>[A-Za-z0-9+/]{4})\n)?"
    r"-----END PGP PUBLIC KEY BLOCK-----\s*"
)


def _whole(key: str) -> str:
    """Refuse a key that was cut off or mistyped: its bytes are fields with their lengths, the first being the type."""
    kind, encoded = key.split()[:2]
    try:
        rest, fields = base64.b64decode(encoded, validate=True), list[bytes]()
    except binascii.Error:
        rest, fields = b"", list[bytes]()
    while len(rest) >= 4 and len(rest) >= 4 + int.from_bytes(rest[:4], "big"):
        end = 4 + int.from_bytes(rest[:4], "big")
        fields, rest = [*fields, rest[4:end]], rest[end:]
    if rest or len(fields) < 2 or fields[0] != kind.encode():
        raise ValueError(f"is not a whole {kind} key: some of it is missing or altered")
    return key


def _whole_armour(key: str) -> str:
    """Refuse one that was cut off or mistyped: RFC 9580, section 6, has its shape and, as an option, a checksum."""
    parts = _ARMOUR.fullmatch(key)
    try:
        content = base64.b64decode("".join(parts["body"].split()), validate=True) if parts else b""
        checksum = base64.b64decode(parts["checksum"]) if parts and parts["checksum"] else None
    except binascii.Error:
        content, checksum = b"", None
    is_public_key = bool(content) and content[0] & 0x80 and (content[0] >> 2 & 15 == 6 or content[0] & 0x3F == 6)
    if not is_public_key or checksum not in (None, _crc24(content).to_bytes(3, "big")):
        raise ValueError("is not a whole key: some of it is missing or altered; print it with: gpg --armor --export")
    return key.strip() + "\n"


def _crc24(content: bytes) -> int:
    """RFC 9580, section 6.1.1."""
    crc = 0xB704CE
    for byte in content:
        crc ^= byte << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


HostKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)) AAAA[A-Za-z0-9+/]+={0,3}( [ -~]*)?$",
        max_length=2048,
    ),
    AfterValidator(_whole),
    rule(
        "an ed25519 or ecdsa public key as ssh-keyscan prints it: type and base64",
        example=f"ssh-ed25519 {_EXAMPLE_BODY}",
    ),
]
"""An OpenSSH public host key: type and base64, as `ssh-keyscan` prints them after the host.

No `ssh-rsa`: Pulumi's command provider asks for a signature of that very name, with SHA-1, which OpenSSH refuses.
"""

LoginKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^((sk-)?(ssh-ed25519|ecdsa-sha2-nistp256)(@openssh\.com)?|ecdsa-sha2-nistp(384|521)|ssh-rsa) "
        r"AAAA[A-Za-z0-9+/]+={0,3}( [ -~]*)?$",
        max_length=8192,
    ),
    AfterValidator(_whole),
    rule(
        "a public SSH key as in ~/.ssh/id_ed25519.pub: type, base64 and a comment",
        example=f"ssh-ed25519 {_EXAMPLE_BODY} ann@laptop",
    ),
]
"""A line of `authorized_keys` without options."""

SigningKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^-----BEGIN PGP PUBLIC KEY BLOCK-----\n[\n -~]+\n-----END PGP PUBLIC KEY BLOCK-----\s*$",
        max_length=65536,
    ),
    AfterValidator(_whole_armour),
    rule(
        "a public key as `gpg --armor --export` prints it, all of it",
        example=f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME{'EXAMPLE' * 8}\n-----END PGP PUBLIC KEY BLOCK-----\n",
    ),
]
"""An ASCII-armoured OpenPGP public key."""
