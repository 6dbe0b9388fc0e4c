"""Resources at Amazon as `terraform show -json` would tell of a plan that makes them, for tools that read such plans.

Pulumi's provider for AWS is Terraform's: types and properties are the same in another spelling. The rules below give
Terraform's back, and the tables what the rules do not.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from tests.unit.amazon import outputs
from tests.unit.manifests import plain
from tests.unit.recording import Recording, Registration

_TYPES = {
    "aws:ec2/capacityReservation:CapacityReservation": "aws_ec2_capacity_reservation",
    "aws:ec2/tag:Tag": "aws_ec2_tag",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": "aws_iam_openid_connect_provider",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:rds/instance:Instance": "aws_db_instance",
    "aws:rds/parameterGroup:ParameterGroup": "aws_db_parameter_group",
    "aws:rds/subnetGroup:SubnetGroup": "aws_db_subnet_group",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "aws_s3_bucket_replication_configuration",
}
_MODULES = {"ec2": "", "amp": "prometheus_"}
_PLURAL = {
    *("ingress", "egress", "tag_specifications", "block_device_mappings", "network_interfaces", "production_variants"),
}
"""Blocks that are called so in Terraform too; else Pulumi makes a plural of what can be there more than once."""
_MAPS = {"tags", "labels", "parameters", "variables"}
"""What has the user's keys, and not the provider's."""


def terraform_plan(recording: Recording) -> dict[str, Any]:
    """The plan for all of the recording's resources at Amazon."""
    made = [one for one in recording.resources if one.type.startswith("aws:")]
    by_urn = {one.urn: one for one in made}
    resources = [
        {
            "address": address(one),
            "mode": "managed",
            "type": terraform_type(one.type),
            "name": _name(one),
            "provider_name": "registry.terraform.io/hashicorp/aws",
            "values": _values(one, by_urn),
        }
        for one in made
    ]
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": resources}},
    }


def address(resource: Registration) -> str:
    """What Terraform would call it: `aws_vpc.network`."""
    return f"{terraform_type(resource.type)}.{_name(resource)}"


def terraform_type(token: str) -> str:
    """`aws:ec2/routeTable:RouteTable` as `aws_route_table`, `aws:eks/cluster:Cluster` as `aws_eks_cluster`."""
    if token in _TYPES:
        return _TYPES[token]
    module, _, kind = token.split(":")[1].partition("/")
    return f"aws_{_MODULES.get(module, f'{module}_')}{_snake(kind)}"


def _name(resource: Registration) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", resource.name)


def _values(resource: Registration, by_urn: Mapping[str, Registration]) -> dict[str, Any]:
    """Inputs, with references in place of what other resources tell, as in `aws_vpc.network.id`."""
    values = cast(dict[str, Any], plain(resource.inputs))
    sources = {
        key: [by_urn[urn] for urn in urns if urn in by_urn] for key, urns in resource.property_dependencies.items()
    }
    # Buckets are named by the settings, and what guards them says the name.
    if "bucket" in values and not resource.type.endswith(":Bucket"):
        sources["bucket"] = [one for one in by_urn.values() if one.type.endswith(":Bucket")]
    unknown = {key: f"{address(others[0])}.id" for key, others in sources.items() if others and key not in values}
    told = {key: {what: name for one in others for what, name in _tells(one)} for key, others in sources.items()}
    return _block(unknown | {key: _referring(value, told.get(key, {})) for key, value in values.items()})


def _tells(resource: Registration) -> Iterator[tuple[str, str]]:
    """What the recording made up for a resource, or its settings say, and how Terraform would refer to it."""
    yield f"{resource.name}-id", f"{address(resource)}.id"
    known = {"bucket": resource.inputs.get("bucket"), **outputs(resource.type, resource.name, resource.inputs)}
    for key, value in known.items():
        if isinstance(value, str):
            yield value, f"{address(resource)}.{_snake(key)}"


def _referring(value: Any, told: Mapping[str, str]) -> Any:
    """A value with references in place of what other resources tell."""
    if isinstance(value, Mapping):
        return {key: _referring(inner, told) for key, inner in cast(Mapping[str, Any], value).items()}
    if isinstance(value, list):
        return [_referring(inner, told) for inner in cast(list[Any], value)]
    return told.get(value, value) if isinstance(value, str) else value


def _block(fields: Mapping[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for key, value in fields.items():
        name = _snake(key)
        if isinstance(value, list) and any(isinstance(one, Mapping) for one in cast(list[Any], value)):
            block[_singular(name)] = [_block(one) for one in cast(list[Mapping[str, Any]], value)]
        elif isinstance(value, Mapping) and name not in _MAPS:
            block[name] = [_block(cast(Mapping[str, Any], value))]
        else:
            block[name] = value
    return block


def _singular(name: str) -> str:
    if name in _PLURAL or not name.endswith("s"):
        return name
    return f"{name[:-3]}y" if name.endswith("ies") else name[:-1]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
