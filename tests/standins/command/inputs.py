"""What a command or a copy is given, checked and typed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from tests.standins import wire
from tests.standins.provider import InvalidInputs
from tests.standins.wire import Properties, Wire

Schema = Mapping[str, str]
"""The type of each property that there is."""
_RUN: Schema = {
    "stdin": "string",
    "logging": "string",
    "environment": "map of strings",
    "addPreviousOutputInEnv": "bool",
}
_STEPS: Schema = {"create": "string", "update": "string", "delete": "string", "triggers": "list"}
_LOCAL: Schema = {"dir": "string", **dict.fromkeys(("interpreter", "assetPaths", "archivePaths"), "list of strings")}
LOCAL: Schema = {**_STEPS, **_RUN, **_LOCAL}
REMOTE: Schema = {**_STEPS, **_RUN, "connection": "object"}
COPY: Schema = {"connection": "object", "triggers": "list", "source": "file, directory or text", "remotePath": "string"}
RUN: Schema = {"command": "string", **_RUN, **_LOCAL}
_PROXY: Schema = {
    **dict.fromkeys(("host", "user", "password", "privateKey", "privateKeyPassword"), "string"),
    **dict.fromkeys(("hostKey", "agentSocketPath"), "string"),
    **dict.fromkeys(("port", "dialErrorLimit", "perDialTimeout"), "number"),
}
_CONNECTION: Schema = {**_PROXY, "proxy": "object"}
_NESTED = {"connection": _CONNECTION, "proxy": _PROXY}
_REQUIRED = {"connection", "source", "remotePath", "host", "command"}
_SECRETS = ("password", "privateKey", "privateKeyPassword")
_DEFAULTS: Properties = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach a host over SSH."""

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    private_key: str | None = field(repr=False)
    private_key_password: str | None = field(repr=False)
    agent_socket: str | None
    host_key: str | None
    """As in an authorized_keys file; None accepts any."""
    dial_error_limit: int
    """Failures that are followed by another attempt; -1 for no limit."""
    per_dial_timeout: float | None
    """Seconds; None for no limit."""
    proxy: "Connection | None"

    @classmethod
    def of(cls, given: Properties) -> "Connection":
        """From checked inputs."""
        proxy = given.get("proxy")
        return cls(
            host=cast(str, given["host"]),
            port=int(cast(float, given["port"])),
            user=cast(str, given["user"]),
            password=cast("str | None", given.get("password")),
            private_key=cast("str | None", given.get("privateKey")),
            private_key_password=cast("str | None", given.get("privateKeyPassword")),
            agent_socket=cast("str | None", given.get("agentSocketPath")),
            host_key=cast("str | None", given.get("hostKey")),
            dial_error_limit=int(cast(float, given["dialErrorLimit"])),
            per_dial_timeout=cast(float, given["perDialTimeout"]) or None,
            proxy=cls.of(cast(Properties, proxy)) if proxy else None,
        )


@dataclass(frozen=True, kw_only=True)
class Script:
    """A command with what it is given."""

    command: str
    stdin: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    previous: Mapping[str, str] = field(repr=False)
    """What the last run left, as environment variables."""
    logged: frozenset[str]
    """The streams whose lines the user sees: of stdout and stderr."""

    @classmethod
    def of(cls, command: str, given: Properties, *, stdout: str = "", stderr: str = "") -> "Script":
        """From checked inputs, plain, and the outputs of the last run."""
        previous = {"PULUMI_COMMAND_STDOUT": stdout, "PULUMI_COMMAND_STDERR": stderr}
        wanted = given.get("addPreviousOutputInEnv") is not False
        environment = cast("dict[str, str | None]", given.get("environment", {}))
        logging = cast(str, given.get("logging", "stdoutAndStderr"))
        return cls(
            command=command,
            stdin=cast(str, given.get("stdin", "")),
            environment={k: v for k, v in environment.items() if v is not None},
            previous={name: value for name, value in previous.items() if value and wanted},
            logged=frozenset({"stdoutAndStderr": ("stdout", "stderr")}.get(logging, (logging,))),
        )


def checked(inputs: Properties, schema: Schema) -> Properties:
    """These inputs with defaults, the connection secret; raises `InvalidInputs`, never with a value in it."""
    failures = dict(_failures("", wire.plain(inputs), schema))
    if failures:
        raise InvalidInputs(failures)
    connection = inputs.get("connection")
    return inputs if connection is None else inputs | {"connection": wire.secret(_complete(connection))}


def _complete(connection: Wire) -> Wire:
    if not isinstance(connection, dict):
        return connection
    if wire.TAG in connection:  # a secret as a whole
        return connection | {"value": _complete(connection["value"])}
    complete = _DEFAULTS | {name: value for name, value in connection.items() if value is not None}
    if "proxy" in complete:
        complete["proxy"] = _complete(complete["proxy"])
    return {name: wire.secret(value) if name in _SECRETS else value for name, value in complete.items()}


def _failures(path: str, given: Properties, schema: Schema) -> Iterator[tuple[str, str]]:
    # The engine prints the value of a top-level property that is named here: where secrets may be, only parts are.
    for name in sorted(_REQUIRED & schema.keys() - given.keys()):
        yield f"{path}{name}", "is required"
    for name, value in given.items():
        if name not in schema:
            if not name.startswith("__"):
                yield f"{path}{name}", f"is not known; there are: {', '.join(sorted(schema))}"
        elif value != wire.UNKNOWN and not _fits(value, schema[name]):
            yield f"{path}{name}", f"must be a {schema[name]}"
        elif isinstance(value, dict) and name == "environment":
            wrong = (key for key, item in value.items() if not isinstance(item, str | None))
            yield from ((f"{path}{name}.{key}", "must be a string") for key in wrong)
        elif isinstance(value, dict) and name in _NESTED:
            yield from _failures(f"{path}{name}.", wire.plain(value), _NESTED[name])


def _fits(value: Wire, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "list of strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "map of strings" | "object":
            return isinstance(value, dict) and wire.TAG not in value
        case _:
            on_this_machine = isinstance(value, dict) and bool({"path", "text"} & value.keys())
            return on_this_machine and (wire.is_asset(value) or wire.is_archive(value))
