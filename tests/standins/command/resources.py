"""The provider's resources: when a script is run, and what becomes of its output."""
# ruff: noqa: ARG002 (the provider's protocol says which arguments there are)

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import cast

from tests.standins import wire
from tests.standins.command import inputs as given
from tests.standins.command import local
from tests.standins.command.inputs import Connection, Schema, Script, checked
from tests.standins.command.running import Running
from tests.standins.provider import Call, ProviderError
from tests.standins.wire import UNKNOWN, Change, Properties

_OUTPUTS = ("stdout", "stderr", "assets", "archive")


class _Kind(ABC):
    """What commands and copies have in common: `triggers` replace, everything else updates."""

    schema: Schema

    def __init__(self, running: Running) -> None:
        self.running = running

    def check(self, inputs: Properties) -> Properties:
        return checked(inputs, self.schema)

    def diff(self, state: Properties, old_inputs: Properties, inputs: Properties) -> Mapping[str, Change]:
        return wire.differences(_without_internal(old_inputs), _without_internal(inputs))

    def replaces(self, path: str) -> bool:
        return path.startswith("triggers")

    def read(self, identity: str, state: Properties, inputs: Properties) -> tuple[str, Properties, Properties]:
        return identity, state, inputs


class _Command(_Kind):
    """Scripts for the steps of a resource's life."""

    @abstractmethod
    def run(self, call: Call, script: Script, inputs: Properties) -> Properties:
        """The outputs; raises `ProviderError`."""

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        identity = f"{call.name}{secrets.token_hex(4)}"
        if call.preview:
            return identity, inputs | {"stdout": UNKNOWN, "stderr": UNKNOWN}
        outputs: Properties = {"stdout": "", "stderr": ""}
        return identity, inputs | outputs | self._step(call, inputs, outputs, "create")

    def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        outputs = {name: state[name] for name in _OUTPUTS if name in state}
        if call.preview:
            return inputs | (dict.fromkeys(outputs, UNKNOWN) if _will_differ(state, inputs, self.schema) else outputs)
        return inputs | outputs | self._step(call, inputs, outputs, "update", "create")

    def delete(self, call: Call, state: Properties) -> None:
        self._step(call, state, state, "delete")

    def _step(self, call: Call, inputs: Properties, outputs: Properties, *steps: str) -> Properties:
        """Run the first of these scripts that there is."""
        plain = wire.plain(inputs)
        command = next((cast(str, plain[step]) for step in steps if step in plain), None)
        if command is None:
            return {}
        last = {name: str(wire.revealed(outputs.get(name)) or "") for name in ("stdout", "stderr")}
        return self.run(call, Script.of(command, plain, **last), plain)


class LocalCommand(_Command):
    """`command:local:Command`."""

    schema = given.LOCAL

    def run(self, call: Call, script: Script, inputs: Properties) -> Properties:
        return run_here(call, script, inputs, self.running)


class RemoteCommand(_Command):
    """`command:remote:Command`."""

    schema = given.REMOTE

    def run(self, call: Call, script: Script, inputs: Properties) -> Properties:
        output = _over_ssh().run(_connection(inputs), script, self.running, call)
        return {"stdout": output.text("stdout"), "stderr": output.text("stderr")}


class CopyToRemote(_Kind):
    """`command:remote:CopyToRemote`. Nothing is deleted on the host, as with the official provider."""

    schema = given.COPY

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        if not call.preview:
            self._copy(call, inputs)
        return secrets.token_hex(4), inputs

    def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        moved = any(not wire.same(state.get(name), inputs.get(name)) for name in ("source", "remotePath"))
        if moved and not call.preview:
            self._copy(call, inputs)
        return inputs

    def delete(self, call: Call, state: Properties) -> None:
        return

    def _copy(self, call: Call, inputs: Properties) -> None:
        plain = wire.plain(inputs)
        _over_ssh().copy(_connection(plain), plain["source"], cast(str, plain["remotePath"]), self.running, call)


def run_here(call: Call, script: Script, inputs: Properties, running: Running) -> Properties:
    """Run a script on this machine; its outputs, with the files that were asked for."""
    place = local.Place.of(inputs)
    output = local.run(script, place, running, lambda line: call.say(line, "info", True))
    outputs: Properties = {"stdout": output.text("stdout"), "stderr": output.text("stderr")}
    if patterns := cast("list[str] | None", inputs.get("assetPaths")):
        outputs["assets"] = dict(local.files(place.directory, patterns))
    if patterns := cast("list[str] | None", inputs.get("archivePaths")):
        outputs["archive"] = wire.archive(local.files(place.directory, patterns))
    return outputs


def function(running: Running) -> Callable[[Call, Properties], Properties]:
    """`command:local:run`: at every preview and update."""

    def run(call: Call, arguments: Properties) -> Properties:
        plain = wire.plain(checked(arguments, given.RUN))
        return arguments | run_here(call, Script.of(cast(str, plain["command"]), plain), plain, running)

    return run


def _will_differ(state: Properties, inputs: Properties, schema: Schema) -> bool:
    """Whether an update makes outputs unknown. Not when properties are only added: the official provider's rule."""
    return any(
        wire.is_unknown(inputs.get(name)) or (name in state and not wire.same(state[name], inputs.get(name)))
        for name in schema
    )


def _connection(plain: Properties) -> Connection:
    return Connection.of(cast(Properties, plain["connection"]))


def _over_ssh():  # the module, whose type has no name
    """Imported when a host is first to be reached: the dev stack reaches none, and needs no SSH library."""
    try:
        from tests.standins.command import remote  # noqa: PLC0415
    except ImportError as error:
        raise ProviderError(f"commands on other hosts need {error.name}: pip install paramiko") from None
    return remote


def _without_internal(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if not name.startswith("__")}
