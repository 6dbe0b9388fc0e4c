"""From a hub into a bucket: whatever goes wrong, there is a complete and verified model afterwards, or none."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.hub import Request
from tests.storage.homes import Home, broken, busy, cut, damaged, once, short, until


def test_a_model_comes_whole_with_a_manifest_and_is_not_asked_for_again(home: Home) -> None:
    assert "weights/part-1.safetensors: 20971537 bytes, verified" in home.sync()
    home.assert_whole()
    asked = len(home.hub.requests)
    assert "complete already" in home.sync()
    assert len(home.hub.requests) == asked


def test_only_the_files_that_are_wanted_come(home: Home) -> None:
    home.sync("--files", "*.json", "--files", "weights/small*")
    assert set(home.content()) == {"config.json", "weights/small.safetensors", "manifest.json", ".complete"}


@pytest.mark.parametrize(
    "fault",
    [
        once(cut, "/cdn/weights/part-1", times=3),
        once(cut, "/cdn/tokenizer"),
        once(busy, "/cdn/weights", times=2),
        once(busy, "/resolve/", times=2),
        once(busy, "/api/"),
        once(broken, "/cdn/weights", times=2),
        once(broken, "/api/"),
    ],
    ids=["cut", "cut-small", "busy-cdn", "busy-hub", "busy-api", "broken-cdn", "broken-api"],
)
def test_what_passes_is_waited_for(home: Home, fault: Callable[[Request], bool]) -> None:
    home.hub.faults.append(fault)
    home.sync()
    home.assert_whole()


def test_a_hub_that_asks_for_a_pause_gets_it(home: Home) -> None:
    home.hub.faults.append(once(busy, "/cdn/weights/part-1"))
    begun = time.monotonic()
    home.sync()
    assert time.monotonic() - begun > 1


@pytest.mark.parametrize(
    "path",
    ["weights/part-1.safetensors", "weights/small.safetensors", "tokenizer/merges.txt"],
    ids=["parts", "lfs", "git"],
)
def test_a_flipped_bit_is_found_and_nothing_of_that_file_stays(home: Home, path: str) -> None:
    home.hub.faults.append(once(damaged, f"/cdn/{path}", times=100))
    said = home.refused()
    assert f"{path} is damaged" in said
    home.assert_no_model()
    assert path not in home.content()
    assert home.uploads() == []
    home.hub.faults.clear()
    home.sync()
    home.assert_whole()


def test_a_file_that_is_shorter_than_listed_is_refused(home: Home) -> None:
    home.hub.faults.append(once(short, "/cdn/weights/part-2", times=100))
    assert "weights/part-2.safetensors" in home.refused()
    home.assert_no_model()
    assert home.uploads() == []


def test_a_gated_model_says_what_to_do(home: Home) -> None:
    home.hub.gated, home.hub.token = True, "right"
    page = "accept its licence at https://huggingface.co/org/model"
    assert f"is gated: {page}, and set a token of that account in HF_TOKEN" in home.refused()
    assert f"is gated: {page} with the account whose token is set" in home.refused(HF_TOKEN="wrong")
    assert home.content() == {}
    home.sync(HF_TOKEN="right")
    home.assert_whole()


def test_a_token_is_not_sent_on_to_where_files_lie(home: Home) -> None:
    seen: list[str | None] = []

    def watch(request: Request) -> bool:
        if request.path.startswith("/cdn/"):
            seen.append(request.headers.get("Authorization"))
        return False

    home.hub.token = "right"
    home.hub.faults.append(watch)
    home.hub.cdn = home.hub.address.replace("127.0.0.1", "localhost")
    home.sync(HF_TOKEN="right")
    assert seen
    assert set(seen) == {None}


def test_what_a_killed_sync_had_finished_is_not_fetched_again(home: Home) -> None:
    home.hub.seconds_per_mib = 0.1
    process = home.begin()
    until(lambda: "weights/small.safetensors" in home.content())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    home.hub.requests.clear()
    assert "weights/small.safetensors: there already" in home.sync()
    assert not any("weights/small" in path for path in home.hub.requests)
    home.assert_whole()
