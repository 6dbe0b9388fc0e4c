"""Checks of workflows, and of the judges that they turn on and off."""

from collections.abc import Iterator

from components.aws.roles import SYNC
from components.engines import AnyEngine
from components.engines.chart import Chart
from components.engines.operator import OperatorEngine
from components.storage.settings import ExternalStore, S3Store
from components.workflows.settings import Workflows
from components.workflows.workflows import ACCOUNT
from stacks.drafts import Draft, names, readable
from stacks.problems import Problem, there_are


def have_what_runs_them(draft: Draft) -> Iterator[Problem]:
    """Their cluster is there, and Argo Workflows in it."""
    workflows, known = draft.workflows.value, names(draft.clusters)
    if not workflows or known is None:
        return
    if workflows.cluster and draft.workflows.knows("cluster") and workflows.cluster not in known:
        message = f'"{workflows.cluster}" is not a cluster{there_are(workflows.cluster, known)}'
        yield Problem(place=("workflows", "cluster"), message=message)
    elif names(draft.charts) is not None and not any(
        one.name == "argo-workflows" and one.cluster in (None, _cluster(workflows, draft))
        for _, one in readable(draft.charts, "name", "cluster")
    ):
        message = "needs argo-workflows: add {name: argo-workflows} to inference:charts"
        yield Problem(place=("workflows",), message=message)


def turn_judges_on_that_are_off(draft: Draft) -> Iterator[Problem]:
    """They are engines of the same cluster that answer to OpenAI's API, and nobody else decides how many there are."""
    workflows, known = draft.workflows.value, names(draft.engines)
    if not workflows or known is None or not draft.workflows.knows("judges"):
        return
    engines = {engine.name: engine for _, engine in readable(draft.engines, "name", "kind", "replicas", "cluster")}
    for number, judge in enumerate(workflows.judges):
        place = ("workflows", "judges", number)
        if judge not in known:
            yield Problem(place=place, message=f'"{judge}" is not an engine{there_are(judge, known)}')
        elif judge in engines and (wrong := _no_judge(engines[judge], _cluster(workflows, draft))):
            yield Problem(place=place, message=f'"{judge}" {wrong}')


def have_a_place_of_their_own(draft: Draft) -> Iterator[Problem]:
    """In a store whose users we make, beside all models."""
    workflows = draft.workflows.value
    if not workflows:
        return
    if isinstance(draft.store.value, ExternalStore) and draft.store.knows("kind"):
        message = "need a user of their own in the store, which kind external cannot have: use minio or s3"
        yield Problem(place=("workflows",), message=message)
    for _, model in readable(draft.models, "name", "domain") if draft.workflows.knows("prefix") else ():
        there, here = f"{model.directory}/", f"{workflows.prefix}/"
        if there.startswith(here) or here.startswith(there):
            message = f"is where the model {model.name} is, at {model.directory}: choose another prefix"
            yield Problem(place=("workflows", "prefix"), message=message)
            return


def leave_their_names_to_them(draft: Draft) -> Iterator[Problem]:
    """Users and roles are called after engines, and so are those of the sync and of workflows."""
    taken = {
        **({ACCOUNT: "workflows"} if draft.workflows.value else {}),
        **({SYNC: "the sync of models"} if isinstance(draft.store.value, S3Store) else {}),
    }
    for place, engine in readable(draft.engines, "name"):
        if who := taken.get(engine.name):
            message = f'"{engine.name}" is taken: the store knows {who} by this name; choose another'
            yield Problem(place=(*place, "name"), message=message)


def _cluster(workflows: Workflows, draft: Draft) -> str | None:
    """Theirs, where it is known and there."""
    named = workflows.cluster or (draft.clusters[0].name if draft.clusters else None)
    return named if named in (names(draft.clusters) or ()) and draft.workflows.knows("cluster") else None


def _no_judge(engine: AnyEngine, cluster: str | None) -> str | None:
    if cluster and engine.cluster != cluster:
        return f"is in the cluster {engine.cluster}, and workflows in {cluster}"
    if isinstance(engine, (OperatorEngine, Chart)):
        return f"is of kind {engine.kind}, which no workflow can turn on: use an engine that is a Deployment"
    if engine.speaks != "openai":
        return f"does not answer to OpenAI's API: kind {engine.kind} cannot judge"
    if engine.replicas or engine.scaling:
        return "is not off: set its replicas to 0, and no scaling, or ask it without a workflow"
    return None
