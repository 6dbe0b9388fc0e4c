"""Speaches: speech to text and text to speech on CPU and CUDA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints, field_validator

from components.engines.engine import FILES, Engine, Mode, Workload
from components.engines.settings import each_once, listed_models
from components.engines.versions import SPEACHES, SPEACHES_ARCHITECTURES
from components.section import Name, Section, rule

PORT = 8000
CACHE = "/scratch/hub"
CARD = "README.md"
"""Whose head says what kind of model it is."""
SCRIPT = Path(__file__).parent / "scripts" / "speaches.sh"
IMAGE_GROUP = 1000
"""Group of the user `ubuntu`, in whose home directory the image has the server: nobody else may look into it."""
MODES: Mapping[str, Mode] = {"transcription": "audio_transcription", "speech": "audio_speech"}


class SpeechModel(Section):
    """A model, under the name that requests use."""

    model: Name
    """One of `models`."""
    repository: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=96),
        rule("ORG/NAME of a repository", example="Systran/faster-whisper-small"),
    ]
    """What requests call it: Speaches knows models by their repositories, and voices of Piper by parts of that."""
    task: Literal["transcription", "speech"]
    """Speech to text, or text to speech."""

    @field_validator("repository")
    @classmethod
    def _can_be_a_directory(cls, repository: str) -> str:
        if "--" in repository:
            raise ValueError("must not contain '--', which stands for the slash in a cache of Hugging Face")
        return repository


class Speaches(Engine):
    """Speaches' OpenAI-compatible server: Whisper by CTranslate2, Kokoro and Piper by ONNX."""

    IMAGES = SPEACHES
    ARCHITECTURES = SPEACHES_ARCHITECTURES

    name: Name
    """The name of its Service. Requests name its models."""
    kind: Literal["speaches"]
    """Which engine."""
    models: tuple[SpeechModel, ...] = Field(
        min_length=1,
        examples=[[{"model": "whisper", "repository": "Systran/faster-whisper-small", "task": "transcription"}]],
    )
    """Models from the node's cache, each under a name of its own."""
    api_key: bool = True
    """Answer only requests that show the engine's key, which the gateway has; see docs/operations.md."""
    unload_seconds: NonNegativeInt | None = None
    """Forget a model that was not used for so long, and read it again when it is; never when not set."""

    @field_validator("models")
    @classmethod
    def _are_told_apart(cls, models: tuple[SpeechModel, ...]) -> tuple[SpeechModel, ...]:
        each_once([one.repository for one in models], remedy="requests name nothing else")
        return models

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Each of its models."""
        return listed_models(self.models)

    @property
    def serves(self) -> Mapping[str, Mode]:
        """Its models, by their repositories."""
        return {one.repository: MODES[one.task] for one in self.models}

    @property
    def key_variable(self) -> str | None:
        """As its settings say."""
        return "API_KEY" if self.api_key else None

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Variables as in Speaches' src/speaches/config.py, flags as in `uvicorn --help`."""
        unload = str(-1 if self.unload_seconds is None else self.unload_seconds)
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            command=("sh", f"{FILES}/{SCRIPT.name}"),
            args=(
                *(word for one in self.models for word in (one.repository, models[one.model])),
                "--",
                *("uvicorn", "--factory", "speaches.main:create_app", "--host=0.0.0.0", f"--port={PORT}"),
                f"--timeout-graceful-shutdown={self.drain_seconds}",
                *self.extra_args,
            ),
            files={SCRIPT.name: SCRIPT.read_text()},
            ports={"http": PORT},
            health="/health",
            metrics=None,
            env={
                "HOME": "/scratch/home",
                "USER": "speaches",
                "HF_HUB_CACHE": CACHE,
                "HF_HUB_OFFLINE": "1",
                "DO_NOT_TRACK": "1",
                "ENABLE_UI": "false",
                "LOG_LEVEL": "info",
                "STT_MODEL_TTL": unload,
                "TTS_MODEL_TTL": unload,
                "WHISPER__INFERENCE_DEVICE": self.accelerator.kind,
            },
            groups=(IMAGE_GROUP,),
        )
