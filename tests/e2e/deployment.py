"""A stack of our program, driven by the real Pulumi engine in a state directory of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import toolchain
from tests.api_server import ApiServer
from tests.unit.recording import REPOSITORY
from toolchain import bring, catalogue
from toolchain.download import Network

STACK = "dev"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One stack with its own backend, settings and control plane below `state`."""

    state: Path
    stack: str = STACK
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the environment, beside those of this process."""

    @property
    def settings_file(self) -> Path:
        """The stack's own `Pulumi.<stack>.yaml`."""
        return self.state / f"Pulumi.{self.stack}.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the engine."""
        here = {"INFERENCE_STATE": str(self.state), **self.variables}
        previous = {name: os.environ.get(name) for name in here}
        os.environ.update(here)
        try:
            variables = toolchain.environment(stack=self.stack, tests=True)
        finally:
            for name, value in previous.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        return os.environ | here | variables

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Replace the settings; keeps what Pulumi itself wrote into the file."""
        text = self.settings_file.read_text() if self.settings_file.exists() else "{}"
        document: dict[str, Any] = yaml.safe_load(text) or {}
        secrets = {key: value for key, value in document.get("config", {}).items() if _is_secret(value)}
        document["config"] = {f"inference:{key}": value for key, value in settings.items()} | secrets
        self.settings_file.write_text(yaml.safe_dump(document))

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `pulumi` command on the stack."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY if arguments[0] in WITH_SETTINGS else self.state,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"pulumi {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
        return done

    def command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        settings = ("--config-file", str(self.settings_file)) if arguments[0] in WITH_SETTINGS else ()
        return ["pulumi", *arguments, "--stack", self.stack, "--non-interactive", *settings]

    def create(self, settings: Mapping[str, Any]) -> None:
        """Make the empty stack; Pulumi writes its salt into our settings file, not into the repository's."""
        shutil.copy(REPOSITORY / "Pulumi.yaml", self.state)
        self.write_settings(settings)
        subprocess.run(
            ["pulumi", "stack", "init", self.stack, "--non-interactive"],
            cwd=self.state,
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def set_secret(self, key: str, value: str) -> None:
        """Encrypt it into the settings."""
        command = ["pulumi", "config", "set", "--secret", f"inference:{key}", "--stack", self.stack]
        subprocess.run(
            [*command, "--config-file", str(self.settings_file)],
            cwd=REPOSITORY,
            env=self.environment,
            input=value,
            text=True,
            check=True,
            capture_output=True,
        )

    def up(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`pulumi up` without a preview."""
        return self.pulumi("up", "--yes", "--skip-preview", *options, check=check)

    def preview(self) -> dict[str, str]:
        """What `pulumi preview` would do, by resource name, where it is not nothing."""
        steps = json.loads(self.pulumi("preview", "--json").stdout)["steps"]
        return {step["urn"].rsplit("::", 1)[1]: step["op"] for step in steps if step["op"] not in ("same", "read")}

    def destroy(self) -> subprocess.CompletedProcess[str]:
        """`pulumi destroy`."""
        return self.pulumi("destroy", "--yes", "--skip-preview")

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the stack's state."""
        return self.exported().get("resources", [])

    def exported(self) -> dict[str, Any]:
        """The stack's state, secrets still encrypted."""
        return json.loads(self.pulumi("stack", "export").stdout)["deployment"]

    def sent(self, name: str) -> str:
        """What a host was sent by this resource; of a step it is secret, since its variables are in it."""
        exported = json.loads(self.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]
        found = next(one for one in exported["resources"] if one["urn"].endswith(f"::{name}"))
        text = found["inputs"]["stdin"]
        return text if isinstance(text, str) else json.loads(text["plaintext"])

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets").stdout)

    def events(self, *arguments: str, check: bool = True) -> Sequence[Mapping[str, Any]]:
        """Run a `pulumi` command; what the engine told of each resource it did something to, in order."""
        log = self.state / "events.jsonl"
        log.unlink(missing_ok=True)
        self.pulumi(*arguments, "--event-log", str(log), check=check)
        told = (json.loads(line) for line in log.read_text().splitlines())
        return [event for event in told if {"resourcePreEvent", "resOutputsEvent"} & event.keys()]

    def api_server(self, cluster: str = "dev") -> ApiServer:
        """One of the stack's clusters."""
        file = self.state / f"{cluster}.kubeconfig"
        file.write_text(self.outputs()["kubeconfigs"][cluster])
        kubectl = bring.ensure([catalogue.named("kubectl")], Network(), quiet=True)[0].path
        return ApiServer(kubeconfig_path=file, kubeconfig=file.read_text(), kubectl_path=kubectl)


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


WITH_SETTINGS = ("up", "preview", "destroy", "refresh")
