"""Images: always the one that was meant."""

import re
from collections.abc import Iterator

from policy.rules.pods import pods
from policy.rules.resource import Resource, text
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_EXACT = re.compile(
    r"""(?:^|[^0-9])(?:
        \d+\.\d+\.\d+              # 1.2.3, as most publish
      | \d{2}\.\d{2}-[a-z]         # 26.07-py3, a month of NVIDIA's, which is never published again
      | \d{4}-\d{2}-\d{2}          # a date, which MinIO's releases are
      | b\d{3,}$                   # llama.cpp's count of builds
      | (?-i:[0-9a-f]{12,})$       # a commit
    )""",
    re.VERBOSE,
)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def _floats(image: str) -> str | None:
    """Why an image may be another one tomorrow; None where it cannot be."""
    if _DIGEST.search(image):
        return None
    if "@" in image:
        return "has a digest that is none: it is @sha256: and 64 hexadecimal digits"
    tag = _tag(image)
    if not tag:
        return "has no tag, which means :latest"
    return None if _EXACT.search(tag) else f"has the tag {tag}, which its publisher moves"


def _tag(image: str) -> str:
    # What is after a colon before the last slash is the port of a registry.
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]


def _exact(resource: Resource, _: PolicySettings) -> Iterator[str]:
    for where, image in _images(resource):
        if reason := _floats(image):
            yield f"{where} runs {image}, which {reason}. Next: name an exact version, as in :v1.2.3, or a digest."


def _by_digest(resource: Resource, settings: PolicySettings) -> Iterator[str]:
    if not settings.production:
        return
    for where, image in _images(resource):
        bare, _, digest = image.partition("@")
        recorded = settings.digests.get(bare)
        if recorded and digest != f"sha256:{recorded}":
            difference = f"by another digest than the image lock has for {bare}" if digest else "by its tag alone"
            yield f"{where} runs {image} {difference}. Next: write {bare}@sha256:{recorded}."


def _images(resource: Resource) -> Iterator[tuple[str, str]]:
    for pod in pods(resource):
        for where, container in pod.containers:
            if image := text(container.get("image")):
                yield where, image


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="exact-images",
        description="Every image is of an exact version or a digest; none is called latest, stable or the like.",
        remedy="Name the version in the room's versions.py, or in the settings where the image is a setting.",
        check=_exact,
    ),
    ResourceRule(
        name="image-digests",
        description="On real machines an image is named by its digest, once the image lock has one for it.",
        remedy="Write the digest that the image lock has behind the tag.",
        check=_by_digest,
    ),
)
