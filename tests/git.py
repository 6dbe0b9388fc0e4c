"""A Git repository for tests, at an address on this machine."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BRANCH = "main"
# Nobody's own settings: neither the machine's hooks nor its signing key.
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_NAME": "Tests" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "tests@inference.invalid" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A bare repository with the branch `main`, and the clone that its commits are made in."""

    bare: Path
    clone: Path

    @property
    def url(self) -> str:
        """Where it is cloned from."""
        return self.bare.as_uri()

    def commit(self, files: Mapping[str, str | None], message: str = "Changed by a test") -> str:
        """Write files, or remove those that are None, and push that to `main`; the commit."""
        for name, text in files.items():
            file = self.clone / name
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        _git(self.clone, "add", "--all")
        _git(self.clone, "commit", "--quiet", "--allow-empty", f"--message={message}")
        _git(self.clone, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
        return self.head()

    def head(self) -> str:
        """The newest commit of `main`."""
        return _git(self.bare, "rev-parse", BRANCH).strip()

    def files(self) -> dict[str, str]:
        """What `main` holds, by path."""
        names = _git(self.bare, "ls-tree", "-r", "-z", "--name-only", BRANCH).split("\0")
        return {name: _git(self.bare, "show", f"{BRANCH}:{name}") for name in names if name}


def repository(directory: Path) -> Repository:
    """A new one, with an empty first commit."""
    bare, clone = directory / "repository.git", directory / "clone"
    _git(directory, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(bare))
    _git(directory, "clone", "--quiet", str(bare), str(clone))
    made = Repository(bare=bare, clone=clone)
    made.commit({}, "Nothing yet")
    return made


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        command, env={**environment, **_ENVIRONMENT}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
