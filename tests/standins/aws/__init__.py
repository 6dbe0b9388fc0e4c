"""Stand-in for Pulumi's AWS provider (7.51): an account that lies in one directory, and refuses what AWS would refuse.

The directory is `INFERENCE_AWS`. In it are `account.json` (what exists), `journal` (what was done, one JSON list of
operation, type and name a line, in order) and `clusters/` (a real control plane for each EKS cluster, with simulated
nodes for its node groups, where `INFERENCE_AWS_CONTROL_PLANES` is set). `INFERENCE_AWS_STOP` has it end or fail in
the middle; see `interruptions.py`. Property names and their types are those of Pulumi's package for Python, so that
nothing misspelt passes. Facts of AWS: its API references, as the comments beside them say.
"""

VERSION = "7.51.1"
HOME = "INFERENCE_AWS"
CONTROL_PLANES = "INFERENCE_AWS_CONTROL_PLANES"
STOP = "INFERENCE_AWS_STOP"
ACCOUNT = "111122223333"
"""Its twelve digits, where the provider's configuration allows no other."""
