"""Roles of a stack at Amazon, as Pulumi's engine would be asked for them."""

from typing import Any, Literal

import pulumi
import pulumi_aws as aws
import pytest

from components.aws.federation import Federation
from components.aws.identity import identified
from components.storage.object_store import ObjectStore
from components.workload.spec import Peer
from stacks.settings import Settings
from stacks.stores import bearers
from tests.unit.iam import ACCOUNT, ISSUER, PROVIDER
from tests.unit.recording import Recording, recorded, stack_settings

BUCKET = "my-inference-models"
CHOSEN = {"vllm": "my-vllm-s3-read", "judge": "my-judge-s3-read", "workflows": "my-ml-models-argo-workflows"}
WORKFLOWS: dict[str, Any] = {
    "workflows": {"judges": ["judge", "judge-large"]},
    "argocd": {},
    "charts": [{"name": "argo-workflows"}],
}


def federation(how: Literal["irsa", "pod-identity"] = "irsa", cluster: str = "eks") -> Federation:
    """That of a cluster."""
    return Federation(how=how, cluster=cluster, account=ACCOUNT, provider_arn=PROVIDER, issuer=ISSUER)


def eks_settings(**changed: Any) -> dict[str, Any]:
    """Those of `Pulumi.eks.yaml`, with workflows and names of roles."""
    return {**stack_settings("eks"), **WORKFLOWS, "aws": {"account": ACCOUNT, "roles": CHOSEN}, **changed}


def roles(
    monkeypatch: pytest.MonkeyPatch, how: Literal["irsa", "pod-identity"] = "irsa"
) -> tuple[Recording, ObjectStore]:
    """All roles for the store of the stack eks, and the store with them."""
    settings = Settings.model_validate(eks_settings())
    made: list[ObjectStore] = []

    def program() -> None:
        store = ObjectStore(endpoint=None, region="us-east-1", bucket=BUCKET, peer=Peer(port=443))
        wanted = bearers(settings, {"eks": federation(how)})
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
        made.append(identified("eks", store, wanted, chosen=settings.aws.roles, opts=opts))

    recording = recorded(program, monkeypatch=monkeypatch, stack="eks")
    return recording, made[0]
