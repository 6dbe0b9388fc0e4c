"""Who may take a role, as documents in IAM's language. What a role may do in buckets is in components/storage."""

from components.storage.policies import Document

AUDIENCE = "sts.amazonaws.com"
"""Whom EKS's tokens for STS are meant for."""
AGENT = "pods.eks.amazonaws.com"


def irsa_trust(*, provider_arn: str, issuer: str, namespace: str, account: str) -> Document:
    """Only pods with this service account, in the cluster whose `issuer` signs their tokens."""
    return _trust(
        "sts:AssumeRoleWithWebIdentity",
        principal={"Federated": provider_arn},
        condition={
            "StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": f"system:serviceaccount:{namespace}:{account}"}
        },
    )


def pod_identity_trust(*, owner: str, cluster: str, namespace: str, account: str) -> Document:
    """The same through EKS's agent, by the tags that it gives each session; `owner` is the account's 12 digits.

    User guide of EKS, pod-id-role.adoc and pod-id-abac.adoc, 2026-11-22. It names no other condition keys there.
    """
    return _trust(
        "sts:AssumeRole",
        "sts:TagSession",
        principal={"Service": AGENT},
        condition={
            "StringEquals": {
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": account,
            },
            # Regions differ in how they are called, and clusters of one account and name in nothing else.
            "StringLike": {"aws:RequestTag/eks-cluster-arn": f"arn:*:eks:*:{owner}:cluster/{cluster}"},
        },
    )


def _trust(*actions: str, principal: Document, condition: Document) -> Document:
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}
