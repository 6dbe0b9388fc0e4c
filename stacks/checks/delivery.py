"""Checks of how applications come to their clusters."""

from collections.abc import Iterator

from components.engines.chart import Chart
from components.gitops.charts import ThirdPartyChart
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


def third_party_charts_are_whole(draft: Draft) -> Iterator[Problem]:
    """Somebody applies them, in clusters that are there, each once, with what it needs."""
    known = names(draft.clusters)
    asked = [(place, one) for place, one in readable(draft.charts, "name", "cluster")]
    for number, (place, chart) in enumerate(asked):
        if not draft.has_argocd:
            yield Problem(place=place, message="is a chart, which only Argo CD applies: add inference:argocd")
        if chart.cluster and known is not None and chart.cluster not in known:
            message = f'"{chart.cluster}" is not a cluster{there_are(chart.cluster, known)}'
            yield Problem(place=(*place, "cluster"), message=message)
        if any(one.name == chart.name and _meet(one, chart) for _, one in asked[:number]):
            yield Problem(place=(*place, "name"), message=f"{chart.name} is asked for twice in one cluster")
        for needed in chart.published.after:
            if not any(one.name == needed and _meet(one, chart) for _, one in asked):
                message = f"{chart.name} needs {needed}: add {{name: {needed}}} to inference:charts"
                yield Problem(place=(*place, "name"), message=message)


def _meet(one: ThirdPartyChart, other: ThirdPartyChart) -> bool:
    return None in (one.cluster, other.cluster) or one.cluster == other.cluster


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
