"""Mute times as rules/routing.yml writes them, and what they become."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lockstep.notify.quiet.mute_times import MINUTES_A_DAY, Interval, MuteTime, Span
from lockstep.notify.quiet.wall_clock import zone_named

MOST_INTERVALS = 20
MOST_SPANS = 50

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_BETWEEN = r"\s*(?:-|:|to)\s*"
_TIMES = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*(?:-|to)\s*([0-9]{1,2}):([0-9]{2})")
_WORDS = re.compile(rf"([A-Za-z]{{3,9}}|[0-9]{{1,2}})(?:{_BETWEEN}([A-Za-z]{{3,9}}|[0-9]{{1,2}}))?")
_DAYS = re.compile(rf"(-?[0-9]{{1,2}})(?:{_BETWEEN}(-?[0-9]{{1,2}}))?")
_YEARS = re.compile(rf"([0-9]{{4}})(?:{_BETWEEN}([0-9]{{4}}))?")


def _texts(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """One text or number, or a list of them, each read."""

    def read_all(value: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        return [read(_text(one)) if not isinstance(one, tuple | frozenset) else one for one in values]

    return read_all


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("this is no text; write one like 22:00-06:00, Mon-Fri, 1, -1 or Dec [LS261]")
    return str(value).strip()[:100]


def _times(text: str) -> Span:
    hint = "write one like 22:00-06:00 [LS261]"
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' are no times of day; {hint}")
    first, second, third, fourth = map(int, match.groups())
    begin, end = first * 60 + second, third * 60 + fourth
    if second > 59 or fourth > 59 or begin >= MINUTES_A_DAY or end > MINUTES_A_DAY:
        raise ValueError(f"'{text}' are no times of day; {hint}")
    if begin == end:
        raise ValueError(f"'{text}' ends where it begins; write 00:00-24:00 for a whole day [LS261]")
    return begin, end


def _named(text: str, names: Sequence[str], what: str, example: str) -> frozenset[int]:
    """The numbers, from 1 on, of one name or of a stretch of them, which may go over the end: `Fri-Mon`."""
    match = _WORDS.fullmatch(text)
    ends = [] if match is None else [_number(word, names) for word in match.groups() if word is not None]
    if not ends or None in ends:
        raise ValueError(f"'{text}' is no {what}; write one like {example} [LS261]")
    first, last = int(ends[0] or 0), int(ends[-1] or 0)
    return frozenset(range(first, last + 1) if first <= last else [*range(first, len(names) + 1), *range(1, last + 1)])


def _number(word: str, names: Sequence[str]) -> int | None:
    if word.isdigit():
        # A weekday is never a number: it begins with Sunday to one and with Monday to another.
        return int(word) if len(names) > 7 and 1 <= int(word) <= len(names) else None
    return next((n for n, name in enumerate(names, 1) if name.startswith(word.lower())), None)


def _weekdays(text: str) -> frozenset[int]:
    return frozenset(number - 1 for number in _named(text, _WEEKDAYS, "weekday", "Sat or Mon-Fri"))


def _months(text: str) -> frozenset[int]:
    return _named(text, _MONTHS, "month", "Dec, Nov-Feb or 12")


def _days(text: str) -> Span:
    match = _DAYS.fullmatch(text)
    first, last = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    is_in_order = first <= last if (first > 0) is (last > 0) else first > 0
    if not 1 <= abs(first) <= 31 or not 1 <= abs(last) <= 31 or not is_in_order:
        raise ValueError(f"'{text}' is no day of a month; write one like 1, 1:5, -1 (the last) or -3:-1 [LS261]")
    return first, last


def _years(text: str) -> Span:
    match = _YEARS.fullmatch(text)
    first, last = (1, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 2000 <= first <= last <= 2200:
        raise ValueError(f"'{text}' is no year; write one like 2026 or 2026:2028 [LS261]")
    return first, last


def _zone(value: Any) -> Any:
    if isinstance(value, ZoneInfo):
        return value
    zone = zone_named(value) if isinstance(value, str) else None
    if zone is None:
        raise ValueError(f"'{str(value)[:60]}' is no time zone; write one like Europe/London [LS261]")
    return zone


def _listed(example: list[Any], kind: str = "string") -> WithJsonSchema:
    one = {"type": kind if kind == "string" else ["string", kind], "examples": example}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "maxItems": MOST_SPANS}]})


class IntervalModel(BaseModel):
    """When it is: at these times on the days that meet all of the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    zone: (
        Annotated[ZoneInfo, BeforeValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/London"]})]
        | None
    ) = Field(None, description="Whose clock it is, an IANA name; the shop's, where none is named")
    times: Annotated[list[Span], BeforeValidator(_texts(_times)), _listed(["22:00-06:00"])] = Field(
        default_factory=list,
        max_length=MOST_SPANS,
        description="Times of day; one over midnight belongs to the day on which it begins",
    )
    weekdays: Annotated[list[frozenset[int]], BeforeValidator(_texts(_weekdays)), _listed(["Mon-Fri", "Sat"])] = Field(
        default_factory=list, max_length=MOST_SPANS, description="Days of the week"
    )
    days_of_month: Annotated[list[Span], BeforeValidator(_texts(_days)), _listed([1, "1:5", -1], "integer")] = Field(
        default_factory=list, max_length=MOST_SPANS, description="Days of the month; -1 is the last one"
    )
    months: Annotated[list[frozenset[int]], BeforeValidator(_texts(_months)), _listed(["Nov-Feb", 12], "integer")] = (
        Field(default_factory=list, max_length=MOST_SPANS, description="Months by name or number")
    )
    years: Annotated[list[Span], BeforeValidator(_texts(_years)), _listed([2026, "2026:2028"], "integer")] = Field(
        default_factory=list, max_length=MOST_SPANS, description="Years"
    )

    @model_validator(mode="after")
    def _says_when(self) -> "IntervalModel":
        if not (self.times or self.weekdays or self.days_of_month or self.months or self.years):
            raise ValueError("it does not say when it is; add times, weekdays, days_of_month, months or years [LS261]")
        return self

    @classmethod
    def unknown_key(cls, key: str, data: Any) -> tuple[str, str, str] | None:
        """What Alertmanager calls otherwise."""
        if key == "location":
            return "'location' is called 'zone' here", "write zone: Europe/London", "LS110"
        if key in ("start_time", "end_time"):
            return f"'{key}' is half of a time", "write times: [22:00-06:00]", "LS110"
        return None


def _intervals(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_Intervals = Annotated[list[IntervalModel], Field(min_length=1, max_length=MOST_INTERVALS)]
MuteTimeModel = Annotated[_Intervals, BeforeValidator(_intervals, json_schema_input_type=IntervalModel | _Intervals)]
"""One interval, or a list of them, of which any makes it."""


def mute_times_of(models: Mapping[str, Sequence[IntervalModel]]) -> dict[str, MuteTime]:
    """The mute times by name."""
    return {name: MuteTime(name, tuple(map(_interval, models[name]))) for name in models}


def _interval(model: IntervalModel) -> Interval:
    return Interval(
        model.zone,
        tuple(sorted(set(model.times))),
        frozenset().union(*model.weekdays),
        tuple(model.days_of_month),
        frozenset().union(*model.months),
        tuple(model.years),
    )
