"""A step that a host goes through, as a script that runs there whether the connection holds or not."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pulumi
from pulumi_command import remote

SCRIPTS = Path(__file__).parent / "scripts"
_AS_ROOT = "sudo -n bash -c 'eval \"$(cat)\"' inference"
"""Runs what comes by standard input: among it are secrets, and arguments can be read in a host's process list."""

_FIRST = (
    "sudo -n true || { echo \"Allow $(id -un) to become root: echo '$(id -un) ALL=(ALL) NOPASSWD: ALL' |"
    ' sudo tee /etc/sudoers.d/$(id -un)" >&2; exit 1; }; ' + _AS_ROOT
)
"""Says what to do when sudo asks for a password, which it does on the first connection or on none."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One idempotent script, `<script> up|down|--check`, which sources `host.sh` beside it."""

    name: str
    """Its name on the host, which knows by it what is done already."""
    script: Path
    variables: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """What the script is to know, as environment variables; secrets among them stay secret."""

    def identity(self, variables: Mapping[str, str]) -> str:
        """A hash of all that the step's outcome depends on."""
        return sha256("\0".join(self._parts(variables)).encode()).hexdigest()

    def _parts(self, variables: Mapping[str, str]) -> tuple[str, str, str]:
        stated = _assignments({"STEP": self.name, **variables})
        return (SCRIPTS / "host.sh").read_text(), self.script.read_text(), stated

    def text(self, variables: Mapping[str, str]) -> str:
        """All that the host gets: variables, the script, what scripts share, and what runs them."""
        library, script, stated = self._parts(variables)
        identity = self.identity(variables)
        head = {"STEP": self.name, "HASH": identity, "VARIABLES": stated, "LIBRARY": library, "SCRIPT": script}
        return _assignments(head) + (SCRIPTS / "run.sh").read_text()


def run_step(
    name: str,
    step: Step,
    connection: pulumi.Input[remote.ConnectionArgsDict],
    *,
    until: str = "",
    after: Sequence[pulumi.Resource] = (),
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """The step as a resource: create and update do it, or begin it `until` it sets that mark; delete takes it back."""
    return _command(
        name,
        connection,
        f"{_AS_ROOT} up {until}".rstrip(),
        _all_of(step),
        delete=f"{_AS_ROOT} down",
        # To replace a step is to take it back and do it again, never the other way round.
        opts=opts.merge(pulumi.ResourceOptions(depends_on=list(after), delete_before_replace=True)),
    )


def finish_step(
    name: str,
    step: Step,
    connection: pulumi.Input[remote.ConnectionArgsDict],
    begun: remote.Command,
    *,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Whatever is left of a step that was run until a mark, as a resource: it joins that run, or does it again."""
    after = opts.merge(pulumi.ResourceOptions(depends_on=[begun]))
    return _command(name, connection, f"{_AS_ROOT} up", _all_of(step), triggers=[begun.id], opts=after)


def inspect(
    name: str,
    script: Path,
    variables: Mapping[str, str],
    connection: pulumi.Input[remote.ConnectionArgsDict],
    *,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """A script that only looks, as a resource: run whenever what it is told changes, and never taken back."""
    return _command(name, connection, _FIRST, _assignments(variables) + script.read_text(), opts=opts)


def query(
    name: str,
    script: Path,
    variables: Mapping[str, str],
    connection: pulumi.Input[remote.ConnectionArgsDict],
    *,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """A script whose output is secret, as a resource."""
    return _command(
        name,
        connection,
        _AS_ROOT,
        _assignments(variables) + script.read_text(),
        logging=remote.Logging.NONE,
        opts=opts.merge(pulumi.ResourceOptions(additional_secret_outputs=["stdout"])),
    )


def _command(
    name: str,
    connection: pulumi.Input[remote.ConnectionArgsDict],
    command: str,
    stdin: pulumi.Input[str],
    *,
    delete: str | None = None,
    logging: remote.Logging = remote.Logging.STDOUT_AND_STDERR,
    triggers: Sequence[pulumi.Input[str]] | None = None,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    return remote.Command(
        name,
        connection=connection,
        create=command,
        update=command,
        delete=delete,
        stdin=stdin,
        logging=logging,
        triggers=triggers,
        add_previous_output_in_env=False,
        opts=opts,
    )


def _all_of(step: Step) -> pulumi.Output[str]:
    return pulumi.Output.secret(pulumi.Output.all(**{"STEP": step.name, **step.variables}).apply(step.text))


def _assignments(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
