"""A load balancer with TLS in front of the gateways' port of the nodes.

It is a resource of ours and not a controller's: a preview shows it, and a destroy takes it away.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.aws.counterparts import Entrance
from components.aws.names import shortened
from components.unmet import Unmet

HTTPS = 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.3, and 1.2 with forward secrecy alone; for both kinds of load balancers."""
LONGEST = 32
HEALTH = "/health/readiness"
IDLE_SECONDS = 600
"""For which an answer may say nothing: the first token of a long prompt takes its time."""
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
UNMET = (
    Unmet(
        check="CKV_AWS_150",
        type=_BALANCER,
        why="it keeps nothing that a destroy could lose, and the settings say whether it is there",
    ),
    Unmet(
        check="CKV_AWS_91",
        type=_BALANCER,
        why="the gateway records who asked what; this would be one more bucket, of addresses",
    ),
    Unmet(
        check="CKV2_AWS_28",
        type=_BALANCER,
        why="the settings name the networks that may connect, and the gateway asks for a key",
    ),
    Unmet(
        check="CKV2_AWS_15",
        type="aws:autoscaling/attachment:Attachment",
        why="EKS says which nodes are healthy: one whose gateway is down may well run an engine",
    ),
)


class GatewayEntrance(pulumi.ComponentResource):
    """One load balancer for one cluster's gateway."""

    url: pulumi.Output[str]
    """Of the OpenAI API."""

    def __init__(
        self,
        name: str,
        settings: Entrance,
        *,
        vpc_id: pulumi.Input[str],
        subnets: Sequence[pulumi.Input[str]],
        node_port: int,
        security_group: pulumi.Input[str],
        autoscaling_groups: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`security_group` is the nodes' own, and `autoscaling_groups` are those whose nodes take requests."""
        super().__init__("inference:aws:GatewayEntrance", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        called = shortened(f"{pulumi.get_stack()}-{name}", LONGEST)
        group = self._security_group(vpc_id, called, security_group, node_port)
        balancer = aws.lb.LoadBalancer(
            name,
            name=called,
            load_balancer_type=settings.kind,
            internal=not settings.internet,
            subnets=subnets,
            security_groups=[group.id],
            enable_cross_zone_load_balancing=True,
            drop_invalid_header_fields=True if self._reads_http else None,
            idle_timeout=IDLE_SECONDS if self._reads_http else None,
            tags={"Name": called},
            opts=self._child,
        )
        targets = self._targets(called, vpc_id, node_port)
        aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS" if self._reads_http else "TLS",
            ssl_policy=TLS_POLICY,
            certificate_arn=self._certificate(),
            default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
            opts=self._child,
        )
        for which, autoscaling_group in autoscaling_groups.items():
            aws.autoscaling.Attachment(
                f"{name}-{which}",
                autoscaling_group_name=autoscaling_group,
                lb_target_group_arn=targets.arn,
                opts=self._child,
            )
        host = self._record(balancer) if settings.domain else balancer.dns_name
        self.url = pulumi.Output.concat("https://", host, "/v1")
        self.register_outputs({"url": self.url})

    @property
    def _reads_http(self) -> bool:
        return self._settings.kind == "application"

    def _security_group(
        self, vpc_id: pulumi.Input[str], called: str, nodes: pulumi.Input[str], node_port: int
    ) -> aws.ec2.SecurityGroup:
        """In from the clients alone, out to the nodes' port alone, and in there from nowhere else."""
        made = aws.ec2.SecurityGroup(
            self._name, description="In front of the gateway", vpc_id=vpc_id, tags={"Name": called}, opts=self._child
        )
        for client in self._settings.clients:
            aws.vpc.SecurityGroupIngressRule(
                f"{self._name}-from-{client}",
                description="Clients of the gateway",
                security_group_id=made.id,
                cidr_ipv4=client,
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                opts=self._child,
            )
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-to-nodes",
            description="The gateway's port of nodes",
            security_group_id=made.id,
            referenced_security_group_id=nodes,
            ip_protocol="tcp",
            from_port=node_port,
            to_port=node_port,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-at-nodes",
            description="The load balancer in front of the gateway",
            security_group_id=nodes,
            referenced_security_group_id=made.id,
            ip_protocol="tcp",
            from_port=node_port,
            to_port=node_port,
            opts=self._child,
        )
        return made

    def _targets(self, called: str, vpc_id: pulumi.Input[str], node_port: int) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            self._name,
            name=called,
            vpc_id=vpc_id,
            target_type="instance",
            port=node_port,
            protocol="HTTP" if self._reads_http else "TCP",
            # As long as the gateway's own pods may take to end what they have begun.
            deregistration_delay=60,
            preserve_client_ip=None if self._reads_http else "false",
            health_check={"protocol": "HTTP", "path": HEALTH, "port": str(node_port)},
            tags={"Name": called},
            opts=self._child,
        )

    def _certificate(self) -> pulumi.Input[str]:
        """The one that is there, or one that Route 53 proves to be ours."""
        if self._settings.certificate:
            return self._settings.certificate
        assert self._settings.domain
        assert self._settings.zone
        made = aws.acm.Certificate(
            self._name, domain_name=self._settings.domain, validation_method="DNS", opts=self._child
        )
        asked = made.domain_validation_options[0]
        proof = aws.route53.Record(
            f"{self._name}-proof",
            zone_id=self._settings.zone,
            name=asked.resource_record_name,
            type=asked.resource_record_type,
            records=[asked.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=self._child,
        )
        return aws.acm.CertificateValidation(
            self._name, certificate_arn=made.arn, validation_record_fqdns=[proof.fqdn], opts=self._child
        ).certificate_arn

    def _record(self, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        assert self._settings.domain
        assert self._settings.zone
        target: aws.route53.RecordAliasArgsDict = {
            "name": balancer.dns_name,
            "zone_id": balancer.zone_id,
            "evaluate_target_health": True,
        }
        made = aws.route53.Record(
            self._name,
            zone_id=self._settings.zone,
            name=self._settings.domain,
            type="A",
            aliases=[target],
            opts=self._child,
        )
        return made.name
