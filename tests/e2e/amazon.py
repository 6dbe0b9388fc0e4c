"""An account at Amazon for whole stacks: our stand-in for the provider, moto for what else asks it, and no internet."""

import json
import os
import shlex
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
from moto.server import ThreadedMotoServer

from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.standins.aws import CONTROL_PLANES, HOME
from tests.standins.aws.account import Account, Thing
from tests.standins.aws.clusters import api_server
from tests.unit.recording import REPOSITORY
from toolchain.control_plane.lifecycle import stop

REGION = "us-east-1"
MOTOS_ACCOUNT = "123456789012"


@dataclass(frozen=True, kw_only=True)
class Amazon:
    """An account, and a stack that is to stand in it."""

    deployment: Deployment
    account: Account
    moto: str
    """Where the APIs are that controllers and our own commands ask."""

    def api_server(self, cluster: str) -> ApiServer:
        """By its name at EKS, as its administrator."""
        return api_server(self.account.home / "clusters" / cluster)

    def client(self, service: str) -> Any:
        """Of AWS's own library."""
        return cast(Any, boto3).client(
            service,
            endpoint_url=self.moto,
            region_name=REGION,
            aws_access_key_id="somebody",
            aws_secret_access_key="unchecked",
        )


def _stop_clusters(home: Path) -> None:
    """Those that a test which failed has left."""
    for cluster in home.iterdir() if home.exists() else ():
        stop(cluster)


def _arn(thing: Thing) -> str:
    """Also of what Pulumi's provider gives no ARN for, and AWS does."""
    of_gateway = f"arn:aws:ec2:{REGION}:{MOTOS_ACCOUNT}:natgateway/{thing.identity}"
    return str(thing.outputs.get("arn") or (of_gateway if thing.type == "aws:ec2/natGateway:NatGateway" else ""))


class _Tags(BaseHTTPRequestHandler):
    """The one answer of the Resource Groups Tagging API that is asked for: what bears these tags in the stand-in."""

    account: ClassVar[Account]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wanted = {one["Key"]: one["Values"] for one in asked["TagFilters"]}
        found = [
            {"ResourceARN": arn, "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
            for thing in self.account.things()
            if (tags := cast("dict[str, str]", thing.outputs.get("tagsAll") or {})) and (arn := _arn(thing))
            if all(tags.get(key) in values for key, values in wanted.items())
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"ResourceTagMappingList": found}).encode())

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def _tagging(account: Account) -> Generator[str]:
    handler = type("Tags", (_Tags,), {"account": account})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def amazon(state: Path, stack: str = "eks", **variables: str) -> Generator[Amazon]:
    """An empty account and an empty stack, with all state below `state`."""
    programs = state / "bin"
    programs.mkdir(parents=True)
    # What every kubeconfig of EKS asks for a token.
    command = f'exec {shlex.quote(sys.executable)} -P -m tests.standins.aws.token "$@"'
    (programs / "aws").write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} {command}\n")
    (programs / "aws").chmod(0o755)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with ExitStack() as ends:
        ends.callback(server.stop)
        ends.callback(_stop_clusters, state / "account" / "clusters")
        account = Account(state / "account")
        moto = "http://{}:{}".format(*server.get_host_and_port())
        ours = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            HOME: str(state / "account"),
            CONTROL_PLANES: "1",
            "PULUMI_DEBUG_COMMANDS": "1",  # for --event-log
            "INFERENCE_LEFTOVERS_WAIT": "1",  # second: nobody here cleans up
            "AWS_ENDPOINT_URL": moto,
            "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": ends.enter_context(_tagging(account)),
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "unchecked",
            "AWS_CONFIG_FILE": os.devnull,
        }
        yield Amazon(
            deployment=Deployment(state=state, stack=stack, variables=ours | variables),
            account=account,
            moto=moto,
        )
