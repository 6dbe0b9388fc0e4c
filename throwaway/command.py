"""How commands end that try a stack out: with an exit code, and never with a traceback for what a user can mend."""

import sys
from collections.abc import Callable

from throwaway.problems import StackError
from toolchain.problems import EXIT_CODE, ToolchainError

FAILED, INTERRUPTED = 4, 130


def ended(work: Callable[[], int], *, interrupted: str) -> int:
    """The exit code of `work`, or of how it failed; `interrupted` is said when it was."""
    try:
        return work()
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE
    except (StackError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return INTERRUPTED
