"""What looks like a key, by its form, or by its name and its randomness."""

import re
from collections import Counter
from math import log2

_FORMS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    "an NGC key": re.compile(r"\bnvapi-[A-Za-z0-9_-]{20,}"),
    "an API key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"),
}
_NAME = re.compile(
    r"password|passwd|passphrase|secret|token(?!i[sz]|s)|api[-_]?key|private[-_]?key|credential", re.IGNORECASE
)
_NOT_ITSELF = re.compile(r"sha\d*|digest|hash|checksum|file|path|url|uri|name", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.!@#$%^&*~-]{16,}")
_WORDS = re.compile(r"[a-z]+\d{0,2}([-._/][a-z0-9]{0,12})+|[A-Z_]+|(/|https?:|s3:|hf:|os\.environ).*")
"""Names of objects, variables, paths and addresses."""
_LEAST_BITS = 3.0
"""Of Shannon entropy, a character: 16 random letters and digits have 3.5 or more, and names of things less."""
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)[\"']?\s*[:=]\s*[\"']?([^\s\"',;]+)")


def looks_secret(name: str, value: str) -> str | None:
    """What the value under this name looks like; None where it looks like nothing that must be secret."""
    for what, form in _FORMS.items():
        if form.search(value):
            return what
    if _is_random_under(name, value):
        return f"the secret that its name, {name}, promises"
    found = (inner for inner, text in _ASSIGNMENT.findall(value) if _is_random_under(inner, text))
    return next((f"the secret that {inner} promises" for inner in found), None)


def _is_random_under(name: str, value: str) -> bool:
    named = _NAME.search(name) and not _NOT_ITSELF.search(name)
    if not named or not _RANDOM.fullmatch(value) or _WORDS.fullmatch(value):
        return False
    mixed = any(one.isdigit() for one in value) and any(one.isalpha() for one in value)
    return mixed and _bits(value) >= _LEAST_BITS


def _bits(value: str) -> float:
    """Shannon entropy of a character."""
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())
