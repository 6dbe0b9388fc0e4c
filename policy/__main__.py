"""What Pulumi starts for `--policy-pack policy`: with this directory on the path, and not the repository around it."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
importlib.import_module("policy.pack").main()
