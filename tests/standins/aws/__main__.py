"""Serves the engine."""

from tests.standins.aws import VERSION
from tests.standins.aws.account import of_environment
from tests.standins.aws.resources import Resources
from tests.standins.provider import Provider, serve

resources = Resources(of_environment())
serve(
    "Pulumi's AWS provider",
    Provider(version=VERSION, kinds=resources, functions={}, configure=resources.configure),
)
