"""What Amazon would answer: outputs of resources that the program reads on."""

from collections.abc import Mapping
from typing import Any

ACCOUNT = "123456789012"
ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


SECURITY_GROUP = "sg-0123456789abcdef0"
"""That EKS makes for a cluster."""


def outputs(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """By resource type, for example `aws:eks/cluster:Cluster`; empty for what is not Amazon's."""
    if not kind.startswith("aws:"):
        return {}
    service = kind.split(":")[1].partition("/")[0]
    called = inputs.get("name") or name
    known: dict[str, Any] = {"arn": f"arn:aws:{service}:us-east-1:{ACCOUNT}:{called}", "name": called}
    match kind:
        case "aws:iam/role:Role":
            known["arn"] = f"arn:aws:iam::{ACCOUNT}:role/{called}"
        case "aws:iam/openIdConnectProvider:OpenIdConnectProvider":
            known["arn"] = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{inputs['url'].removeprefix('https://')}"
        case "aws:eks/cluster:Cluster":
            known |= {
                "endpoint": f"https://{called}.gr7.us-east-1.eks.amazonaws.com",
                "certificateAuthority": {"data": "Q0E="},
                "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": SECURITY_GROUP},
                "identities": [{"oidcs": [{"issuer": ISSUER}]}],
            }
        case "aws:eks/nodeGroup:NodeGroup":
            known |= {"resources": [{"autoscalingGroups": [{"name": f"eks-{name}"}]}]}
        case "aws:ec2/launchTemplate:LaunchTemplate":
            known |= {"latestVersion": 1}
        case "aws:cloudwatch/logGroup:LogGroup":
            known["arn"] = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{called}"
        case "aws:amp/workspace:Workspace":
            known["arn"] = f"arn:aws:aps:us-east-1:{ACCOUNT}:workspace/ws-01234567"
            known |= {"prometheusEndpoint": f"https://aps-workspaces.us-east-1.amazonaws.com/workspaces/{name}/"}
        case "aws:grafana/workspace:Workspace":
            known |= {"endpoint": f"{name}.grafana-workspace.us-east-1.amazonaws.com"}
        case "aws:rds/instance:Instance":
            known |= {"endpoint": f"{inputs.get('identifier', name)}.example.us-east-1.rds.amazonaws.com:5432"}
        case "aws:kms/key:Key":
            known |= {"keyId": "01234567-89ab-cdef-0123-456789abcdef"}
        case "aws:lb/loadBalancer:LoadBalancer":
            known |= {"dnsName": f"{called}.us-east-1.elb.amazonaws.com", "zoneId": "Z35SXDOTRQ7X7K"}
        case "aws:acm/certificate:Certificate":
            asked = {"resourceRecordName": "_x", "resourceRecordType": "CNAME", "resourceRecordValue": "_y"}
            known |= {"domainValidationOptions": [{"domainName": inputs["domainName"], **asked}]}
        case "aws:route53/record:Record":
            known |= {"fqdn": inputs["name"]}
        case "aws:fsx/lustreFileSystem:LustreFileSystem":
            known |= {"dnsName": f"{name}.fsx.us-east-1.amazonaws.com", "mountName": "abcdef"}
        case _:
            pass
    return known
