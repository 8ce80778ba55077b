"""What the shop knows of its days: campaigns, holidays, closed days, capacity. The model is the source of the editor's
schema.

A day here is a day of the shop's time zone. Marked days are kept out of what is usual, or are the usual of their kind;
see `lockstep.rule.condition.baseline_windows`. Days of content and PR are shown to people and judged by nobody. Entries
are fixed when rules are loaded; campaigns that say what they promote or expect, and capacity, are facts of the shop as
those of `campaign.planned` and `capacity.declared` are (`lockstep.shop.ledger`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from lockstep.identity import Parts, identity
from lockstep.labels import stable_id
from lockstep.yaml.document import Document, Fault, validate

KINDS = ("campaign", "holiday", "closed")
"""What a day can be marked as."""
SHOWN_KINDS = ("content", "pr")
"""What days can be of beside that: it is shown, and nothing is judged by it."""

MOST_ENTRIES = 2_000
LONGEST_DAYS = 366
"""Days of one entry."""
MOST_PRODUCTS = 1_000
"""Of one campaign."""
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
class PlannedCampaign:
    """A campaign of which marketing says more than its days; first and last included, discount 0.2 is 20 %."""

    name: str
    first: date
    last: date
    skus: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    expected_orders: float | None = None
    expected_sessions: float | None = None
    discount: float | None = None


@dataclass(frozen=True)
class PlannedCapacity:
    """What operations can ship on the days from first to last, both included."""

    name: str
    first: date
    last: date
    orders_per_day: float


@dataclass(frozen=True)
class Calendar:
    """Which days are marked as what. Two calendars are the same for rules when their fingerprints are.

    shown: days of SHOWN_KINDS, and planned, capacity: facts of the shop. They name nothing and no rule is judged by
    them, so no version of a rule changes with them.
    """

    fingerprint: str
    entries: tuple[Entry, ...] = field(compare=False, repr=False)
    shown: tuple[Entry, ...] = field(default=(), compare=False, repr=False)
    planned: tuple[PlannedCampaign, ...] = field(default=(), compare=False, repr=False)
    capacity: tuple[PlannedCapacity, ...] = field(default=(), compare=False, repr=False)
    _known: dict[date, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def for_people(self) -> tuple[Entry, ...]:
        """All that people are shown: the marked days, then content and PR."""
        return (*self.entries, *self.shown)

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


def calendar_of(
    entries: Iterable[Entry],
    *,
    shown: Iterable[Entry] = (),
    planned: Iterable[PlannedCampaign] = (),
    capacity: Iterable[PlannedCapacity] = (),
) -> Calendar | None:
    """The calendar of these entries; None when there is nothing in it."""
    listed = tuple(entries)
    beside = tuple(shown), tuple(planned), tuple(capacity)
    if not listed and not any(beside):
        return None
    return Calendar(stable_id("calendar-1", identity(listed, ENTRY_PARTS))[:12], listed, *beside)


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


def _check_stretch(first: date, last: date) -> None:
    if last < first:
        raise ValueError(f"it ends on {last}, before it begins; swap 'from' and 'to' [LS171]")
    if (last - first).days >= LONGEST_DAYS:
        raise ValueError(f"it is longer than a year; write at most {LONGEST_DAYS} days in one entry [LS171]")


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
            _check_stretch(self.from_, self.to)
        return self


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Count = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
_PLAN_KEYS = ("skus", "channels", "expected_orders", "expected_sessions", "discount")


class CampaignModel(EntryModel):
    """Days of a campaign, and what marketing plans for them."""

    skus: Annotated[list[_Name], Field(max_length=MOST_PRODUCTS)] = Field(
        default_factory=list, description="The products it promotes"
    )
    channels: Annotated[list[_Name], Field(max_length=MOST_PRODUCTS)] = Field(
        default_factory=list, description="Where it runs; none: everywhere"
    )
    expected_orders: _Count | None = Field(None, description="Orders that marketing expects of it, in all")
    expected_sessions: _Count | None = Field(None, description="Visits that marketing expects of it, in all")
    discount: _Count | None = Field(None, description="As a part of the price: 0.2 is 20 %")

    @property
    def is_planned(self) -> bool:
        """Whether it says more than its days."""
        return bool(self.model_fields_set.intersection(_PLAN_KEYS))

    @model_validator(mode="after")
    def _has_a_stretch(self) -> "CampaignModel":
        if self.is_planned and (self.from_ is None or self.on):
            said = next(key for key in _PLAN_KEYS if key in self.model_fields_set)
            raise ValueError(f"a campaign with '{said}' is one stretch; write 'from' and 'to' and no 'on' [LS171]")
        return self


class CapacityModel(_Strict):
    """What operations can ship on the days of a stretch. Of two that cover a day the one that begins later counts."""

    name: _Name = Field(description="Why it is so, for people")
    from_: Annotated[date, BeforeValidator(_date), WithJsonSchema(_DAY_DATE)] = Field(
        alias="from", description="The first day, `2026-11-27`"
    )
    to: Annotated[date, BeforeValidator(_date), WithJsonSchema(_DAY_DATE)] = Field(
        description="The last day, itself included"
    )
    orders_per_day: _Count = Field(description="Orders that can be shipped in a day")

    @model_validator(mode="after")
    def _goes_forward(self) -> "CapacityModel":
        _check_stretch(self.from_, self.to)
        return self


Form = TypeVar("Form", bound=BaseModel)


class CalendarFile(_Strict):
    """What the shop knows of its days, in its own time zone. Marked days are not part of what is usual."""

    campaigns: list[CampaignModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Sales and promotions: days that sell more"
    )
    holidays: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Days on which people behave differently"
    )
    closed: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Days on which the shop does not sell"
    )
    capacity: list[CapacityModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="What operations can ship, where it is not as usual"
    )
    content: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Newsletters, posts, shoots: shown, never judged by"
    )
    pr: list[EntryModel] = Field(
        default_factory=list, max_length=MOST_ENTRIES, description="Press and events: shown, never judged by"
    )


_SECTIONS: dict[str, tuple[str, type[EntryModel]]] = {
    "campaigns": ("campaign", CampaignModel),
    "holidays": ("holiday", EntryModel),
    "closed": ("closed", EntryModel),
    "content": ("content", EntryModel),
    "pr": ("pr", EntryModel),
}


def read_calendar(document: Document) -> tuple[Calendar | None, list[Fault]]:
    """The calendar in a document, and every fault of it. A bad entry costs only itself, a key that stands twice all."""
    faults = validate(document, CalendarFile)[1]
    if document.twice:
        return None, faults
    entries: list[Entry] = []
    planned: dict[str, PlannedCampaign] = {}
    for section, (kind, form) in _SECTIONS.items():
        for at, model in _good(document, section, form):
            entries.append(Entry(kind, model.name, tuple(model.on), model.from_, model.to))
            if not isinstance(model, CampaignModel) or not model.is_planned:
                continue
            if model.name in planned:
                said = f"'{model.name}' is planned twice, and nothing tells its numbers apart"
                line, column = document.place((section, at))
                faults.append(Fault(document.path, line, column, said, "add its year to the name", "LS171"))
            else:
                planned[model.name] = _campaign(model)
    capacity = [
        PlannedCapacity(model.name, model.from_, model.to, model.orders_per_day)
        for _, model in _good(document, "capacity", CapacityModel)
    ]
    shown = [entry for entry in entries if entry.kind in SHOWN_KINDS]
    marked = [entry for entry in entries if entry.kind in KINDS]
    return calendar_of(marked, shown=shown, planned=planned.values(), capacity=capacity), faults


def _good(document: Document, section: str, form: type[Form]) -> Iterator[tuple[int, Form]]:
    """The entries of a section that have no fault, with their places in it."""
    data = document.data if isinstance(document.data, dict) else {}
    items = data.get(section)
    for at, item in enumerate(items[:MOST_ENTRIES] if isinstance(items, list) else ()):
        try:
            yield at, form.model_validate(item)
        except ValidationError:
            continue


def _campaign(model: CampaignModel) -> PlannedCampaign:
    assert model.from_ is not None
    assert model.to is not None
    return PlannedCampaign(
        model.name,
        model.from_,
        model.to,
        skus=tuple(dict.fromkeys(model.skus)),
        channels=tuple(dict.fromkeys(model.channels)),
        expected_orders=model.expected_orders,
        expected_sessions=model.expected_sessions,
        discount=model.discount,
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of calendar.yml, for editors."""
    schema = CalendarFile.model_json_schema(by_alias=True)
    for form in ("EntryModel", "CampaignModel"):
        entry = schema["$defs"][form]["properties"]
        for name, asked in entry.items():
            if {"type": "null"} in asked.get("anyOf", ()):
                choice = next(c for c in asked.pop("anyOf") if c != {"type": "null"})
                asked.pop("default", None)
                entry[name] = {**choice, **asked}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/calendar.schema.json",
        **schema,
        "title": "Lockstep calendar",
    }
