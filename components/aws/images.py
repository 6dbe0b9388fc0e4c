"""Where ECR keeps images of other registries, and what a pod calls them there. Nothing here needs Pulumi."""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from components.aws.counterparts import PullThrough

UPSTREAMS: Mapping[str, str] = {
    "docker.io": "registry-1.docker.io",
    "ghcr.io": "ghcr.io",
    "quay.io": "quay.io",
    "registry.k8s.io": "registry.k8s.io",
    "public.ecr.aws": "public.ecr.aws",
}
"""What ECR calls each: API reference of ECR, CreatePullThroughCacheRule, 2026-11-22."""
_SHORT: Mapping[str, str] = {
    "docker.io": "docker",
    "ghcr.io": "ghcr",
    "quay.io": "quay",
    "registry.k8s.io": "k8s",
    "public.ecr.aws": "public",
}
LONGEST = 30
"""Characters of a prefix."""
_CONTAINERS = ("containers", "initContainers", "init_containers", "ephemeralContainers")


def repository_prefix(stack: str, upstream: str) -> str:
    """What names of repositories begin with: `eks/ghcr`. `*` stands for all of a stack's."""
    plain = re.sub(r"[^a-z0-9]+", "-", stack.lower()).strip("-")
    if upstream == "*":
        return f"{plain[: LONGEST - 7].rstrip('-')}/*"
    return f"{plain[: LONGEST - 7].rstrip('-')}/{_SHORT[upstream]}"


def mirrored(image: str, settings: PullThrough, *, stack: str, account: str, region: str) -> str:
    """The image's name in ECR; as it is where its registry is not among the upstreams.

    A name without a registry is one of Docker Hub's, where those of one part are below `library`.
    """
    first, slash, rest = image.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if named else ("docker.io", image if slash else f"library/{image}")
    if host not in settings.upstreams:
        return image
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository_prefix(stack, host)}/{path}"


def renamed(value: object, name: Callable[[str], str]) -> Any:
    """Any object of Kubernetes with the images of its containers named by `name`, however deep its pods are in it."""
    if isinstance(value, list | tuple):
        return [renamed(one, name) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    return {
        key: [_container(one, name) for one in cast("list[object]", inner)]
        if key in _CONTAINERS and isinstance(inner, list | tuple)
        else renamed(inner, name)
        for key, inner in fields.items()
    }


def _container(value: object, name: Callable[[str], str]) -> Any:
    made = renamed(value, name)
    if not isinstance(made, dict):
        return made
    container = cast("dict[str, Any]", made)
    image = container.get("image")
    return {**container, "image": name(image)} if isinstance(image, str) else container
