"""Stacks: what is deployed, and where."""

from collections.abc import Callable, Mapping

from stacks.dev import dev
from stacks.eks import eks
from stacks.foundation import Foundation
from stacks.onprem import onprem
from stacks.settings import Settings, Target

FOUNDATIONS: Mapping[Target, Callable[[Settings], Foundation]] = {"dev": dev, "onprem": onprem, "eks": eks}
