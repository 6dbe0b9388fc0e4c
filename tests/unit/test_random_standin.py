"""What the stand-in for the random provider promises."""

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standins import wire
from tests.standins.provider import Call, InvalidInputs, ProviderError, Severity
from tests.standins.random import KINDS, Drawn
from tests.standins.wire import UNKNOWN, Properties

CLASSES = {"minLower": str.islower, "minUpper": str.isupper, "minNumeric": str.isdigit}


def kind(name: str) -> Drawn:
    return KINDS[f"random:index/random{name}:Random{name}"]


def drawn(name: str, inputs: Properties, *, preview: bool = False) -> tuple[str, Properties]:
    def unheard(_text: str, _severity: Severity, _fleeting: bool) -> None: ...

    call = Call(urn=f"urn:pulumi:s::p::random:index/random{name}:Random{name}::x", preview=preview, say=unheard)
    return kind(name).create(call, kind(name).check(inputs))


@given(
    minima=st.fixed_dictionaries(dict.fromkeys([*CLASSES, "minSpecial"], st.integers(0, 5))), more=st.integers(1, 20)
)
def test_a_string_has_its_length_and_at_least_as_many_of_each_class_as_asked(minima: dict[str, int], more: int) -> None:
    identity, state = drawn("String", {"length": sum(minima.values()) + more, "overrideSpecial": "_", **minima})
    result = str(state["result"])
    assert (identity, len(result)) == (result, sum(minima.values()) + more)
    assert all(sum(map(belongs, result)) >= minima[name] for name, belongs in CLASSES.items())
    assert result.count("_") >= minima["minSpecial"]


def test_classes_that_are_turned_off_do_not_appear() -> None:
    _, state = drawn("String", {"length": 200, "upper": False, "special": False, "numeric": False})
    assert str(state["result"]).islower()


def test_the_old_name_of_numeric_is_understood() -> None:
    _, state = drawn("String", {"length": 200, "number": False})
    assert not any(map(str.isdigit, str(state["result"])))


def test_a_string_of_no_class_is_refused() -> None:
    with pytest.raises(ProviderError, match="character set"):
        drawn("String", {"length": 3, **dict.fromkeys(("upper", "lower", "numeric", "special"), False)})


@pytest.mark.parametrize("inputs", [{"length": 0}, {"length": 3, "minUpper": 2, "minLower": 2}])
def test_a_length_that_cannot_hold_the_minima_is_refused_before_anything_is_made(inputs: Properties) -> None:
    with pytest.raises(InvalidInputs) as refused:
        kind("Password").check(inputs)
    assert list(refused.value.failures) == ["length"]


def test_a_password_and_its_hash_are_secret_and_belong_together() -> None:
    bcrypt = pytest.importorskip("bcrypt")
    identity, state = drawn("Password", {"length": 16})
    assert identity == "none"
    assert state["result"] == wire.secret(wire.revealed(state["result"]))
    assert bcrypt.checkpw(
        str(wire.revealed(state["result"])).encode(), str(wire.revealed(state["bcryptHash"])).encode()
    )


def test_a_preview_draws_nothing() -> None:
    assert drawn("Id", {"byteLength": 2}, preview=True) == (
        "",
        {"byteLength": 2, **dict.fromkeys(("b64Std", "b64Url", "dec", "hex"), UNKNOWN)},
    )


def test_an_id_is_spelt_in_four_ways_after_its_prefix() -> None:
    identity, state = drawn("Id", {"byteLength": 5, "prefix": "a-"})
    content = base64.urlsafe_b64decode(identity + "=")
    assert state["hex"] == f"a-{content.hex()}"
    assert state["dec"] == f"a-{int.from_bytes(content)}"
    assert state["b64Std"] == f"a-{base64.b64encode(content).decode()}"
    assert state["b64Url"] == f"a-{identity}"


def test_bytes_are_secret() -> None:
    identity, state = drawn("Bytes", {"length": 3})
    assert state == {
        "length": 3,
        "base64": wire.secret(identity),
        "hex": wire.secret(base64.b64decode(identity).hex()),
    }


def test_integers_lie_between_both_ends_and_a_seed_repeats_them() -> None:
    assert {drawn("Integer", {"min": 1, "max": 2})[0] for _ in range(50)} == {"1", "2"}
    seeded: Properties = {"min": 1, "max": 10**9, "seed": "s"}
    assert drawn("Integer", seeded) == drawn("Integer", seeded)
    with pytest.raises(ProviderError, match="at most max"):
        drawn("Integer", {"min": 2, "max": 1})


def test_a_pet_name_has_as_many_words_as_asked() -> None:
    identity, state = drawn("Pet", {"length": 3, "separator": "_", "prefix": "my"})
    assert identity.startswith("my_")
    assert identity.count("_") == 3
    assert state == {"length": 3, "separator": "_", "prefix": "my"}


def test_a_uuid_is_one() -> None:
    identity, state = drawn("Uuid", {})
    assert state == {"result": str(uuid.UUID(identity))}


@pytest.mark.parametrize(
    ("inputs", "changed"),
    [
        ({"length": 8}, {}),
        ({"length": 8, "special": True, "minUpper": 0}, {}),
        ({"length": 9}, {"length": "update"}),
        ({"length": 8, "special": False}, {"special": "update"}),
        ({"length": 8, "keepers": {"a": "1"}}, {"keepers": "add"}),
        ({"length": UNKNOWN}, {"length": "update"}),
    ],
)
def test_a_value_stays_while_its_inputs_mean_the_same_and_is_replaced_when_not(
    inputs: Properties, changed: Properties
) -> None:
    _, state = drawn("Password", {"length": 8})
    assert kind("Password").diff(state, {"length": 8}, inputs) == changed
    assert kind("Password").replaces("length")


@pytest.mark.parametrize(
    ("name", "imported", "identity", "inputs"),
    [
        ("Password", "hush", "none", {"length": 4}),
        ("String", "word", "word", {"length": 4}),
        ("Uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", {}),
        ("Id", "a-,AQI", "AQI", {"byteLength": 2, "prefix": "a-"}),
        ("Bytes", "AQI=", "AQI=", {"length": 2}),
        ("Integer", "5,1,9", "5", {"min": 1, "max": 9}),
    ],
)
def test_what_comes_from_elsewhere_is_adopted_without_a_change(
    name: str, imported: str, identity: str, inputs: Properties
) -> None:
    found, state, read_inputs = kind(name).read(imported, {}, {})
    assert found == identity
    assert read_inputs.items() >= inputs.items()
    assert kind(name).diff(state, read_inputs, inputs) == {}


def test_what_cannot_be_adopted_says_so() -> None:
    with pytest.raises(ProviderError, match="does not support import"):
        kind("Pet").read("bold-otter", {}, {})
    with pytest.raises(ProviderError, match="cannot be imported"):
        kind("Integer").read("five", {}, {})


def test_a_refresh_leaves_everything_as_it_is() -> None:
    identity, state = drawn("String", {"length": 4})
    assert kind("String").read(identity, state, {"length": 4}) == (identity, state, {"length": 4})
