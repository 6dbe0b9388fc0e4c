"""LiteLLM and Open WebUI in a namespace of their own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.engines.engine import Mode
from components.gateway.openwebui import PORT as WEB_PORT
from components.gateway.openwebui import chat_container, chat_volume, chat_volume_claim
from components.gateway.settings import AmazonModel, Gateway, OpenWebUiSettings
from components.gateway.versions import LITELLM
from components.storage.object_store import PodIdentity
from components.workload.application import Application, Server
from components.workload.namespace import Namespace, Quota
from components.workload.pod import labels
from components.workload.spec import ConfigFiles, Container, Health, Peer, Placement, Pod, Scratch, SecretKey

NAMESPACE = "gateway"
LITELLM_ACCOUNT = "litellm"
"""Also its service account."""
PORT = 4000
COOLDOWN_SECONDS = 60
"""For which a copy gets no requests when most of its answers within a minute were errors; else LiteLLM's 5."""
KEYS = "gateway-keys"
MASTER_KEY = "LITELLM_MASTER_KEY"
WEB_KEY = "WEBUI_SECRET_KEY"
DATABASE_URL = "DATABASE_URL"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """An engine as the gateway sees it."""

    name: str
    """What requests call it."""
    model: str
    """What it calls itself."""
    url: str
    """In-cluster base URL of its OpenAI API."""
    engine: str
    key: pulumi.Output[str] | None = None
    """What its requests must show; None where it takes any."""
    key_generation: int = 1
    weight: int | None = None
    """Its share of the requests, beside others of the same name."""
    mode: Mode = "chat"
    """What requests ask it for."""

    @property
    def key_variable(self) -> str:
        """What the key is called among the gateway's variables."""
        return f"ENGINE_KEY_{self.engine.upper().replace('-', '_')}"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a cloud has for the gateway of a cluster."""

    database: pulumi.Input[str] | None = None
    """URL of a PostgreSQL with its password, a secret; without one the gateway knows the master key alone."""
    identity: PodIdentity | None = None
    """Who its pods are to the cloud."""
    peers: tuple[Peer, ...] = ()
    """What its pods must reach for all this."""


class GatewayService(pulumi.ComponentResource):
    """The gateway of one cluster.

    `backends` are what requests go on to; `engine_peers` what its pods must reach.
    """

    url: str
    """In-cluster base URL of the OpenAI API."""
    chat_url: str | None
    """In-cluster URL of the chat page."""
    master_key: pulumi.Output[str]
    """The gateway's master key, a secret."""

    def __init__(
        self,
        name: str,
        settings: Gateway,
        *,
        backends: Sequence[Backend],
        engine_peers: tuple[Peer, ...],
        quota: Quota,
        taints: tuple[str, ...] = (),
        around: Surroundings | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:GatewayService", name, None, opts)
        self._around = around or Surroundings()
        self._name, self._settings, self._peers = name, settings, (*engine_peers, *self._around.peers)
        generations = {one.engine: one.key_generation for one in backends if one.key is not None}
        self._key_generations = ",".join(f"{engine}={number}" for engine, number in sorted(generations.items()))
        self._engine_keys = {one.key_variable: one.key for one in backends if one.key is not None}
        self._placement = Placement(taints=taints)
        parent = pulumi.ResourceOptions(parent=self)
        chat = settings.open_webui
        namespace = Namespace(
            f"{name}-namespace",
            NAMESPACE,
            quota=quota,
            node_ports=len(settings.node_ports),
            keep=bool(chat and chat.keep_data),
            opts=parent,
        )
        self._child = parent.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        self.master_key = self._keys(parent)
        configuration = litellm_configuration(backends, settings.amazon)
        if chat:
            chat_volume_claim(f"{name}-chat-data", chat, namespace=NAMESPACE, opts=self._child)
        sidecar = chat is not None and chat.placement == "sidecar"
        self._litellm(configuration, chat if sidecar else None)
        if chat and not sidecar:
            self._open_webui(chat)
        self.url = f"http://litellm.{NAMESPACE}:{PORT}/v1"
        page = "litellm" if sidecar else "open-webui"
        self.chat_url = f"http://{page}.{NAMESPACE}:{WEB_PORT}" if chat else None
        self.register_outputs({"url": self.url})

    def _keys(self, parent: pulumi.ResourceOptions) -> pulumi.Output[str]:
        master = random.RandomPassword(f"{self._name}-master-key", length=40, special=False, opts=parent)
        web = random.RandomPassword(f"{self._name}-web-key", length=40, special=False, opts=parent)
        # LiteLLM takes only keys that begin so.
        key = pulumi.Output.concat("sk-", master.result)
        kubernetes.core.v1.Secret(
            f"{self._name}-keys",
            metadata={"name": KEYS, "namespace": NAMESPACE},
            string_data={
                MASTER_KEY: key,
                WEB_KEY: web.result,
                **({DATABASE_URL: self._around.database} if self._around.database is not None else {}),
                **self._engine_keys,
            },
            opts=self._child,
        )
        return key

    def _litellm(self, configuration: str, sidecar: OpenWebUiSettings | None) -> None:
        identity = self._around.identity
        server = Server(
            name=LITELLM_ACCOUNT,
            part="gateway",
            pod=Pod(
                containers=[self._litellm_container(), *([self._chat(sidecar, "127.0.0.1")] if sidecar else [])],
                volumes={
                    "config": ConfigFiles(config_map="litellm-config"),
                    "scratch": Scratch(size="1Gi"),
                    **(chat_volume() if sidecar else {}),
                },
                placement=self._placement,
            ),
            ports={"http": PORT, **({"chat": WEB_PORT} if sidecar else {})},
            node_ports=_named({"http": self._settings.litellm.node_port, "chat": sidecar and sidecar.node_port}),
            clients=[Peer(port=PORT, namespace=NAMESPACE)],
            egress=self._peers,
            replicas=self._settings.litellm.replicas,
            update="recreate" if sidecar else "surge",
            files={"config.yaml": configuration},
            restart_on={"keys": self._key_generations, **({"identity": identity.named} if identity else {})},
            account=identity.annotations if identity else {},
        )
        Application(f"{self._name}-litellm", server, namespace=NAMESPACE, opts=self._child)

    def _litellm_container(self) -> Container:
        return Container(
            name="litellm",
            image=LITELLM,
            args=("--config", "/config/config.yaml", "--port", str(PORT)),
            env={"HOME": "/tmp", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"},
            secret_env={key: SecretKey(secret=KEYS, key=key) for key in self._litellm_keys},
            ports={"http": PORT},
            mounts={"/config": "config", "/tmp": "scratch"},
            health=Health(path="/health/liveliness", ready_path="/health/readiness", port=PORT),
            resources=self._settings.litellm.resources,
        )

    @property
    def _litellm_keys(self) -> Sequence[str]:
        database = [DATABASE_URL] if self._around.database is not None else []
        return [MASTER_KEY, *database, *self._engine_keys]

    def _chat(self, chat: OpenWebUiSettings, gateway_host: str) -> Container:
        return chat_container(
            chat,
            api=f"http://{gateway_host}:{PORT}/v1",
            api_key=SecretKey(secret=KEYS, key=MASTER_KEY),
            web_key=SecretKey(secret=KEYS, key=WEB_KEY),
        )

    def _open_webui(self, chat: OpenWebUiSettings) -> None:
        server = Server(
            name="open-webui",
            part="chat",
            pod=Pod(
                containers=[self._chat(chat, f"litellm.{NAMESPACE}")],
                volumes={"scratch": Scratch(size="1Gi"), **chat_volume()},
                placement=self._placement,
            ),
            ports={"chat": WEB_PORT},
            node_ports=_named({"chat": chat.node_port}),
            clients=[],
            egress=[Peer(port=PORT, namespace=NAMESPACE, labels=labels("litellm", "gateway"))],
            update="recreate",
        )
        Application(f"{self._name}-open-webui", server, namespace=NAMESPACE, opts=self._child)


def _named(ports: Mapping[str, int | None]) -> dict[str, int]:
    return {name: port for name, port in ports.items() if port}


def litellm_configuration(backends: Sequence[Backend], amazon: Sequence[AmazonModel] = ()) -> str:
    """LiteLLM's configuration: each backend under its own name. JSON, which is YAML too."""
    engines: list[Mapping[str, object]] = [
        {
            "model_name": backend.name,
            **({} if backend.mode == "chat" else {"model_info": {"mode": backend.mode}}),
            "litellm_params": {
                "model": f"openai/{backend.model}",
                "api_base": backend.url,
                # Its client sends one in any case.
                "api_key": "none" if backend.key is None else f"os.environ/{backend.key_variable}",
                **({} if backend.weight is None else {"weight": backend.weight, "cooldown_time": COOLDOWN_SECONDS}),
            },
        }
        for backend in sorted(backends, key=lambda one: (one.name, one.engine))
    ]
    outside: list[Mapping[str, object]] = [
        {
            "model_name": one.name,
            **({} if one.mode == "chat" else {"model_info": {"mode": one.mode}}),
            "litellm_params": dict(one.litellm),
        }
        for one in sorted(amazon, key=lambda one: one.name)
    ]
    general = {"master_key": f"os.environ/{MASTER_KEY}"}
    return json.dumps({"model_list": [*engines, *outside], "general_settings": general}, indent=2)
