#!/usr/bin/env bash
# Make a virtual environment from a lock file with hashes. Usage: venv.sh PYTHON DIRECTORY LOCK. Safe to run again.
set -euo pipefail
python=$1 directory=$2 lock=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or later is needed; $python is $("$python" --version 2>&1 || true)." >&2
    echo "Next: install it (Debian 12: apt-get install python3 python3-venv), or say make PYTHON=/path/to/python3" >&2
    exit 3
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python's venv module is missing. Next: apt-get install python3-venv" >&2
    exit 3
fi
[ -x "$directory/bin/python" ] || "$python" -m venv --clear "$directory"
echo "Installing Python packages from $lock into $directory (a minute the first time) ..." >&2
# A lock file is complete: pip has nothing to resolve, and no say in what pyproject.toml overrides.
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$lock"
