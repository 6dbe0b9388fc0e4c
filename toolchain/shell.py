"""The environment in which `pulumi` and the tests run, as variables."""

import os
import secrets
from pathlib import Path
from urllib.parse import quote

from toolchain import bring, catalogue, installed, places, plugins, standins, targets
from toolchain.download import Network
from toolchain.tool import Files, Group


def environment(*, stack: str, tests: bool = False, rehearsal: bool = False, rendering: bool = False) -> dict[str, str]:
    """Variables to lay over `os.environ` for running this stack; brings what is missing first.

    Quick when nothing is missing. `tests` adds the tools that only tests need and lets stand-ins serve any target;
    `rehearsal` and `rendering` let them serve any target, for neither makes anything. Raises `ToolchainError`.
    """
    target = targets.target(stack)
    network = Network()
    found = bring.ensure(
        catalogue.in_groups(*_groups(target, tests=tests, rehearsal=rehearsal, rendering=rendering)),
        network,
        quiet=True,
    )
    pulumi = next(one.path for one in found if one.tool is catalogue.PULUMI)
    permitted = tests or rehearsal or rendering or target == "dev"
    stood_in = plugins.settle(
        pulumi,
        network,
        refused_for=None if permitted else f"stack {stack} (target {target or 'not known'})",
        wanted=plugins.EVERY if target == "eks" and not (rehearsal or rendering) else plugins.PLUGINS,
    )
    variables = {
        "PATH": _path(
            [one.path.parent for one in found if not one.on_path and not isinstance(one.tool.source, Files)],
            bool(stood_in),
        ),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        **_backend(stack if target == "dev" else None, always_ours=tests or rehearsal or rendering),
    }
    if tests:  # images are stand-ins too, and none has the digest of a real one
        variables["INFERENCE_IMAGE_LOCK"] = os.devnull
    if stood_in:
        variables["INFERENCE_STANDINS"] = "tests" if tests else "dev"
    return variables


def _groups(target: str | None, *, tests: bool, rehearsal: bool, rendering: bool) -> tuple[Group, ...]:
    if tests:
        return ("dev", "tests")
    return ("dev",) if rehearsal or (target == "dev" and not rendering) else ("deploy",)


def _path(tools: list[Path], stood_in: bool) -> str:
    """PATH with what was brought in front and stand-ins last, so that official plugins win."""
    python = places.python()
    front = [*map(str, tools), *([str(python.parent)] if python else [])]
    inherited = installed.search_path().split(os.pathsep)
    last = [str(standins.folder())] if stood_in else []
    return os.pathsep.join(dict.fromkeys([*front, *inherited, *last]))


def _backend(dev_stack: str | None, *, always_ours: bool) -> dict[str, str]:
    """Pulumi's backend and passphrase: a local file backend, unless the user has chosen another.

    Tests and rehearsals never see the user's backend. The dev stack outlives its passphrase, since all of it can be
    made again: where the passphrase is new, what was encrypted with another is forgotten.
    """
    state = places.state()
    address = f"file://{quote(str(state))}"
    # Beside each file Pulumi would keep one of metadata that nobody reads, written in place: an `up` that is killed
    # at that moment leaves it empty, and after that the state cannot be loaded.
    ours = f"{address}?metadata=skip"
    theirs = os.environ.get("PULUMI_BACKEND_URL")
    if theirs and theirs.partition("?")[0] != address and not always_ours:
        return {}
    places.made_state()
    file = str(state / "passphrase")
    other_file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE", file) != file
    if ("PULUMI_CONFIG_PASSPHRASE" in os.environ or other_file) and not always_ours:
        return {"PULUMI_BACKEND_URL": ours}
    if dev_stack and not always_ours and not Path(file).exists():
        targets.forget_salt(dev_stack)
    return {"PULUMI_BACKEND_URL": ours, "PULUMI_CONFIG_PASSPHRASE_FILE": str(_passphrase(Path(file)))}


def _passphrase(file: Path) -> Path:
    """The stack's passphrase, made up once and readable by its owner alone."""
    if not file.exists():
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(temporary, file)  # unlike a rename it never replaces what another run has just made
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    file.chmod(0o600)
    return file
