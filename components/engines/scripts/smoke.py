"""Asks an engine some questions, and fails where it does not answer.

Usage: smoke.py URL MODEL REQUESTS, with the engine's key in ENGINE_API_KEY if it asks for one.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

PROMPT: Final = "Say hello."
TOKENS: Final = 16
SECONDS: Final = 120
"""For one answer."""
BAD_REQUEST: Final = 400
FAILED: Final = 3
"""Exit code: trying again would show the same."""


def main() -> int:
    """Entry point."""
    url, model, requests = sys.argv[1], sys.argv[2], int(sys.argv[3])
    chats, took = True, list[float]()
    for number in range(1, requests + 1):
        begun = time.monotonic()
        try:
            chats = _answers(url, model, chats=chats)
        except (OSError, ValueError, KeyError, IndexError) as problem:
            print(f"request {number} of {requests} to {model}: {_told(problem)}")
            return FAILED
        took.append(time.monotonic() - begun)
    print(f"{model}: {requests} of {requests} requests answered, the slowest in {max(took):.1f} s")
    return 0


def _answers(url: str, model: str, *, chats: bool) -> bool:
    """Whether it answers to chats: a model without a chat template answers to prompts alone."""
    asked: dict[str, Any] = {"model": model, "max_tokens": TOKENS}
    if not chats:
        choice = _asked(f"{url}/completions", asked | {"prompt": PROMPT})["choices"][0]
        _expect(isinstance(choice["text"], str), choice)
        return False
    try:
        messages = [{"role": "user", "content": PROMPT}]
        choice = _asked(f"{url}/chat/completions", asked | {"messages": messages})["choices"][0]
    except urllib.error.HTTPError as refused:
        if refused.code != BAD_REQUEST:
            raise
        return _answers(url, model, chats=False)
    _expect(choice["message"]["role"] == "assistant", choice)
    return True


def _asked(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("ENGINE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def _expect(right: bool, answer: object) -> None:
    if not right:
        raise ValueError(f"is not an answer: {answer}")


def _told(problem: Exception) -> str:
    if isinstance(problem, urllib.error.HTTPError):
        return f"{problem} {problem.read(500).decode(errors='replace')}"
    return f"{type(problem).__name__}: {problem}"


if __name__ == "__main__":
    sys.exit(main())
