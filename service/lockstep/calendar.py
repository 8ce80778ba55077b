"""What the shop knows of its days: campaigns, holidays, closed days. The model is the source of the editor's schema.

A day here is a day of the shop's time zone. Marked days are kept out of what is usual, or are the usual of their kind;
see `lockstep.rule.condition.baseline_windows`. Entries are fixed when rules are loaded; what `campaign.planned` events
tell would be further entries of the same kind.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from lockstep.identity import Parts, identity
from lockstep.labels import stable_id
from lockstep.yaml.document import Document, Fault, validate

KINDS = ("campaign", "holiday", "closed")
"""What a day can be marked as."""

MOST_ENTRIES = 2_000
LONGEST_DAYS = 366
"""Days of one entry."""
_KEPT_DAYS = 4_096

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")


@dataclass(frozen=True)
class Day:
    """One or many days: a date, the same month and day of every year, or a weekday (Monday is 0)."""

    on: date | None = None
    yearly: tuple[int, int] | None = None
    weekday: int | None = None

    def is_on(self, day: date) -> bool:
        if self.on is not None:
            return day == self.on
        if self.yearly is not None:
            return (day.month, day.day) == self.yearly
        return day.weekday() == self.weekday


@dataclass(frozen=True)
class Entry:
    """Days marked as one kind: those of `on`, and those from `first` to `last`, both included."""

    kind: str
    name: str
    on: tuple[Day, ...] = ()
    first: date | None = None
    last: date | None = None

    def is_on(self, day: date) -> bool:
        if self.first is not None and self.last is not None and self.first <= day <= self.last:
            return True
        return any(d.is_on(day) for d in self.on)


@dataclass(frozen=True)
class Calendar:
    """Which days are marked as what. Two calendars are the same when their fingerprints are."""

    fingerprint: str
    entries: tuple[Entry, ...] = field(compare=False, repr=False)
    _known: dict[date, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    def kinds(self, day: date) -> frozenset[str]:
        """What a day is marked as; empty for an ordinary day."""
        kinds = self._known.get(day)
        if kinds is None:
            if len(self._known) >= _KEPT_DAYS:
                self._known.clear()
            kinds = self._known[day] = frozenset(e.kind for e in self.entries if e.is_on(day))
        return kinds

    def kinds_over(self, first: date, last: date) -> frozenset[str]:
        """What any day from first to last is marked as."""
        if first == last:
            return self.kinds(first)
        return frozenset().union(*(self.kinds(first + timedelta(n)) for n in range((last - first).days + 1)))

    def only(self, kinds: Iterable[str]) -> "Calendar | None":
        """The calendar of these kinds alone; None when nothing of it is left."""
        wanted = set(kinds)
        return calendar_of(e for e in self.entries if e.kind in wanted)


ENTRY_PARTS: Parts = {Entry: ("kind", "name", "on", "first", "last"), Day: ("on", "yearly", "weekday")}
"""What names a calendar in stored state; see `lockstep.identity` before you change a line."""


def calendar_of(entries: Iterable[Entry]) -> Calendar | None:
    """The calendar of these entries; None when there are none."""
    listed = tuple(entries)
    return Calendar(stable_id("calendar-1", identity(listed, ENTRY_PARTS))[:12], listed) if listed else None


# ---- calendar.yml -------------------------------------------------------------------------------------------------


def _day(value: Any) -> Day:
    text = "" if value is None or isinstance(value, dict | list | bool) else str(value).strip()[:100]
    hint = "write one like 2026-12-25, 12-25 (every year) or Sat (every week)"
    exact, yearly = _DATE.fullmatch(text), _YEARLY.fullmatch(text)
    try:
        if exact is not None:
            return Day(on=date(int(exact[1]), int(exact[2]), int(exact[3])))
        if yearly is not None:
            leap = date(2024, int(yearly[1]), int(yearly[2]))
            return Day(yearly=(leap.month, leap.day))
    except ValueError:
        raise ValueError(f"there is no day '{text}'; {hint} [LS170]") from None
    word = text.lower()
    if len(word) >= 3:
        for number, name in enumerate(_WEEKDAYS):
            if name.startswith(word):
                return Day(weekday=number)
    raise ValueError(f"'{text}' is no day; {hint} [LS170]")


def _date(value: Any) -> date:
    day = _day(value).on
    if day is None:
        raise ValueError(f"'{str(value)[:100]}' is no date; write one like 2026-12-25 [LS170]")
    return day


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_DAY = {"type": "string", "examples": ["2026-12-25", "12-25", "Sat"]}
_DAY_DATE = {"type": "string", "format": "date", "examples": ["2026-11-27"]}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


class EntryModel(_Strict):
    """Days of one name: single ones, or a stretch."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="What it is, for people")
    on: Annotated[
        list[Annotated[Day, BeforeValidator(_day)]],
        BeforeValidator(_one_or_many),
        WithJsonSchema({"anyOf": [_DAY, {"type": "array", "items": _DAY}]}),
    ] = Field(
        default_factory=list,
        description="A date `2026-12-25`, a day of every year `12-25`, a weekday `Sat`; or a list of them",
    )
    from_: Annotated[date, BeforeValidator(_date), WithJsonSchema(_DAY_DATE)] | None = Field(
        None, alias="from", description="The first day of a stretch, `2026-11-27`"
    )
    to: Annotated[date, BeforeValidator(_date), WithJsonSchema(_DAY_DATE)] | None = Field(
        None, description="The last day of the stretch, itself included"
    )

    @model_validator(mode="after")
    def _has_days(self) -> "EntryModel":
        if (self.from_ is None) != (self.to is None):
            raise ValueError("a stretch has two ends; add 'from' and 'to' [LS171]")
        if self.from_ is None and not self.on:
            raise ValueError("no day is named; add 'on: 2026-12-25', or 'from' and 'to' [LS171]")
        if self.from_ is not None and self.to is not None:
            if self.to < self.from_:
                raise ValueError(f"it ends on {self.to}, before it begins; swap 'from' and 'to' [LS171]")
            if (self.to - self.from_).days >= LONGEST_DAYS:
                raise ValueError(f"it is longer than a year; write at most {LONGEST_DAYS} days in one entry [LS171]")
        return self


class CalendarFile(_Strict):
    """What the shop knows of its days, in its own time zone. Marked days are not part of what is usual."""

    campaigns: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Sales and promotions: days that sell more"
    )
    holidays: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Days on which people behave differently"
    )
    closed: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Days on which the shop does not sell"
    )


_SECTIONS = {"campaigns": "campaign", "holidays": "holiday", "closed": "closed"}


def read_calendar(document: Document) -> tuple[Calendar | None, list[Fault]]:
    """The calendar in a document, and every fault of it. A bad entry costs only itself, a key that stands twice all."""
    faults = validate(document, CalendarFile)[1]
    if document.twice:
        return None, faults
    entries: list[Entry] = []
    data = document.data if isinstance(document.data, dict) else {}
    for section, kind in _SECTIONS.items():
        items = data.get(section)
        for item in items[:MOST_ENTRIES] if isinstance(items, list) else ():
            try:
                model = EntryModel.model_validate(item)
            except ValidationError:
                continue
            entries.append(Entry(kind, model.name, tuple(model.on), model.from_, model.to))
    return calendar_of(entries), faults


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of calendar.yml, for editors."""
    schema = CalendarFile.model_json_schema(by_alias=True)
    entry = schema["$defs"]["EntryModel"]["properties"]
    for name in ("from", "to"):
        choice = next(c for c in entry[name].pop("anyOf") if c != {"type": "null"})
        entry[name].pop("default", None)
        entry[name] = {**choice, **entry[name]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/calendar.schema.json",
        **schema,
        "title": "Lockstep calendar",
    }
