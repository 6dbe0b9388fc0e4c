"""An account at Amazon for whole stacks: our stand-in for the provider, moto for what else asks it, and no internet."""

import os
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3
from moto.server import ThreadedMotoServer

from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.standins.aws import CONTROL_PLANES, HOME
from tests.standins.aws.account import Account
from tests.standins.aws.clusters import api_server
from tests.unit.recording import REPOSITORY

REGION = "us-east-1"


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
    try:
        moto = "http://{}:{}".format(*server.get_host_and_port())
        ours = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            HOME: str(state / "account"),
            CONTROL_PLANES: "1",
            "PULUMI_DEBUG_COMMANDS": "1",  # for --event-log
            "AWS_ENDPOINT_URL": moto,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "unchecked",
            "AWS_CONFIG_FILE": os.devnull,
        }
        yield Amazon(
            deployment=Deployment(state=state, stack=stack, variables=ours | variables),
            account=Account(state / "account"),
            moto=moto,
        )
    finally:
        server.stop()
