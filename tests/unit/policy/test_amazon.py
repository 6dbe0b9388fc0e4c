"""What rules say of buckets, roles and security groups at Amazon, and of what holds data."""

import json
from dataclasses import replace
from typing import Any

import pytest

from policy.rules.resource import UNKNOWN, Resource
from policy.rules.settings import PolicySettings
from tests.unit.policy.samples import amazon, kubernetes, said, settings

BUCKET = amazon("s3/bucket:Bucket", bucket="site-models")
ALL_BLOCKS: dict[str, Any] = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}


def of_bucket(kind: str, **inputs: Any) -> Resource:
    fields: dict[str, Any] = {"bucket": "site-models", **inputs}
    return amazon(f"s3/{kind[0].lower()}{kind[1:]}:{kind}", **fields)


BLOCK = of_bucket("BucketPublicAccessBlock", **ALL_BLOCKS)
ENCRYPTION = of_bucket(
    "BucketServerSideEncryptionConfiguration",
    rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
)
EVERYBODY = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ((BUCKET,), "does not block all public access"),
        ((BUCKET, of_bucket("BucketPublicAccessBlock", **ALL_BLOCKS, bucket="another")), "does not block all"),
        ((BUCKET, replace(BLOCK, inputs={**BLOCK.inputs, "blockPublicAcls": False})), "does not block all"),
        ((BUCKET, BLOCK, of_bucket("BucketAcl", acl="public-read")), "has the ACL public-read"),
        ((BUCKET, BLOCK, of_bucket("BucketPolicy", policy=json.dumps(EVERYBODY))), "allows everybody something"),
    ],
)
def test_a_bucket_that_is_or_may_be_public_is_refused(resources: tuple[Resource, ...], words: str) -> None:
    (message,) = said("private-buckets", *resources)
    assert words in message
    assert message.startswith("The bucket site-models ")


@pytest.mark.parametrize(
    "block", [BLOCK, amazon("s3/x:BucketPublicAccessBlock", after=[BUCKET], bucket=UNKNOWN, **ALL_BLOCKS)]
)
def test_a_bucket_that_is_blocked_is_let_pass_also_when_its_name_is_not_known_yet(block: Resource) -> None:
    deny = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}
    policy = of_bucket("BucketPolicy", policy=json.dumps(deny))
    assert said("private-buckets", BUCKET, block, policy) == []


def test_a_bucket_that_does_not_say_how_it_encrypts_is_refused() -> None:
    assert said("encrypted-buckets", BUCKET, of_bucket("BucketServerSideEncryptionConfiguration", rules=[]))
    assert said("encrypted-buckets", BUCKET, ENCRYPTION) == []


@pytest.mark.parametrize(("status", "let_pass"), [("Enabled", True), ("Suspended", False)])
def test_a_bucket_keeps_old_versions(status: str, let_pass: bool) -> None:
    versioning = of_bucket("BucketVersioning", versioningConfiguration={"status": status})
    assert (said("versioned-buckets", BUCKET, versioning) == []) is let_pass


def test_a_bucket_whose_settings_say_so_keeps_no_old_versions() -> None:
    told = settings(store={"kind": "s3", "buckets": [{"name": "site-models", "versioning": False}]})
    assert said("versioned-buckets", BUCKET, settings=told) == []


def policy(**statement: Any) -> Resource:
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site-models/legal/*"}
    return amazon("iam/rolePolicy:RolePolicy", policy=json.dumps({"Statement": [{**allow, **statement}]}))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Action": "*"}, "allows the actions *"),
        ({"Action": ["s3:GetObject", "s3:Put*"]}, "allows the actions s3:Put*"),
        ({"Resource": "*"}, "allows s3:GetObject on the resources *"),
        ({"Resource": ["arn:aws:s3:::*"]}, "on the resources arn:aws:s3:::*"),
        ({"Resource": "arn:aws:iam::*:role/reader"}, "on the resources arn:aws:iam::*:role/reader"),
        ({"Resource": "arn:aws:iam::123456789012:role/*"}, "on the resources arn:aws:iam::123456789012:role/*"),
        ({"NotAction": "iam:*"}, "allows all but what NotAction names"),
    ],
)
def test_a_policy_that_allows_more_than_is_named_is_refused(statement: dict[str, Any], words: str) -> None:
    (message,) = said("narrow-iam-policies", policy(**statement))
    assert words in message


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
        {"Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Action": ["ec2:DescribeInstances", "autoscaling:DescribeTags"], "Resource": "*"},
    ],
)
def test_a_policy_that_names_what_it_allows_is_let_pass(statement: dict[str, Any]) -> None:
    assert said("narrow-iam-policies", policy(**statement)) == []


@pytest.mark.parametrize("document", ["not JSON", UNKNOWN, "[]", None, '{"Statement": "*"}'])
def test_a_policy_that_is_not_known_yet_is_not_judged(document: object) -> None:
    assert said("narrow-iam-policies", amazon("iam/policy:Policy", policy=document)) == []


def role(principal: Any, **condition: Any) -> Resource:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **condition}
    return amazon("iam/role:Role", assumeRolePolicy=json.dumps({"Statement": statement}))


def test_a_role_is_taken_only_by_who_is_named() -> None:
    assert said("trusted-principals", role("*"))
    assert said("trusted-principals", role({"AWS": ["*"]}))
    assert said("trusted-principals", role({"Service": "pods.eks.amazonaws.com"})) == []
    assert said("trusted-principals", role("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})) == []


SSH: dict[str, Any] = {"fromPort": 22, "toPort": 22}
HTTPS: dict[str, Any] = {"fromPort": 443.0, "toPort": 443.0}


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (amazon("ec2/securityGroup:SecurityGroup", ingress=[{**SSH, "cidrBlocks": ["0.0.0.0/0"]}]), "ports 22 to 22"),
        (amazon("ec2/securityGroup:SecurityGroup", egress=[{"ipv6CidrBlocks": ["::/0"]}]), "opens all ports to ::/0"),
        (
            amazon("ec2/securityGroupRule:SecurityGroupRule", type="ingress", cidrBlocks=["0.0.0.0/0"], **SSH),
            "from 0.0.0.0/0",
        ),
        (amazon("vpc/securityGroupIngressRule:SecurityGroupIngressRule", cidrIpv6="::/0", **SSH), "from ::/0"),
        (amazon("vpc/securityGroupEgressRule:SecurityGroupEgressRule", cidrIpv4="0.0.0.0/0"), "all ports to 0.0.0.0/0"),
    ],
)
def test_a_security_group_that_is_open_to_everywhere_is_refused(resource: Resource, words: str) -> None:
    (message,) = said("closed-security-groups", resource)
    assert words in message


@pytest.mark.parametrize(
    "resource",
    [
        amazon("ec2/securityGroup:SecurityGroup", ingress=[{**SSH, "cidrBlocks": ["10.0.0.0/8"]}]),
        amazon("ec2/securityGroup:SecurityGroup", ingress=[{**HTTPS, "cidrBlocks": ["0.0.0.0/0"]}]),
        amazon("vpc/securityGroupEgressRule:SecurityGroupEgressRule", cidrIpv4="0.0.0.0/0", **HTTPS),
        amazon("vpc/securityGroupIngressRule:SecurityGroupIngressRule", referencedSecurityGroupId=UNKNOWN),
    ],
)
def test_a_security_group_that_names_networks_or_is_for_https_is_let_pass(resource: Resource) -> None:
    assert said("closed-security-groups", resource) == []


CLAIM = replace(kubernetes("core/v1:PersistentVolumeClaim", name="minio-data", namespace="storage"), retained=False)
DATABASE = replace(amazon("rds/instance:Instance"), retained=False)


@pytest.mark.parametrize(
    "resource",
    [
        CLAIM,
        DATABASE,
        replace(BUCKET, retained=False),
        replace(BUCKET, inputs={**BUCKET.inputs, "forceDestroy": True}),
        amazon("rds/instance:Instance", skipFinalSnapshot=True),
    ],
    ids=["a claim", "a database", "a bucket", "a bucket that is emptied", "a database without a last snapshot"],
)
def test_data_that_a_destroy_would_take_is_refused(resource: Resource) -> None:
    (message,) = said("data-is-kept", resource)
    assert "would be deleted with what it holds" in message


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (replace(CLAIM, retained=True), settings()),
        (replace(DATABASE, protected=True), settings()),
        (replace(CLAIM, retained=None), settings()),
        (CLAIM, settings(store={"kind": "minio", "keepData": False})),
        (replace(BUCKET, retained=False), settings(store={"kind": "s3", "keepData": False})),
        (replace(BUCKET, retained=False), settings(store={"buckets": [{"name": "site-models", "purge": True}]})),
        (replace(CLAIM, inputs={**CLAIM.inputs, "spec": {"volumeName": "directory"}}), settings()),
    ],
    ids=["retained", "protected", "not told", "claim may go", "buckets may go", "one bucket may go", "a directory"],
)
def test_data_that_stays_or_may_go_is_let_pass(resource: Resource, told: PolicySettings) -> None:
    assert said("data-is-kept", resource, settings=told) == []


def test_settings_that_let_the_chat_go_keep_the_store() -> None:
    told = settings(gateway={"openWebui": {"placement": "own", "keepData": False}})
    assert said("data-is-kept", CLAIM, settings=told)
