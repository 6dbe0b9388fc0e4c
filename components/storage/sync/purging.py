"""The end of a model: all its revisions, for good."""

from .bucket import Bucket
from .manifest import COMPLETE, Refused


def purge(bucket: Bucket, model: str) -> int:
    """Delete everything of `model`, as `DOMAIN/NAME`; how many objects and old versions that were. Safe to run again.

    What is complete no longer is before anything else goes, so that a purge which is interrupted leaves no half of a
    model that looks whole. Refused for what is no model's directory.
    """
    if model.count("/") != 1 or not all(model.split("/")):
        raise Refused(f"{model!r} is not DOMAIN/NAME, which is what a model is purged by")
    return bucket.erase(f"{model}/", f"/{COMPLETE}") + bucket.erase(f"{model}/")
