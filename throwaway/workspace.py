"""The directory of a stack that is thrown away: settings without secrets, a backend of its own; all of it goes."""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml

import toolchain
from throwaway.interrupts import undisturbed
from throwaway.problems import StackError
from toolchain import places
from toolchain.control_plane.directory import ControlPlaneError
from toolchain.control_plane.lifecycle import stop

_PREFIX = "throwaway-"
_SECONDS_TO_REMOVE = 30
Purpose = Literal["rehearsal", "rendering"]
"""What it is for; also the setting that says so."""
_STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What `pulumi` is run in. The real stack's settings, state and selection are never written to."""

    root: Path
    stack: str
    purpose: Purpose

    @property
    def project(self) -> Path:
        """Holds a Pulumi.yaml that points at this repository's program, and the settings."""
        return self.root / "project"

    @property
    def planes(self) -> tuple[Path, ...]:
        """Directories of the control planes, started completely or not."""
        return tuple(sorted(lock.parent for lock in (self.root / self.stack).glob("*/lock")))

    def environment(self) -> dict[str, str]:
        """Variables for `pulumi`. Brings what is missing; raises ToolchainError."""
        variables = os.environ | toolchain.environment(
            stack=self.stack, rehearsal=self.purpose == "rehearsal", rendering=self.purpose == "rendering"
        )
        variables.pop("PULUMI_CONFIG_PASSPHRASE", None)
        return variables | {
            "INFERENCE_STATE": str(self.root),
            "PULUMI_BACKEND_URL": self.root.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.root / "passphrase"),
        }

    def fill(self, settings: Mapping[str, Any]) -> None:
        """Write the project."""
        self.project.mkdir()
        (self.root / "passphrase").write_text(secrets.token_urlsafe(32))
        project = cast("dict[str, Any]", yaml.safe_load((places.REPOSITORY / "Pulumi.yaml").read_text()))
        project["main"] = str(places.REPOSITORY)
        options = project["runtime"]["options"]
        options["virtualenv"] = str(places.REPOSITORY / options["virtualenv"])
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        (self.project / f"Pulumi.{self.stack}.yaml").write_text(yaml.safe_dump({"config": dict(settings)}))

    def keep(self) -> None:
        """Leave everything as it is in the end."""
        (self.root / "kept").touch()

    @property
    def kept(self) -> bool:
        """Whether somebody asked to keep it."""
        return (self.root / "kept").exists()


def settings(stack: str, file: Path | None, purpose: Purpose) -> dict[str, Any]:
    """The stack's settings, without its secrets. Raises StackError."""
    if not _STACK.fullmatch(stack):
        raise StackError(f"{stack!r} is not the name of a stack: letters, digits, '-', '_' and '.' only.")
    file = file or places.REPOSITORY / f"Pulumi.{stack}.yaml"
    try:
        document: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.name.split(".")[1] for path in places.REPOSITORY.glob("Pulumi.*.yaml")))
        raise StackError(f"There is no {file}. Stacks with settings here: {known or 'none'}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(f"{file} cannot be read: {error}") from None
    config = cast("Mapping[str, object]", document).get("config") if isinstance(document, Mapping) else None
    if not isinstance(config, Mapping):
        raise StackError(f"{file} has no settings: it must be a mapping with a mapping below `config:`.")
    return {**cast("dict[str, Any]", _without_secrets(cast("object", config))), f"inference:{purpose}": True}


def _without_secrets(value: object) -> object:
    """Everything but `{secure: …}`, which only the stack's own passphrase opens."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value).items()
        return {key: _without_secrets(inner) for key, inner in entries if not _is_secret(inner)}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in cast("list[object]", value) if not _is_secret(inner)]
    return value


def _is_secret(value: object) -> bool:
    return isinstance(value, Mapping) and set(cast("Mapping[object, object]", value)) == {"secure"}


@contextmanager
def workspace(stack: str, purpose: Purpose) -> Generator[Workspace]:
    """A fresh one below the state directory, where `make clean` finds it too; removed at the end, come what may."""
    made_here = not places.state().exists()
    state = places.made_state()
    _remove_abandoned(state)
    new = Path(tempfile.mkdtemp(prefix=".", dir=state))
    with (new / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # By its name another one knows it: not before it is locked.
        root = new.rename(new.with_name(f"{_PREFIX}{new.name.lstrip('.')}"))
        made = Workspace(root=root, stack=stack, purpose=purpose)
        try:
            yield made
        finally:
            if not made.kept:
                with undisturbed():
                    _remove(root)
    if made_here:
        with suppress(OSError):  # somebody has put something else into it
            state.rmdir()


def _remove_abandoned(state: Path) -> None:
    """What was left by those that were killed and could not clear up."""
    for root in state.glob(f"{_PREFIX}*"):
        with (root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # it is still at work
                continue
            if not (root / "kept").exists():
                _remove(root)


def _remove(root: Path) -> None:
    give_up = time.monotonic() + _SECONDS_TO_REMOVE
    while root.exists():
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(stop, [lock.parent for lock in root.glob("*/*/lock")]))
            shutil.rmtree(root)
        except (ControlPlaneError, OSError) as error:
            # The engine of one that was killed may live, and write, a moment longer.
            if time.monotonic() > give_up:
                raise StackError(f"{root} could not be removed: {error}\nNext: make clean") from error
            time.sleep(0.2)
