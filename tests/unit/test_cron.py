"""Times of a schedule: what KEDA's parser takes is taken, and what it refuses is refused with the field's range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.engines.cron import cron

FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "day of the week": (0, 6),
}
EVERYTHING = ["*"] * 5


@st.composite
def part(draw: st.DrawFn, least: int, most: int) -> str:
    """A number, a range or all of a field, with or without steps."""
    first, last = sorted((draw(st.integers(least, most)), draw(st.integers(least, most))))
    base = draw(st.sampled_from(["*", "?", str(first), f"{first}-{last}"]))
    return base + draw(st.sampled_from(["", "/1", "/7", "/100"]))


@st.composite
def field(draw: st.DrawFn, number: int) -> str:
    """Something that may stand in this one of the five."""
    return ",".join(draw(st.lists(part(*[*FIELDS.values()][number]), min_size=1, max_size=3)))


@given(st.tuples(*(field(number) for number in (0, 1, 3, 4))))
def test_whatever_stays_within_its_ranges_is_taken(fields: tuple[str, ...]) -> None:
    minute, hour, month, weekday = fields
    expression = f"{minute} {hour} * {month} {weekday}"
    assert cron(expression) == expression


@given(st.sampled_from(range(5)), st.integers(0, 10_000), st.sampled_from(["{}", "*,{}", "{}/2", "0-{}", "{}-{}"]))
def test_a_number_past_its_range_is_told_with_the_field_and_the_range(number: int, over: int, written: str) -> None:
    what, (least, most) = [*FIELDS.items()][number]
    fields = [*EVERYTHING]
    fields[number] = written.replace("0-", f"{least}-").replace("{}", str(most + 1 + over))
    with pytest.raises(ValueError, match=f"^{what} .* is out of range: {least} to {most}"):
        cron(" ".join(fields))


@pytest.mark.parametrize(
    "expression",
    ["0 8 * * MON-FRI", "0 8 * * mon,wed", "30 6-20/2 1,15 JAN-jun ?", "*/5 * * * *", "0 0 29 2 *", "0 0 30 2 MON"],
)
def test_names_steps_lists_and_rare_days_are_taken(expression: str) -> None:
    assert cron(expression) == expression


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 ?", "0 0 31 2 */1"])
def test_a_day_that_no_month_has_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="never comes in month"):
        cron(expression)
