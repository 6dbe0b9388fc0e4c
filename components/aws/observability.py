"""CloudWatch, Managed Prometheus and Managed Grafana, each with a role that can do its work and no more."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.counterparts import Grafana, Observability
from components.aws.federation import Federation
from components.aws.identity import PodRole
from components.aws.names import ROLE_LIMIT, shortened
from components.engines.monitoring import NAMESPACE as MONITORING
from components.storage.policies import Document, trust

ADDON = "amazon-cloudwatch-observability"
AGENT_NAMESPACE = "amazon-cloudwatch"
AGENT = "cloudwatch-agent"
PROMETHEUS = "kube-prometheus-stack-prometheus"
"""Service account of the Prometheus of the chart `kube-prometheus-stack`, released under that name."""


class ContainerInsights(pulumi.ComponentResource):
    """EKS's add-on with the CloudWatch agent, in one cluster."""

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        region: str,
        federation: Federation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:aws:ContainerInsights", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        groups = pulumi.Output.format(
            "arn:aws:logs:{}:{}:log-group:/aws/containerinsights/{}/*", region, federation.account, federation.cluster
        )
        role = PodRole(
            f"{name}-role",
            role=shortened(f"{pulumi.get_stack()}-{cluster}-cloudwatch", ROLE_LIMIT),
            namespace=AGENT_NAMESPACE,
            account=AGENT,
            policies={"agent": agent_policy(groups)},
            federation=federation,
            opts=child,
        )
        aws.eks.Addon(
            name,
            cluster_name=federation.cluster,
            addon_name=ADDON,
            service_account_role_arn=role.arn if federation.how == "irsa" else None,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=child.merge(pulumi.ResourceOptions(depends_on=[role])),
        )
        self.register_outputs({})


class ManagedPrometheus(pulumi.ComponentResource):
    """One workspace for the series of all clusters, and Grafana on it."""

    write_url: pulumi.Output[str]
    """Where a Prometheus writes to, with a signature."""
    grafana_url: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        settings: Observability,
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:aws:ManagedPrometheus", name, None, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        self._workspace = aws.amp.Workspace(name, alias=pulumi.get_stack(), opts=self._child)
        aws.amp.WorkspaceConfiguration(
            name,
            workspace_id=self._workspace.id,
            retention_period_in_days=settings.retention_days,
            opts=self._child,
        )
        self.write_url = pulumi.Output.concat(self._workspace.prometheus_endpoint, "api/v1/remote_write")
        self.grafana_url = self._grafana(settings.grafana) if settings.grafana else None
        self.register_outputs({})

    def writer(self, cluster: str, federation: Federation) -> PodRole:
        """The role in which one cluster's Prometheus writes."""
        return PodRole(
            f"{self._name}-{cluster}-writer",
            role=shortened(f"{pulumi.get_stack()}-{cluster}-prometheus", ROLE_LIMIT),
            namespace=MONITORING,
            account=PROMETHEUS,
            policies={"write": writer_policy(self._workspace.arn)},
            federation=federation,
            opts=self._child,
        )

    def _grafana(self, settings: Grafana) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._name}-grafana",
            name=shortened(f"{pulumi.get_stack()}-grafana", ROLE_LIMIT),
            assume_role_policy=json.dumps(trust("grafana.amazonaws.com")),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{self._name}-grafana",
            name="read",
            role=role.name,
            policy=pulumi.Output.json_dumps(reader_policy(self._workspace.arn)),
            opts=self._child,
        )
        made = aws.grafana.Workspace(
            f"{self._name}-grafana",
            name=pulumi.get_stack(),
            account_access_type="CURRENT_ACCOUNT",
            authentication_providers=[settings.login],
            permission_type="CUSTOMER_MANAGED",
            data_sources=["PROMETHEUS"],
            role_arn=role.arn,
            opts=self._child,
        )
        return pulumi.Output.concat("https://", made.endpoint)


def remote_write(url: pulumi.Input[str], region: str, writer: PodRole) -> Mapping[str, Any]:
    """Values of the chart `kube-prometheus-stack`, with which its Prometheus writes to a workspace too."""
    return {
        "prometheus": {
            "serviceAccount": {"annotations": dict(writer.annotations)},
            "prometheusSpec": {
                "remoteWrite": [
                    {
                        "url": url,
                        "sigv4": {"region": region},
                        "queueConfig": {"maxSamplesPerSend": 1000, "maxShards": 200, "capacity": 2500},
                    }
                ]
            },
        }
    }


def agent_policy(groups: pulumi.Input[str]) -> Document:
    """For the CloudWatch agent: metrics under its own names, and logs in the cluster's own groups."""
    logs = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents", "PutRetentionPolicy")
    named = {"StringEquals": {"cloudwatch:namespace": ["ContainerInsights", "ContainerInsights/Prometheus"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["cloudwatch:PutMetricData"], "Resource": ["*"], "Condition": named},
            {"Effect": "Allow", "Action": ["ec2:DescribeTags", "ec2:DescribeVolumes"], "Resource": ["*"]},
            {"Effect": "Allow", "Action": [f"logs:{one}" for one in logs], "Resource": [groups]},
        ],
    }


def writer_policy(workspace: pulumi.Input[str]) -> Document:
    """Write series into one workspace."""
    return _on(workspace, "aps:RemoteWrite")


def reader_policy(workspace: pulumi.Input[str]) -> Document:
    """Ask one workspace for its series."""
    return _on(workspace, "aps:GetLabels", "aps:GetMetricMetadata", "aps:GetSeries", "aps:QueryMetrics")


def _on(workspace: pulumi.Input[str], *actions: str) -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": [workspace]}],
    }
