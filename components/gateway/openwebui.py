"""Open WebUI's container and volume, for a Deployment of its own or as LiteLLM's sidecar."""

import pulumi
import pulumi_kubernetes as kubernetes

from components.gateway.settings import OpenWebUiSettings
from components.gateway.versions import OPEN_WEBUI
from components.workload.claim import volume_claim
from components.workload.pod import labels
from components.workload.spec import Claim, Container, Health, SecretKey, Volume

PORT = 8080
CLAIM = "open-webui-data"


def chat_container(settings: OpenWebUiSettings, *, api: str, api_key: SecretKey, web_key: SecretKey) -> Container:
    """Open WebUI talking to the OpenAI API at `api`, and to nothing outside."""
    return Container(
        name="open-webui",
        image=OPEN_WEBUI,
        env={
            "PORT": str(PORT),
            "HOME": "/tmp",
            "OPENAI_API_BASE_URL": api,
            "ENABLE_OLLAMA_API": "false",
            # Settings come from here alone: what the database remembers would win otherwise.
            "ENABLE_PERSISTENT_CONFIG": "false",
            "OFFLINE_MODE": "true",
            "HF_HUB_OFFLINE": "1",
            "ENABLE_VERSION_UPDATE_CHECK": "false",
            "RAG_EMBEDDING_ENGINE": "openai",
            "ANONYMIZED_TELEMETRY": "false",
            "DO_NOT_TRACK": "true",
        },
        secret_env={"OPENAI_API_KEY": api_key, "WEBUI_SECRET_KEY": web_key},
        ports={"chat": PORT},
        mounts={"/app/backend/data": "chat", "/tmp": "scratch"},
        health=Health(path="/health", port=PORT, startup_seconds=300),
        resources=settings.resources,
        writable_root="Open WebUI copies its static files into its own program directory at every start",
    )


def chat_volume() -> dict[str, Volume]:
    """The pod's volume for `chat_container`."""
    return {"chat": Claim(claim=CLAIM)}


def chat_volume_claim(
    name: str, settings: OpenWebUiSettings, *, namespace: str, opts: pulumi.ResourceOptions
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """The claim that `chat_volume` names."""
    return volume_claim(
        name,
        CLAIM,
        namespace=namespace,
        labels=labels("open-webui", "chat"),
        size=settings.size,
        storage_class=settings.storage_class,
        keep=settings.keep_data,
        opts=opts,
    )
