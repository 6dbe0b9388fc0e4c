"""The program: settings in, a platform out."""

import pulumi

from stacks import foundation_of
from stacks.handing_over import OUTPUT, handed_over
from stacks.loading import load
from stacks.platform import Platform

settings = load(pulumi.get_stack())
pulumi.export(OUTPUT, handed_over(settings))
foundation = foundation_of(settings)
platform = Platform("platform", settings, foundation)

pulumi.export("endpoints", platform.endpoints)
pulumi.export("gatewayKeys", platform.master_keys)
pulumi.export("argocdPasswords", platform.argocd_passwords)
pulumi.export("kubeconfigs", {name: cluster.kubeconfig for name, cluster in foundation.clusters.items()})
