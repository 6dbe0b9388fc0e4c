"""Ways to services of Amazon's that do not leave the VPC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.settings import Endpoint

HTTPS_PORT = 443
_SERVICES: Mapping[Endpoint, tuple[str, ...]] = {"ecr": ("ecr.api", "ecr.dkr")}
"""Those that are more than one, or called otherwise than the setting."""


@dataclass(frozen=True, kw_only=True)
class Inside:
    """Where endpoints stand."""

    vpc: pulumi.Input[str]
    cidr: str
    region: str
    subnets: Sequence[pulumi.Input[str]]
    """One a zone: an endpoint with an address has one in each."""
    route_tables: Sequence[pulumi.Input[str]]
    """Of the same subnets, for the endpoint that is a route."""


def endpoints(
    name: str, services: Sequence[Endpoint], inside: Inside, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """One for each service, and for those with addresses a group that lets the VPC in, and nobody else."""
    made: list[pulumi.Resource] = [_s3(name, inside, opts)] if "s3" in services else []
    others = [real for one in services if one != "s3" for real in _SERVICES.get(one, (one,))]
    if not others:
        return made
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description="Endpoints of services of AWS",
        vpc_id=inside.vpc,
        tags=_named(f"{name}-endpoints"),
        opts=opts,
    )
    made.append(
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints-from-vpc",
            security_group_id=group.id,
            description="HTTPS from the VPC",
            cidr_ipv4=inside.cidr,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            tags=_named(f"{name}-endpoints-from-vpc"),
            opts=opts,
        )
    )
    return [*made, *(_interface(name, service, group, inside, opts) for service in others)]


def _s3(name: str, inside: Inside, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """The route to S3. It is open to all buckets, since whatever nodes ask of S3 goes this way.

    ECR keeps its layers in buckets of Amazon's, registry.k8s.io and Amazon Linux's packages come from such ones, and
    models may from anybody's. What a pod may do is up to its role.
    """
    return aws.ec2.VpcEndpoint(
        f"{name}-s3",
        vpc_id=inside.vpc,
        service_name=f"com.amazonaws.{inside.region}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=inside.route_tables,
        tags=_named(f"{name}-s3"),
        opts=opts,
    )


def _interface(
    name: str, service: str, group: aws.ec2.SecurityGroup, inside: Inside, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    return aws.ec2.VpcEndpoint(
        f"{name}-{service}",
        vpc_id=inside.vpc,
        service_name=f"com.amazonaws.{inside.region}.{service}",
        vpc_endpoint_type="Interface",
        # The service's usual name then leads here, and nobody needs to know.
        private_dns_enabled=True,
        subnet_ids=inside.subnets,
        security_group_ids=[group.id],
        tags=_named(f"{name}-{service}"),
        opts=opts,
    )


def _named(what: str) -> dict[str, str]:
    return {"Name": f"{pulumi.get_stack()}-{what}"}
