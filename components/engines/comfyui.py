"""ComfyUI: pictures and videos by graphs of nodes."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from components.accelerators import AcceleratorRequest
from components.engines.engine import FILES, Argument, Workload
from components.engines.image import ImageEngine
from components.engines.settings import listed_models
from components.section import Name, Section, rule

PORT = 8188
HOME = "/scratch/home"
DIRECTORIES = {kind: f"/scratch/{kind}" for kind in ("input", "output", "temp", "user")}
MODEL_PATHS = "extra_model_paths.yaml"
START = f'mkdir -p {HOME} {" ".join(DIRECTORIES.values())} && exec "$@"'
"""It refuses a user directory that is not there, and lists the input directory without making it."""
DRAIN = """\
import json, sys, time, urllib.request
while True:
    with urllib.request.urlopen(sys.argv[1]) as answer:
        queue = json.load(answer)
    if not queue["queue_running"] and not queue["queue_pending"]:
        break
    time.sleep(0.5)
"""
"""Asked to stop, it would drop the graphs that it has."""
_NOT_FOLDERS = {"base_path", "is_default", "custom_nodes"}
"""Words of the file itself; and what it would run as code."""


class ComfyUiModel(Section):
    """A model, and what ComfyUI takes it for."""

    model: Name
    """One of `models`."""
    folder: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60),
        rule("a model folder of ComfyUI", example="checkpoints"),
    ]
    """The kind of model, as ComfyUI's model folders are called: `checkpoints`, `loras`, `vae`, `text_encoders`, …"""

    @field_validator("folder")
    @classmethod
    def _holds_models(cls, folder: str) -> str:
        if folder in _NOT_FOLDERS:
            raise ValueError(f'"{folder}" is not a model folder; there are: checkpoints, loras, vae, controlnet, …')
        return folder


class ComfyUi(ImageEngine):
    """ComfyUI, version 0.3.41 or later; its own API and web page, for `clients` alone: it asks nobody for a key."""

    PROTOCOL = "http"

    kind: Literal["comfyui"]
    """Which engine."""
    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on. `shared: true` takes a part of a GPU, beside other engines."""
    command: tuple[Argument, ...] = Field(default=("python", "main.py"), min_length=1)
    """What starts ComfyUI, in the image's working directory. The image must have `sh`, and `python3` for draining."""
    models: tuple[ComfyUiModel, ...] = Field(default=(), examples=[[{"model": "painter", "folder": "checkpoints"}]])
    """Models from the node's cache. What it makes is in /scratch, and goes with the pod: fetch it through the API."""

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Each of its models."""
        return listed_models(self.models)

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Flags as in ComfyUI's comfy/cli_args.py."""
        return Workload(
            image=self.image,
            command=("sh", "-c", START, "comfyui"),
            args=(
                *self.command,
                "--listen=0.0.0.0",
                f"--port={PORT}",
                "--disable-auto-launch",
                f"--extra-model-paths-config={FILES}/{MODEL_PATHS}",
                *(f"--{kind}-directory={directory}" for kind, directory in DIRECTORIES.items()),
                f"--database-url=sqlite:///{DIRECTORIES['user']}/comfyui.db",
                *(() if self.accelerator.gpus else ("--cpu",)),
                *self.extra_args,
            ),
            files={MODEL_PATHS: self._model_paths(models)},
            ports={"http": PORT},
            health="/system_stats",
            metrics=None,
            env={"HOME": HOME, "USER": "comfyui", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"},
            drain=("python3", "-c", DRAIN, f"http://127.0.0.1:{PORT}/queue"),
            writable_root=self.writable_root,
        )

    def _model_paths(self, models: Mapping[Name, str]) -> str:
        """By folder its directories, one a line. JSON, which is YAML too."""
        folders: dict[str, list[str]] = {}
        for one in self.models:
            folders.setdefault(one.folder, []).append(models[one.model])
        return json.dumps({"models": {folder: "\n".join(paths) for folder, paths in folders.items()}}, indent=2)
