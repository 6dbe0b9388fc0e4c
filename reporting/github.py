"""The few calls of GitHub's API that reports need."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reporting.problems import ReportingError

_AUTHOR = "github-actions[bot]"
"""Whose comments and issues are ours: anybody can write our mark into theirs."""
_SECONDS = 30
_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository on GitHub, as the token of a job may change it."""

    api: str
    name: str
    token: str

    @staticmethod
    def here() -> "Repository":
        """The one whose workflow runs. Raises `ReportingError` elsewhere."""
        try:
            return Repository(
                api=os.environ["GITHUB_API_URL"],
                name=os.environ["GITHUB_REPOSITORY"],
                token=os.environ["GITHUB_TOKEN"],
            )
        except KeyError as missing:
            raise ReportingError(f"{missing.args[0]} is not set: this is for a job of GitHub Actions.") from missing

    def comment(self, pull_request: int, mark: str, text: str) -> None:
        """Have one comment of ours that begins with `mark`: written the first time, replaced after that."""
        body = {"body": f"{mark}\n{text}"}
        for comment in self._pages(f"issues/{pull_request}/comments"):
            if comment["user"]["login"] == _AUTHOR and comment["body"].startswith(mark):
                self._call("PATCH", f"issues/comments/{comment['id']}", body)
                return
        self._call("POST", f"issues/{pull_request}/comments", body)

    def open_issue(self, title: str, label: str, text: str) -> None:
        """Have one open issue of ours of this title: opened, or its text replaced."""
        for number in self._issues(title, label):
            self._call("PATCH", f"issues/{number}", {"body": text})
            return
        self._call("POST", "issues", {"title": title, "labels": [label], "body": text})

    def close_issues(self, title: str, label: str, text: str) -> None:
        """Close our issues of this title, with a comment that says why."""
        for number in self._issues(title, label):
            self._call("POST", f"issues/{number}/comments", {"body": text})
            self._call("PATCH", f"issues/{number}", {"state": "closed", "state_reason": "completed"})

    def _issues(self, title: str, label: str) -> list[int]:
        found = self._pages(f"issues?state=open&labels={urllib.parse.quote(label)}")
        return [one["number"] for one in found if one["title"] == title and one["user"]["login"] == _AUTHOR]

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        for page in range(1, 101):
            query = f"{'&' if '?' in path else '?'}per_page={_PAGE}&page={page}"
            found: list[dict[str, Any]] = self._call("GET", path + query)
            yield from found
            if len(found) < _PAGE:
                return

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.api}/repos/{self.name}/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            raise ReportingError(f"GitHub answered {error.code} to {method} {path}: {said}") from error
        except OSError as error:
            raise ReportingError(f"GitHub could not be asked ({method} {path}): {error}") from error
