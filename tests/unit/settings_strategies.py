"""Settings that are right, and settings to which something has happened."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from hypothesis import strategies as st

from tests.unit.recording import stack_settings

STACKS = {stack: stack_settings(stack) for stack in ("dev", "onprem", "eks")}
HOST_KEY = STACKS["onprem"]["clusters"][0]["nodes"][0]["hostKey"]
HOSTILE = ["$(id)", "`id`", "a;b", "\x1b[31m", "a\nb", "日本", "\u202e", "../..", "<<", "", "x" * 300, "null", "\x00"]
WORDS = [
    "cuda",
    "rocm",
    "cpu",
    "vllm",
    "llamacpp",
    "custom",
    "dev",
    "minio",
    "s3",
    "external",
    "server",
    "1Gi",
    "2",
    "kind",
]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(HOSTILE)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True).filter(lambda name: name != "default")


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Shipped settings with up to five values replaced, removed, added or copied from elsewhere, anywhere."""
    whole = copy.deepcopy(STACKS[draw(st.sampled_from(sorted(STACKS)))])
    for _ in range(draw(st.integers(1, 5))):
        places = list(_places(whole))
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "add", "copy"])):
            case "replace":
                container[key] = draw(ANYTHING)
            case "remove":
                del container[key]
            case "copy":
                other, from_key = draw(st.sampled_from(places))
                container[key] = copy.deepcopy(_held(other, from_key))
            case _ if isinstance(container, dict):
                container[draw(st.text(max_size=12) | st.sampled_from(HOSTILE))] = draw(ANYTHING)
            case _:
                container.insert(0, draw(ANYTHING))
    return whole


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys: Sequence[Any] = ()
    if isinstance(node, dict):
        keys = list(cast("dict[Any, Any]", node))
    elif isinstance(node, list):
        keys = range(len(cast("list[Any]", node)))
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _held(container: Any, key: Any) -> object:
    try:
        return container[key]
    except (KeyError, IndexError):  # an earlier change has taken it away
        return None


@st.composite
def machines(draw: st.DrawFn, sort: str, number: int) -> list[dict[str, Any]]:
    """One cluster's machines; `number` is the cluster's, so that no two hosts share an address."""
    found: list[dict[str, Any]] = []
    for index, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))):
        kind = draw(st.sampled_from(["cuda", "cpu"] if sort == "nodeGroups" else ["cuda", "rocm", "cpu"]))
        machine: dict[str, Any] = {
            "name": name,
            "arch": "amd64" if kind == "rocm" else draw(st.sampled_from(["amd64", "arm64"])),
            "cpu": draw(st.integers(4, 256)),
            "memory": draw(st.sampled_from(["8Gi", "128Gi", "2Ti", "68719476736"])),
            "accelerator": {"kind": kind, "count": draw(st.integers(1, 16))},
            "taint": draw(st.none() | st.sampled_from(["reserved", "example.com/gpu"])),
            "labels": draw(st.dictionaries(NAMES, NAMES, max_size=2)),
        }
        if sort == "nodes":
            address = {"host": f"10.{number}.0.{index}", "user": "ops", "hostKey": HOST_KEY}
            machine |= {**address, "role": "agent" if index else "server"}
        elif sort == "nodeGroups":
            machine |= {"instanceType": "m6i.large", "size": draw(st.integers(1, 1000))}
        found.append(machine)
    return found


@st.composite
def right(draw: st.DrawFn) -> dict[str, Any]:
    """Settings without a mistake; each engine asks for what one node has."""
    target, sort = draw(st.sampled_from([("dev", "simulated"), ("onprem", "nodes"), ("eks", "nodeGroups")]))
    cluster_names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    clusters = [{"name": name, sort: draw(machines(sort, number))} for number, name in enumerate(cluster_names)]
    models = [
        {"name": name, "source": f"hf://o/r@{number:040}", "files": ["*.gguf"], "size": "5Gi"}
        for number, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    ]
    engines = [draw(_engine(name, models, clusters, sort)) for name in draw(st.lists(NAMES, max_size=4, unique=True))]
    store: dict[str, Any] = {"kind": "minio", "size": "1Gi", "url": "http://10.0.0.1:9000"}
    if target == "eks" and draw(st.booleans()):
        store = {"kind": "s3"}
    return {"target": target, "clusters": clusters, "models": models, "engines": engines, "store": store}


@st.composite
def _engine(
    draw: st.DrawFn, name: str, models: list[dict[str, Any]], clusters: list[dict[str, Any]], sort: str
) -> dict[str, Any]:
    cluster = draw(st.sampled_from(clusters))
    node = draw(st.sampled_from(cluster[sort]))
    accelerator = node["accelerator"]
    gpu = accelerator["kind"] != "cpu" and draw(st.booleans())
    engine: dict[str, Any] = {
        "name": name,
        "kind": draw(st.sampled_from(["vllm", "llamacpp", "comfyui", "custom"] if gpu else ["llamacpp", "custom"])),
        "model": draw(st.sampled_from(models))["name"],
        "cluster": cluster["name"],
        "replicas": draw(st.integers(0, 100)),
        "resources": {"cpu": "1500m", "memory": "2Gi", "cpuLimit": "2"},
        "extraArgs": draw(st.lists(st.text("-=abc é日🙂$;", min_size=1, max_size=5), max_size=2)),
    }
    if gpu:
        request = {"kind": accelerator["kind"], "count": draw(st.integers(1, accelerator["count"]))}
        engine |= {"accelerator": request, "nodeSelector": node["labels"]}
    if engine["kind"] in ("comfyui", "custom"):
        model = engine.pop("model")
        engine |= {"image": "registry.lan/server:1.0", "architectures": ["amd64", "arm64"]}
        if engine["kind"] == "comfyui":
            return engine | {"models": [{"model": model, "folder": "checkpoints"}]}
        return engine | {"models": [model], "health": "/health", "extraArgs": []}
    return engine if engine["kind"] == "vllm" else engine | {"file": "model.gguf"}


def described(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """What a JSON Schema of the settings allows, taken by itself; null is left out instead."""
    if reference := schema.get("$ref"):
        return described(definitions[reference.rpartition("/")[2]], definitions)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*(described(one, definitions) for one in several if one.get("type") != "null"))
    match schema.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
            return st.integers(
                least, min(schema.get("maximum", least + 10_000), schema.get("exclusiveMaximum", 2**63) - 1)
            )
        case "number":
            return _numbers(schema)
        case "string":
            return _texts(schema)
        case "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
            return st.lists(described(schema.get("items", {}), definitions), min_size=least, max_size=most)
        case "object":
            return _mappings(schema, definitions)
        case _:
            return ANYTHING


def _numbers(schema: Mapping[str, Any]) -> st.SearchStrategy[float]:
    return st.floats(
        schema.get("exclusiveMinimum", schema.get("minimum", 0)),
        schema.get("maximum", schema.get("exclusiveMaximum", 1000)),
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
    )


def _texts(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 100))
    pattern: str | None = schema.get("pattern")
    if pattern:
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: least <= len(text) <= most)
    return st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=least, max_size=min(most, 20))


def _mappings(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        if schema.get("additionalProperties") is True:
            return st.dictionaries(_texts({"pattern": "^[a-z]{1,9}$"}), ANYTHING, max_size=2)
        values = [*schema.get("patternProperties", {}).items()] or [("^[a-z]{1,9}$", schema["additionalProperties"])]
        pattern, value = values[0]
        return st.dictionaries(_texts({"pattern": pattern}), described(value, definitions), max_size=2)
    required = schema.get("required", ())
    drawn = {key: described(value, definitions) for key, value in schema["properties"].items()}
    return st.fixed_dictionaries(
        {key: drawn[key] for key in drawn if key in required},
        optional={key: drawn[key] for key in drawn if key not in required},
    )
