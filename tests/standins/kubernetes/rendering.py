"""Objects as YAML files instead of on a cluster: `renderYamlToDirectory`."""

from pathlib import Path

import yaml

from tests.standins.kubernetes.api import Object


def path_of(directory: Path, manifest: Object) -> Path:
    """The file of an object; definitions come before what they define."""
    metadata = manifest["metadata"]
    folder = "0-crd" if manifest["kind"] == "CustomResourceDefinition" else "1-manifest"
    api = manifest["apiVersion"].replace("/", "_").replace(":", "_")
    name = metadata["name"].replace("/", "_").replace(":", "_")
    return directory / folder / f"{api}-{manifest['kind'].lower()}-{metadata.get('namespace') or 'default'}-{name}.yaml"


def render(directory: Path, manifest: Object) -> None:
    """Write the object's file, keys sorted."""
    path = path_of(directory, manifest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(manifest, sort_keys=True, width=100_000), encoding="utf-8")


def remove(directory: Path, manifest: Object) -> None:
    """Delete the object's file."""
    path_of(directory, manifest).unlink(missing_ok=True)
