"""What tests run in place of an image is of the version that is deployed."""

from components.gateway.versions import LITELLM
from tests.unit.recording import REPOSITORY


def test_the_litellm_that_tests_run_is_the_one_that_is_deployed() -> None:
    lock = (REPOSITORY / "tests/hosts/litellm.lock").read_text()
    assert f"\nlitellm=={LITELLM.rpartition(':v')[2]} " in lock
