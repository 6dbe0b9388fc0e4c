"""`python -m tests.hosts`: makes what takes minutes, once per user, and says so while it does."""

from collections.abc import Callable

from tests.hosts import images
from tests.hosts.image import image
from tests.hosts.needs import missing_for_hosts, missing_for_llama_cpp
from toolchain import golang
from toolchain.problems import ToolchainError
from toolchain.progress import Step, say, shown
from toolchain.tool import this_platform


def main() -> None:
    """Entry point. What cannot be made is said; the tests that need it are skipped."""
    if missing := missing_for_hosts():
        say(f"no hosts for tests: {missing}")
        return
    _made("Debian, which test hosts are copies of", "a minute", image)
    _made("CoreDNS for test hosts", "a minute", _coredns)
    _made("Debian with a shell and curl, for images", "a minute", images.shell)
    _made("LiteLLM for test hosts", "two minutes", images.litellm)
    _made("MLServer for test hosts", "a minute", images.mlserver)
    if missing := missing_for_llama_cpp():
        say(f"no llama.cpp for test hosts: {missing}")
        return
    _made("llama.cpp for test hosts", "three to ten minutes", images.llama_server)


def _made(title: str, expectation: str, make: Callable[[], object]) -> None:
    with shown(Step(title, expectation=f"{expectation}, once")):
        make()


def _coredns() -> None:
    try:
        images.coredns(golang.find(this_platform()))
    except ToolchainError as error:
        say(f"no CoreDNS for test hosts: {error}")


if __name__ == "__main__":
    main()
