"""The script of the two weeks: when what happens to the shop, whatever the seed draws around it.

The shop is English. Six quiet weeks are history, with two promotions from which can be learned; two weeks are lived.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.simshop.real_orders import profile

ZONE = ZoneInfo("Europe/London")
HISTORY_WEEKS = 6
LIVED_FROM = datetime(2026, 7, 13, tzinfo=ZONE)
"""A Monday; what comes before is history."""
FIRST = LIVED_FROM - timedelta(weeks=HISTORY_WEEKS)

CHANNELS = {"web": 80, "app": 30, "amazon": 40}
"""Where it sells → orders on an average day."""
CONVERSION = {"web": 0.025, "app": 0.04, "amazon": 0.09}
SPEND = {"web": 400, "app": 100, "amazon": 130}
"""Advertising in pounds a day."""
OWN, THIRD_PARTY, MARKETPLACE = "leeds", "3pl-north", "amazon"
"""The locations: a warehouse of its own, one of somebody else's, and the marketplace's."""
CAPACITY = 260
"""Orders a day, as operations declared it."""


def on(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of the two weeks: day 0 is their first Monday; days before it are history."""
    date = LIVED_FROM.date() + timedelta(days=day)
    return datetime(date.year, date.month, date.day, hour, minute, tzinfo=ZONE)


_SKUS = profile().skus

PROMOTED, PROMOTED_OUT = _SKUS[0], _SKUS[5]
"""What the two promotions are for: there is enough of the first; the second runs out."""
SOLD_OUT, LATE, RETURNED, LOT = _SKUS[11], _SKUS[13], _SKUS[3], _SKUS[19]
"""Runs out on a quiet day; its delivery comes late; comes back; a lot of it expires."""
HELD, SLOW = _SKUS[2], _SKUS[23]
"""Held by the marketplace; nobody buys it any more."""
AT_MARKETPLACE = (_SKUS[1], HELD, _SKUS[4], _SKUS[6], _SKUS[8])
NEW, UNKNOWN = "23999", "TYPO-22469"
"""Listed in the first week; in an order, though the shop has no such product."""
EARLIER = _SKUS[7], _SKUS[9]
"""What the promotions of the history were for."""

SUPPLIERS = {"hart-ceramics": 10, "lyon-textiles": 14, "ningbo-tins": 21}
"""Who supplies → lead time in days. The products are dealt to them in turn."""
LENGTHENED, LENGTHENED_FOR = "lyon-textiles", _SKUS[1:8:3]
"""Who will take longer, and for which of its products."""


def supplier(sku: str) -> str:
    place = _SKUS.index(sku) if sku in _SKUS else 0
    return list(SUPPLIERS)[place % len(SUPPLIERS)]


def home(sku: str) -> str:
    """The location from which web and app sell a product."""
    return THIRD_PARTY if sku in _SKUS and _SKUS.index(sku) % 2 else OWN


@dataclass(frozen=True)
class Promotion:
    """orders, sessions: on an average day of it, on top of the usual. planned: when marketing announced it.

    discount: part of the price. spend: pounds a day.
    """

    name: str
    skus: tuple[str, ...]
    planned: datetime
    starts: datetime
    ends: datetime
    orders: float
    sessions: float
    discount: float
    spend: float
    channels: tuple[str, ...] = ("web", "app")

    @property
    def days(self) -> float:
        return (self.ends - self.starts) / timedelta(days=1)


PROMOTIONS = (
    Promotion("JUNE-CUPS", (EARLIER[0],), on(-33), on(-30), on(-28), 50, 2_000, 0.15, 40),
    Promotion("MIDSUMMER", (EARLIER[1],), on(-19), on(-16), on(-14), 50, 2_000, 0.2, 40),
    Promotion("SUMMER-TINS", (PROMOTED,), on(1, 10), on(5), on(7), 60, 2_400, 0.2, 60),
    Promotion("JUMBO-BAGS", (PROMOTED_OUT,), on(4, 11), on(9, 8), on(11), 60, 2_400, 0.25, 60),
)
WELL_STOCKED, RUNS_OUT = PROMOTIONS[2:]


@dataclass(frozen=True)
class Effect:
    """What is bought and who comes is so many times the usual for a while."""

    starts: datetime
    ends: datetime
    channels: tuple[str, ...]
    orders: float = 1
    sessions: float = 1


ORDER_SURGE = Effect(on(1, 11), on(1, 14), ("web",), orders=3.2, sessions=1.3)
TRAFFIC_SURGE = Effect(on(3, 19), on(3, 21, 30), ("web",), sessions=2.5)
OUTAGE = Effect(on(8, 10), on(8, 13), ("web", "app"), orders=0)
EFFECTS = (ORDER_SURGE, TRAFFIC_SURGE, OUTAGE)

STUCK = on(2, 8), on(3, 14)
"""The third-party warehouse tells no stock and ships nothing."""
SHORT_DAY, SHORT_DAY_TOLD, SHORT_CAPACITY = on(4), on(3, 16), 110
"""A day on which operations can ship fewer."""
HOLD, HELD_PART = (on(3, 12), on(9, 9)), 0.8
"""The marketplace takes part of a product out of sale."""
SPEND_JUMP, SPEND_FACTOR = (on(9), on(12)), 5
"""Money for web ads that bring nobody."""
LEAST_ROAS = 3
"""Revenue that a week's money for ads is to bring back: what the pack of spend asks for where shop.yml says nothing."""
LOT_TOLD, LOT_QUANTITY, LOT_DAYS = on(5, 9), 500, 20
"""A delivery whose last day is near."""
LONGER_LEAD, LONGER_DAYS = on(0, 9, 30), 28
NEW_LISTED = on(1, 9)
UNKNOWN_AT = on(2, 15, 10)
NEW_THEME, NEW_THEME_FROM = "smell", on(10, 9)
RETURN_WAVE, RETURN_REASON, RETURN_PART = (on(7), on(14)), "too small", 0.3
SLOW_SINCE = on(-26)
SOLD_OUT_ABOUT, SOLD_OUT_BACK = on(6, 14), on(8, 8)
LATE_DUE, LATE_SAID, LATE_NEW, LATE_OUT_ABOUT = on(7), on(8, 16), on(12), on(8, 12)
"""Its day passes; then the supplier names another; it is sold out before that."""
OUT_PART = 0.45
"""The part of a promotion's expected sales that is there of the product that runs out."""
INBOUND_DUE, INBOUND_DAYS = on(1), 7
"""Deliveries to the marketplace that it books in so many days late."""
IMPOSSIBLE = Promotion(
    "BACK-TO-SCHOOL", (SOLD_OUT,), on(11, 11), on(15), on(17), orders=1_500, sessions=50_000, discount=0.3, spend=0
)
"""Announced, never carried out: more than stock and capacity allow."""
IMPOSSIBLE_CHANGED = on(12, 15)
"""Marketing makes it small."""
