"""What rules say of secrets in plain text. Every key here is made up."""

from typing import Any

import pytest

from policy.rules.resource import HIDDEN, Resource
from policy.rules.settings import SECRET_KEYS
from stacks.secrets import SECRETS
from tests.unit.policy.samples import container, deployment, kubernetes, said, settings, stack

RANDOM = "q7Rk2mX9vT4bLw8z"
HUGGING_FACE = "hf_" + "aB3dE5fG7h" * 3
GITHUB = "ghp_" + "A1b2C3d4E5" * 4
MASTER = "sk-" + "a1B2c3D4e5" * 3
AMAZON = "AKIA" + "Q1W2E3R4T5Y6U7I8"
PRIVATE_KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaA==\n"


def with_environment(name: str, value: str) -> Resource:
    return deployment(container(env=[{"name": name, "value": value}]))


@pytest.mark.parametrize(
    ("resource", "what"),
    [
        (with_environment("HF_TOKEN", HUGGING_FACE), "a Hugging Face token"),
        (with_environment("NOTHING_SPECIAL", GITHUB), "a GitHub token"),
        (with_environment("AWS_ACCESS_KEY_ID", AMAZON), "an AWS access key"),
        (with_environment("ADMIN_PASSWORD", RANDOM), "the secret that its name, ADMIN_PASSWORD, promises"),
        (deployment(container(args=["--api-key", RANDOM])), "the secret that its name, api-key, promises"),
        (deployment(container(args=[f"--api-key={RANDOM}"])), "the secret that api-key promises"),
        (kubernetes("core/v1:ConfigMap", data={"config.yaml": f"master_key: {MASTER}"}), "an API key"),
        (kubernetes("core/v1:ConfigMap", data={"a.ini": f"[db]\npassword = {RANDOM}"}), "password promises"),
        (kubernetes("core/v1:Secret", stringData={"key": PRIVATE_KEY}), "a private key"),
        (kubernetes("core/v1:Service", metadata={"annotations": {"note": HUGGING_FACE}}), "a Hugging Face token"),
        (Resource(type="command:remote:Command", name="one", inputs={"create": PRIVATE_KEY}), "a private key"),
        (Resource(type="aws:rds/instance:Instance", name="one", inputs={"password": RANDOM}), "promises"),
    ],
)
def test_what_looks_like_a_key_is_refused_and_never_repeated(resource: Resource, what: str) -> None:
    messages = said("no-plain-secrets", resource)
    assert any(what in message for message in messages)
    for secret in (RANDOM, HUGGING_FACE, GITHUB, MASTER, AMAZON, PRIVATE_KEY):
        assert not any(secret in message for message in messages)


@pytest.mark.parametrize(
    "resource",
    [
        with_environment("HF_TOKEN_PATH", "/secrets/hf-token-for-models-1"),
        with_environment("SECRET_NAME", "legal-store-2-credentials"),
        with_environment("OPENAI_API_KEY", "os.environ/LITELLM_MASTER_KEY"),
        with_environment("TOKENIZER", "unsloth/Meta-Llama-3.1-8B-Instruct"),
        with_environment("MAX_TOKENS", "8192"),
        with_environment("OPENAI_API_KEY", HIDDEN),
        deployment(container(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "t"}}}])),
        deployment(container(args=["--api-key-file", "/secrets/key-0123456789"])),
        kubernetes("core/v1:Secret", stringData=HIDDEN),
        kubernetes("core/v1:ConfigMap", data={"a.py": "token = settings.token\npassword: str = read(path)"}),
        kubernetes("core/v1:Service", metadata={"annotations": {"inference/token-digest": "6b86b273ff34fce19d6b"}}),
    ],
)
def test_a_reference_to_a_secret_is_let_pass(resource: Resource) -> None:
    assert said("no-plain-secrets", resource) == []


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (kubernetes("core/v1:ConfigMap", data=HIDDEN), "data"),
        (kubernetes("core/v1:ConfigMap", data={"key": HIDDEN}), "data.key"),
        (kubernetes("core/v1:Service", metadata={"annotations": {"key": HIDDEN}}), "metadata.annotations.key"),
        (with_environment("KEY", HIDDEN), "spec.template.spec.containers[0].env[0].value"),
        (deployment(container(args=["--key", HIDDEN])), "spec.template.spec.containers[0].args[1]"),
        (kubernetes("apps/v1:Deployment", spec=HIDDEN), "spec"),
    ],
)
def test_a_secret_that_the_cluster_would_show_is_refused(resource: Resource, place: str) -> None:
    (message,) = said("no-exposed-secrets", resource)
    assert f", at {place}. Next: " in message


@pytest.mark.parametrize(
    "resource",
    [
        kubernetes("core/v1:Secret", stringData={"key": HIDDEN}),
        kubernetes("helm.sh/v3:Release", values={"adminPassword": HIDDEN}),
        with_environment("KEY", "value"),
    ],
)
def test_a_secret_in_a_secret_is_let_pass(resource: Resource) -> None:
    assert said("no-exposed-secrets", resource) == []


@pytest.mark.parametrize(
    "given",
    [
        {"engines": [{"name": "chat", "env": {"HF_TOKEN": HUGGING_FACE}}]},
        {"gateway": {"adminPassword": RANDOM}},
        {"target": PRIVATE_KEY},
    ],
)
def test_a_key_in_plain_configuration_is_refused(given: dict[str, Any]) -> None:
    (message,) = said("no-plain-secrets-in-config", stack(), settings=settings(**given))
    assert f"below inference:{next(iter(given))}." in message
    assert "pulumi config set --secret" in message


@pytest.mark.parametrize(
    "given",
    [
        {"sshPrivateKey": PRIVATE_KEY},
        {"huggingFaceToken": HUGGING_FACE},
        {"store": {"kind": "external", "accessKey": AMAZON}},
        {"clusters": [{"hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq7Rk2mX9vT4bLw8zQ"}]},
    ],
    ids=["decrypted by the engine", "a token decrypted by the engine", "a name of a user", "a public key"],
)
def test_what_is_encrypted_or_public_in_the_configuration_is_let_pass(given: dict[str, Any]) -> None:
    assert said("no-plain-secrets-in-config", stack(), settings=settings(**given)) == []


def test_the_keys_taken_for_encrypted_are_those_that_the_program_refuses_in_plain_text() -> None:
    assert set(SECRET_KEYS) == set(SECRETS)


@pytest.mark.parametrize("outputs", [{"keys": {"dev": MASTER}}, {"adminPassword": RANDOM}, {"passwords": [RANDOM]}])
def test_a_key_in_a_plain_output_is_refused(outputs: dict[str, Any]) -> None:
    (message,) = said("no-plain-secrets-in-outputs", stack(**outputs))
    assert message.startswith(f"The output {next(iter(outputs))} holds ")


@pytest.mark.parametrize("outputs", [{"keys": {"dev": HIDDEN}}, {"url": "http://litellm.gateway:4000/v1"}])
def test_a_secret_output_is_let_pass(outputs: dict[str, Any]) -> None:
    assert said("no-plain-secrets-in-outputs", stack(**outputs)) == []
