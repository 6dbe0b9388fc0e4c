"""The tools that are brought, as data."""

from toolchain import versions
from toolchain.tool import Files, Fit, GoPackage, Group, Release, Tool


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _github(repository: str, version: str, file: str) -> str:
    return f"https://github.com/{repository}/releases/download/v{version}/{file}"


def github_digests(repository: str, version: str) -> str:
    """Address of GitHub's description of a release; each of its files has a `digest` there."""
    return f"https://api.github.com/repos/{repository}/releases/tags/v{version}"


_MAJOR, _MINOR, _ = _numbers(versions.KUBERNETES)
_SETTINGS_OF_KUBERNETES = tuple(
    f"k8s.io/component-base/version.{name}={value}"
    for name, value in (("gitVersion", f"v{versions.KUBERNETES}"), ("gitMajor", _MAJOR), ("gitMinor", _MINOR))
)


def _kubernetes(
    name: str, *, fits: Fit, asks: tuple[str, ...], expectation: str, systems: tuple[str, ...], group: Group = "dev"
) -> Tool:
    url = f"https://dl.k8s.io/release/v{versions.KUBERNETES}/bin/{{os}}/{{arch}}/{name}"
    return Tool(
        name=name,
        version=versions.KUBERNETES,
        groups=frozenset({group}),
        asks=asks,
        fits=fits,
        release=Release(url=url, checksums=f"{url}.sha256", systems=systems),
        source=GoPackage(
            family="kube",
            package=f"k8s.io/kubernetes/cmd/{name}",
            settings=_SETTINGS_OF_KUBERNETES,
            expectation=expectation,
        ),
    )


def _kube_server(name: str, expectation: str, group: Group = "dev") -> Tool:
    fits = Fit(at_least=(_MAJOR, _MINOR, 0), below=(_MAJOR, _MINOR + 1))
    asks, systems = ("--version",), ("linux",)
    return _kubernetes(name, fits=fits, asks=asks, expectation=expectation, systems=systems, group=group)


def _kwok(name: str, expectation: str) -> Tool:
    major, minor, _ = _numbers(versions.KWOK)
    return Tool(
        name=name,
        version=versions.KWOK,
        groups=frozenset({"dev"}),
        asks=("--version",),
        fits=Fit(at_least=_numbers(versions.KWOK), below=(major, minor + 1)),
        release=Release(
            url=_github("kubernetes-sigs/kwok", versions.KWOK, f"{name}-{{os}}-{{arch}}"),
            checksums=github_digests("kubernetes-sigs/kwok", versions.KWOK),
        ),
        source=GoPackage(family="kwok", package=f"sigs.k8s.io/kwok/cmd/{name}", expectation=expectation),
    )


PULUMI = Tool(
    name="pulumi",
    version=versions.PULUMI,
    groups=frozenset({"deploy", "dev", "tests"}),
    asks=("version",),
    fits=Fit(at_least=_numbers(versions.PULUMI), below=(_numbers(versions.PULUMI)[0] + 1,)),
    release=Release(
        url=_github("pulumi/pulumi", versions.PULUMI, f"pulumi-v{versions.PULUMI}-{{os}}-{{arch}}.tar.gz"),
        checksums=_github("pulumi/pulumi", versions.PULUMI, f"pulumi-{versions.PULUMI}-checksums.txt"),
        member="pulumi/pulumi",
        companions=(
            "pulumi/pulumi-language-python",
            "pulumi/pulumi-language-python-exec",
            "pulumi/pulumi-analyzer-policy-python",
        ),
        arch_names={"amd64": "x64"},
    ),
    source=GoPackage(
        family="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        settings=(f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}",),
        expectation="about 3 min on 2 cores",
    ),
)

ETCD = Tool(
    name="etcd",
    version=versions.ETCD,
    groups=frozenset({"dev"}),
    asks=("--version",),
    # 3.4, which Debian 12 has, lacks watch progress: Deployments then take up to 46 s to be seen as ready.
    fits=Fit(at_least=(3, 6), below=(4,)),
    release=Release(
        url=_github("etcd-io/etcd", versions.ETCD, f"etcd-v{versions.ETCD}-{{os}}-{{arch}}.{{ending}}"),
        checksums=_github("etcd-io/etcd", versions.ETCD, "SHA256SUMS"),
        member=f"etcd-v{versions.ETCD}-{{os}}-{{arch}}/etcd",
    ),
    source=GoPackage(family="etcd", package="go.etcd.io/etcd/server/v3", expectation="about 1 min on 2 cores"),
)

MINIO = Tool(
    name="minio",
    version=versions.MINIO,
    groups=frozenset({"tests"}),
    asks=("--version",),
    # Later binaries of this name are the vendor's closed successor, which does not start without a licence.
    fits=Fit(at_least=(2025, 1, 1), below=(2026, 2, 13)),
    release=None,
    source=GoPackage(
        family="minio",
        package="github.com/minio/minio",
        settings=(
            f"github.com/minio/minio/cmd.Version={versions.MINIO}T20:18:48Z",
            f"github.com/minio/minio/cmd.ReleaseTag=RELEASE.{versions.MINIO}T20-18-48Z",
            f"github.com/minio/minio/cmd.CommitID={versions.MINIO_MODULE.rpartition('-')[2]}",
        ),
        expectation="about 2 min on 2 cores",
    ),
)

MC = Tool(
    name="mc",
    version=versions.MC,
    groups=frozenset({"tests"}),
    asks=("--version",),
    fits=Fit(at_least=(2025, 1, 1), below=(2026, 2, 13)),
    release=None,
    source=GoPackage(
        family="mc",
        package="github.com/minio/mc",
        settings=(
            f"github.com/minio/mc/cmd.Version={versions.MC}T08:02:18Z",
            f"github.com/minio/mc/cmd.ReleaseTag=RELEASE.{versions.MC}T08-02-18Z",
        ),
        expectation="about 1 min on 2 cores",
    ),
)


def _operator(name: str, version: str, source: GoPackage) -> Tool:
    """A program that tests alone need, and that is published as an image alone."""
    return Tool(
        name=name,
        version=version,
        groups=frozenset({"tests"}),
        asks=(),
        fits=Fit(at_least=_numbers(version), below=(_numbers(version)[0] + 1,)),
        release=None,
        source=source,
    )


def _keda(command: str, expectation: str) -> Tool:
    source = GoPackage(
        family="keda",
        package=f"github.com/kedacore/keda/v2/cmd/{command}",
        settings=(f"github.com/kedacore/keda/v2/version.Version={versions.KEDA}",),
        expectation=expectation,
    )
    return _operator(f"keda-{command}", versions.KEDA, source)


OPERATORS = (
    _operator(
        "ray-operator",
        versions.KUBERAY,
        GoPackage(
            family="kuberay",
            package="github.com/ray-project/kuberay/ray-operator",
            expectation="about 2 min on 2 cores",
        ),
    ),
    _operator(
        "kserve-manager",
        versions.KSERVE,
        GoPackage(
            family="kserve", package="github.com/kserve/kserve/cmd/manager", expectation="about 5 min on 2 cores"
        ),
    ),
    _operator(
        "lws-manager",
        versions.LWS,
        GoPackage(family="lws", package="sigs.k8s.io/lws/cmd", expectation="about 2 min on 2 cores"),
    ),
    _keda("operator", "about 7 min on 2 cores"),
    _keda("adapter", "about 2 min on 2 cores"),
    _keda("webhooks", "about 10 s on 2 cores"),
)

# One program for all of Argo CD: what it is depends on the name that it is started by.
ARGOCD = Tool(
    name="argocd",
    version=versions.ARGOCD,
    groups=frozenset({"tests"}),
    asks=("version", "--client", "--short"),
    fits=Fit(at_least=_numbers(versions.ARGOCD), below=(_numbers(versions.ARGOCD)[0] + 1,)),
    release=Release(
        url=_github("argoproj/argo-cd", versions.ARGOCD, "argocd-{os}-{arch}"),
        checksums=github_digests("argoproj/argo-cd", versions.ARGOCD),
    ),
    source=GoPackage(
        family="argocd",
        package="github.com/argoproj/argo-cd/v3/cmd",
        settings=(f"github.com/argoproj/argo-cd/v3/common.version={versions.ARGOCD}",),
        expectation="about 5 min on 2 cores",
    ),
)

ARGOCD_DEFINITIONS = Tool(
    name="argocd-definitions",
    version=versions.ARGOCD_DEFINITIONS,
    groups=frozenset({"tests"}),
    asks=(),
    fits=Fit(at_least=_numbers(versions.ARGOCD_DEFINITIONS), below=(_numbers(versions.ARGOCD_DEFINITIONS)[0] + 1,)),
    release=None,
    source=Files(
        names=("application-crd.yaml", "applicationset-crd.yaml", "appproject-crd.yaml"),
        url=f"https://raw.githubusercontent.com/argoproj/argo-cd/v{versions.ARGOCD_DEFINITIONS}/manifests/crds",
        family="argocd-definitions",
        module="github.com/argoproj/argo-cd/v3",
        folder="manifests/crds",
    ),
)

HELM = Tool(
    name="helm",
    version=versions.HELM,
    groups=frozenset({"tests"}),
    asks=("version", "--short"),
    fits=Fit(at_least=(3, 18), below=(4,)),
    release=Release(
        url=f"https://get.helm.sh/helm-v{versions.HELM}-{{os}}-{{arch}}.tar.gz",
        checksums=f"https://get.helm.sh/helm-v{versions.HELM}-{{os}}-{{arch}}.tar.gz.sha256sum",
        member="{os}-{arch}/helm",
    ),
    source=GoPackage(
        family="helm",
        package="helm.sh/helm/v3/cmd/helm",
        settings=(f"helm.sh/helm/v3/internal/version.version=v{versions.HELM}",),
        expectation="about 2 min on 2 cores",
    ),
)

_VERSITYGW_ARCHIVE = f"versitygw_v{versions.VERSITYGW}_{{os}}_{{arch}}"
VERSITYGW = Tool(
    name="versitygw",
    version=versions.VERSITYGW,
    groups=frozenset({"tests"}),
    asks=("--version",),
    fits=Fit(at_least=_numbers(versions.VERSITYGW), below=(_numbers(versions.VERSITYGW)[0] + 1,)),
    release=Release(
        url=_github("versity/versitygw", versions.VERSITYGW, f"{_VERSITYGW_ARCHIVE}.tar.gz"),
        checksums=github_digests("versity/versitygw", versions.VERSITYGW),
        member=f"{_VERSITYGW_ARCHIVE}/versitygw",
        arch_names={"amd64": "x86_64"},
        os_names={"linux": "Linux", "darwin": "Darwin"},
    ),
    source=GoPackage(
        family="versitygw",
        package="github.com/versity/versitygw/cmd/versitygw",
        settings=(f"main.Version={versions.VERSITYGW}",),
        expectation="about 1 min on 2 cores",
    ),
)

S5CMD = Tool(
    name="s5cmd",
    version=versions.S5CMD,
    groups=frozenset({"bench"}),
    asks=("version",),
    fits=Fit(at_least=_numbers(versions.S5CMD), below=(_numbers(versions.S5CMD)[0] + 1,)),
    release=Release(
        url=_github("peak/s5cmd", versions.S5CMD, f"s5cmd_{versions.S5CMD}_{{os}}-{{arch}}.tar.gz"),
        checksums=_github("peak/s5cmd", versions.S5CMD, "s5cmd_checksums.txt"),
        member="s5cmd",
        arch_names={"amd64": "64bit"},
        os_names={"linux": "Linux", "darwin": "macOS"},
    ),
    source=GoPackage(
        family="s5cmd",
        package="github.com/peak/s5cmd/v2",
        settings=(f"github.com/peak/s5cmd/v2/version.Version=v{versions.S5CMD}",),
        expectation="about 10 s on 2 cores",
    ),
)

_RCLONE_ARCHIVE = f"rclone-v{versions.RCLONE}-{{os}}-{{arch}}"
RCLONE = Tool(
    name="rclone",
    version=versions.RCLONE,
    groups=frozenset({"bench"}),
    asks=("version",),
    fits=Fit(at_least=_numbers(versions.RCLONE), below=(_numbers(versions.RCLONE)[0] + 1,)),
    release=Release(
        url=_github("rclone/rclone", versions.RCLONE, f"{_RCLONE_ARCHIVE}.zip"),
        checksums=github_digests("rclone/rclone", versions.RCLONE),
        member=f"{_RCLONE_ARCHIVE}/rclone",
        os_names={"darwin": "osx"},
    ),
    source=GoPackage(
        family="rclone",
        package="inference.invalid/toolchain/rclone",
        settings=(f"github.com/rclone/rclone/fs.Version=v{versions.RCLONE}",),
        expectation="about 30 s on 2 cores",
    ),
)

_ACTIONLINT = f"actionlint_{versions.ACTIONLINT}"
ACTIONLINT = Tool(
    name="actionlint",
    version=versions.ACTIONLINT,
    groups=frozenset({"lint"}),
    asks=("-version",),
    fits=Fit(at_least=_numbers(versions.ACTIONLINT), below=(_numbers(versions.ACTIONLINT)[0] + 1,)),
    release=Release(
        url=_github("rhysd/actionlint", versions.ACTIONLINT, f"{_ACTIONLINT}_{{os}}_{{arch}}.tar.gz"),
        checksums=_github("rhysd/actionlint", versions.ACTIONLINT, f"{_ACTIONLINT}_checksums.txt"),
        member="actionlint",
    ),
    source=GoPackage(
        family="actionlint",
        package="github.com/rhysd/actionlint/cmd/actionlint",
        settings=(f"github.com/rhysd/actionlint.version={versions.ACTIONLINT}",),
        expectation="about 10 s on 2 cores",
    ),
)

TOOLS: tuple[Tool, ...] = (
    PULUMI,
    ETCD,
    _kube_server("kube-apiserver", "about 3 min on 2 cores"),
    _kube_server("kube-controller-manager", "about 1 min on 2 cores"),
    _kube_server("kube-scheduler", "about 30 s on 2 cores"),
    _kube_server("kubelet", "about 1 min on 2 cores", "tests"),
    _kube_server("kube-proxy", "about 30 s on 2 cores", "tests"),
    # kwokctl asks kubectl whether the API server answers, and would fetch one from the internet if PATH had none.
    # https://kubernetes.io/releases/version-skew-policy/#kubectl: one minor version either way.
    _kubernetes(
        "kubectl",
        fits=Fit(at_least=(_MAJOR, _MINOR - 1, 0), below=(_MAJOR, _MINOR + 2)),
        asks=("version", "--client"),
        expectation="about 1 min on 2 cores",
        systems=("linux", "darwin"),
    ),
    _kwok("kwok", "about 1 min on 2 cores"),
    _kwok("kwokctl", "about 20 s on 2 cores"),
    MINIO,
    MC,
    VERSITYGW,
    *OPERATORS,
    ARGOCD,
    ARGOCD_DEFINITIONS,
    HELM,
    ACTIONLINT,
    S5CMD,
    RCLONE,
)


def in_groups(*groups: Group) -> tuple[Tool, ...]:
    """The tools of any of these groups, in the order in which they are brought."""
    return tuple(tool for tool in TOOLS if tool.groups.intersection(groups))


def named(name: str) -> Tool:
    """The tool of this name; `KeyError` for a name that is not in the table."""
    return {tool.name: tool for tool in TOOLS}[name]
