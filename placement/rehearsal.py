"""Rehearsing a stack: its own settings, with every node simulated, on control planes that are thrown away."""

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from placement.api import Api
from placement.model import Cluster, counted
from placement.scheduling import decided, with_trials
from throwaway.engine import Engine
from throwaway.workspace import Workspace, settings, workspace
from toolchain.progress import Step, say, shown


def rehearse(stack: str, *, config_file: Path | None = None, keep: bool = False) -> Sequence[Cluster]:
    """Deploy the stack onto throw-away control planes and read what the scheduler did; then remove everything.

    Needs no secret and changes nothing in the real stack. Raises StackError and ToolchainError.
    """
    to_rehearse = settings(stack, config_file, "rehearsal")
    with workspace(stack, "rehearsal") as place:
        try:
            place.fill(to_rehearse)
            engine = Engine(project=place.project, stack=stack, environment=place.environment())
            engine.init()
            _deploy(engine)
            return sorted(_read(engine.output("kubeconfigs")), key=lambda cluster: _position(cluster, to_rehearse))
        finally:
            if keep:
                place.keep()
                _explain(place)
            else:
                say("Stopping and removing the control planes")


def _deploy(engine: Engine) -> None:
    say(f"Starting control planes and deploying {engine.stack} onto them, every node simulated")
    made = {"control plane": 0, "resource": 0}
    started = time.monotonic()
    with shown(Step(title="deploying")) as step:

        def created(kind: str, _name: str) -> None:
            made["resource"] += 1
            made["control plane"] += kind == "command:local:Command"
            step.detail = ", ".join(counted(count, what) for what, count in made.items())

        engine.up(created)
    total = " and ".join(counted(count, what) for what, count in made.items())
    say(f"Deployed {total} in {time.monotonic() - started:.0f} s")


def _read(kubeconfigs: Mapping[str, str]) -> list[Cluster]:
    say("Waiting until the scheduler has decided about every pod")
    clusters: list[Cluster] = []
    for name, kubeconfig in kubeconfigs.items():
        with closing(Api(name, kubeconfig)) as api, shown(Step(title=f"cluster {name}")) as step:

            def progress(now: Cluster, step: Step = step) -> None:
                done = sum(len(now.placed(workload)) for workload in now.workloads)
                wanted = sum(workload.wanted for workload in now.workloads)
                step.detail = f"{done} of {counted(wanted, 'pod')} placed"

            clusters.append(with_trials(api, decided(api, progress)))
    return clusters


def _position(cluster: Cluster, to_rehearse: Mapping[str, Any]) -> int:
    """Clusters are shown in the order of the settings."""
    return [one["name"] for one in to_rehearse["inference:clusters"]].index(cluster.name)


def _explain(place: Workspace) -> None:
    look = [("kubectl", "--kubeconfig", plane / "kubeconfig", "get", "pods", "-A") for plane in place.planes]
    stop = [("python", "-m", "toolchain.control_plane", "stop", "--directory", plane) for plane in place.planes]
    say(f"Everything is kept in {place.root}. To look around:")
    _commands(look)
    say("To stop and remove it:")
    _commands([*stop, ("rm", "-r", place.root)])


def _commands(commands: Sequence[Sequence[str | Path]]) -> None:
    for command in commands:
        say(f"  {shlex.join(map(str, command))}")
