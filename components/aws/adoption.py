"""What Amazon went on making after an update was killed: taken into the state, before the next one makes it twice.

    python -m components.aws.adoption --stack STACK

An update notes what it is about to make, and its ID once it is there. Where it was killed in between, Pulumi knows of
no ID, and forgets the thing; Amazon refuses the same name a second time, and makes the same network once more. Most IDs
are made of names that the note has, and most of the rest bear our tags. `make repair` runs this before the refresh,
which reads what is there and drops what is not. Forms of IDs: "Import" on each page of
https://www.pulumi.com/registry/packages/aws/api-docs/, 7.51.1, read 2026-11-22.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import yaml
from botocore.exceptions import ClientError, WaiterError  # pyright: ignore[reportMissingTypeStubs]
from botocore.session import Session  # pyright: ignore[reportMissingTypeStubs]

from components.aws.settings import Aws

State = dict[str, Any]
"""A deployment or a part of one, as `pulumi stack export` writes it."""
_NAMED: Mapping[str, str] = {
    "aws:eks/cluster:Cluster": "{name}",
    "aws:eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
    "aws:eks/addon:Addon": "{clusterName}:{addonName}",
    "aws:eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "{clusterName}#{principalArn}#{policyArn}",
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
    "aws:iam/instanceProfile:InstanceProfile": "{name}",
    "aws:cloudwatch/logGroup:LogGroup": "{name}",
    "aws:kms/alias:Alias": "{name}",
    "aws:rds/instance:Instance": "{identifier}",
    "aws:rds/subnetGroup:SubnetGroup": "{name}",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}/{routeTableId}",
    "aws:ec2/tag:Tag": "{resourceId},{key}",
}
"""IDs of inputs alone. All of `aws:s3/` goes by its bucket."""
_TAGGED: Mapping[str, str] = {
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/internetGateway:InternetGateway": "internet-gateway",
    "aws:ec2/routeTable:RouteTable": "route-table",
    "aws:ec2/natGateway:NatGateway": "natgateway",
    "aws:ec2/eip:Eip": "elastic-ip",
    "aws:ec2/securityGroup:SecurityGroup": "security-group",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpc-endpoint",
    "aws:ec2/flowLog:FlowLog": "vpc-flow-log",
    "aws:ec2/launchTemplate:LaunchTemplate": "launch-template",
    "aws:kms/key:Key": "key",
    "aws:efs/fileSystem:FileSystem": "file-system",
}
"""What an ARN says between account and ID:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html and its neighbours."""
_WAITERS = {"aws:eks/cluster:Cluster": "cluster_active", "aws:eks/nodeGroup:NodeGroup": "nodegroup_active"}

Client = Any
"""A client of botocore's, which has no types."""
Clients = Callable[[str], Client]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A deployment with nothing of Amazon's pending any more but what could not be identified."""

    deployment: State
    taken: Mapping[str, str]
    """IDs by name in the program."""
    unknown: tuple[str, ...]


def settled(deployment: State, identify: Callable[[State], str | None]) -> Settled:
    """Take what was being made for made, wherever `identify` has an ID for it."""
    taken: dict[str, str] = {}
    unknown: list[str] = []
    resources, pending = _listed(deployment, "resources"), list[State]()
    for operation in _listed(deployment, "pending_operations"):
        resource: State = operation["resource"]
        identity = identify(resource) if _is_ours(operation) else None
        if identity:
            taken[_name(resource)] = identity
            # Without outputs the provider reads it as it does on import.
            resources.append({key: value for key, value in resource.items() if key != "outputs"} | {"id": identity})
            continue
        unknown += [_name(resource)] if _is_ours(operation) else []
        pending.append(operation)
    changed = {**deployment, "resources": resources, "pending_operations": pending}
    return Settled(deployment=changed, taken=taken, unknown=tuple(unknown))


def named(resource: State) -> str | None:
    """The ID, where it is made of inputs alone."""
    inputs = {key: value for key, value in resource.get("inputs", {}).items() if isinstance(value, str)}
    if resource["type"].startswith("aws:s3/"):
        return inputs.get("bucket")
    with contextlib.suppress(KeyError):
        return _NAMED[resource["type"]].format_map(inputs)
    return None


def tagged(resource: State, stack: str, clients: Clients, known: Iterable[str]) -> str | None:
    """The ID of the one thing of its type that bears our tags and is not in the state; None if it is not just one."""
    kind = _TAGGED.get(resource["type"])
    name = resource.get("inputs", {}).get("tags", {}).get("Name")
    if not kind or not isinstance(name, str):
        return None
    wanted = [{"Key": "inference:stack", "Values": [stack]}, {"Key": "Name", "Values": [name]}]
    pages: Any = clients("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=wanted)
    found = {
        arn.rpartition("/")[2]
        for page in pages
        for arn in (str(one["ResourceARN"]) for one in page["ResourceTagMappingList"])
        if arn.split(":", 5)[5].startswith(f"{kind}/")
    } - set(known)
    return found.pop() if len(found) == 1 else None


def await_made(resource: State, identity: str, clients: Clients) -> None:
    """Wait until Amazon is done with what takes it minutes; not for what is not there at all."""
    waiter = _WAITERS.get(resource["type"])
    if waiter:
        cluster, _, group = identity.partition(":")
        which = {"clusterName": cluster, "nodegroupName": group} if group else {"name": cluster}
        with contextlib.suppress(ClientError, WaiterError):
            clients("eks").get_waiter(waiter).wait(**which)


def main() -> int:
    """Returns 0, or 1 where the state could not be read or written."""
    parser = argparse.ArgumentParser(
        prog="python -m components.aws.adoption", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--stack", required=True)
    stack: str = parser.parse_args().stack
    document = json.loads(_pulumi("export", "--stack", stack))
    deployment: State = document["deployment"]
    if not any(_is_ours(one) for one in _listed(deployment, "pending_operations")):
        return 0
    clients = _clients(stack.rpartition("/")[2])
    known = {str(one.get("id")) for one in _listed(deployment, "resources")}

    def identify(resource: State) -> str | None:
        identity = named(resource) or tagged(resource, stack.rpartition("/")[2], clients, known)
        if identity:
            await_made(resource, identity, clients)
        return identity

    done = settled(deployment, identify)
    if done.taken:
        with TemporaryDirectory() as directory:
            file = Path(directory) / "state.json"
            file.write_text(json.dumps({**document, "deployment": done.deployment}), encoding="utf-8")
            _pulumi("import", "--stack", stack, "--file", str(file))
    for line in _told(done):
        print(line, file=sys.stderr)
    return 0


def _told(done: Settled) -> Iterator[str]:
    for name, identity in done.taken.items():
        yield f"{name}: was being made when the last update ended; taken into the state as {identity}"
    for name in done.unknown:
        yield f"{name}: was being made when the last update ended; not found by name or tags. If it is there, delete it"


def _listed(deployment: State, what: str) -> list[State]:
    return list(cast("list[State] | None", deployment.get(what)) or [])


def _is_ours(operation: State) -> bool:
    return operation["type"] == "creating" and operation["resource"]["type"].startswith("aws:")


def _name(resource: State) -> str:
    return resource["urn"].rpartition("::")[2]


def _pulumi(*arguments: str) -> str:
    done = subprocess.run(["pulumi", "stack", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip() or done.stdout.strip(), file=sys.stderr)
        sys.exit(1)
    return done.stdout


def _clients(stack: str) -> Clients:
    config = cast("dict[str, Any]", yaml.safe_load(Path(f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"])
    region = Aws.model_validate(config.get("inference:aws") or {}).region
    return lambda service: cast(Any, Session()).create_client(service, region_name=region)


if __name__ == "__main__":
    sys.exit(main())
