"""A shop as of one instant: its facts, its settings, its calendar. What business measures are made of."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from lockstep.calendar import Calendar
from lockstep.shop.facts import CapacityFacts, DayFacts, Fact, PlanFacts, ProductFacts
from lockstep.shop.shop_settings import ShopSettings
from lockstep.text.figures import measured_text, number_text, usual_text

T = TypeVar("T")

MOST_MADE = 2_000
"""Results that a shop keeps at once."""


@dataclass(frozen=True)
class Made:
    """A business measure, with what it was made of.

    value: None where it cannot be known; then `why` says so in words. Where there is both, `why` says what is not in
    it (money without a rate). unit: `orders`, `days`, `hours`, `%` (value 0.25 is 25 %), `money EUR` (value 19.90 is
    €19.90, exactly: a Fraction), `x`, … made_of: (what, number or text) in reading order, for explain: `("units sold on
    24 days in stock", 96)`.
    """

    value: int | float | Fraction | None
    unit: str = ""
    made_of: tuple[tuple[str, int | float | str], ...] = ()
    why: str = ""

    @property
    def text(self) -> str:
        """It in words: `310 orders`, `3.1%`, `1,235 EUR`, `4.5 days`; where it is not known, why."""
        number = plain(self.value)
        if number is None:
            return self.why
        return measured_text(number, self.unit) if self.unit else usual_text(number)


def plain(value: int | float | Fraction | None) -> int | float | None:
    """A number as alerts, reports and pages have it, and write it: whole ones as they are, others to six places."""
    if value is None or value == int(value):
        return None if value is None else int(value)
    return round(float(value), 6)


NO_LONGER_KNOWN = "what it was made of at that instant is no longer known: the facts of the shop have moved on since"


class Part(msgspec.Struct, frozen=True):
    """One thing that a measure was made of.

    what: in words, `units available`. value: a number, or a name.
    """

    what: str
    value: int | float | str


class MadeOf(msgspec.Struct, frozen=True):
    """A business measure that a rule reads, at one instant, as a record keeps it.

    The published schema takes the fields' descriptions from here:

    measure: its name, `days_of_cover`. text: what it came to, with its unit, `2.4 days`, or why that is not known.
    as_of: up to which event time the facts of the shop were taken, RFC 3339 in UTC. parts: what it was made of, in
    reading order; none where it is not known.
    """

    measure: str
    text: str
    as_of: str
    parts: tuple[Part, ...] = ()

    @property
    def words(self) -> str:
        """In one line: `days of cover: 2.4 days (units available 31; units sold a day 12.9; …)`."""
        rows = "; ".join(f"{what} {value}" for what, value in self.rows)
        return f"{self.title}: {self.text}" + (f" ({rows})" if rows else "")

    @property
    def title(self) -> str:
        return self.measure.replace("_", " ")

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """(what, number or name as people read it)."""
        return tuple((p.what, p.value if isinstance(p.value, str) else number_text(p.value)) for p in self.parts)


def made_of(measure: str, made: Made, as_of: str) -> MadeOf:
    """A measure as it is kept. as_of: RFC 3339."""
    return MadeOf(measure, made.text, as_of, tuple(Part(what, value) for what, value in made.made_of))


@dataclass
class Shop:
    """days: (day, channel) → its facts, channel "" for the whole shop. Whoever reads it changes nothing in it.

    upto: event time to which it is known, the newest of its facts, RFC 3339. first_day: the first of which any fact is
    known; "" before there is one. `put` keeps both.
    """

    zone: ZoneInfo
    settings: ShopSettings = field(default_factory=ShopSettings)
    calendar: Calendar | None = None
    days: dict[tuple[str, str], DayFacts] = field(default_factory=dict)
    products: dict[str, ProductFacts] = field(default_factory=dict)
    plans: dict[str, PlanFacts] = field(default_factory=dict)
    capacities: dict[str, CapacityFacts] = field(default_factory=dict)
    upto: str = ""
    first_day: str = ""
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    _made_with: tuple[Any, Any] = field(default=(None, None), repr=False, compare=False)

    def put(self, fact: Fact) -> None:
        """Take a fact; the one of the same key before it is gone."""
        self._made.clear()
        # Without the Z: 12:00:00.5Z comes before 12:00:00Z as text.
        if fact.upto.removesuffix("Z") > self.upto.removesuffix("Z"):
            self.upto = fact.upto
        match fact:
            case DayFacts():
                self.days[fact.day, fact.channel] = fact
                if not self.first_day or fact.day < self.first_day:
                    self.first_day = fact.day
            case ProductFacts():
                self.products[fact.sku] = fact
            case PlanFacts():
                self.plans[fact.campaign] = fact
            case CapacityFacts():
                self.capacities[fact.starts] = fact

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once for these facts, settings and calendar: a message needs the same numbers many
        times. key: names the function and what it was asked."""
        if self._made_with[0] is not self.settings or self._made_with[1] is not self.calendar:
            self._made.clear()
            self._made_with = (self.settings, self.calendar)
        if key not in self._made:
            if len(self._made) >= MOST_MADE:
                self._made.clear()
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def remove(self, key: str) -> None:
        """Forget the fact of a key (`lockstep.shop.facts.key_of`); one that is not known is none."""
        self._made.clear()
        kind, _, rest = key.partition("/")
        match kind:
            case "day":
                day, _, channel = rest.partition("/")
                self.days.pop((day, channel), None)
            case "product":
                self.products.pop(rest, None)
            case "plan":
                self.plans.pop(rest, None)
            case "capacity":
                self.capacities.pop(rest, None)

    def day_of(self, at: datetime) -> date:
        """The shop's day of an instant."""
        return at.astimezone(self.zone).date()

    def channels(self) -> list[str]:
        """The channels that any kept day has, sorted."""
        return sorted({channel for _, channel in self.days if channel})

    def day(self, day: date, channel: str = "") -> DayFacts | None:
        return self.days.get((day.isoformat(), channel))

    def days_before(self, day: date, count: int, channel: str = "") -> Iterator[tuple[date, DayFacts | None]]:
        """The `count` days before one, the nearest first, with what is known of each."""
        for n in range(1, count + 1):
            before = day - timedelta(n)
            yield before, self.day(before, channel)
