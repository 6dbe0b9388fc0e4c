"""llama.cpp in a pod on a real host: to its first token, against the same by hand; and an update under load."""

import json
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hosts_at_hand import Hosts, hosts_at_hand
from components.engines.versions import LLAMACPP
from components.gateway.versions import LITELLM
from components.storage.model import Model
from components.storage.provision import reader_user, wanted
from components.storage.settings import MinioStore
from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.hosts import images, tiny_model
from tests.hosts.load import Answers, load
from tests.hosts.machine import Machine
from tests.minio import Minio, running
from toolchain import bring, catalogue
from toolchain.download import Network

ROUNDS = 3
SECONDS_OF_LOAD = 40
AT_ONCE = 2
LINKS = {"1 Gbit/s": "1000mbit", "2.5 Gbit/s": "2500mbit", "no limit": None}
"""Between the store and the host, in turn."""
BUCKET, FILE, PORT, READER = "models", "model.gguf", 30400, reader_user("all")
INNER = {"large": 3 * 2**20, "chat": 2**19}
"""By model: 4.5 GiB, which is what 8 billion parameters of 4 bits take, and 768 MiB: half a second a request."""
LARGE, SMALL = (
    Model.model_validate({"name": name, "source": f"hf://org/{name}@{0:040}", "files": [FILE], "size": size})
    for name, size in {"large": "5Gi", "chat": "1Gi"}.items()
)
BY_HAND = """
set -eu
S3_ENDPOINT_URL={url} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID={user} AWS_SECRET_ACCESS_KEY={key} \\
    /opt/bench/s5cmd --log error cp 's3://{bucket}/{prefix}/*' /var/tmp/by-hand/
/opt/bench/llama-server --model /var/tmp/by-hand/{file} --host 127.0.0.1 --port 8081 >/dev/null 2>&1 &
until curl -sf http://127.0.0.1:8081/v1/completions -d '{body}' >/dev/null; do sleep 0.1; done
kill %1
"""
CLEAN = "rm -rf /var/tmp/by-hand && sync"
"""What one way has written is not flushed to the disk while the other is measured."""
BODY = json.dumps({"model": "large", "prompt": "a", "max_tokens": 1})


@dataclass(frozen=True, kw_only=True)
class Served:
    """One host with one engine behind its gateway."""

    machine: Machine
    deployment: Deployment
    store: Minio
    api: ApiServer
    key: str

    def ask(self) -> None:
        """A chat completion through the gateway; raises where it is not a whole one."""
        body = {"model": SMALL.name, "max_tokens": 4, "messages": [{"role": "user", "content": "a"}]}
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        url = f"http://{self.machine.address}:{PORT}/v1/chat/completions"
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60
        ) as said:
            assert json.load(said)["usage"]["completion_tokens"] == 4

    def limit(self, speed: str | None) -> None:
        """What comes to the host, in tc's words."""
        interface = f"vb-{self.machine.name}"
        subprocess.run(["tc", "qdisc", "delete", "dev", interface, "root"], check=False, capture_output=True)
        if speed:
            shape = ["root", "tbf", "rate", speed, "burst", "4mb", "latency", "50ms"]
            subprocess.run(["tc", "qdisc", "add", "dev", interface, *shape], check=True)


def run() -> list[str]:
    """Rows of two tables: seconds to the first token, and seconds of a request at rest and through an update."""
    with hosts_at_hand() as hosts, tempfile.TemporaryDirectory(prefix="inference-benchmark-") as scratch:
        served = _up(hosts, Path(scratch))
        starts = [row for link, speed in LINKS.items() for row in _starts(served, link, speed)]
        rest = _loaded(served, update=False)
        updated = _loaded(served, update=True)
        served.deployment.destroy()
    return [
        f"| link | {LARGE.size} from the store to the first token | seconds | ratio |",
        "|---|---|---|---|",
        *starts,
        "",
        "| requests, two at a time | answered | failed | median | 99th percentile | ratio |",
        "|---|---|---|---|---|---|",
        _row("at rest", rest, rest),
        _row("through a rolling update", updated, rest),
    ]


def _starts(served: Served, link: str, speed: str | None) -> list[str]:
    served.limit(speed)
    hand: list[float] = []
    ours: list[float] = []
    for _ in range(ROUNDS):
        hand.append(_by_hand(served))
        ours.append(_by_a_pod(served))
    served.limit(None)
    base, pod = statistics.median(hand), statistics.median(ours)
    return [
        f"| {link} | s5cmd, then llama-server, by hand | {base:.1f} | 1.00 x |",
        f"| {link} | a pod, its model hashed | {pod:.1f} | {pod / base:.2f} x |",
    ]


def _up(hosts: Hosts, scratch: Path) -> Served:
    hosts.mirror.add_image(LITELLM, images.litellm(), entrypoint=["litellm"])
    hosts.mirror.add_image(LLAMACPP["cpu"], images.shell(), images.llama_server(), entrypoint=["/app/llama-server"])
    (scratch / "minio").mkdir()
    store = hosts.running.enter_context(running(scratch / "minio", hosts.place.gateway))
    directories = [model.directory for model in (LARGE, SMALL)]
    store.provision(wanted(MinioStore(kind="minio", bucket=BUCKET), {"all": directories}, directories))
    for model in (LARGE, SMALL):
        tiny_model.write(scratch / FILE, INNER[model.name])
        store.server.put_model(BUCKET, model.prefix, {FILE: (scratch / FILE).read_bytes()})
        (scratch / FILE).unlink()
    machine = hosts.host("one")
    _put_tools(hosts, machine)
    deployment = hosts.deployment(
        {"home": (machine,)},
        store={"kind": "external", "endpoint": store.server.url, "bucket": BUCKET, "accessKey": READER},
        models=[model.model_dump(mode="json", by_alias=True, exclude_defaults=True) for model in (LARGE, SMALL)],
        engines=[_engine(LARGE, replicas=0, memory="8Gi"), _engine(SMALL, replicas=1, memory="3Gi")],
        gateway={"litellm": {"replicas": 1, "nodePort": PORT}, "openWebui": None},
    )
    deployment.set_secret("storeSecretKey", store.keys[READER])
    deployment.up()
    key = deployment.outputs()["gatewayKeys"]["home"]
    return Served(machine=machine, deployment=deployment, store=store, api=deployment.api_server("home"), key=key)


def _engine(model: Model, *, replicas: int, memory: str) -> Mapping[str, Any]:
    return {
        "name": model.name,
        "kind": "llamacpp",
        "cluster": "home",
        "model": model.name,
        "file": FILE,
        "replicas": replicas,
        "resources": {"cpu": "100m", "memory": "256Mi", "cpuLimit": "2", "memoryLimit": memory},
    }


def _put_tools(hosts: Hosts, machine: Machine) -> None:
    (s5cmd,) = bring.ensure([catalogue.named("s5cmd")], Network())
    hosts.mirror.files["/bench/s5cmd"] = s5cmd.path
    hosts.mirror.files["/bench/llama-server.tar"] = images.llama_server().archive
    fetch = f"curl -sf {hosts.mirror.url}/bench"
    machine.run(
        f"mkdir -p /opt/bench && cd /opt/bench && {fetch}/s5cmd -o s5cmd && chmod +x s5cmd"
        f" && {fetch}/llama-server.tar | tar -x && mv app/llama-server ."
    )


def _by_hand(served: Served) -> float:
    values = {"url": served.store.server.url, "user": READER, "key": served.store.keys[READER], "bucket": BUCKET}
    script = BY_HAND.format(**values, prefix=LARGE.prefix, file=FILE, body=BODY)
    start = time.monotonic()
    served.machine.run(script)
    taken = time.monotonic() - start
    served.machine.run(CLEAN)
    return taken


def _by_a_pod(served: Served) -> float:
    """Asked at its Service, as others ask it: which has an address behind it once it is ready."""
    found = served.api.get("secret", f"{LARGE.name}-api-key", "--namespace", "inference")["data"]["key"]
    address = served.api.get("service", LARGE.name, "--namespace", "inference")["spec"]["clusterIP"]
    # A connection that comes while kube-proxy writes its rules hangs, as all do that a node sends nowhere.
    ask = f'curl -sf --connect-timeout 1 -m 60 -H "Authorization: Bearer $(echo {found} | base64 -d)" http://{address}:8080/v1/completions'
    start = time.monotonic()
    served.api.kubectl("scale", f"deployment/{LARGE.name}", "--namespace", "inference", "--replicas=1")
    served.machine.run(f"until {ask} -d '{BODY}' >/dev/null; do sleep 0.1; done")
    taken = time.monotonic() - start
    _scale(served, 0)
    return taken


def _scale(served: Served, replicas: int) -> None:
    served.api.kubectl("scale", f"deployment/{LARGE.name}", "--namespace", "inference", f"--replicas={replicas}")
    selector = f"app.kubernetes.io/name={LARGE.name}"
    served.api.kubectl(
        "wait", "--for=delete", "pod", "--namespace", "inference", "--selector", selector, "--timeout=120s"
    )
    served.machine.run(CLEAN)


def _loaded(served: Served, *, update: bool) -> Answers:
    with load(served.ask, at_once=AT_ONCE) as answers:
        if update:
            served.api.kubectl("rollout", "restart", f"deployment/{SMALL.name}", "--namespace", "inference")
        time.sleep(SECONDS_OF_LOAD)
    return answers


def _row(name: str, answers: Answers, rest: Answers) -> str:
    slow, before = (statistics.quantiles(one.seconds, n=100)[98] for one in (answers, rest))
    middle = statistics.median(answers.seconds)
    done = len(answers.seconds) - len(answers.failures)
    return f"| {name} | {done} | {len(answers.failures)} | {middle:.2f} s | {slow:.2f} s | {slow / before:.2f} x |"
