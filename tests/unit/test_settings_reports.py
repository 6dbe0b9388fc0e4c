"""What a report about settings leaves out: what follows from another mistake, and what must not be shown."""

import copy
import json
from typing import Any

import pytest

from stacks.loading import checked
from tests.unit.recording import stack_settings
from tests.unit.test_settings import problems, put


def test_a_missing_host_key_comes_with_the_command_that_gets_it() -> None:
    def forget(settings: Any) -> None:
        del settings["clusters"][0]["nodes"][1]["hostKey"]

    (found,) = problems(forget, "onprem")
    where = "inference:clusters[0].nodes[1]"
    assert found == f"{where} hostKey is missing; get it with: ssh-keyscan -t ed25519 192.168.1.21"


def test_everything_wrong_is_reported_at_once_and_nothing_twice() -> None:
    def break_everything(settings: Any) -> None:
        settings["engines"][0]["cluster"] = "hoem"
        settings["engines"][1]["replicas"] = -1
        settings["engines"][2]["model"] = "nothing"
        settings["surprise"] = 1
        del settings["clusters"][0]["simulated"][0]["name"]

    found = problems(break_everything)
    assert len(found) == 5
    # The cluster is broken, but it is there: engines in it name something that exists.
    assert not any("engines[2].cluster" in line for line in found)


@pytest.mark.parametrize(
    "name", ["ünïcode", "a;rm -rf /", "$(id)", "a\nb", "\x1b[31mred", "UPPER", "", "x" * 300, "日本"]
)
def test_a_hostile_name_is_refused_and_shown_without_what_a_terminal_would_act_on(name: str) -> None:
    (found,) = problems(put("engines", 0, "name", to=name))
    assert found.startswith("inference:engines[0].name")
    assert found.isascii()
    assert found.isprintable()


def test_what_follows_from_a_broken_section_is_not_reported() -> None:
    assert problems(put("models", to="none")) == ['inference:models "none" must be a list']
    assert problems(put("clusters", 0, "name", to=7)) == [
        'inference:clusters[0].name 7 must be text: put it in quotes, "7"'
    ]

    def break_first_cluster(settings: Any) -> None:
        settings["clusters"][0]["surprise"] = 1
        del settings["store"]["cluster"]

    (found,) = problems(break_first_cluster, "onprem")
    assert found.startswith('inference:clusters[0] unknown key "surprise"')


@pytest.mark.parametrize("key", ["kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os"])
def test_labels_that_every_node_has_can_be_selected(key: str) -> None:
    value = {"kubernetes.io/hostname": "cpu-1", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}[key]
    settings = copy.deepcopy(stack_settings("dev"))
    settings["engines"][2]["nodeSelector"] = {key: value}
    assert checked(settings, set(), "Pulumi.dev.yaml").engines[2].node_selector == {key: value}


@pytest.mark.parametrize(
    "change",
    [
        put("store", to={"kind": "external", "endpoint": "http://u:hunter2@s3.lan", "accessKey": "a"}),
        put("store", to={"kind": "external", "endpoint": "http://s3.lan", "accessKey": "a", "secretKey": "hunter2"}),
        put("gateway", to=[{"password": "hunter2"}]),
        put("clusters", 0, "simulated", 0, "taint", to="-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(change: Any) -> None:
    assert "hunter2" not in "".join(problems(change))


def test_a_secret_among_the_settings_comes_with_the_command_that_keeps_it_apart() -> None:
    external = {"kind": "external", "endpoint": "http://s3.lan", "accessKey": "a", "secretKey": "x"}
    assert problems(put("store", to=external)) == [
        'inference:store unknown key "secretKey"; secrets are never part of the settings; '
        "run: pulumi config set --secret inference:storeSecretKey"
    ]


@pytest.mark.parametrize("place", [("engines", 0), ("gateway",), ("engines", 0, "extraArgs"), ("store", "node")])
def test_values_nested_beyond_reason_are_reported(place: tuple[str | int, ...]) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    (found,) = problems(put(*place, to=deep))
    assert "must be" in found


def test_halves_of_characters_are_reported() -> None:
    half = json.loads('"\\ud800"')
    assert problems(put("engines", 0, "name", to=half))[0].startswith("inference:engines[0].name")
    assert problems(put(half, to=1))[0].startswith("inference:\\ud800 unknown key")


def test_gpus_are_counted_on_nodes_of_the_product_that_was_asked_for() -> None:
    def another_product(settings: Any) -> None:
        extra = {"name": "cuda-2", "accelerator": {"kind": "cuda", "product": "h100", "count": 1}}
        settings["clusters"][0]["simulated"].append(extra)
        settings["engines"][0]["accelerator"] = {"kind": "cuda", "product": "h100", "count": 2}

    assert problems(another_product) == [
        'inference:engines[0].accelerator asks for 2 cuda GPUs on one node; the largest node in "dev" has 1'
    ]
