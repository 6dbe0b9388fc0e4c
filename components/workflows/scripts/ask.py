"""Asks a judge every question of a dataset. Usage: ask.py JUDGES NAME DATASET RESULT PARALLEL, its key in JUDGE_KEY.

JUDGES is a JSON file that tells of each judge its URL. A line of DATASET is a JSON object with `messages` as OpenAI's
API takes them, and whatever else is to be sent with them; `id` names it in the result. Where an answer is a JSON object
with a number called `score`, that is told too, and their mean.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Final

SECONDS: Final = 600
"""For one answer."""
TRIES: Final = 3


def main() -> int:
    """Entry point."""
    judges, name, dataset, result, parallel = sys.argv[1:]
    url = json.loads(Path(judges).read_text())[name]["url"]
    try:
        questions = _questions(Path(dataset).read_text().splitlines())
    except ValueError as problem:
        print(problem)
        return 2
    begun = time.monotonic()
    with ThreadPoolExecutor(int(parallel)) as pool:
        answers = list(pool.map(partial(_answer, url, name), questions))
    scores = [one["score"] for one in answers if "score" in one]
    failed = [one for one in answers if "problem" in one]
    summary: dict[str, Any] = {
        "judge": name,
        "asked": len(answers),
        "answered": len(answers) - len(failed),
        "seconds": round(time.monotonic() - begun, 1),
        "score": fmean(scores) if scores else None,
    }
    Path(result).write_text(json.dumps({**summary, "answers": answers}, ensure_ascii=False, indent=1))
    print(json.dumps(summary))
    for one in failed[:10]:
        print(f"{one['id']}: {one['problem']}")
    return 1 if failed else 0


def _questions(lines: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                question = json.loads(line)
                found.append({"id": number, **question, "messages": question["messages"]})
            except (ValueError, TypeError, KeyError) as problem:
                raise ValueError(f"line {number} is no JSON object with messages: {problem}") from problem
    if not found:
        raise ValueError("the dataset has no question")
    return found


def _answer(url: str, model: str, question: dict[str, Any]) -> dict[str, Any]:
    body = {"temperature": 0, **{key: value for key, value in question.items() if key != "id"}, "model": model}
    for tried in range(1, TRIES + 1):
        try:
            text = _asked(f"{url}/chat/completions", body)["choices"][0]["message"]["content"]
            return {"id": question["id"], "answer": text, **_score(text)}
        except (OSError, ValueError, LookupError, TypeError) as problem:
            told = _told(problem)
            if tried == TRIES or (isinstance(problem, urllib.error.HTTPError) and problem.code < 500):
                return {"id": question["id"], "problem": told}
        time.sleep(tried)
    raise AssertionError


def _asked(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("JUDGE_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def _score(text: str) -> dict[str, float]:
    try:
        return {"score": float(json.loads(text)["score"])}
    except (ValueError, TypeError, LookupError):
        return {}


def _told(problem: Exception) -> str:
    if isinstance(problem, urllib.error.HTTPError):
        return f"{problem} {problem.read(500).decode(errors='replace')}"
    return f"{type(problem).__name__}: {problem}"


if __name__ == "__main__":
    sys.exit(main())
