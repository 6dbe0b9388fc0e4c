"""What exists in the account, in one file that outlives every process; and the order in which it came and went."""

import fcntl
import json
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.standins.aws import HOME
from tests.standins.wire import Properties


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something in the account, whoever made it."""

    type: str
    """As in `aws:ec2/vpc:Vpc`."""
    identity: str
    name: str = ""
    """The resource's name in the program; none of what controllers have made."""
    inputs: Properties = field(default_factory=Properties)
    outputs: Properties = field(default_factory=Properties)


class Account:
    """The account of one directory."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._file = home / "account.json"
        self._journal = home / "journal"
        self._thread = threading.Lock()

    @contextmanager
    def changed(self) -> Generator[dict[str, Thing]]:
        """Everything by `type identity`, to be changed; written when the block ends without an error."""
        with self._thread, (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            things = self._read()
            yield things
            temporary = self._file.with_suffix(".new")
            temporary.write_text(json.dumps({key: asdict(thing) for key, thing in things.items()}, indent=1))
            temporary.replace(self._file)

    def things(self, kind: str | None = None) -> list[Thing]:
        """What exists, of one type if it is given."""
        return [thing for thing in self._read().values() if kind in (None, thing.type)]

    def put(self, thing: Thing) -> None:
        """Have it exist."""
        with self.changed() as things:
            things[key(thing.type, thing.identity)] = thing

    def remove(self, kind: str, identity: str) -> None:
        """Have it no longer exist, as somebody's deletion by hand does."""
        with self.changed() as things:
            things.pop(key(kind, identity), None)

    def note(self, operation: str, kind: str, name: str) -> None:
        """Write down that it was done."""
        with self._thread, self._journal.open("a") as journal:
            journal.write(json.dumps([operation, kind, name]) + "\n")

    def journal(self) -> Iterator[tuple[str, str, str]]:
        """Operation, type and name of all that was done, oldest first."""
        for line in self._journal.read_text().splitlines() if self._journal.exists() else ():
            operation, kind, name = json.loads(line)
            yield operation, kind, name

    def _read(self) -> dict[str, Thing]:
        if not self._file.exists():
            return {}
        return {key: Thing(**fields) for key, fields in json.loads(self._file.read_text()).items()}


def key(kind: str, identity: str) -> str:
    """By what a thing is kept."""
    return f"{kind} {identity}"


def of_environment() -> Account:
    """The account that the environment names."""
    return Account(Path(os.environ[HOME]))
