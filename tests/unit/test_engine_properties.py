"""Whatever engines settings ask for: if they are valid, a cluster can run what becomes of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from components.engines import ENGINES
from components.section import byte_count
from components.workload.spec import cpu_count
from stacks.loading import checked
from stacks.problems import SettingsError
from stacks.schema import find, settings_schema
from tests.unit.manifests import manifests
from tests.unit.recording import record
from tests.unit.settings_strategies import described

KINDS = sorted(find(("engines", 0)).kinds)
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
OPERATED = ("kserve", "ray-serve", "vllm-distributed")
"""Not all of their pods answer requests, or their operators add the probes."""
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
ROOM: Mapping[str, Any] = {"arch": "amd64", "cpu": 4096, "memory": "64Ti", "disk": "64Ti"}
NODES: Sequence[Mapping[str, Any]] = [
    {"name": "plain", **ROOM},
    {"name": "cuda", **ROOM, "accelerator": {"kind": "cuda", "count": 1024}, "taint": "cuda-inference"},
    {"name": "rocm", **ROOM, "accelerator": {"kind": "rocm", "count": 1024, "groups": [44, 992]}},
    {
        "name": "parts",
        **ROOM,
        "accelerator": {"kind": "cuda", "count": 8, "sharing": {"kind": "timeSlices", "parts": 4}},
    },
]
_MOST_MENDED = 60


def stack(engines: list[dict[str, Any]]) -> dict[str, Any]:
    """A stack of these engines, in which there is whatever they could name."""
    named = {text for engine in engines for text in _texts(engine) if NAME.fullmatch(text) and len(text) <= 40}
    return {
        "target": "dev",
        "rehearsal": True,
        "clusters": [{"name": "home", "simulated": [*NODES, *_as_many_as(engines)]}],
        "sources": {"mlflow": {"url": "https://mlflow.lan"}},
        "models": [
            {"name": name, "source": f"hf://o/r@{'0' * 40}", "size": "5Gi"}
            for name in sorted(named)
            if not name[0].isdigit()
        ],
        "engines": engines,
        "gateway": None,
        "argocd": {} if any(one["kind"] == "chart" for one in engines) else None,
    }


def _as_many_as(engines: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Nodes enough for each replica that needs several."""
    for number in range(max((one["nodes"] for one in engines if isinstance(one.get("nodes"), int)), default=0)):
        for node in NODES[1:3]:
            yield {**node, "name": f"{node['name']}-{number}"}


@st.composite
def valid(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """A stack with up to three engines of a kind. What is wrong only beside something else is taken out."""
    schema = find(("engines", 0, kind)).schema
    drawn = draw(st.lists(described(schema, settings_schema()["$defs"]), min_size=1, max_size=3))
    engines = [{**engine, "name": f"{draw(_NAMES)}-{number}", "cluster": "home"} for number, engine in enumerate(drawn)]
    for _ in range(_MOST_MENDED):
        try:
            read = checked(stack(engines), set(), "Pulumi.drawn.yaml")
        except SettingsError as error:
            for place in {problem.place for problem in error.problems}:
                assume(place[0] == "engines")
                _take_out(engines, cast("tuple[Any, ...]", place[1:]))
        else:
            assume(engines)
            made, needed = stack(engines), {name for one in read.engines for copy in one.copies for name in copy.reads}
            return {**made, "models": [one for one in made["models"] if one["name"] in needed]}
    assume(False)
    return {}


_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,37}", fullmatch=True)


def _take_out(engines: Any, place: tuple[Any, ...]) -> None:
    """The innermost part of this place that is there."""
    *way, last = place
    for part in way:
        try:
            inner = engines[part]
        except LookupError:
            return
        if not isinstance(inner, (dict, list)):
            last = part
            break
        engines = cast("Any", inner)
    with suppress(LookupError):
        del engines[last]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in cast("dict[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value):
            yield from _texts(one)


def test_every_registered_kind_is_tried() -> None:
    assert len(KINDS) == len(ENGINES)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=8,  # each runs the whole program, and a smaller one would tell no more than the first that fails
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(st.data())
def test_engines_of_any_valid_settings_become_objects_that_a_cluster_can_run(kind: str, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = manifests(record(data.draw(valid(kind)), stack="dev", monkeypatch=monkeypatch))
    objects = [one for one in made if one["metadata"].get("namespace") == "inference"]
    identities = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(identities)) == len(identities)
    assert [name for _, name in identities if not NAME.fullmatch(name)] == []
    nodes = [one for one in made if one["kind"] == "Node"]
    pods = [pod for one in objects for pod in _pods(one)]
    assert pods
    for pod in pods:
        _is_well_formed(pod)
        assert any(_can_run(node, pod) for node in nodes)
    for one in objects:
        if one["kind"] == "Deployment" and kind not in OPERATED:
            (server,) = one["spec"]["template"]["spec"]["containers"]
            assert set(PROBES) <= server.keys()


def _pods(value: Any) -> Iterator[dict[str, Any]]:
    """Pod specs, wherever in an object they are."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if "containers" in fields:
            yield fields
        for one in fields.values():
            yield from _pods(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _pods(one)


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def _is_well_formed(pod: Mapping[str, Any]) -> None:
    names = [one["name"] for one in _containers(pod)]
    assert len(set(names)) == len(names)
    volumes = [one["name"] for one in pod.get("volumes", [])]
    assert len(set(volumes)) == len(volumes)
    for container in _containers(pod):
        mounts = container.get("volumeMounts", [])
        assert {one["name"] for one in mounts} <= set(volumes)
        for named in ([one["mountPath"] for one in mounts], [one["name"] for one in container.get("env", [])]):
            assert len(set(named)) == len(named)
        assert all(len(port["name"]) <= 15 for port in container.get("ports", []))
        assert all(isinstance(one, str) and "\0" not in one for one in container.get("args", []))
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert {"cpu", "memory"} <= requests.keys() <= limits.keys()
        assert cpu_count(requests["cpu"]) <= cpu_count(limits["cpu"])
        assert byte_count(requests["memory"]) <= byte_count(limits["memory"])


def _can_run(node: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """As the scheduler sees it on an empty node."""
    has, labels = node["status"]["allocatable"], node["metadata"]["labels"]
    tolerated = {one["key"] for one in pod.get("tolerations", [])}
    asked = [one["resources"]["requests"] for one in pod["containers"]]
    devices = [(name, int(count)) for one in asked for name, count in one.items() if "/" in name]
    return (
        pod.get("nodeSelector", {}).items() <= labels.items()
        and {taint["key"] for taint in node["spec"].get("taints", [])} <= tolerated
        and all(count <= int(has.get(name, 0)) for name, count in devices)
        and sum(cpu_count(one["cpu"]) for one in asked) <= cpu_count(str(has["cpu"]))
        and sum(byte_count(one["memory"]) for one in asked) <= byte_count(str(has["memory"]))
    )
