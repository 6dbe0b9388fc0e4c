"""Engines that answer in whatever their settings say, and to one name."""

from collections.abc import Mapping

from components.engines.engine import Engine, Mode, Protocol


class ProtocolEngine(Engine):
    """Settings of an engine of which only you know what it answers in."""

    protocol: Protocol = "http"
    """What it answers in. `openai` puts it behind the gateway under the engine's name, which the server must know;
    `v2` is the Open Inference Protocol. All but `openai` are for `clients` alone."""
    mode: Mode = "chat"
    """What the gateway's users ask it for, where its protocol is `openai`."""

    @property
    def speaks(self) -> Protocol:
        """As its settings say."""
        return self.protocol

    @property
    def serves(self) -> Mapping[str, Mode]:
        """Itself."""
        return {self.name: self.mode}
