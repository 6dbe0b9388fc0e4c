"""The program: settings in, a platform out."""

import pulumi

from stacks import FOUNDATIONS
from stacks.loading import load
from stacks.platform import Platform

settings = load(pulumi.get_stack())
foundation = FOUNDATIONS["dev" if settings.rehearsal else settings.target](settings)
platform = Platform("platform", settings, foundation)

pulumi.export("endpoints", platform.endpoints)
pulumi.export("gatewayKeys", platform.master_keys)
pulumi.export("kubeconfigs", {name: cluster.kubeconfig for name, cluster in foundation.clusters.items()})
