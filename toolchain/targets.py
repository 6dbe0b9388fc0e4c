"""What the toolchain must know of a stack before Pulumi and PyYAML are there: its target, and nothing more."""

import re
from pathlib import Path

from toolchain import places

_TARGET = re.compile(r"""(?:^|[\s{,"'])inference:target["']?\s*:\s*["']?(?P<target>[\w-]+)["']?\s*(?:[,}].*)?$""")
_COMMENT = re.compile(r"(^|\s)#.*")


def target(name: str) -> str | None:
    """`inference:target` of a stack, which may be `dev`, `onprem` or `eks`; `name` may be `organisation/project/stack`.

    None when `Pulumi.<stack>.yaml`, or a single plain value in it, is not there: then the strictest rules apply.
    """
    try:
        text = _file(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    lines = (_COMMENT.sub("", line) for line in text.splitlines())
    found = {match["target"] for match in map(_TARGET.search, lines) if match}
    return found.pop() if len(found) == 1 else None


def forget_salt(name: str) -> None:
    """Remove what Pulumi noted in the stack's file about a passphrase that is gone; it notes the new one by itself."""
    file = _file(name)
    if not file.exists():
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("encryptionsalt:")]
    if kept != lines:
        file.write_text("".join(kept), encoding="utf-8")


def _file(name: str) -> Path:
    return places.REPOSITORY / f"Pulumi.{name.rpartition('/')[2]}.yaml"
