"""MLflow's registry and artifact proxy, as version 3.17.2 answers."""

import base64
from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.stub import Request, Stub

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
ROOT = "1/ece66bf471904af491e4de51494b957b/artifacts/lora"


@dataclass(kw_only=True)
class Mlflow(Stub):
    """One model, `legal-lora`, with the versions 1 and 2; the alias `champion` is the second."""

    artifact_uri: str = f"mlflow-artifacts:/{ROOT}"
    login: str | None = None
    """The Authorization that it wants."""

    def answer(self, request: Request) -> None:
        if self.login and request.headers.get("Authorization") != self.login:
            request.send(401, b"You are not authenticated.")
            return
        query = request.query
        if request.route.startswith(f"{API}/") and query.get("name") != "legal-lora":
            request.json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404)
        elif request.route == f"{API}/registered-models/alias" and query["alias"] == "champion":
            request.json({"model_version": {"name": "legal-lora", "version": "2", "status": "READY"}})
        elif request.route == f"{API}/registered-models/alias":
            request.json({"error_code": "INVALID_PARAMETER_VALUE"}, 400)
        elif request.route == f"{API}/model-versions/get-download-uri" and query["version"] in ("1", "2"):
            request.json({"artifact_uri": self.artifact_uri})
        elif request.route == ARTIFACTS:
            self._list(request)
        elif (path := request.route.removeprefix(f"{ARTIFACTS}/{ROOT}/")) in self.files:
            request.file(self.files[path])
        else:
            request.json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404)

    def environment(self) -> dict[str, str]:
        """What makes clients come here."""
        return {"MLFLOW_TRACKING_URI": self.address}

    def _list(self, request: Request) -> None:
        directory = PurePosixPath(request.query["path"])
        below = [path.relative_to(directory) for path in self._paths() if path.is_relative_to(directory)]
        listed = [
            {
                "path": path.name,
                "is_dir": False,
                "file_size": len(self.files[str((directory / path).relative_to(ROOT))]),
            }
            for path in below
            if len(path.parts) == 1
        ]
        listed += [{"path": name, "is_dir": True} for name in {path.parts[0] for path in below if len(path.parts) > 1}]
        request.json({"files": listed} if listed else {})

    def _paths(self) -> list[PurePosixPath]:
        return [PurePosixPath(ROOT, path) for path in self.files]


def basic(user: str, password: str) -> str:
    """The Authorization of a name and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
