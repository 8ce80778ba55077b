"""What the shop knows of its days: campaigns, holidays, closed days, capacity. `calendar_file.py` reads it.

A day here is a day of the shop's time zone. Marked days are kept out of what is usual, or are the usual of their kind;
see `lockstep.rule.condition.baseline_windows`. Days of content and PR are shown to people and judged by nobody. Entries
are fixed when rules are loaded; campaigns that say what they promote or expect, and capacity, are facts of the shop as
those of `campaign.planned` and `capacity.declared` are (`lockstep.shop.ledger`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from lockstep.identity import Parts, identity
from lockstep.labels import stable_id
from lockstep.text.feed_address import FeedAddress

KINDS = ("campaign", "holiday", "closed")
"""What a day can be marked as."""
SHOWN_KINDS = ("content", "pr")
"""What days can be of beside that: it is shown, and nothing is judged by it."""
KIND_OF_SECTION = {"campaigns": "campaign", "holidays": "holiday", "closed": "closed", "content": "content", "pr": "pr"}
"""Section of calendar.yml, or of it that a feed fills → what its entries are."""

UTC = ZoneInfo("UTC")
CALENDAR = "calendar"
"""The source of what calendar.yml says itself."""
LONGEST_DAYS = 366
"""Days of one entry."""
MOST_PRODUCTS = 1_000
"""Of one campaign."""
_KEPT_DAYS = 4_096


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
        dates, others = self._dates
        return day in dates or any(d.is_on(day) for d in others)

    @cached_property
    def _dates(self) -> tuple[frozenset[date], tuple[Day, ...]]:
        """Of `on`: the single dates, of which a holiday that moves has many, and the others."""
        return frozenset(d.on for d in self.on if d.on is not None), tuple(d for d in self.on if d.on is None)


@dataclass(frozen=True)
class PublicHolidays:
    """Those of a country, `DE`, or of a part of one, `DE-BY`: reckoned by a library (`country_holidays.py`)."""

    country: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class PlannedCampaign:
    """A campaign of which marketing says more than its days; first and last included, discount 0.2 is 20 %.

    source: CALENDAR, or the name of the feed that says it.
    """

    name: str
    first: date
    last: date
    skus: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    expected_orders: float | None = None
    expected_sessions: float | None = None
    discount: float | None = None
    source: str = CALENDAR


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

    entries: the marked days that were written. public: holidays of the country beside them; the fingerprint names them
    by the country alone, so that a day that a newer library knows better begins no rule anew. shown: days of
    SHOWN_KINDS, and planned, capacity: facts of the shop. They name nothing and no rule is judged by them, so no
    version of a rule changes with them. feeds: from where calendars of others are fetched; is_whole: whether each has
    been.
    """

    fingerprint: str
    entries: tuple[Entry, ...] = field(compare=False, repr=False)
    public: PublicHolidays | None = field(default=None, compare=False, repr=False)
    shown: tuple[Entry, ...] = field(default=(), compare=False, repr=False)
    planned: tuple[PlannedCampaign, ...] = field(default=(), compare=False, repr=False)
    capacity: tuple[PlannedCapacity, ...] = field(default=(), compare=False, repr=False)
    feeds: frozenset[FeedAddress] = field(default=frozenset(), compare=False, repr=False)
    is_whole: bool = field(default=True, compare=False, repr=False)
    _known: dict[date, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def for_people(self) -> tuple[Entry, ...]:
        """All that people are shown: the marked days, then content and PR."""
        return (*self._marked, *self.shown)

    @property
    def _marked(self) -> tuple[Entry, ...]:
        return self.entries if self.public is None else (*self.entries, *self.public.entries)

    def kinds(self, day: date) -> frozenset[str]:
        """What a day is marked as; empty for an ordinary day."""
        kinds = self._known.get(day)
        if kinds is None:
            if len(self._known) >= _KEPT_DAYS:
                self._known.clear()
            kinds = self._known[day] = frozenset(e.kind for e in self._marked if e.is_on(day))
        return kinds

    def kinds_over(self, first: date, last: date) -> frozenset[str]:
        """What any day from first to last is marked as."""
        if first == last:
            return self.kinds(first)
        return frozenset().union(*(self.kinds(first + timedelta(n)) for n in range((last - first).days + 1)))

    def only(self, kinds: Iterable[str]) -> "Calendar | None":
        """The calendar of these kinds alone; None when nothing of it is left."""
        wanted = set(kinds)
        return calendar_of(
            (e for e in self.entries if e.kind in wanted), public=self.public if "holiday" in wanted else None
        )


ENTRY_PARTS: Parts = {Entry: ("kind", "name", "on", "first", "last"), Day: ("on", "yearly", "weekday")}
"""What names a calendar in stored state; see `lockstep.identity` before you change a line."""


def calendar_of(
    entries: Iterable[Entry],
    *,
    public: PublicHolidays | None = None,
    shown: Iterable[Entry] = (),
    planned: Iterable[PlannedCampaign] = (),
    capacity: Iterable[PlannedCapacity] = (),
    feeds: Iterable[FeedAddress] = (),
    is_whole: bool = True,
) -> Calendar | None:
    """The calendar of these entries; None when there is nothing in it, and nothing is fetched for it."""
    listed = tuple(entries)
    beside = tuple(shown), tuple(planned), tuple(capacity), frozenset(feeds)
    if not listed and public is None and not any(beside):
        return None
    named = listed if public is None else (*listed, Entry("holiday", public.country))
    return Calendar(stable_id("calendar-1", identity(named, ENTRY_PARTS))[:12], listed, public, *beside, is_whole)
