"""Types that settings of several engines have."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from components.section import rule


def _exact(image: str) -> str:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if "@" not in image and tag in ("", "latest"):
        raise ValueError("moves: say which version, with :TAG or @sha256:DIGEST behind it")
    return image


Image = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
        r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$",
        max_length=300,
    ),
    AfterValidator(_exact),
    rule("an image with its exact version", example="registry.lan:5000/vllm/vllm-openai:v0.30.0"),
]
GgufFile = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*\.gguf$", max_length=200),
    rule("the name of a .gguf file", example="chat-q4_k_m.gguf"),
]
