"""What a person reads after a rehearsal, and after `make up`."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placement.__main__ import main
from placement.deployed import Deployed, Endpoint, deployed
from placement.deployed import report as deployed_report
from placement.model import Cluster, Trial
from placement.problems import PlacementError
from placement.report import report
from placement.text import WIDTH, Style, style_for
from tests.unit.placements import REASON, cluster, crowded, node, pods, workload

PLAIN = Style()


def row(text: str, first: str) -> list[str]:
    """The words of the line that begins with this word."""
    return next(words for words in map(str.split, text.splitlines()) if words and words[0] == first)


def test_each_engine_is_shown_with_its_replicas_nodes_and_gpus() -> None:
    text = report("onprem", [crowded()], PLAIN)
    assert row(text, "legal") == ["legal", "1/1", "cuda-1", "2/2", "cuda"]
    assert row(text, "chat") == ["chat", "2/2", "cpu-1", "x2"]


def test_each_node_is_shown_with_what_is_used_of_what_it_has() -> None:
    text = report("onprem", [crowded()], PLAIN)
    assert " ".join(row(text, "cuda-1")) == "cuda-1 cuda, rtx-4090 2 of 4 4 of 32 16 of 128 GiB"
    assert " ".join(row(text, "cpu-1")) == "cpu-1 cpu 8 of 32 32 of 128 GiB"


def test_what_does_not_fit_is_shown_with_the_schedulers_own_words() -> None:
    text = report("onprem", [crowded()], PLAIN)
    assert row(text, "judge-large")[1:5] == ["0/1", "does", "not", "fit"]
    assert "judge-large in cluster home: 1 of 1 pod, each asks for 4 cuda GPUs, 4 CPUs, 16 GiB" in text
    assert REASON in " ".join(text.split())


def test_the_first_line_says_whether_everything_fits() -> None:
    legal = workload("legal", gpus=1)
    fits = cluster("home", [node("cuda-1", gpus=1, kind="cuda")], (legal, pods(legal, "cuda-1")))
    first = report("onprem", [fits], PLAIN).splitlines()[0]
    assert first == "onprem: everything fits, 1 pod; 1 of 1 GPU used; 1 node in 1 cluster"
    assert report("onprem", [crowded()], PLAIN).startswith("onprem: 1 of 4 pods does not fit; 2 of 4 GPUs used;")


def test_pods_that_were_never_made_count_with_the_reason_that_kubernetes_gives() -> None:
    problem = 'pods "legal-1" is forbidden: exceeded quota: quota'
    legal = workload("legal", 2, problem=problem)
    found = cluster("home", [node("cpu-1")], (legal, pods(legal, "cpu-1")))
    text = report("onprem", [found], PLAIN)
    assert "legal in cluster home: 1 of 2 pods" in text
    assert problem in text


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (Trial(node="cuda-1", reason=None), "would need 1 cuda GPU, 4 CPUs, 16 GiB; would fit on cuda-1"),
        (Trial(node=None, reason="0/2 nodes are available."), "would not fit: 0/2 nodes are available."),
        (None, "would need 1 cuda GPU, 4 CPUs, 16 GiB"),
    ],
)
def test_an_engine_that_is_off_is_shown_with_what_it_would_need(trial: Trial | None, said: str) -> None:
    judge = replace(workload("judge", 0, gpus=1), trial=trial)
    text = report("onprem", [cluster("home", [node("cuda-1")], (judge, []))], PLAIN)
    assert "off" in row(text, "judge")
    assert said in " ".join(text.split())
    assert "does not fit" not in text


def test_pods_that_have_ended_or_failed_use_nothing() -> None:
    job = workload("provision", part="job")
    first, second = pods(job, "a", "a")
    ended = [replace(first, phase="Succeeded"), replace(second, phase="Failed")]
    found = cluster("home", [node("a")], (job, ended))
    assert found.misfits() == ()
    assert row(report("onprem", [found], PLAIN), "a")[2:] == ["0", "of", "32", "0", "of", "128", "GiB"]


def test_every_line_fits_a_terminal_however_long_the_names_are() -> None:
    name, place = "e" * 40, ".".join(["n" * 60] * 4)
    engine = replace(workload(name, 3, gpus=1), trial=None)
    found = cluster(
        "c" * 40, [node(place, gpus=8, kind="cuda", product="p" * 63)], (engine, pods(engine, place, place, None))
    )
    endpoints = {found.name: [Endpoint(name=name, url=f"http://{name}.inference:8000/v1", model="m" * 40)]}
    for text in (
        report("onprem", [found], PLAIN),
        deployed_report(Deployed(endpoints=endpoints, kubeconfigs={}), [found], PLAIN),
    ):
        assert max(map(len, text.splitlines())) <= WIDTH
        assert text.count("n") >= len(place)


def test_nothing_in_a_name_or_reason_can_steer_the_terminal() -> None:
    engine = workload("legal")
    found = cluster("home", [node("a\x1b[2J")], (engine, pods(engine, None, reason="no\x1b]0;title\x07 room\x9b1m")))
    assert not any(character in report("onprem", [found], PLAIN) for character in "\x1b\x07\x9b")


def test_colours_appear_on_terminals_only_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in report("onprem", [crowded()], style_for(Terminal()))
    assert "\x1b[" not in report("onprem", [crowded()], style_for(io.StringIO()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in report("onprem", [crowded()], style_for(Terminal()))


def test_after_up_every_endpoint_and_every_pod_is_shown_but_no_secret() -> None:
    found = deployed("dev", OUTPUTS)
    text = deployed_report(found, [crowded(), Cluster(name="edge")], PLAIN)
    assert row(text, "legal") == ["legal", "legal-8b", "http://legal.inference:8000/v1"]
    assert "http://litellm.gateway:4000/v1" in text
    assert "http://open-webui.gateway:8080" in text
    assert row(text, "legal-0") == ["legal-0", "inference", "cuda-1", "Running"]
    assert row(text, "judge-large-0")[2:4] == ["not", "placed"]
    assert REASON in " ".join(text.split())
    assert "hush" not in text


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `pulumi` that says what a test makes it say; nothing else is on PATH but a shell."""
    program = tmp_path / "pulumi"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    return program


def test_what_pulumi_says_about_a_stack_that_is_not_there_is_passed_on(
    pulumi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.write_text("#!/bin/sh\necho \"error: no stack named 'dev' found\" >&2\nexit 255\n")
    assert main(["show", "--stack", "dev"]) == 4
    assert "no stack named 'dev' found" in capsys.readouterr().err


def test_a_cluster_that_is_down_is_named_without_showing_a_secret(
    pulumi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {**OUTPUTS, "kubeconfigs": {"home": DOWN}}
    pulumi.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(outputs)}\nEND\n")
    assert main(["show", "--stack", "dev"]) == 4
    said = "".join(capsys.readouterr())
    assert "Cluster home does not answer at https://127.0.0.1:1" in said
    assert "hush" not in said


def test_without_pulumi_the_next_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["show", "--stack", "dev"]) == 4
    assert "make status STACK=dev" in capsys.readouterr().err


@pytest.mark.parametrize("replicas", ["-1", "one", "1001", "1.5"])
def test_replicas_that_are_no_number_of_them_are_refused(replicas: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scale", "--stack", "dev", "--", "judge", replicas])
    assert ended.value.code == 2
    assert "must be a number from 0 to 1000" in capsys.readouterr().err


def test_a_stack_without_outputs_is_said_to_be_empty() -> None:
    with pytest.raises(PlacementError, match=r"Nothing is deployed in stack dev\. Next: make up STACK=dev"):
        deployed("dev", {})


DOWN = """
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: hush}}]
"""
OUTPUTS: Mapping[str, Any] = {
    "endpoints": {
        "home": {
            "api": "http://litellm.gateway:4000/v1",
            "chat": "http://open-webui.gateway:8080",
            "engines": {"legal": {"url": "http://legal.inference:8000/v1", "model": "legal-8b"}},
        },
        "edge": {"engines": {}},
    },
    "gatewayKeys": {"home": "hush-key"},
    "kubeconfigs": {"home": "hush-kubeconfig", "edge": "hush-kubeconfig"},
}
