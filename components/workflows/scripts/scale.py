"""Gives a judge so many replicas, and waits until they are ready. Usage: scale.py JUDGES NAME REPLICAS.

JUDGES is a JSON file that tells of each judge its namespace and how long it may take to start. Whoever runs this needs
`patch` on `deployments/scale` and `get` on the Deployment, of that name alone.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = Path(os.environ.get("SERVICE_ACCOUNT") or "/var/run/secrets/kubernetes.io/serviceaccount")
PATCH: Final = "application/merge-patch+json"
PERIOD: Final = 5
SECONDS: Final = 30
"""For one answer of the API server."""
TRIES: Final = 60


def main() -> int:
    """Entry point."""
    judges, name, replicas = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], int(sys.argv[3])
    if name not in judges:
        print(f"{name} is no judge; there are: {', '.join(judges) or 'none'}. Next: name it in inference:workflows")
        return 2
    judge = judges[name]
    path = f"/apis/apps/v1/namespaces/{judge['namespace']}/deployments/{name}"
    _patiently(f"{path}/scale", {"spec": {"replicas": replicas}})
    print(f"{name}: {replicas} replicas wanted", flush=True)
    end = time.monotonic() + judge["seconds"]
    while replicas:
        status = _patiently(path).get("status", {})
        if status.get("readyReplicas", 0) >= replicas:
            print(f"{name}: ready")
            break
        if time.monotonic() > end:
            print(f"{name}: not ready after {judge['seconds']} s: {_why(status)}. Next: kubectl describe its pod")
            return 1
        time.sleep(PERIOD)
    return 0


def _patiently(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """An API server that is away for a moment must not leave a judge running."""
    for tried in range(1, TRIES + 1):
        try:
            return _asked(path, body)
        except urllib.error.HTTPError as refused:
            if (refused.code < 500 and refused.code != 429) or tried == TRIES:
                raise SystemExit(f"{refused}: {refused.read(500).decode(errors='replace')}") from refused
        except OSError as problem:
            if tried == TRIES:
                raise SystemExit(f"no answer of the API server: {problem}") from problem
        time.sleep(PERIOD)
    raise AssertionError


def _asked(path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    server = os.environ.get("API_SERVER") or "https://kubernetes.default.svc"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}", "Content-Type": PATCH}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server}{path}", data, headers, method="PATCH" if body else "GET")
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=SECONDS, context=trusted) as answer:
        return json.load(answer)


def _why(status: dict[str, Any]) -> str:
    told = [str(one.get("message")) for one in status.get("conditions", ()) if one.get("status") != "True"]
    return "; ".join(told) or "nothing is told of it"


if __name__ == "__main__":
    sys.exit(main())
