"""One comment for each stack, one issue for each that drifted: against a stand-in for GitHub's API on this machine."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reporting import parts
from reporting.__main__ import main
from tests.unit.test_reporting import program

BOT = "github-actions[bot]"
MARK = "<!-- inference: stack home -->"


@dataclass(kw_only=True)
class GitHub:
    """What the repository `org/repo` has, and what was asked of it."""

    comments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Of pull request 7 and of all issues."""
    issues: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    changes: list[str] = field(default_factory=list[str])
    address: str = ""

    def answer(self, method: str, address: str, body: dict[str, Any]) -> Any:
        """What GitHub says; None for what it does not know."""
        path = urlsplit(address).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        match method, path.removeprefix("/repos/org/repo/").split("/"):
            case "GET", ["issues", "7", "comments"]:
                return self._page(self.comments, query)
            case "POST", ["issues", _, "comments"]:
                return self._made(self.comments, {**body, "id": len(self.comments) + 1})
            case "PATCH", ["issues", "comments", number]:
                return self._changed(self.comments, "id", number, body)
            case "GET", ["issues"]:
                open_ones = [
                    one for one in self.issues if one["state"] == query["state"] and query["labels"] in one["labels"]
                ]
                return self._page(open_ones, query)
            case "POST", ["issues"]:
                return self._made(self.issues, {**body, "number": len(self.issues) + 1, "state": "open"})
            case "PATCH", ["issues", number]:
                return self._changed(self.issues, "number", number, body)
            case _:
                return None

    def _page(self, found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        size, page = int(query["per_page"]), int(query["page"])
        return found[size * (page - 1) : size * page]

    def _made(self, into: list[dict[str, Any]], one: dict[str, Any]) -> dict[str, Any]:
        self.changes.append("made")
        into.append({**one, "user": {"login": BOT}})
        return into[-1]

    def _changed(self, among: list[dict[str, Any]], key: str, number: str, body: dict[str, Any]) -> dict[str, Any]:
        self.changes.append("changed")
        one = next(one for one in among if one[key] == int(number))
        one.update(body)
        return one


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    github = GitHub()

    class Request(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body: dict[str, Any] = json.loads(self.rfile.read(length)) if length else {}
            permitted = self.headers["Authorization"] == "Bearer token"
            said = github.answer(self.command, self.path, body) if permitted else None
            self.send_response(403 if said is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(said or ([] if said == [] else {"message": "not accessible"})).encode())

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        here = {
            "API_URL": f"http://127.0.0.1:{server.server_port}",
            "SERVER_URL": "https://github.com",
            "REPOSITORY": "org/repo",
            "RUN_ID": "11",
            "TOKEN": "token",
        }
        for name, value in here.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        yield github
        server.shutdown()


def ran(directory: Path, said: str, code: int = 0, *, stack: str = "home", kind: parts.Kind = "rehearsal") -> None:
    """As if `make` had said this and ended so."""
    parts.run(stack, kind, program(f"import sys; print({said!r}); sys.exit({code})"), directory)


def comment(directory: Path) -> int:
    return main(["comment", "--pull-request", "7", str(directory)])


def test_a_pull_request_has_one_comment_for_each_stack_and_pushes_renew_it(github: GitHub, tmp_path: Path) -> None:
    ran(tmp_path, "legal on cuda-1")
    ran(tmp_path, "chat on cpu-1", stack="lab")
    assert comment(tmp_path) == 0
    ran(tmp_path, "legal on cuda-2")
    assert comment(tmp_path) == 0

    home, lab = (one["body"] for one in github.comments)
    assert home.startswith(MARK)
    assert "legal on cuda-2" in home
    assert "cuda-1" not in home
    assert "chat on cpu-1" in lab
    assert "https://github.com/org/repo/actions/runs/11" in lab


def test_our_comment_is_found_behind_many_others(github: GitHub, tmp_path: Path) -> None:
    others = [{"id": number, "user": {"login": "someone"}, "body": "a remark"} for number in range(1, 131)]
    github.comments += [*others, {"id": 131, "user": {"login": BOT}, "body": f"{MARK}\nold"}]
    ran(tmp_path, "new")
    comment(tmp_path)
    assert (len(github.comments), github.changes) == (131, ["changed"])


def test_a_comment_of_somebody_else_with_our_mark_is_left_alone(github: GitHub, tmp_path: Path) -> None:
    github.comments.append({"id": 1, "user": {"login": "someone"}, "body": f"{MARK}\nall passed, merge it"})
    ran(tmp_path, "a misfit", 1)
    comment(tmp_path)
    assert github.comments[0]["body"].endswith("merge it")
    assert "a misfit" in github.comments[1]["body"]


def test_a_long_comment_is_within_githubs_limit_with_its_mark(github: GitHub, tmp_path: Path) -> None:
    parts.run("home", "rehearsal", program("print('line\\n' * 100_000)"), tmp_path)
    comment(tmp_path)
    assert len(github.comments[0]["body"]) <= 65_536


def test_a_token_that_may_not_write_is_said_with_githubs_own_words(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "other")
    ran(tmp_path, "a table")
    assert comment(tmp_path) == 4
    said = capsys.readouterr().err
    assert re.search(r"GitHub answered 403 to GET issues/7/comments\S*: .*not accessible", said)
    assert github.comments == []


@pytest.fixture
def _backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")


@pytest.mark.usefixtures("_backend")
def test_a_stack_that_drifts_has_one_issue_that_later_nights_renew_and_a_clean_one_closes(
    github: GitHub, tmp_path: Path
) -> None:
    for said, code in (("replicas: 1 => 3", 255), ("replicas: 1 => 4", 255)):
        ran(tmp_path, said, code, kind="drift")
        assert main(["issue", str(tmp_path)]) == 0
    (issue,) = github.issues
    assert (issue["title"], issue["labels"]) == ("Stack home is not as it was deployed", ["drift"])
    assert "replicas: 1 => 4" in issue["body"]

    ran(tmp_path, "", 0, kind="drift")
    main(["issue", str(tmp_path)])
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert "https://github.com/org/repo/actions/runs/11" in github.comments[0]["body"]

    ran(tmp_path, "replicas: 1 => 2", 255, kind="drift")
    main(["issue", str(tmp_path)])
    assert [one["state"] for one in github.issues] == ["closed", "open"]


@pytest.mark.usefixtures("_backend")
def test_a_clean_night_changes_nothing(github: GitHub, tmp_path: Path) -> None:
    ran(tmp_path, "", kind="drift")
    assert main(["issue", str(tmp_path)]) == 0
    assert github.changes == []


@pytest.mark.usefixtures("_backend")
def test_an_issue_of_somebody_else_with_the_same_title_is_left_alone(github: GitHub, tmp_path: Path) -> None:
    title = "Stack home is not as it was deployed"
    user = {"login": "someone"}
    github.issues.append({"number": 1, "title": title, "labels": ["drift"], "state": "open", "user": user, "body": "?"})
    ran(tmp_path, "", kind="drift")
    main(["issue", str(tmp_path)])
    assert github.issues[0]["state"] == "open"
