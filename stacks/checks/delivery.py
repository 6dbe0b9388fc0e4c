"""Checks of how applications come to their clusters."""

from collections.abc import Iterator

from components.engines.chart import Chart
from components.storage.settings import S3Store
from stacks.drafts import Draft, names, readable
from stacks.problems import Problem, there_are


def has_argo_cd(draft: Draft) -> Iterator[Problem]:
    """Git alone changes no cluster."""
    delivery = draft.delivery.value
    if delivery and delivery.through_git and draft.delivery.knows("mode") and not draft.has_argocd:
        message = "is gitops, and nothing would read the repository: add inference:argocd, which may be empty ({})"
        yield Problem(place=("delivery", "mode"), message=message)


def knows_the_account_of_roles(draft: Draft) -> Iterator[Problem]:
    """ARNs of roles are written into Git, before there is an account at hand to ask."""
    delivery, aws = draft.delivery.value, draft.aws.value
    through_git = delivery and delivery.through_git and draft.delivery.knows("mode")
    by_annotation = aws and aws.identity == "irsa" and draft.aws.knows("identity", "account")
    if through_git and isinstance(draft.store.value, S3Store) and by_annotation and aws and not aws.account:
        message = "is missing: service accounts in Git name roles with it, for example 123456789012"
        yield Problem(place=("aws", "account"), message=message)


def charts_have_argo_cd(draft: Draft) -> Iterator[Problem]:
    """Nobody else applies a chart."""
    for place, engine in readable(draft.engines, "kind"):
        if isinstance(engine, Chart) and not draft.has_argocd:
            message = "is chart, which only Argo CD applies: add inference:argocd, which may be empty ({})"
            yield Problem(place=(*place, "kind"), message=message)


def argo_cd_is_in_a_cluster(draft: Draft) -> Iterator[Problem]:
    """The one that it is to run in is there."""
    argocd, known = draft.argocd.value, names(draft.clusters)
    if (
        argocd
        and argocd.cluster
        and draft.argocd.knows("cluster")
        and known is not None
        and argocd.cluster not in known
    ):
        message = f'"{argocd.cluster}" is not a cluster{there_are(argocd.cluster, known)}'
        yield Problem(place=("argocd", "cluster"), message=message)
