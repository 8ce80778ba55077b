"""calendar.yml as it is written, and the calendar that it becomes. The model is the source of the editor's schema."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from lockstep.calendar import (
    KINDS,
    LONGEST_DAYS,
    MOST_PRODUCTS,
    SHOWN_KINDS,
    Calendar,
    Day,
    Entry,
    PlannedCampaign,
    PlannedCapacity,
    PublicHolidays,
    calendar_of,
)
from lockstep.calendar.country_holidays import country_holidays, known_country
from lockstep.yaml.document import Document, Fault, validate

MOST_ENTRIES = 2_000

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")


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

    country: Annotated[str, BeforeValidator(known_country)] | None = Field(
        None,
        description="Whose public holidays are marked: `DE`, or a part of a country, `DE-BY`",
        examples=["DE", "DE-BY", "GB-ENG", "US-CA"],
    )
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
    return calendar_of(
        marked, public=_public(document), shown=shown, planned=planned.values(), capacity=capacity
    ), faults


def _public(document: Document) -> PublicHolidays | None:
    """The holidays of the country that is named; None: none is, or none that is known."""
    written = document.find(("country",))
    try:
        return country_holidays(written) if isinstance(written, str) else None
    except ValueError:
        return None


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
    for entry in (
        schema["properties"],
        *(schema["$defs"][form]["properties"] for form in ("EntryModel", "CampaignModel")),
    ):
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
