"""What a user is told about values that cannot be right by themselves."""

import pytest

from stacks.files import load_file
from stacks.loading import checked
from stacks.problems import SettingsError
from tests.unit.mistakes import Change, drop, put, rename, told
from tests.unit.recording import REPOSITORY, stack_settings

NAME = "must be lower-case letters, digits and hyphens, beginning with a letter, at most 40 of them"
KEY = "must be an ed25519 or ecdsa public key as ssh-keyscan prints it: type and base64"


@pytest.mark.parametrize("stack", ["dev", "onprem", "eks"])
def test_the_shipped_settings_have_no_problems(stack: str) -> None:
    assert load_file(REPOSITORY / f"Pulumi.{stack}.yaml").target == stack


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("enginse", to=[]), 'inference:enginse unknown key; did you mean "engines"?'),
        (
            put("engines", 0, "context_length", to=1),
            'inference:engines[0].context_length unknown key; did you mean "contextLength"?',
        ),
        (
            put("engines", 1, "slots", to=1),
            "inference:engines[1].slots unknown key; there are: clients, name, cluster, model, kind",
        ),
        (
            put("clusters", 0, "simulated", 0, "acelerator", to={}),
            'inference:clusters[0].simulated[0].acelerator unknown key; did you mean "accelerator"?',
        ),
        (put("quota", to={"nodeports": 1}), 'inference:quota.nodeports unknown key; did you mean "nodePorts"?'),
        (
            put("engines", 0, "replicas", to="two"),
            'inference:engines[0].replicas "two" must be a whole number of at le',
        ),
        (
            put("engines", 0, "replicas", to=True),
            "inference:engines[0].replicas must be a whole number of at least 0 and ",
        ),
        (
            put("engines", 0, "replicas", to=-1),
            "inference:engines[0].replicas must be a whole number of at least 0 and ",
        ),
        (
            put("engines", 0, "replicas", to=1.5),
            "inference:engines[0].replicas must be a whole number of at least 0 and ",
        ),
        (
            put("engines", 0, "gpuMemoryUtilization", to=1.2),
            "inference:engines[0].gpuMemoryUtilization must be a number of at least 0.01 and at most 1; it is 1.2",
        ),
        (put("engines", 2, "memoryMap", to="no"), 'inference:engines[2].memoryMap "no" must be true or false'),
        (
            put("engines", 0, "kind", to="vlm"),
            'inference:engines[0].kind "vlm" is not one of: vllm, vllm-distributed, llamacpp',
        ),
        (drop("engines", 0, "kind"), "inference:engines[0] kind is missing; it must be one of: "),
        (put("engines", 0, to="legal"), 'inference:engines[0] "legal" must be a mapping'),
        (put("engines", 0, "resources", to=[1]), "inference:engines[0].resources must be a mapping; it is a list"),
        (
            put("engines", 0, "resources", to={"cpu": 2}),
            "inference:engines[0].resources.cpu must be a number of CPUs, ",
        ),
        (put("engines", 0, "extraArgs", to=[""]), "inference:engines[0].extraArgs[0] must be text of 1 to 4096 charac"),
        (put("target", to="prod"), 'inference:target "prod" is not one of: dev, onprem, eks'),
        (drop("target"), "inference:target is missing; it must be one of dev, onprem, eks"),
        (put("engines", to={}), "inference:engines must be a list; it is an empty mapping"),
        (put("engines", to=None), "inference:engines must be a list; it is empty"),
        (put("clusters", to=[]), "inference:clusters must be a list of at least one entry; it is an empty list"),
        (drop("clusters"), "inference:clusters is missing; it must be a list of at least one entry"),
        (put("store", to={"size": "1Ti"}), "inference:store kind is missing; it must be one of: external, minio, s3"),
        (
            put("store", "size", to="1TB"),
            'inference:store.size "1TB" must be a number with a unit of bytes: Ki, Mi, Gi',
        ),
        (
            put("engines", 2, "nodeSelector", to={"a b": "c"}),
            'inference:engines[2].nodeSelector the key "a b" must be a Kubernetes label key: letters, digits, - _ and',
        ),
        (
            put("engines", 2, "nodeSelector", to={"disk": "very fast"}),
            'inference:engines[2].nodeSelector.disk "very fast" must be a Kubernetes label value: letters, digits, -',
        ),
        (
            put("engines", 0, "accelerator", to={"kind": "tpu"}),
            'inference:engines[0].accelerator.kind "tpu" is not one of: cuda, rocm, cpu',
        ),
        (
            put("models", 0, "source", to="hf://org/repo@main"),
            'inference:models[0].source "hf://org/repo@main" is not pinned: a branch or a tag moves; get what to write '
            "with: python -m components.storage.sync resolve hf://org/repo@main",
        ),
        (
            put("models", 0, "source", to="hf:/org/repo"),
            'inference:models[0].source "hf:/org/repo" must be one of hf://ORG/REPO@COMMIT, ngc://ORG/TEAM/MODEL:VERS',
        ),
        (put("models", 0, "files", to=["../x"]), "inference:models[0].files must not contain '..'"),
        (put("gateway", "openWebui", "placement", to="sidecar"), "inference:gateway a sidecar keeps its data on one"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(change: Change, expected: str) -> None:
    (found,) = told(change)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("clusters", 0, "nodes", 0, "host", to="10.0.0.0/24"),
            '.host "10.0.0.0/24" must be an IP address or a host',
        ),
        (
            put("clusters", 0, "nodes", 0, "host", to="192.168.1.300"),
            '.host "192.168.1.300" must be an IP address or a ',
        ),
        (
            put("clusters", 0, "nodes", 0, "port", to=0),
            ".port must be a whole number of at least 1 and at most 65535; ",
        ),
        (put("clusters", 0, "nodes", 0, "user", to="Ops"), '.user "Ops" must be the name of a Unix account'),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="AAAA"),
            f".hostKey {KEY}; get it with: ssh-keyscan -t ed25519 192.168.1.20",
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE"),
            ".hostKey is not a whole ssh-ed25519 key: some of it is missing or altered; get it with: ssh-keyscan -t",
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Exam" * 8),
            ".hostKey is not a whole ecdsa-sha2-nistp256 key: some of it is missing or altered; get it",
        ),
        (
            put("clusters", 0, "nodes", 0, "hostKey", to="ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ=="),
            f".hostKey {KEY}; get it with: ssh-keyscan -t ed25519 192.168.1.20",
        ),
        (
            drop("clusters", 0, "nodes", 0, "hostKey"),
            " hostKey is missing; get it with: ssh-keyscan -t ed25519 192.168.",
        ),
        (drop("clusters", 0, "nodes", 0, "user"), " user is missing; it must be the name of a Unix account"),
    ],
)
def test_a_mistake_about_a_host_is_named(change: Change, expected: str) -> None:
    (found,) = told(change, stack="onprem")
    assert found.startswith(f"inference:clusters[0].nodes[0]{expected}")


def test_the_command_that_gets_a_host_key_asks_the_port_of_the_settings() -> None:
    (found,) = told(
        drop("clusters", 0, "nodes", 1, "hostKey"), put("clusters", 0, "nodes", 1, "port", to=2222), stack="onprem"
    )
    assert found.endswith("get it with: ssh-keyscan -p 2222 -t ed25519 192.168.1.21")


def test_a_host_that_a_shell_would_act_on_is_never_part_of_a_command() -> None:
    missing, wrong = told(
        drop("clusters", 0, "nodes", 1, "hostKey"), put("clusters", 0, "nodes", 1, "host", to="$(id)"), stack="onprem"
    )
    assert missing.endswith("get it with: ssh-keyscan -t ed25519 HOST")
    assert wrong.endswith(r'"\x24\x28id\x29" must be an IP address or a host name')


@pytest.mark.parametrize(
    "name",
    ["ünïcode", "a;rm -rf /", "$(id)", "`id`", "a\nb", "\x1b[31mred", "\u202eevil", "UPPER", "", "x" * 300, "日本"],
)
def test_a_hostile_name_is_refused_and_shown_without_what_a_terminal_or_shell_would_act_on(name: str) -> None:
    (found,) = told(put("engines", 0, "name", to=name))
    assert found.startswith("inference:engines[0].name")
    assert NAME in found
    assert found.isascii()
    assert found.isprintable()
    assert not set("$`;") & set(found.replace("; it is empty", ""))
    assert len(found) < 250


def test_a_hostile_key_is_shown_without_what_a_terminal_would_act_on() -> None:
    (found,) = told(put("engines", 0, "\x1b[2J$(id)", to=1))
    assert found.startswith(
        r'inference:engines[0]["\x1b[2J\x24\x28id\x29"] unknown key; there are: name, cluster, model'
    )


def test_a_private_key_in_the_place_of_a_public_one_is_not_shown() -> None:
    (found,) = told(
        put("clusters", 0, "nodes", 0, "hostKey", to="-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz"), stack="onprem"
    )
    assert "BEGIN" not in found
    assert "b3Blb" not in found


def test_everything_wrong_is_reported_at_once() -> None:
    found = told(
        drop("clusters", 0, "nodes", 1, "hostKey"),
        put("clusters", 0, "nodes", 0, "role", to="agent"),
        put("engines", 0, "accelerator", "count", to=4),
        put("engines", 0, "model", to="nothing"),
        put("engines", 0, "contextLength", to=0),
        put("engines", 2, "cluster", to="hoem"),
        put("engines", 3, "name", to="legal"),
        put("surprise", to=1),
        put("store", "kind", to="mino"),
        stack="onprem",
    )
    assert [line.split(" ", 1)[0].removeprefix("inference:") for line in found] == [
        "clusters[0].nodes",
        "clusters[0].nodes[1]",
        "engines[0].accelerator",
        "engines[0].contextLength",
        "engines[0].model",
        "engines[2].cluster",
        "engines[3].name",
        "store.kind",
        "surprise",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        # In each case one thing is wrong, and much hangs on it.
        [put("clusters", 0, "name", to="Not a name")],
        [put("clusters", 0, "simulated", 1, "memory", to="128 GB")],
        [put("clusters", 0, "simulated", 1, "accelerator", "count", to="two")],
        [rename("models", to="modles")],
        [rename("engines", 1, "accelerator", to="acelerator")],
        [put("models", 0, "name", to=5)],
        [put("models", to=None)],
        [put("clusters", 0, "simulated", to=7)],
        [put("target", to="prd")],
    ],
)
def test_what_only_follows_from_a_mistake_is_not_reported(changes: list[Change]) -> None:
    assert len(told(*changes)) == 1


def test_a_report_of_a_thousand_problems_is_cut_and_says_so() -> None:
    settings = stack_settings("dev") | {"engines": [{"kind": "vllm"}] * 1000}
    with pytest.raises(SettingsError) as caught:
        checked(settings, set(), "Pulumi.dev.yaml")
    first, *lines, more, _ = str(caught.value).splitlines()
    assert first == "1000 problems in Pulumi.dev.yaml:"
    assert len(lines) == 50
    assert more == "  and 950 more"


@pytest.mark.parametrize(
    "change",
    [
        put("store", to={"kind": "external", "endpoint": "http://u:hunter2@s3.lan", "accessKey": "a"}),
        put("store", to={"kind": "external", "endpoint": "http://s3.lan", "accessKey": "a b hunter2"}),
        put("store", to={"kind": "external", "endpoint": "http://s3.lan", "accessKey": "a", "secretKey": "hunter2"}),
        put("gateway", to=[{"password": "hunter2"}]),
        put("clusters", 0, "simulated", 0, "taint", to="-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(change: Change) -> None:
    assert "hunter2" not in "".join(told(change))


def test_a_secret_among_the_settings_comes_with_the_commands_that_keep_it_apart() -> None:
    (found,) = told(put("gateway", "litellm", "apiPassword", to="x"))
    assert found.startswith(
        "inference:gateway.litellm.apiPassword unknown key; secrets have keys of their own: pulumi c"
    )


@pytest.mark.parametrize("place", [("engines", 0), ("gateway",), ("engines", 0, "extraArgs"), ("store", "node")])
def test_values_nested_beyond_reason_are_reported(place: tuple[str | int, ...]) -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert told(put(*place, to=deep))
