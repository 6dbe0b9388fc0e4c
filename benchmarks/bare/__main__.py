"""A program without any logic: registers the resources of a recording with the SDK's own classes."""

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command
import pulumi_random

KUBERNETES = re.compile(r"kubernetes:(?P<group>[^/]+)/(?P<version>[^:]+):(?P<kind>.+)")

recording: list[dict[str, Any]] = json.loads(Path(os.environ["BARE_RECORDING"]).read_text())
made: dict[str, Any] = {}
control_plane: Any = None


def resource_class(token: str) -> Any:
    """The SDK's class for a type."""
    if token.startswith("random:"):
        return pulumi_random.RandomPassword
    if token == "command:local:Command":
        return pulumi_command.local.Command
    match = KUBERNETES.fullmatch(token)
    assert match, token
    group = match["group"].split(".")[0]
    return getattr(importlib.import_module(f"pulumi_kubernetes.{group}.{match['version']}"), match["kind"])


def provider_class(token: str) -> Any:
    """The SDK's provider for a package."""
    return importlib.import_module(f"pulumi_{token.removeprefix('pulumi:providers:')}").Provider


def snake(name: str) -> str:
    """`stringData` as the SDK's parameter."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


for entry in recording:
    options = pulumi.ResourceOptions(
        parent=made.get(entry["parent"]),
        provider=made.get(entry["provider"]),
        depends_on=[made[dependency] for dependency in entry["dependencies"]],
    )
    token, name, inputs = entry["type"], entry["name"], entry["inputs"]
    if not entry["custom"]:
        made[entry["urn"]] = pulumi.ComponentResource(token, name, {}, options)
        if entry["outputs"] is not None:
            made[entry["urn"]].register_outputs(entry["outputs"])
    elif token.startswith("pulumi:providers:"):
        options.provider = None
        arguments = {snake(key): value for key, value in inputs.items()}
        if "kubeconfig" in arguments:
            arguments["kubeconfig"] = control_plane.stdout
        made[entry["urn"]] = provider_class(token)(name, **arguments, opts=options)
    elif token == "kubernetes:core/v1:Node":
        made[entry["urn"]] = pulumi.CustomResource(token, name, inputs, options)
    else:
        arguments = {snake(key): value for key, value in inputs.items() if key not in ("apiVersion", "kind")}
        made[entry["urn"]] = resource_class(token)(name, **arguments, opts=options)
        if token.startswith("command:"):
            control_plane = made[entry["urn"]]
