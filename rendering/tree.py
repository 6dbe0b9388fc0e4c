"""Objects as files that people read in diffs: one each, by application, always in the same words."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.gitops.route import APPLICATION

KUSTOMIZATION = "kustomization.yaml"
Object = Mapping[str, Any]


def files(objects: Iterable[Object]) -> dict[Path, str]:
    """The text of every file by its path, `APPLICATION/KIND-NAME.yaml`, and a kustomization for each application."""
    found: dict[Path, str] = {}
    for one in objects:
        metadata = one["metadata"]
        path = Path(metadata["labels"][APPLICATION], f"{one['kind'].lower()}-{metadata['name']}.yaml")
        if path in found:
            raise ValueError(f"two objects would be {path}")
        found[path] = _dumped(_plain(one))
    for folder in {path.parent for path in found}:
        names = sorted(path.name for path in found if path.parent == folder)
        found[folder / KUSTOMIZATION] = _dumped(
            {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names}
        )
    return dict(sorted(found.items()))


def read(folder: Path) -> dict[Path, str]:
    """The files that are there, as `files` gives them."""
    return {
        path.relative_to(folder): path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*/*.yaml"))
        if path.is_file()
    }


def write(folder: Path, wanted: Mapping[Path, str]) -> None:
    """Make the folder have these files; others that look like ours go."""
    for path in read(folder).keys() - wanted.keys():
        (folder / path).unlink()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for application in folder.iterdir() if folder.is_dir() else ():
        if application.is_dir() and not any(application.iterdir()):
            application.rmdir()


def _plain(one: Object) -> dict[str, Any]:
    """Without what is for Pulumi alone."""
    metadata = dict(one["metadata"])
    annotations = {key: value for key, value in metadata.pop("annotations", {}).items() if "pulumi.com/" not in key}
    return {**one, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


class _Dumper(yaml.SafeDumper):
    """Programs and configurations line by line, and nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (PyYAML says which arguments there are)
        return True


def _text(_: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dumped(document: Mapping[str, Any]) -> str:
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000)
