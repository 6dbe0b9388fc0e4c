"""What the toolchain must know of a stack before Pulumi and PyYAML are there: its target, and nothing more."""

import re
from pathlib import Path

from toolchain import places

_TARGET = re.compile(r"""(?:^|[\s{,"'])inference:target["']?\s*:\s*["']?(?P<target>[\w-]+)["']?\s*(?:[,}#].*)?$""")


def target(name: str, repository: Path = places.REPOSITORY) -> str | None:
    """`inference:target` in `Pulumi.<name>.yaml`, which may be `dev`, `onprem` or `eks`.

    None when the file, or a single plain value in it, is not there: then the strictest rules apply.
    """
    try:
        text = (repository / f"Pulumi.{name}.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = {match["target"] for match in map(_TARGET.search, lines) if match}
    return found.pop() if len(found) == 1 else None
