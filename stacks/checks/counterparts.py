"""Checks of what Amazon has in the place of parts that we run ourselves."""

from collections.abc import Iterator

from stacks.drafts import Draft, readable
from stacks.problems import Problem


def belong_to_amazon(draft: Draft) -> Iterator[Problem]:
    """Elsewhere pods have no role to ask Amazon with."""
    gateway = draft.gateway.value
    if gateway and gateway.amazon and draft.gateway.knows("amazon") and draft.target not in (None, "eks"):
        message = f"is for the target eks, whose pods have roles at Amazon; this is {draft.target}"
        yield Problem(place=("gateway", "amazon"), message=message)


def models_have_names_of_their_own(draft: Draft) -> Iterator[Problem]:
    """Requests would go to one or the other."""
    gateway = draft.gateway.value
    taken = {name: engine.name for _, engine in readable(draft.engines, "name") for name in engine.serves}
    for index, model in enumerate(gateway.amazon if gateway and draft.gateway.knows("amazon") else ()):
        place = ("gateway", "amazon", index, "name")
        if model.name in taken:
            yield Problem(place=place, message=f"{model.name} is taken: the engine {taken[model.name]} answers to it")
        taken.setdefault(model.name, model.name)


def entrance_leads_to_the_gateway(draft: Draft) -> Iterator[Problem]:
    """The load balancer asks the nodes at the gateway's port."""
    aws, gateway = draft.aws.value, draft.gateway.value
    if not aws or not aws.entrance or not draft.aws.knows("entrance"):
        return
    if gateway and draft.gateway.knows("litellm") and not gateway.litellm.node_port:
        message = "leads nowhere: set inference:gateway.litellm.nodePort, for example to 30400"
        yield Problem(place=("aws", "entrance"), message=message)
    network = aws.network
    if (
        aws.entrance.internet
        and network.existing
        and not network.existing.public_subnets
        and draft.aws.knows("network")
    ):
        message = "is for the internet, and the network has no public subnets: name them in network.existing"
        yield Problem(place=("aws", "entrance", "internet"), message=message)


def registry_has_an_address(draft: Draft) -> Iterator[Problem]:
    """A registry of ECR is called by its account."""
    aws = draft.aws.value
    if aws and aws.registry and not aws.account and draft.aws.knows("registry", "account"):
        message = "needs inference:aws.account: the names of all images begin with it"
        yield Problem(place=("aws", "registry"), message=message)


def files_have_a_size(draft: Draft) -> Iterator[Problem]:
    """On EFS is the cache that clusters say how large it may become."""
    aws = draft.aws.value
    if not aws or not aws.files or aws.files.kind != "efs" or not draft.aws.knows("files"):
        return
    for cluster in draft.clusters or ():
        if cluster.value and not cluster.value.cache and cluster.knows("cache"):
            message = "is where aws.files keeps models: say how many bytes, for example cache: {size: 500Gi}"
            yield Problem(place=(*cluster.place, "cache"), message=message)
