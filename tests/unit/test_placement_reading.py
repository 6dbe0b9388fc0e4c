"""From what others write to what is read: quantities, kubeconfigs, settings."""

from decimal import Decimal
from pathlib import Path

import pytest

from placement.api import Api, ClusterError
from placement.reading import amount, natural
from throwaway.engine import explanation
from throwaway.problems import StackError
from throwaway.workspace import settings


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("2", "2"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("16Gi", str(16 * 2**30)),
        ("128974848", "128974848"),
        ("129e6", "129000000"),
        ("123k", "123000"),
        ("100n", "0.0000001"),
        ("1E", str(10**18)),
        ("2Ei", str(2**61)),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity: str, number: str) -> None:
    assert amount(quantity) == Decimal(number)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1kB", "one"])
def test_what_is_not_a_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        amount(text)


def test_node_10_comes_after_node_2() -> None:
    assert sorted(["gpu-10", "gpu-2", "cpu-1"], key=natural) == ["cpu-1", "gpu-2", "gpu-10"]


@pytest.mark.parametrize(
    "kubeconfig",
    [
        "",
        "- not a mapping",
        "current-context: gone\ncontexts: []",
        "{unclosed: hush",
        "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://example.invalid'}}]\nusers: [{name: a, user: {token: hush}}]",
        "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://example.invalid'}}]\n"
        "users: [{name: a, user: {client-key-data: aHVzaA==, client-certificate-data: aHVzaA==}}]",
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named_but_not_quoted(kubeconfig: str) -> None:
    with pytest.raises(ClusterError, match="The kubeconfig of cluster home cannot be used") as caught:
        Api("home", kubeconfig)
    assert "hush" not in str(caught.value)


def test_a_cluster_that_does_not_answer_is_named_with_its_address() -> None:
    kubeconfig = (
        "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: hush}}]"
    )
    with pytest.raises(ClusterError, match=r"Cluster home does not answer at https://127\.0\.0\.1:1"):
        Api("home", kubeconfig).get("/api/v1/nodes")


def test_a_rehearsal_takes_the_settings_without_their_secrets(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.onprem.yaml"
    file.write_text(
        "encryptionsalt: v1:salt\nconfig:\n  inference:target: onprem\n"
        "  inference:storeSecretKey: {secure: v1:cipher}\n"
        "  inference:nested: {list: [{secure: v1:cipher}, plain], key: {secure: v1:cipher}}\n"
    )
    assert settings("onprem", file, "rehearsal") == {
        "inference:target": "onprem",
        "inference:nested": {"list": ["plain"]},
        "inference:rehearsal": True,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a list", "has no settings"),
        ("", "has no settings"),
        ("config: [a, list]", "has no settings"),
        ("config: {unclosed", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StackError, match=rf"broken\.yaml {said}"):
        settings("onprem", file, "rehearsal")


def test_a_stack_without_settings_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"There is no .*Pulumi\.nowhere\.yaml\. Stacks .*dev"):
        settings("nowhere", None, "rehearsal")
    with pytest.raises(StackError, match="is not the name of a stack"):
        settings(f"../{tmp_path.name}", None, "rehearsal")


def test_of_what_pulumi_says_only_the_explanation_is_shown() -> None:
    lines = [
        " +  inference:x creating (0s)",
        "Diagnostics:",
        "  pulumi:pulumi:Stack (inference-onprem):",
        "    warning: using pulumi-resource-command from $PATH at /somewhere",
        "    error: legal does not exist",
        "",
        "Resources:",
        "    + 3 created",
    ]
    assert explanation(lines) == [lines[2], lines[4]]
    assert explanation(["error: no stack named 'x' found"]) == ["error: no stack named 'x' found"]
