"""The events of a calendar that others keep, as entries of the shop's: their days, and what campaigns say of them.

The title of an event is its name. A campaign says more in lines of its description, in the words of calendar.yml:

    skus: MUG-01, TEA-02
    channels: web
    expected_orders: 900
    discount: 20%

A program that writes the calendar may put each into a property instead, `X-LOCKSTEP-SKUS`. All of it is taken as text:
what looks like a person's address or number is replaced as in events, and the rest of a description is read by nobody.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.calendar import KIND_OF_SECTION, LONGEST_DAYS, MOST_PRODUCTS, Day, Entry, PlannedCampaign
from lockstep.calendar.ical_text import CalendarFault, IcalText, is_cancelled, title, unreadable
from lockstep.text.feed_address import FeedAddress
from lockstep.text.one_line import flat
from lockstep.text.personal_data import PERSONAL, looks_personal

MOST_OCCURRENCES = 2_000
"""Of all events of one calendar."""
YEARS_AHEAD = 3
"""What recurs without an end is known to the end of so many years after the newest date that the calendar names, be it
only that of its last edit."""
FIRST_YEAR, LAST_YEAR = 2000, 2100
MOST_REMARKS = 5
"""Of one calendar: a calendar of the wrong kind has the same fault in each event."""
LONGEST_NAME = 200
_PRIVATE = ("PRIVATE", "CONFIDENTIAL")
_LINE = re.compile(r"\s*(skus|channels|expected[ _-]orders|expected[ _-]sessions|discount)\s*[:=](.*)", re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
_TAG = re.compile(r"<[^<>]{0,500}>")


@dataclass(frozen=True)
class Feed:
    """A calendar that others keep. file: its name among the files of the rules; address: where it is fetched from, None
    for one that lies beside them. section: that of calendar.yml whose entries its events are. category: only events of
    this one count; "": all."""

    file: str
    section: str
    address: FeedAddress | None = None
    category: str = ""

    @property
    def kind(self) -> str:
        return KIND_OF_SECTION[self.section]

    @property
    def source(self) -> str:
        """What plans of it name as theirs."""
        return self.file.removesuffix(".ics")


@dataclass(frozen=True)
class Remark:
    """Why an event, or something that it says, is left out. line: in the file."""

    message: str
    remedy: str
    line: int


@dataclass
class FeedEntries:
    """What a calendar gives. remarks: what of it is left out."""

    entries: list[Entry] = field(default_factory=list)
    planned: list[PlannedCampaign] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


@dataclass(frozen=True)
class _Occurrence:
    name: str
    first: date
    last: date
    event: Any
    recurs: bool


def feed_entries(text: str, feed: Feed, zone: ZoneInfo) -> FeedEntries:
    """The entries of a calendar's text. zone: the shop's; an event is on every day there that it touches.

    What was cancelled or is private is left out. Raises CalendarFault for a text that cannot be used.
    """
    ical = IcalText(text, event="an event")
    with unreadable():
        made = FeedEntries()
        occurrences = [o for o in _occurrences(ical, zone) if _is_wanted(o.event, feed)]
        kept = [o for o in occurrences if _is_usable(o, ical, made.remarks)]
        if feed.kind == "campaign":
            kept = _taken_plans(kept, feed, ical, made)
        made.entries += _entries(kept, feed.kind)
    del made.remarks[MOST_REMARKS:]
    return made


# ---- when events are -------------------------------------------------------------------------------------------------


def _occurrences(ical: IcalText, zone: ZoneInfo) -> list[_Occurrence]:
    if not ical.events:
        return []
    starts = [_day(event["DTSTART"].dt, zone) for event in ical.events]
    named = [event[key].dt for event in ical.events for key in ("DTSTAMP", "CREATED", "LAST-MODIFIED") if key in event]
    newest = max([*starts, *(_day(moment, zone) for moment in named)])
    horizon = date(min(newest.year + YEARS_AHEAD, LAST_YEAR), 12, 31)
    recurring = {str(event.get("UID")) for event in ical.events if "RRULE" in event or "RDATE" in event}
    occurrences: dict[tuple[str, Any], _Occurrence] = {}
    # A year at a time: what recurs each minute of a century is noticed after its first year.
    for year in range(max(min(starts).year, FIRST_YEAR) - 1, horizon.year + 1):
        for event in ical.query.between(date(year, 1, 1), date(year + 1, 1, 1)):
            uid, (first, last) = str(event.get("UID")), _days(event, zone)
            if first <= horizon:
                one = _Occurrence(_name(event), first, last, event, uid in recurring)
                occurrences[uid, event["DTSTART"].dt] = one  # one over New Year comes twice
        if len(occurrences) > MOST_OCCURRENCES:
            said = f"its events are more than {MOST_OCCURRENCES:,} times, until {horizon.year}"
            raise CalendarFault(said, "offer the coming months alone, or give what recurs an end")
    return sorted(occurrences.values(), key=lambda o: (o.first, o.last, o.name, str(o.event.get("UID"))))


def _days(event: Any, zone: ZoneInfo) -> tuple[date, date]:
    """The first and last day that an event touches."""
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    first = _day(start, zone)
    # The end of whole days is the day after them.
    last = _day(end - (timedelta(microseconds=1) if isinstance(end, datetime) else timedelta(1)), zone)
    return first, max(first, last)


def _day(moment: date | datetime, zone: ZoneInfo) -> date:
    """A time without a zone is the shop's."""
    if not isinstance(moment, datetime):
        return moment
    return (moment if moment.tzinfo is None else moment.astimezone(zone)).date()


# ---- which of them count ---------------------------------------------------------------------------------------------


def _is_wanted(event: Any, feed: Feed) -> bool:
    if is_cancelled(event) or str(event.get("CLASS", "")).upper() in _PRIVATE:
        return False
    return not feed.category or feed.category.casefold() in _categories(event)


def _categories(event: Any) -> set[str]:
    listed = event.get("CATEGORIES", [])
    groups = listed if isinstance(listed, list) else [listed]
    return {str(name).strip().casefold() for group in groups for name in getattr(group, "cats", [group])}


def _is_usable(one: _Occurrence, ical: IcalText, remarks: list[Remark]) -> bool:
    if not one.name:
        remarks.append(Remark(f"an event on {one.first} has no title", "give it one", ical.line_of("BEGIN:VEVENT")))
        return False
    if (one.last - one.first).days >= LONGEST_DAYS:
        said = f"'{one.name}' is longer than a year, and is left out"
        remarks.append(Remark(said, f"make it at most {LONGEST_DAYS} days", _line(one, ical)))
        return False
    return True


def _line(one: _Occurrence, ical: IcalText) -> int:
    return ical.line_of(f"SUMMARY:{title(one.event)}", "SUMMARY")


def _name(event: Any) -> str:
    return _plain(title(event))[:LONGEST_NAME]


def _plain(text: str) -> str:
    """On one line, and of nobody."""
    return PERSONAL if looks_personal(text) else flat(text)


def _entries(occurrences: list[_Occurrence], kind: str) -> Iterator[Entry]:
    """Single days of one name are one entry, as they are where they are written."""
    single: dict[str, list[date]] = {}
    for one in occurrences:
        if one.first == one.last:
            single.setdefault(one.name, []).append(one.first)
        else:
            yield Entry(kind, one.name, first=one.first, last=one.last)
    for name, days in single.items():
        yield Entry(kind, name, tuple(Day(on=day) for day in dict.fromkeys(days)))


# ---- what campaigns say of themselves --------------------------------------------------------------------------------


def _taken_plans(occurrences: list[_Occurrence], feed: Feed, ical: IcalText, made: FeedEntries) -> list[_Occurrence]:
    """Take those that say more than their days; the others are left. One of several of a name has its day behind it:
    an announcement is known by its name."""
    said = [(one, _said(one, ical, made.remarks)) for one in occurrences]
    often = Counter(one.name for one, keys in said if keys)
    for one, keys in said:
        if not keys:
            continue
        name = one.name if often[one.name] == 1 and not one.recurs else f"{one.name} {one.first}"
        if any(plan.name == name for plan in made.planned):
            remark = f"'{name}' is planned twice, and nothing tells its numbers apart"
            made.remarks.append(Remark(remark, "give each a title of its own", _line(one, ical)))
            continue
        made.planned.append(PlannedCampaign(name, one.first, one.last, **keys, source=feed.source))
        made.entries.append(Entry("campaign", name, first=one.first, last=one.last))
    return [one for one, keys in said if not keys]


def _said(one: _Occurrence, ical: IcalText, remarks: list[Remark]) -> dict[str, Any]:
    """What of `_READERS` an event says, by name."""
    said: dict[str, Any] = {}
    written = dict(_written_lines(str(one.event.get("DESCRIPTION", ""))))
    for key, read in _READERS.items():
        text = str(one.event.get(f"X-LOCKSTEP-{key.upper().replace('_', '-')}", written.get(key, ""))).strip()
        if not text:
            continue
        try:
            said[key] = read(text)
        except ValueError as error:
            message = f"'{one.name}' says {key}: {_plain(text)[:60]}, which is {error}"
            remark = Remark(message, f"write one like {key}: {_EXAMPLES[key]}", _line(one, ical))
            if remark not in remarks:
                remarks.append(remark)
    return said


def _written_lines(description: str) -> Iterator[tuple[str, str]]:
    """The lines of a description that say something of a campaign; some programs keep it as HTML."""
    for line in html.unescape(_TAG.sub("\n", description)).splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            yield re.sub(r"[ -]", "_", match[1].lower()), match[2]


def _names(text: str) -> tuple[str, ...]:
    names = [_plain(name)[:LONGEST_NAME] for name in re.split(r"[,;]", text)]
    kept = tuple(dict.fromkeys(name for name in names if name))
    if not kept or len(kept) > MOST_PRODUCTS:
        raise ValueError(f"no list of 1 to {MOST_PRODUCTS:,} names")
    return kept


def _count(text: str) -> float:
    if not _COUNT.fullmatch(text):
        raise ValueError("no number")
    return float(text)


def _discount(text: str) -> float:
    part = _count(text.removesuffix("%").strip())
    return part / 100 if text.endswith("%") else part


_READERS: dict[str, Callable[[str], Any]] = {
    "skus": _names,
    "channels": _names,
    "expected_orders": _count,
    "expected_sessions": _count,
    "discount": _discount,
}
_EXAMPLES = {
    "skus": "MUG-01, TEA-02",
    "channels": "web",
    "expected_orders": "900",
    "expected_sessions": "30000",
    "discount": "20%",
}
