"""Times as KEDA's cron scaler reads them: five fields for robfig/cron, without descriptors such as `@daily`.

2026-11-22, https://github.com/robfig/cron, parser.go and spec.go of v3.0.1, and https://github.com/kedacore/keda,
pkg/scalers/cron_scaler.go. Sunday is 0, never 7; `5/15` is `5-59/15`; names are read in either case.
"""

from dataclasses import dataclass

_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
"""Days of the months that have fewer than 31, February at its longest."""


@dataclass(frozen=True, kw_only=True)
class _Field:
    """One of the five, and what may stand in it."""

    what: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    """Of its numbers, from `least` on."""

    @property
    def bounds(self) -> str:
        """As in `0 to 6, or SUN to SAT`."""
        named = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.least} to {self.most}{named}"

    def number(self, text: str, part: str) -> int:
        """What a number or a name stands for; ValueError if for nothing here."""
        if text.upper() in self.names:
            return self.least + self.names.index(text.upper())
        if not text.isdecimal() or not self.least <= int(text) <= self.most:
            raise ValueError(f'{self.what} "{part}" is out of range: {self.bounds}')
        return int(text)

    def numbers(self, part: str) -> range:
        """Those that one part between commas stands for: a number, a range, or steps of either."""
        base, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            raise ValueError(f'{self.what} "{part}" takes steps of nothing: write a number from 1 on behind the /')
        if base in ("*", "?"):
            return range(self.least, self.most + 1, int(step or 1))
        first, dash, last = base.partition("-")
        begin = self.number(first, part)
        end = self.number(last, part) if dash else self.most if slash else begin
        if begin > end:
            raise ValueError(f'{self.what} "{part}" ends before it begins: list both ends, as in {end},{begin}')
        return range(begin, end + 1, int(step or 1))

    def read(self, text: str) -> set[int]:
        """Every number that it stands for."""
        return {number for part in text.split(",") for number in self.numbers(part)}


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIELDS = (
    _Field(what="minute", least=0, most=59),
    _Field(what="hour", least=0, most=23),
    _Field(what="day of the month", least=1, most=31),
    _Field(what="month", least=1, most=12, names=_MONTHS),
    _Field(what="day of the week", least=0, most=6, names=("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)


def cron(expression: str) -> str:
    """The same, if it can be read and comes some day; ValueError that names the field and its range if not."""
    texts = expression.split(" ")
    _, _, days, months, _ = (field.read(text) for field, text in zip(_FIELDS, texts, strict=True))
    # A day of the week beside it would do as well; any day is none. KEDA would take the time for always.
    any_day = {"*", "?", "*/1", "?/1"}.intersection(texts[4].split(","))
    if any_day and min(days) > max(_LONGEST_MONTHS.get(month, 31) for month in months):
        raise ValueError(f'day of the month "{texts[2]}" never comes in month "{texts[3]}"')
    return expression
