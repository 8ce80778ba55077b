"""calendar.yml as it is written, and the calendar that it becomes. The model is the source of the editor's schema."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from lockstep.calendar import (
    KIND_OF_SECTION,
    KINDS,
    LONGEST_DAYS,
    MOST_PRODUCTS,
    SHOWN_KINDS,
    UTC,
    Calendar,
    Day,
    Entry,
    PlannedCampaign,
    PlannedCapacity,
    PublicHolidays,
    calendar_of,
)
from lockstep.calendar.country_holidays import country_holidays, known_country
from lockstep.calendar.feed_entries import Feed, feed_entries
from lockstep.calendar.ical_text import CalendarFault
from lockstep.text.feed_address import FeedAddress, feed_url, is_address
from lockstep.text.personal_data import looks_personal
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean, validate

MOST_ENTRIES = 2_000
MOST_FEEDS = 20

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


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


def _impersonal(value: str) -> str:
    if looks_personal(value):
        raise ValueError("many read this, and it looks like somebody's address or number; leave that out [LS136]")
    return value


_DAY = {"type": "string", "examples": ["2026-12-25", "12-25", "Sat"]}
_DAY_DATE = {"type": "string", "format": "date", "examples": ["2026-11-27"]}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_impersonal)]


class EntryModel(_Strict):
    """Days of one name: single ones, or a stretch."""

    name: _Name = Field(description="What it is, for people")
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


def _secret_name(value: Any) -> Any:
    # The value is not repeated: whoever writes an address here must not find it in a log as well.
    if isinstance(value, str) and not _SECRET_NAME.fullmatch(value):
        raise ValueError("this is no secret's name; write capitals, digits and _, as in MARKETING_CALENDAR [LS151]")
    return value


def _written_as(value: Any) -> str:
    return "secret" if isinstance(value, dict | SecretAddress) else "text"


class SecretAddress(_Strict):
    """A secret by its name: the value comes from LOCKSTEP_SECRET_NAME or the file LOCKSTEP_SECRET_NAME_FILE."""

    secret: Annotated[
        str, BeforeValidator(_secret_name), WithJsonSchema({"type": "string", "pattern": f"^{_SECRET_NAME.pattern}$"})
    ] = Field(description="NAME: read from LOCKSTEP_SECRET_NAME, or from the file that LOCKSTEP_SECRET_NAME_FILE names")


class FeedModel(_Strict):
    """A calendar that others keep: its events are entries of one section of this file."""

    ical: Annotated[
        Annotated[str, Tag("text")] | Annotated[SecretAddress, Tag("secret")], Discriminator(_written_as)
    ] = Field(
        description="An https address of a calendar (.ics), {secret: NAME} for a private one, or a file beside this one"
    )
    as_: Literal["campaigns", "holidays", "closed", "content", "pr"] = Field(
        alias="as", description="The section that its events belong to"
    )
    category: _Name | None = Field(None, description="Only events of this category; without it all of them")


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
    feeds: list[FeedModel] = Field(
        default_factory=list, max_length=MOST_FEEDS, description="Calendars that others keep, such as that of marketing"
    )


@dataclass
class _Gathered:
    """What a document and its feeds have given so far. planned: by name. is_whole: whether each feed has its text."""

    entries: list[Entry] = field(default_factory=list)
    planned: dict[str, PlannedCampaign] = field(default_factory=dict)
    feeds: set[FeedAddress] = field(default_factory=set)
    is_whole: bool = True


def read_calendar(
    document: Document, files: Mapping[str, str] | None = None, zone: ZoneInfo = UTC
) -> tuple[Calendar | None, list[Fault]]:
    """The calendar in a document, and every fault of it and of the calendars that it names. A bad entry costs only
    itself, a key that stands twice all.

    files: path → text of the calendar files beside it, and of those that were fetched, by `FeedAddress.file`. zone: the
    shop's, for their times.
    """
    faults = validate(document, CalendarFile)[1]
    if document.twice:
        return None, faults
    gathered = _Gathered()
    faults += _take_entries(document, gathered)
    faults += _take_feeds(document, files or {}, zone, gathered)
    calendar = calendar_of(
        [entry for entry in gathered.entries if entry.kind in KINDS],
        public=_public(document),
        shown=[entry for entry in gathered.entries if entry.kind in SHOWN_KINDS],
        planned=gathered.planned.values(),
        capacity=[
            PlannedCapacity(model.name, model.from_, model.to, model.orders_per_day)
            for _, model in _good(document, "capacity", CapacityModel)
        ],
        feeds=gathered.feeds,
        is_whole=gathered.is_whole,
    )
    return calendar, faults


def _take_entries(document: Document, gathered: _Gathered) -> Iterator[Fault]:
    """Add what the sections of the document say; what they are at fault for beside their form."""
    for section, kind in KIND_OF_SECTION.items():
        form = CampaignModel if section == "campaigns" else EntryModel
        for at, model in _good(document, section, form):
            gathered.entries.append(Entry(kind, model.name, tuple(model.on), model.from_, model.to))
            if not isinstance(model, CampaignModel) or not model.is_planned:
                continue
            if model.name in gathered.planned:
                said = f"'{model.name}' is planned twice, and nothing tells its numbers apart"
                line, column = document.place((section, at))
                yield Fault(document.path, line, column, said, "add its year to the name", "LS171")
            else:
                gathered.planned[model.name] = _campaign(model)


def _take_feeds(document: Document, files: Mapping[str, str], zone: ZoneInfo, gathered: _Gathered) -> Iterator[Fault]:
    """Add what the calendars give that the document names; what is wrong with them, or with how they are named."""
    before, slash, _ = document.path.rpartition("/")
    folder = before + slash
    for at, written in _good(document, "feeds", FeedModel):
        feed, faults = _feed(document, at, written)
        yield from faults
        if feed is None:
            continue
        if feed.address is not None:
            gathered.feeds.add(feed.address)
        text = files.get(f"{folder}{feed.file}")
        if text is not None:
            yield from _take_feed(text, feed, f"{folder}{feed.file}", zone, gathered)
        elif feed.address is not None:
            gathered.is_whole = False
        else:
            near = [path.removeprefix(folder) for path in files if path.endswith(".ics")]
            remedy = f"put it beside this file{f'; {did_you_mean(feed.file, near)}' if near else ''}"
            yield document.fault(("feeds", at, "ical"), f"there is no '{feed.file[:100]}'", remedy, "LS272")


def _feed(document: Document, at: int, model: FeedModel) -> tuple[Feed | None, list[Fault]]:
    """Where a calendar comes from; None: nothing that is one is named."""
    pointer: Pointer = ("feeds", at, "ical")
    written, section, category = model.ical, model.as_, model.category or ""
    if isinstance(written, SecretAddress):
        address = FeedAddress(secret=written.secret)
        return Feed(address.file, section, address, category), []
    if is_address(written):
        try:
            address = FeedAddress(feed_url(written))
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            return None, [document.fault(pointer, message, remedy, "LS272")]
        return Feed(address.file, section, address, category), []
    if not written.endswith(".ics") or "/" in written or "\\" in written:
        remedy = "write an https:// address, or the name of a file beside this one, like campaigns.ics"
        return None, [document.fault(pointer, f"'{written[:100]}' is no calendar", remedy, "LS272")]
    return Feed(written, section, None, category), []


def _take_feed(text: str, feed: Feed, path: str, zone: ZoneInfo, gathered: _Gathered) -> Iterator[Fault]:
    """Add what a calendar gives; what it is at fault for."""
    try:
        made = feed_entries(text, feed, zone)
    except CalendarFault as fault:
        yield Fault(path, fault.line, 1, fault.message, fault.remedy, "LS272")
        return
    gathered.entries += made.entries
    for remark in made.remarks:
        yield Fault(path, remark.line, 1, remark.message, remark.remedy, "LS173", "warning")
    for plan in made.planned:
        if plan.name in gathered.planned:
            said = f"'{plan.name}' is planned elsewhere in the calendar, too; what stands there counts"
            yield Fault(path, 1, 1, said, "give one of them another name", "LS173", "warning")
        else:
            gathered.planned[plan.name] = plan


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
        *(schema["$defs"][form]["properties"] for form in ("EntryModel", "CampaignModel", "FeedModel")),
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
