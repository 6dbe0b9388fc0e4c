"""The table of engines in the README, made from the registry."""

import re
from collections.abc import Mapping
from pathlib import Path

from components.engines import ENGINES
from components.engines.chart import Chart
from components.engines.engine import Engine
from components.engines.operator import OperatorEngine
from stacks.reference import Generated

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- engines: `make format` writes this table -->\n\n", "\n<!-- end of the engines -->\n"
ACCELERATORS = {"cpu": "CPU", "cuda": "CUDA", "rocm": "ROCm"}
PROTOCOLS = {"openai": "OpenAI", "v2": "Open Inference (V2)", "http": "its own"}
HEAD = ("`kind`", "runs on", "API", "weights", "LoRA", "scales on", "shown so far")
SHOWN: Mapping[str, str] = {
    "vllm": "every flag and value compared with vLLM's source; objects and placement on a real API server",
    "vllm-distributed": "LeaderWorkerSet's real controller starts a replica over two nodes; flags as above",
    "llamacpp": "answers on CPU through the gateway on real hosts, through an update under load; every flag tried",
    "triton": "Triton 2.51 itself serves Python models and ensembles of ours on CPU; objects and placement",
    "triton-tensorrtllm": "start and configuration, with stand-ins; objects and placement",
    "ray-serve": "KubeRay's real operator takes it to Ready and away; Ray's own schema reads what is served",
    "kserve": "KServe's real controller and webhooks take it; no server ran",
    "mlserver": "MLServer 1.7.1 itself answers in a pod on a real host, with a scikit-learn model from the store",
    "torchserve": "TorchServe 0.12.0 itself, without PyTorch; objects and placement. Unmaintained upstream",
    "comfyui": "ComfyUI itself made pictures on CPU; objects and placement",
    "speaches": "Speaches itself transcribed and spoke through the gateway on CPU; objects and placement",
    "custom": "objects and placement",
    "chart": "Argo CD itself synced a chart of ours with its placement",
}
"""By kind; docs/verified.md has it line by line."""


def readme_text() -> str:
    """The README with the table as the registry has it."""
    text = README.read_text(encoding="utf-8")
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}{_table()}{END}", text, flags=re.DOTALL)


def _table() -> str:
    rows = [HEAD, ("---",) * len(HEAD), *(_row(engine) for engine in ENGINES)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(engine: type[Engine]) -> tuple[str, ...]:
    fields = engine.model_json_schema()["properties"]
    kind = str(fields["kind"]["const"])
    return (
        f"`{kind}`",
        _machines(engine),
        "as `protocol` says" if "protocol" in fields else PROTOCOLS[engine.PROTOCOL],
        _weights(fields),
        "yes" if "adapters" in fields else "",
        _scaled(engine),
        SHOWN[kind],
    )


def _weights(fields: Mapping[str, object]) -> str:
    if "values" in fields:
        return "as its values say"
    return "streamed, or from the node" if "loading" in fields else "from the node"


def _machines(engine: type[Engine]) -> str:
    """Accelerators, with the architectures of their images."""
    if not hasattr(engine, "IMAGES"):
        return "what it is for"
    named = [f"{ACCELERATORS[kind]} ({', '.join(engine.ARCHITECTURES[kind])})" for kind in sorted(engine.IMAGES)]
    return ", ".join(named)


def _scaled(engine: type[Engine]) -> str:
    """What may decide how many replicas there are; a schedule goes down to none."""
    if issubclass(engine, OperatorEngine):
        return "what its operator sees"
    if issubclass(engine, Chart):
        return "what its values say"
    return ", ".join((*engine.SIGNALS, "schedule to 0"))


TABLE = Generated(path=README, text=readme_text, command="python -m stacks matrix")
