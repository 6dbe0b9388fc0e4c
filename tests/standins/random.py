"""Stand-in for Pulumi's random provider (4.21): passwords, strings, IDs, bytes, UUIDs, integers and pet names.

Like the official one it makes a value once, keeps it in the state, and makes another only in a new resource: every
change of an input replaces. Facts: the provider's schema, and hashicorp/random's documentation of each resource.
"""
# ruff: noqa: ARG002 (the provider's protocol says which arguments there are)

import base64
import contextlib
import ctypes
import random
import secrets
import string
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, cast

from tests.standins import wire
from tests.standins.provider import Call, InvalidInputs, Provider, ProviderError, serve
from tests.standins.wire import UNKNOWN, Change, Properties

VERSION = "4.21.4"
_BCRYPT_COST = 10
_PETS = ("badger", "crane", "dingo", "egret", "ferret", "gecko", "heron", "ibex", "kiwi", "lemur", "otter", "quail")
_MANNERS = ("bold", "calm", "deft", "eager", "fair", "glad", "hardy", "keen", "merry", "neat", "quick", "sharp")


class Drawn(ABC):
    """A value that is drawn once. Inputs that are not given are as in `defaults`."""

    defaults: ClassVar[Properties] = {}
    outputs: tuple[str, ...] = ("result",)
    hidden: tuple[str, ...] = ()
    """The outputs that are secret."""

    @abstractmethod
    def draw(self, given: Properties) -> tuple[str, Properties]:
        """ID and outputs for these inputs, which are plain and complete."""

    def adopted(self, identity: str) -> tuple[str, Properties]:
        """ID and whole state for what `pulumi import` names; this kind cannot."""
        raise ProviderError(f"{identity} cannot be imported: this resource does not support import")

    def check(self, inputs: Properties) -> Properties:
        return inputs

    def diff(self, state: Properties, old_inputs: Properties, inputs: Properties) -> Mapping[str, Change]:
        names = dict.fromkeys([*self.defaults, *old_inputs, *inputs])
        held = wire.plain(state)
        old = {name: held[name] for name in names if name in held and not name.startswith("__")}
        return wire.differences(old, wire.plain({**self.defaults, **_given(inputs)}))

    def replaces(self, path: str) -> bool:
        return True

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        given = self.defaults | _given(inputs)
        if call.preview:
            return "", given | dict.fromkeys(self.outputs, UNKNOWN)
        identity, drawn = self.draw(wire.plain(given))
        return identity, given | self._guarded(drawn)

    def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        return state

    def delete(self, call: Call, state: Properties) -> None:
        return

    def read(self, identity: str, state: Properties, inputs: Properties) -> tuple[str, Properties, Properties]:
        if state:
            return identity, state, inputs
        try:
            identity, state = self.adopted(identity)
        except ValueError as error:
            raise ProviderError(f"{identity} cannot be imported: {error}") from None
        return identity, self._guarded(state), {k: v for k, v in state.items() if k not in self.outputs}

    def _guarded(self, outputs: Properties) -> Properties:
        return {name: wire.secret(value) if name in self.hidden else value for name, value in outputs.items()}


class String(Drawn):
    """`RandomString`: so many characters of the classes asked for."""

    defaults: ClassVar[Properties] = {
        **dict.fromkeys(("lower", "upper", "numeric", "number", "special"), True),
        **dict.fromkeys(("minLower", "minUpper", "minNumeric", "minSpecial"), 0),
    }

    def check(self, inputs: Properties) -> Properties:
        given = wire.plain(self.defaults | _given(inputs))
        length = given.get("length")
        minima = [given[name] for name in ("minLower", "minUpper", "minNumeric", "minSpecial")]
        least = max(1, sum(count for count in minima if isinstance(count, int)))
        if isinstance(length, int) and length < least:
            raise InvalidInputs({"length": f"must be at least {least} (1, or the sum of the minima), but is {length}"})
        numeric = inputs.get("numeric", inputs.get("number"))  # `number` is the old name of `numeric`
        return inputs if numeric is None else inputs | {"numeric": numeric, "number": numeric}

    def draw(self, given: Properties) -> tuple[str, Properties]:
        classes = {
            "Lower": string.ascii_lowercase,
            "Upper": string.ascii_uppercase,
            "Numeric": string.digits,
            "Special": str(given.get("overrideSpecial") or "!@#$%&*()-_=+[]{}<>:?"),
        }
        allowed = "".join(characters for name, characters in classes.items() if given[name.lower()])
        if not allowed:
            raise ProviderError("the character set specified is empty")
        drawn = [secrets.choice(classes[name]) for name in classes for _ in range(cast(int, given[f"min{name}"]))]
        drawn += [secrets.choice(allowed) for _ in range(cast(int, given["length"]) - len(drawn))]
        secrets.SystemRandom().shuffle(drawn)
        result = "".join(drawn)
        return result, {"result": result}

    def adopted(self, identity: str) -> tuple[str, Properties]:
        return identity, self.defaults | {"length": len(identity), "result": identity}


class Password(String):
    """`RandomPassword`: a secret string, with its bcrypt hash."""

    outputs = ("result", "bcryptHash")
    hidden = outputs

    def draw(self, given: Properties) -> tuple[str, Properties]:
        result, _ = super().draw(given)
        return "none", {"result": result, "bcryptHash": _bcrypt(result)}

    def adopted(self, identity: str) -> tuple[str, Properties]:
        _, state = super().adopted(identity)
        return "none", state | {"bcryptHash": _bcrypt(identity)}


class Id(Drawn):
    """`RandomId`: so many bytes, spelt in several ways."""

    outputs = ("b64Std", "b64Url", "dec", "hex")

    def draw(self, given: Properties) -> tuple[str, Properties]:
        return self._spelt(secrets.token_bytes(cast(int, given["byteLength"])), str(given.get("prefix", "")))

    def adopted(self, identity: str) -> tuple[str, Properties]:
        prefix, _, spelt = identity.rpartition(",")
        drawn = base64.urlsafe_b64decode(spelt + "=" * (-len(spelt) % 4))
        identity, outputs = self._spelt(drawn, prefix)
        return identity, outputs | {"byteLength": len(drawn)} | ({"prefix": prefix} if prefix else {})

    @staticmethod
    def _spelt(drawn: bytes, prefix: str) -> tuple[str, Properties]:
        identity = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
        return identity, {
            "b64Url": prefix + identity,
            "b64Std": prefix + base64.b64encode(drawn).decode(),
            "hex": prefix + drawn.hex(),
            "dec": prefix + str(int.from_bytes(drawn)),
        }


class Bytes(Drawn):
    """`RandomBytes`: so many secret bytes."""

    outputs = ("base64", "hex")
    hidden = outputs

    def draw(self, given: Properties) -> tuple[str, Properties]:
        drawn = secrets.token_bytes(cast(int, given["length"]))
        spelt = base64.b64encode(drawn).decode()
        return spelt, {"base64": spelt, "hex": drawn.hex()}

    def adopted(self, identity: str) -> tuple[str, Properties]:
        drawn = base64.b64decode(identity)
        return identity, {"length": len(drawn), "base64": identity, "hex": drawn.hex()}


class Uuid(Drawn):
    """`RandomUuid`."""

    def draw(self, given: Properties) -> tuple[str, Properties]:
        result = str(uuid.uuid4())
        return result, {"result": result}

    def adopted(self, identity: str) -> tuple[str, Properties]:
        return identity, {"result": identity}


class Integer(Drawn):
    """`RandomInteger`, both ends included. With a seed it is always the same one, but not the official provider's."""

    def draw(self, given: Properties) -> tuple[str, Properties]:
        least, most = cast(int, given["min"]), cast(int, given["max"])
        if most < least:
            raise ProviderError(f"min must be at most max, but {least} is more than {most}")
        seed = given.get("seed")
        result = random.Random(str(seed)).randint(least, most) if seed else secrets.choice(range(least, most + 1))
        return str(result), {"result": result}

    def adopted(self, identity: str) -> tuple[str, Properties]:
        result, least, most, *seed = identity.split(",")
        state: Properties = {"result": int(result), "min": int(least), "max": int(most)}
        return result, state | ({"seed": seed[0]} if seed else {})


class Pet(Drawn):
    """`RandomPet`: a few words; the ID is the name."""

    defaults: ClassVar[Properties] = {"length": 2, "separator": "-"}
    outputs = ()

    def draw(self, given: Properties) -> tuple[str, Properties]:
        manners = (secrets.choice(_MANNERS) for _ in range(cast(int, given["length"]) - 1))
        prefix = [str(given["prefix"])] if given.get("prefix") else []
        return str(given["separator"]).join([*prefix, *manners, secrets.choice(_PETS)]), {}


def _given(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if value is not None and not name.startswith("__")}


_BCRYPT_LETTERS = f"./{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}"
_one_at_a_time = threading.Lock()


def _bcrypt(text: str) -> str | None:
    """A bcrypt hash from the C library's `crypt`; None where that has no bcrypt, as on macOS."""
    salt = "".join(secrets.choice(_BCRYPT_LETTERS) for _ in range(21)) + "."  # the last holds but 2 bits of the 128
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        with contextlib.suppress(OSError), _one_at_a_time:  # its result lies in one static buffer
            library = ctypes.CDLL(name)
            library.crypt.restype = ctypes.c_char_p
            hashed = cast("bytes | None", library.crypt(text.encode(), f"$2a${_BCRYPT_COST}${salt}".encode()))
            return hashed.decode() if hashed and hashed.startswith(b"$2a$") else None
    return None


KINDS = {
    f"random:index/random{kind.__name__}:Random{kind.__name__}": kind()
    for kind in (String, Password, Id, Bytes, Uuid, Integer, Pet)
}

if __name__ == "__main__":
    serve("Pulumi's random provider", Provider(version=VERSION, kinds=KINDS, functions={}))
