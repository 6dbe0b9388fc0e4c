"""`aws eks get-token --cluster-name NAME`, as kubeconfigs of EKS ask for it; it can do nothing else."""

import argparse

from tests.standins.aws.account import of_environment
from tests.standins.aws.clusters import token

parser = argparse.ArgumentParser(prog="aws")
parser.add_argument("--region")
parser.add_argument("service", choices=["eks"])
parser.add_argument("command", choices=["get-token"])
parser.add_argument("--cluster-name", required=True)
parser.add_argument("--output")
parser.add_argument("--role-arn")
arguments, _ = parser.parse_known_args()
print(token(of_environment().home / "clusters" / arguments.cluster_name))
