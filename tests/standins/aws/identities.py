"""IDs, ARNs and what else AWS makes up when it makes something; the same for the same name each time."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.standins.aws.schema import schema
from tests.standins.wire import Properties, Wire, revealed

_PREFIXES: Mapping[str, str] = {
    "ec2/vpc": "vpc",
    "ec2/subnet": "subnet",
    "ec2/internetGateway": "igw",
    "ec2/routeTable": "rtb",
    "ec2/routeTableAssociation": "rtbassoc",
    "ec2/natGateway": "nat",
    "ec2/eip": "eipalloc",
    "ec2/securityGroup": "sg",
    "ec2/defaultSecurityGroup": "sg",
    "ec2/networkAcl": "acl",
    "ec2/defaultNetworkAcl": "acl",
    "ec2/defaultRouteTable": "rtb",
    "ec2/vpcEndpoint": "vpce",
    "ec2/flowLog": "fl",
    "ec2/launchTemplate": "lt",
    "vpc/securityGroupIngressRule": "sgr",
    "vpc/securityGroupEgressRule": "sgr",
    "efs/fileSystem": "fs",
    "efs/accessPoint": "fsap",
    "efs/mountTarget": "fsmt",
    "fsx/lustreFileSystem": "fs",
    "eks/podIdentityAssociation": "a",
}
_NAMED: Mapping[str, str] = {
    "eks/cluster": "{name}",
    "eks/nodeGroup": "{clusterName}:{nodeGroupName}",
    "eks/addon": "{clusterName}:{addonName}",
    "eks/accessEntry": "{clusterName}:{principalArn}",
    "eks/accessPolicyAssociation": "{clusterName}#{principalArn}#{policyArn}",
    "iam/role": "{name}",
    "iam/rolePolicy": "{role}:{name}",
    "iam/rolePolicyAttachment": "{role}/{policyArn}",
    "iam/instanceProfile": "{name}",
    "cloudwatch/logGroup": "{name}",
    "cloudwatch/eventRule": "{name}",
    "kms/alias": "{name}",
    "ec2/tag": "{resourceId},{key}",
    "rds/instance": "{identifier}",
    "rds/subnetGroup": "{name}",
}
"""IDs that are made of inputs. All else below `s3/` goes by its bucket."""
_BY_ARN = ("iam/policy", "iam/openIdConnectProvider", "lb/loadBalancer", "lb/targetGroup", "acm/certificate")
NAMES = ("name", "bucket", "nodeGroupName", "identifier")
"""Properties of which Pulumi makes up one where the program gives none."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something is made."""

    account: str
    region: str
    tags: Mapping[str, str]
    """On everything that can have tags."""


def named(token: str, name: str, old_inputs: Properties, inputs: Properties, seed: bytes) -> Properties:
    """The inputs with the name that Pulumi makes up where the program gives none, and keeps from then on."""
    found = schema(token)
    assert found, token
    wanted = next((one for one in NAMES if one in found.inputs), None)
    if not wanted or inputs.get(wanted) or inputs.get("namePrefix"):
        return inputs
    return {**inputs, wanted: old_inputs.get(wanted) or f"{name}-{hashlib.sha256(seed).hexdigest()[:7]}"}


def made(token: str, name: str, inputs: Properties, number: int, place: Place) -> tuple[str, Properties]:
    """ID and outputs of the `number`th thing in the account."""
    given = {key: revealed(value) for key, value in inputs.items()}
    short = token.removeprefix("aws:").rpartition(":")[0]
    service, _, kind = short.partition("/")
    own = str(next((given[one] for one in NAMES if given.get(one)), name))
    arn = _arn(service, kind, own, place)
    region = given.get("region") or place.region
    outputs: Properties = {"arn": arn, "region": region, "tagsAll": {**place.tags, **_tags(given)}}
    if short in _NAMED:
        identity = _NAMED[short].format_map(_Absent(given))
    elif short in _BY_ARN:
        identity = arn
    elif service == "s3" and given.get("bucket"):
        identity = str(given["bucket"])
    elif short in _PREFIXES:
        identity = f"{_PREFIXES[short]}-{_hash(name, number, 17)}"
    else:
        identity = f"{own}-{_hash(name, number, 8)}" if service != "kms" else _uuid(name, number)
    if short in _PREFIXES:
        outputs["arn"] = _arn(service, kind, identity, place)
    outputs |= _of_type(short, identity, given, number, place)
    found = schema(token)
    assert found, token
    known = {
        key: value for key, value in outputs.items() if key in found.outputs or key in found.inputs or key in _PARTS
    }
    return identity, {**_guessed(found.outputs, name, number), **inputs, **known}


_PARTS = (
    "certificateAuthority",
    "identities",
    "resources",
    "vpcConfig",
    "accessConfig",
    "tagsAll",
    "networkInterfaceIds",
)


def _of_type(short: str, identity: str, given: Mapping[str, Wire], number: int, place: Place) -> Properties:
    letters = _hash(identity, number, 32).upper()
    match short:
        case "eks/cluster":
            vpc = given.get("vpcConfig")
            inside: Properties = {**vpc} if isinstance(vpc, dict) else {}
            return {
                "endpoint": f"https://{letters}.gr7.{place.region}.eks.amazonaws.com",
                "certificateAuthority": {"data": "bm90IGEgY2VydGlmaWNhdGU="},
                "identities": [{"oidcs": [{"issuer": f"https://oidc.eks.{place.region}.amazonaws.com/id/{letters}"}]}],
                "vpcConfig": {
                    **inside,
                    "clusterSecurityGroupId": f"sg-{_hash(identity, number, 17)}",
                    "vpcId": "vpc-0",
                },
                "status": "ACTIVE",
                "clusterId": "",
            }
        case "eks/nodeGroup":
            return {
                "resources": [{"autoscalingGroups": [{"name": f"eks-{identity.replace(':', '-')}"}]}],
                "status": "ACTIVE",
            }
        case "ec2/launchTemplate":
            return {"latestVersion": 1, "defaultVersion": 1}
        case "kms/key":
            return {"keyId": identity, "arn": f"arn:aws:kms:{place.region}:{place.account}:key/{identity}"}
        case "ec2/vpc":
            return {part: f"{prefix}-{_hash(part, number, 17)}" for part, prefix in _OF_A_VPC.items()}
        case "s3/bucket":
            return {"arn": f"arn:aws:s3:::{identity}", "bucketDomainName": f"{identity}.s3.amazonaws.com"}
        case "iam/openIdConnectProvider":
            url = str(given.get("url")).removeprefix("https://")
            return {"arn": f"arn:aws:iam::{place.account}:oidc-provider/{url}"}
        case "ec2/natGateway" | "ec2/eip":
            return {"publicIp": f"203.0.113.{number % 254 + 1}"}
        case _:
            return {}


_OF_A_VPC = {
    "defaultSecurityGroupId": "sg",
    "defaultNetworkAclId": "acl",
    "defaultRouteTableId": "rtb",
    "mainRouteTableId": "rtb",
}


_IN_ARNS = {"natGateway": "natgateway", "eip": "elastic-ip", "flowLog": "vpc-flow-log"}


def _arn(service: str, kind: str, own: str, place: Place) -> str:
    region = "" if service == "iam" else place.region
    what = _IN_ARNS.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower()
    return f"arn:aws:{service}:{region}:{place.account}:{what}/{own}"


def _tags(given: Mapping[str, Wire]) -> Mapping[str, Wire]:
    tags = given.get("tags")
    return tags if isinstance(tags, dict) else {}


def _guessed(outputs: Mapping[str, type], name: str, number: int) -> Properties:
    """Something for what is always there, so that no program meets nothing where AWS has something."""
    made_up: Mapping[type, Wire] = {int: 1, bool: False}
    return {key: made_up.get(kind, f"{key}-{_hash(name + key, number, 8)}") for key, kind in outputs.items()}


class _Absent(dict[str, Wire]):
    def __missing__(self, key: str) -> str:
        return ""


def _hash(text: str, number: int, length: int) -> str:
    return hashlib.sha256(f"{text} {number}".encode()).hexdigest()[:length]


def _uuid(name: str, number: int) -> str:
    letters = _hash(name, number, 32)
    return "-".join((letters[:8], letters[8:12], letters[12:16], letters[16:20], letters[20:]))
