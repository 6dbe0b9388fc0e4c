"""How sources are written: each text is a source, or an error that says what is wrong with it."""

import contextlib
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.storage.model import Model, Sources
from components.storage.sources import Mount, environment, program_source, secrets
from components.storage.sync import http, opening
from components.storage.sync.address import IN_SETTINGS, KINDS, Kind, parsed, pinned
from components.storage.sync.manifest import Unusable
from components.storage.sync.source import Offered, accepted, chosen
from components.storage.sync.web import listing
from tests.unit.recording import REPOSITORY

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA256 = "0" * 64
EXAMPLES = (
    f"hf://org/repo@{COMMIT}",
    "ngc://nvidia/tao/peoplenet:deployable_v1.0",
    "ngc://nvidia/megatron:1",
    "s3://models/legal/legal-8b@2026-11",
    f"https://models.lan:8443/legal/model.gguf@{SHA256}",
    "mlflow://legal-lora@12",
    "pvc://models/legal/8b@1",
    "pvc://models@1",
    "host://aimax/srv/models/legal@1",
    "path:///srv/models/legal@1",
)


@st.composite
def texts(draw: st.DrawFn, kinds: tuple[Kind, ...]) -> str:
    """Sources that are right, nearly right, or nothing of the sort."""
    kind = draw(st.sampled_from(kinds))
    right = draw(st.from_regex(draw(st.sampled_from([kind.pinned, kind.movable or kind.pinned])), fullmatch=True))
    at = draw(st.integers(0, len(right)))
    anything = draw(st.text(max_size=40))
    nearly = right[:at] + anything[:3] + right[at:]
    return draw(st.sampled_from([right, nearly, right[:at], f"{kind.scheme}://{anything}", anything]))


def problem(text: str, kinds: tuple[Kind, ...] = KINDS) -> str | None:
    """What is wrong with a text."""
    try:
        pinned(text, kinds)
    except Unusable as found:
        return str(found)
    return None


def model(source: str, **others: object) -> Model:
    return Model.model_validate({"name": "legal", "source": source, **others})


@given(texts(KINDS))
def test_any_text_is_a_source_or_an_error_that_shows_it(text: str) -> None:
    said = problem(text)
    assert said is None or repr(text) in said or f'"{text}"' in said


@given(texts(KINDS))
def test_opening_any_text_asks_nobody_and_ends_in_a_source_or_an_error(text: str) -> None:
    through = http.pool(1)
    with contextlib.suppress(Unusable):
        assert opening.opened(text, through=through).text == text
    assert len(through.pools) == 0


@given(texts(IN_SETTINGS))
def test_the_revision_of_a_source_is_a_directorys_name(text: str) -> None:
    with contextlib.suppress(Unusable):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", pinned(text, IN_SETTINGS)["revision"])
        assert ".." not in Path(text).parts


@given(texts(IN_SETTINGS))
def test_the_settings_take_what_the_program_takes(text: str) -> None:
    if problem(text, IN_SETTINGS) is None and len(text) <= 500:
        assert model(text).source == text
    else:
        with pytest.raises(ValidationError):
            model(text)


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_kind_is_taken(text: str) -> None:
    assert parsed(text, (*KINDS, *IN_SETTINGS)).pinned


@pytest.mark.parametrize("kind", IN_SETTINGS, ids=lambda kind: kind.scheme)
def test_each_kind_is_in_the_settings_reference(kind: Kind) -> None:
    assert f"`{kind.form}`" in (REPOSITORY / "docs" / "settings.md").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hf://org/repo", "a branch or a tag moves"),
        ("hf://org/repo@v1.0", "a branch or a tag moves"),
        ("ngc://nvidia/tao/peoplenet", "the latest version moves"),
        ("ngc://nvidia/tao/peoplenet:latest", "the latest version moves"),
        ("mlflow://legal@champion", "an alias moves"),
        ("https://models.lan/model.gguf", "a file may change"),
    ],
)
def test_what_moves_is_refused_with_the_command_that_pins_it(text: str, why: str) -> None:
    expected = (
        f'"{text}" is not pinned: {why}; get what to write with: python -m components.storage.sync resolve {text}'
    )
    with pytest.raises(Unusable, match=re.escape(expected)):
        pinned(text)
    with pytest.raises(ValidationError, match=re.escape(expected)):
        model(text)


@pytest.mark.parametrize("text", ["s3://models/../x@1", "path:///srv/./x@1", "host://aimax/..@1", "s3://models/x@.."])
def test_nothing_leads_out_of_where_it_is(text: str) -> None:
    with pytest.raises(Unusable, match="must be"):
        pinned(text, (*KINDS, *IN_SETTINGS))


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    with pytest.raises(Unusable, match=r"is no source that is known; there are hf://ORG/REPO@COMMIT, ngc://"):
        parsed("ftp://models.lan/x")


def test_a_secret_with_what_no_secret_has_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hünter2")
    with pytest.raises(Unusable, match="HF_TOKEN holds characters") as caught:
        opening.opened(EXAMPLES[0], through=http.pool(1))
    assert "nter2" not in str(caught.value)


def test_an_endpoint_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_AWS_ENDPOINT_URL", "s3.lan")
    with pytest.raises(Unusable, match=r"SOURCE_AWS_ENDPOINT_URL must be like https://s3\.lan:9000"):
        opening.opened("s3://models/x@1", through=http.pool(1))


@given(
    st.dictionaries(
        st.text("ab/._- x\u00e9", min_size=1, max_size=8), st.text("0123456789abcdef", min_size=64, max_size=64)
    )
)
def test_a_listing_says_what_was_written_into_it(files: dict[str, str]) -> None:
    files = {path: digest for path, digest in files.items() if not path.startswith("./")}
    text = "".join(f"{digest}  {path}\n" for path, digest in files.items() if path)
    assert listing(text.encode(), "x") == {path: digest for path, digest in files.items() if path}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_listing_or_an_error(text: bytes) -> None:
    with contextlib.suppress(Unusable):
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in listing(text, "x").values())


def test_a_listing_is_what_sha256sum_writes(tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    for path in ("a", "sub dir/b c"):
        (tmp_path / path).write_text(path)
    for mode in ("--text", "--binary"):
        command = ["sha256sum", mode, "./a", "sub dir/b c"]
        written = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        assert list(listing(written, "x")) == ["a", "sub dir/b c"]


def test_patterns_choose_files_and_a_star_fits_directories_too() -> None:
    files = [Offered(path=path, size=1) for path in ("a.json", "sub/b.json", "c.bin")]
    assert [file.path for file in chosen(files, ("*.json",), "x")] == ["a.json", "sub/b.json"]
    with pytest.raises(Unusable, match=r"x: no file matches \*\.gguf"):
        chosen(files, ("*.gguf",), "x")


def test_a_licence_is_accepted_if_it_is_named_or_none_is() -> None:
    accepted("mit", ("mit", "apache-2.0"), "x")
    accepted(None, (), "x")
    with pytest.raises(
        Unusable, match="x has the licence llama3, and the model's `licences` are mit; to accept it, add"
    ):
        accepted("llama3", ("mit",), "x")
    with pytest.raises(
        Unusable, match=r"x names no licence, and the model's `licences` are mit; .* leave `licences` out"
    ):
        accepted(None, ("mit",), "x")


@pytest.mark.parametrize(
    ("text", "source", "mount"),
    [
        (
            "pvc://models/legal/8b@1",
            "path:///pvc/models/legal/8b@1",
            Mount(at="/pvc/models", claim="models"),
        ),
        ("pvc://models@1", "path:///pvc/models@1", Mount(at="/pvc/models", claim="models")),
        (
            "host://aimax/srv/models@1",
            "path:///host/aimax/srv/models@1",
            Mount(at="/host/aimax/srv/models", path="/srv/models", node="aimax"),
        ),
        ("s3://models/x@1", "s3://models/x@1", None),
    ],
)
def test_a_claim_and_a_nodes_directory_are_mounted_where_the_program_looks(
    text: str, source: str, mount: Mount | None
) -> None:
    assert program_source(model(text)) == (source, mount)
    assert pinned(source).kind.scheme == source.partition("://")[0]


SERVERS = Sources.model_validate(
    {
        "huggingFace": "https://hub.lan",
        "mlflow": {"url": "https://mlflow.lan"},
        "s3": {"endpoint": "https://s3.lan", "accessKey": "reader"},
    }
)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (EXAMPLES[0], {"HF_ENDPOINT", "HF_TOKEN"}),
        (EXAMPLES[1], {"NGC_API_KEY"}),
        (EXAMPLES[4], set[str]()),
        (EXAMPLES[6], set[str]()),
        (
            EXAMPLES[3],
            {
                "SOURCE_AWS_ENDPOINT_URL",
                "SOURCE_AWS_REGION",
                "SOURCE_AWS_ACCESS_KEY_ID",
                "SOURCE_AWS_SECRET_ACCESS_KEY",
            },
        ),
    ],
)
def test_a_sync_gets_the_address_and_the_secret_of_its_own_source_alone(text: str, variables: set[str]) -> None:
    assert {
        *environment(model(text).address.kind.scheme, SERVERS),
        *secrets(model(text).address.kind.scheme, SERVERS),
    } == variables


def test_mlflow_is_asked_with_a_token_or_with_a_name_and_its_password() -> None:
    assert secrets("mlflow", SERVERS)["MLFLOW_TRACKING_TOKEN"] == "mlflowToken"
    named = Sources.model_validate({"mlflow": {"url": "https://mlflow.lan", "username": "sync"}})
    assert secrets("mlflow", named) == {"MLFLOW_TRACKING_PASSWORD": "mlflowToken"}
    assert environment("mlflow", named)["MLFLOW_TRACKING_USERNAME"] == "sync"
