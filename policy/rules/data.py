"""What holds data outlives a destroy, unless the settings say otherwise."""

from collections.abc import Iterator

from policy.rules.buckets import BUCKETS
from policy.rules.resource import Resource, at, text
from policy.rules.rule import ResourceRule, Rule
from policy.rules.settings import PolicySettings

_CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
_HOLDERS = (
    *BUCKETS,
    _CLAIM,
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:efs/fileSystem:FileSystem",
    "aws:ebs/volume:Volume",
)
_NEXT = (
    "Next: protect it, or retain it on delete; or say in the settings that it may go (keepData: false, purge: true)."
)


def _kept(resource: Resource, settings: PolicySettings) -> Iterator[str]:
    if resource.type not in _HOLDERS or resource.protected or _may_go(resource, settings):
        return
    if resource.retained is False and not _is_elsewhere(resource):
        yield f"{resource.where} would be deleted with what it holds. {_NEXT}"
    elif resource.retained is None:
        for field in ("forceDestroy", "skipFinalSnapshot"):
            if resource.inputs.get(field) is True:
                yield f"{resource.where} would be deleted with what it holds: {field} is true. {_NEXT}"


def _may_go(resource: Resource, settings: PolicySettings) -> bool:
    if resource.type in BUCKETS:
        return settings.every_bucket_disposable or text(resource.inputs.get("bucket")) in settings.disposable
    return resource.type == _CLAIM and resource.namespace in settings.disposable


def _is_elsewhere(resource: Resource) -> bool:
    """Whether it is a claim on a volume that is named: the data is the volume's, and stays when the claim goes."""
    return resource.type == _CLAIM and bool(at(resource.inputs, "spec", "volumeName"))


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="data-is-kept",
        description="Buckets, volume claims, databases and file systems outlive a destroy, unless the settings say "
        "otherwise.",
        remedy="Protect it, retain it on delete, or say in the settings that it may go.",
        check=_kept,
    ),
)
