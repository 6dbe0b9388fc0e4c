"""The program: settings in, a platform out."""

import pulumi

from stacks import foundation_of
from stacks.loading import load
from stacks.platform import Platform

settings = load(pulumi.get_stack())
foundation = foundation_of(settings)
platform = Platform("platform", settings, foundation)

pulumi.export("endpoints", platform.endpoints)
pulumi.export("gatewayKeys", platform.master_keys)
pulumi.export("argocdPasswords", platform.argocd_passwords)
pulumi.export("kubeconfigs", {name: cluster.kubeconfig for name, cluster in foundation.clusters.items()})
