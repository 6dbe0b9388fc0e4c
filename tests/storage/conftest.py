"""A real S3 server of each kind, a hub, and a home for a model between them."""

from collections.abc import Iterator

import pytest

from tests import hub as hubs
from tests.hub import Hub
from tests.object_store import SERVERS, S3Server, serving
from tests.storage.homes import BUCKET, FILES, Home


@pytest.fixture(scope="module", params=SERVERS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield server


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for tests of what comes, which is the same on each."""
    with serving("minio", tmp_path_factory.mktemp("models")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubs.serving(FILES) as served:
        yield served


@pytest.fixture
def home(store: S3Server, hub: Hub) -> Home:
    return Home(store, hub)
