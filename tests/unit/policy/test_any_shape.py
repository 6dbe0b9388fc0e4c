"""Rules on inputs of any shape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules import RULES
from policy.rules.resource import HIDDEN, STACK, UNKNOWN, Resource, mapping, seen
from policy.rules.rule import ResourceRule
from policy.rules.settings import PolicySettings, PolicySettingsError

_NAMES = (
    "spec template metadata labels annotations name namespace kind containers initContainers image env value args",
    "resources requests limits cpu nvidia.com/gpu securityContext capabilities add runAsUser volumes hostPath path",
    "ports nodePort hostPort type externalIPs podSelector policyTypes policy Statement Effect Action Resource",
    "Principal AWS assumeRolePolicy inlinePolicies ingress egress cidrBlocks cidrIpv4 fromPort bucket rules",
    "password data versioningConfiguration 4dabf18193072939515e22adb298388d",
)
KEYS = st.sampled_from([name for line in _NAMES for name in line.split()]) | st.text(max_size=5)
TEXTS = st.sampled_from(
    [
        "Allow",
        "*",
        "0.0.0.0/0",
        "NodePort",
        "LoadBalancer",
        HIDDEN,
        UNKNOWN,
        "a:latest",
        "a@b@c",
        ":",
        '{"Statement": 1}',
    ]
) | st.text(max_size=20)
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
TYPES = st.sampled_from(
    [
        STACK,
        *(f"kubernetes:{one}" for one in ("apps/v1:Deployment", "core/v1:Service", "core/v1:Namespace")),
        *(f"kubernetes:{one}" for one in ("core/v1:ConfigMap", "networking.k8s.io/v1:NetworkPolicy", "x/v1:Any")),
        *(f"aws:s3/{one}" for one in ("bucket:Bucket", "bucketPolicy:BucketPolicy", "b:BucketVersioning")),
        *(f"aws:{one}" for one in ("iam/policy:Policy", "iam/role:Role", "ec2/securityGroup:SecurityGroup")),
    ]
)
RESOURCES = st.builds(
    Resource,
    type=TYPES,
    name=st.text(max_size=5),
    inputs=st.dictionaries(KEYS, ANY, max_size=6).map(lambda one: mapping(seen(one))),
    protected=st.booleans(),
    retained=st.none() | st.booleans(),
)


@given(st.lists(RESOURCES, max_size=4), st.booleans())
def test_no_rule_fails_on_inputs_of_any_shape(resources: list[Resource], production: bool) -> None:
    settings = PolicySettings(production=production)
    for rule in RULES:
        found = (
            [one for resource in resources for one in rule.violations(resource, settings)]
            if isinstance(rule, ResourceRule)
            else list(rule.violations(resources, settings))
        )
        assert all("Next: " in one.message for one in found)


@given(st.dictionaries(st.sampled_from(["target", "store", "quota", "gateway", "engines"]), ANY))
def test_settings_of_any_shape_are_read(config: dict[str, Any]) -> None:
    PolicySettings.read({f"inference:{key}": json.dumps(value) for key, value in config.items()})


@given(st.lists(st.text(min_size=1).filter(lambda one: one not in (HIDDEN, UNKNOWN))))
def test_names_of_advisory_rules_are_read(names: list[str]) -> None:
    assert PolicySettings.read({"policy:advisory": json.dumps(names)}).advisory == set(names)


@given(ANY.filter(lambda one: one is not None and not isinstance(one, list)))
def test_advisory_rules_that_are_no_list_are_refused_with_an_example(value: Any) -> None:
    with pytest.raises(PolicySettingsError, match=r"write, for example: \[no-root\]"):
        PolicySettings.read({"policy:advisory": json.dumps(value)})
