"""Workflows in the whole program: what they have, whom they may ask, and what a user is told of wrong settings."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.workflows import evaluation
from tests.unit.aws_identities import WORKFLOWS, eks_settings
from tests.unit.manifests import manifests
from tests.unit.mistakes import Change, put, told
from tests.unit.recording import Recording, record, stack_settings

ASK = Path(evaluation.__file__).parent / "scripts" / "ask.py"
Objects = dict[tuple[str, str, str], dict[str, Any]]


def objects(recording: Recording) -> Objects:
    """By namespace, kind and name."""
    return {
        (one["metadata"].get("namespace", ""), one["kind"], one["metadata"]["name"]): one
        for one in manifests(recording)
    }


def amazon(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Objects:
    return objects(record(eks_settings(rendering=True, **changed), stack="eks", monkeypatch=monkeypatch))


def at_home(monkeypatch: pytest.MonkeyPatch, **store: Any) -> Objects:
    """The dev stack, whose engine `chat` is off and judges."""
    settings = stack_settings("dev")
    settings["engines"][2]["replicas"] = 0
    settings |= {**WORKFLOWS, "workflows": {"judges": ["chat"], "prefix": "evaluations/ours"}, "rendering": True}
    settings["store"] = {**settings["store"], **store}
    return objects(record(settings, stack="dev", monkeypatch=monkeypatch))


def template(found: Objects) -> dict[str, Any]:
    return found["workflows", "WorkflowTemplate", "evaluate"]["spec"]


def step(found: Objects, name: str) -> dict[str, Any]:
    (one,) = [one for one in template(found)["templates"] if one["name"] == name]
    return one


def repository(found: Objects) -> dict[str, Any]:
    config = found["workflows", "ConfigMap", "artifact-repositories"]
    named = config["metadata"]["annotations"]["workflows.argoproj.io/default-artifact-repository"]
    return json.loads(config["data"][named])["s3"]


def let_in(found: Objects, namespace: str, name: str) -> set[str]:
    """Namespaces whose pods may connect."""
    rules = found[namespace, "NetworkPolicy", name]["spec"]["ingress"]
    peers = [peer["namespaceSelector"]["matchLabels"] for rule in rules for peer in rule.get("from", ())]
    return {peer["kubernetes.io/metadata.name"] for peer in peers}


def test_the_judge_is_turned_off_however_the_evaluation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    assert [[one["template"] for one in row] for row in step(found, template(found)["entrypoint"])["steps"]] == [
        ["on"],
        ["ask"],
    ]
    last = step(found, template(found)["onExit"])
    assert last["container"]["args"][-1] == "0"
    assert step(found, "on")["container"]["args"][-1] == "1"
    # In a pod of its own, which no deadline of the workflow's ends.
    assert set(last) == {"name", "retryStrategy", "container"}


def test_two_evaluations_with_one_judge_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    (mutex,) = template(amazon(monkeypatch))["synchronization"]["mutexes"]
    assert mutex == {"name": "judge-{{workflow.parameters.judge}}"}


def test_any_judge_of_the_settings_can_be_chosen_and_no_other_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    judge = template(found)["arguments"]["parameters"][0]
    assert (judge["value"], judge["enum"]) == ("judge", ["judge", "judge-large"])
    told = json.loads(found["workflows", "ConfigMap", "evaluate"]["data"]["judges.json"])
    assert {name: one["url"] for name, one in told.items()} == {
        "judge": "http://judge.inference:8000/v1",
        "judge-large": "http://judge-large.inference:8000/v1",
    }
    # A node that comes up for it, and its own start.
    assert {name: one["seconds"] for name, one in told.items()} == {"judge": 1200, "judge-large": 1800}


def test_judges_let_workflows_in_and_other_engines_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    assert "workflows" in let_in(found, "inference", "judge") & let_in(found, "inference", "judge-large")
    assert "workflows" not in let_in(found, "inference", "vllm")
    rules = found["workflows", "NetworkPolicy", "evaluate"]["spec"]["egress"]
    reached = [
        peer["podSelector"]["matchLabels"] for rule in rules for peer in rule.get("to", ()) if "podSelector" in peer
    ]
    assert {one["app.kubernetes.io/name"] for one in reached} == {"judge", "judge-large"}
    assert "ingress" not in found["workflows", "NetworkPolicy", "evaluate"]["spec"]


def test_workflows_have_the_keys_of_judges_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    assert set(found["workflows", "Secret", "judges"]["stringData"]) == {"judge", "judge-large"}
    (key,) = step(found, "ask")["container"]["env"]
    assert key["valueFrom"]["secretKeyRef"]["key"] == "{{workflow.parameters.judge}}"
    assert "env" not in step(found, "on")["container"]


def test_its_pods_are_as_closed_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    labels = found["", "Namespace", "workflows"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = template(found)["securityContext"]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    for name in ("on", "ask", "off"):
        context = step(found, name)["container"]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(step(found, name)["container"]["resources"]) == {"requests", "limits"}
    assert "workflow" in template(found)["podMetadata"]["labels"].values()
    selector = found["workflows", "NetworkPolicy", "evaluate"]["spec"]["podSelector"]["matchLabels"]
    assert template(found)["podMetadata"]["labels"] == selector


def test_at_amazon_artefacts_are_kept_with_the_role_below_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch)
    assert repository(found) == {
        "bucket": "my-inference-models",
        "region": "us-east-1",
        "endpoint": "s3.us-east-1.amazonaws.com",
        "insecure": False,
        "keyFormat": "workflows/runs/{{workflow.name}}/{{pod.name}}",
        "useSDKCreds": True,
    }
    (result,) = step(found, "ask")["outputs"]["artifacts"]
    (dataset,) = step(found, "ask")["inputs"]["artifacts"]
    assert result["s3"]["key"] == "workflows/results/{{workflow.name}}/result.json"
    assert dataset["s3"]["key"] == "workflows/{{workflow.parameters.dataset}}"


def test_at_home_they_are_kept_in_minio_by_a_user_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = at_home(monkeypatch)
    kept = repository(found)
    assert (kept["endpoint"], kept["insecure"]) == ("minio.storage:9000", False)
    assert kept["accessKeySecret"] == {"name": "workflows-store", "key": "AWS_ACCESS_KEY_ID"}
    assert kept["secretKeySecret"] == {"name": "workflows-store", "key": "AWS_SECRET_ACCESS_KEY"}
    assert kept["caSecret"] == {"name": "store-ca", "key": "ca.crt"}
    authority = found["workflows", "Secret", "store-ca"]["stringData"]["ca.crt"]
    assert authority == found["inference", "ConfigMap", "store-ca"]["data"]["ca.crt"]
    user = found["workflows", "Secret", "workflows-store"]["stringData"]["AWS_ACCESS_KEY_ID"]
    may = json.loads(found["storage", "ConfigMap", "minio-provision"]["data"][f"{user}.policy"])
    assert {one for statement in may["Statement"] for one in statement["Resource"]} == {
        "arn:aws:s3:::inference-models/evaluations/ours/*",
        "arn:aws:s3:::inference-models",
    }
    assert "workflows" in let_in(found, "storage", "minio")
    assert "role-arn" not in str(found["workflows", "ServiceAccount", "workflows"])


def test_without_tls_argo_workflows_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = repository(at_home(monkeypatch, tls=False))
    assert kept["insecure"] is True
    assert "caSecret" not in kept


def test_without_judges_there_is_a_place_for_workflows_of_your_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch, workflows={})
    assert ("workflows", "ServiceAccount", "workflows") in found
    assert ("workflows", "WorkflowTemplate", "evaluate") not in found
    assert ("inference", "Role", "workflows") not in found


def test_a_stack_that_asks_for_none_has_nothing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = amazon(monkeypatch, workflows=None)
    assert not [name for name in found if "workflows" in (name[0], name[2])]
    assert "workflows" not in let_in(found, "inference", "judge")


def workflows(**changed: Any) -> Change:
    return put("workflows", to={"judges": ["judge"], **changed})


CHARTS = (put("argocd", to={}), put("charts", to=[{"name": "argo-workflows"}]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([workflows()], "workflows needs argo-workflows: add {name: argo-workflows} to inference:charts"),
        ([workflows(cluster="esk"), *CHARTS], 'workflows.cluster "esk" is not a cluster; there are: eks'),
        ([workflows(judges=["juge"]), *CHARTS], 'workflows.judges[0] "juge" is not an engine; there are:'),
        ([workflows(judges=["vllm"]), *CHARTS], 'workflows.judges[0] "vllm" is not off: set its replicas to 0'),
        ([workflows(prefix="general"), *CHARTS], "workflows.prefix is where the model mistral-7b-awq is"),
        (
            [workflows(judges=[]), *CHARTS, put("engines", 0, "name", to="workflows")],
            'engines[0].name "workflows" is taken: the store knows workflows by this name',
        ),
        ([put("engines", 0, "name", to="models")], 'engines[0].name "models" is taken: the store knows the sync'),
    ],
)
def test_workflows_that_cannot_work_are_refused(changes: list[Change], expected: str) -> None:
    (line,) = told(*changes, stack="eks")
    assert line.startswith(f"inference:{expected}")


def test_a_store_whose_users_are_not_ours_has_no_room_for_workflows() -> None:
    external = {"kind": "external", "endpoint": "https://s3.lan:9000", "accessKey": "reader"}
    lines = told(workflows(judges=[]), *CHARTS, put("store", to=external), stack="eks")
    assert any(
        "workflows need a user of their own in the store, which kind external cannot have" in one for one in lines
    )


class Judge(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does, but for who asks it for a mistake."""

    def do_POST(self) -> None:  # the name that http.server calls
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = asked["messages"][-1]["content"]
        known = self.headers.get("Authorization") == "Bearer the-key" and self.path == "/v1/chat/completions"
        self.send_response(400 if question == "mistake" or not known else 200)
        self.end_headers()
        text = json.dumps({"score": int(question)}) if question.isdecimal() else f"{asked['model']}: {question}"
        self.wfile.write(json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def judges(tmp_path: Path) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path / "judges.json"
    file.write_text(json.dumps({"judge": {"url": f"http://127.0.0.1:{server.server_port}/v1"}}))
    yield file
    server.shutdown()
    server.server_close()


def asked(judges: Path, *lines: object, key: str = "the-key") -> tuple[int, str, Path]:
    """Exit code, output and result of the script on a dataset."""
    dataset, result = judges.with_name("dataset.jsonl"), judges.with_name("result.json")
    dataset.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines))
    done = subprocess.run(
        [sys.executable, ASK, judges, "judge", dataset, result, "4"],
        env={**os.environ, "JUDGE_KEY": key},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr, result


def question(text: str, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_every_question_is_asked_and_scores_are_told(judges: Path) -> None:
    code, output, result = asked(judges, question("4", id="first"), question("hello"), "", question("8"))
    assert code == 0, output
    found = json.loads(result.read_text())
    assert (found["judge"], found["asked"], found["answered"], found["score"]) == ("judge", 3, 3, 6)
    assert found["answers"] == [
        {"id": "first", "answer": '{"score": 4}', "score": 4},
        {"id": 2, "answer": "judge: hello"},
        {"id": 4, "answer": '{"score": 8}', "score": 8},
    ]


def test_a_question_without_an_answer_fails_the_evaluation_and_the_others_are_kept(judges: Path) -> None:
    code, output, result = asked(judges, question("hello"), question("mistake", id="bad"))
    assert code == 1
    assert "bad: HTTP Error 400" in output
    found = json.loads(result.read_text())
    assert (found["asked"], found["answered"]) == (2, 1)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["{}"], "line 1 is no JSON object with messages"),
        ([question("hello"), "[1]"], "line 2 is no JSON object with messages"),
        ([""], "the dataset has no question"),
    ],
)
def test_a_dataset_that_is_none_is_told_by_its_line(judges: Path, lines: list[Any], expected: str) -> None:
    code, output, _ = asked(judges, *lines)
    assert code == 2
    assert expected in output
