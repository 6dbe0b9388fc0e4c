"""What a stack's configuration says that rules must know."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from policy.rules.resource import HIDDEN, at, items, mapping, text

ADVISORY = "policy:advisory"
"""Configuration key: names of the rules that warn and do not stop."""
_PREFIX = "inference:"
_PRODUCTION = ("onprem", "eks")
SECRET_KEYS = (
    "storeSecretKey",
    "storeWriterSecretKey",
    "sshPrivateKey",
    "huggingFaceToken",
    "ngcApiKey",
    "mlflowToken",
    "sourceSecretKey",
    "gitCredential",
    "argocdSsoSecret",
    "argocdNotificationToken",
)
"""Keys that the program refuses in plain text: what the engine hands to us is decrypted. As in stacks/secrets.py, which
is not imported: all of the program would come with it, a second at every preview."""


class PolicySettingsError(Exception):
    """The configuration of the pack cannot be meant; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """Plain data, the same for all rules."""

    production: bool = False
    """Real machines: images must be of a digest where one is known."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """sha256 by image, from the image lock."""
    load_balancers: bool = False
    """Services of type LoadBalancer were asked for."""
    node_ports: frozenset[int] = frozenset()
    """Those that were asked for."""
    unversioned: frozenset[str] = frozenset()
    """Buckets that are to keep no old versions."""
    disposable: frozenset[str] = frozenset()
    """Namespaces whose volumes may go, and buckets that may."""
    every_bucket_disposable: bool = False
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    """The configuration, by key; what belongs encrypted is hidden."""
    advisory: frozenset[str] = frozenset()
    """Rules that only warn."""

    @classmethod
    def read(cls, config: Mapping[str, str], *, digests: Mapping[str, str] | None = None) -> Self:
        """From Pulumi's configuration, by whole key. PolicySettingsError for what cannot be meant."""
        ours = {key: _decoded(value) for key, value in config.items() if key.startswith((_PREFIX, "policy:"))}
        settings = {key.removeprefix(_PREFIX): value for key, value in ours.items() if key.startswith(_PREFIX)}
        hidden = {key: HIDDEN for key in ours if key.removeprefix(_PREFIX) in SECRET_KEYS}
        buckets = [one for key, one in _sections(settings.get("store"), "store") if key == "buckets"]
        store_goes = at(settings.get("store"), "keepData") is False
        gateway_goes = any(one.get("keepData") is False for _, one in _sections(settings.get("gateway"), "gateway"))
        return cls(
            production=settings.get("target") in _PRODUCTION,
            digests=digests or {},
            load_balancers=bool(at(settings.get("quota"), "loadBalancers")),
            node_ports=frozenset(_node_ports(settings)),
            unversioned=frozenset(text(one.get("name")) for one in buckets if one.get("versioning") is False),
            disposable=frozenset(
                {
                    *(["storage"] if store_goes else []),
                    *(["gateway"] if gateway_goes else []),
                    *(text(one.get("name")) for one in buckets if one.get("purge") is True),
                }
            ),
            every_bucket_disposable=store_goes,
            config={**ours, **hidden},
            advisory=frozenset(_names(ours.get(ADVISORY))),
        )


def _names(value: object) -> Iterator[str]:
    names = [text(one) for one in items(value)]
    if value is not None and not (isinstance(value, list) and all(names)):
        raise PolicySettingsError(f"{ADVISORY} is not a list of names of rules; write, for example: [no-root]")
    yield from names


def _node_ports(value: object) -> Iterator[int]:
    for _, section in _sections(value, ""):
        port = section.get("nodePort")
        if isinstance(port, int | float):
            yield int(port)


def _sections(value: object, key: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """All mappings in it, however deep, with the key that they stand at."""
    if fields := mapping(value):
        yield key, fields
        for name, inner in fields.items():
            yield from _sections(inner, name)
    for inner in items(value):
        yield from _sections(inner, key)


def _decoded(value: str) -> Any:
    """Pulumi hands objects, numbers and booleans over as JSON, and text as it is."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
