"""The facts of a shop: what its days, products and plans came to, as they stand on the compacted topic `lockstep.shop`.

The judge that owns the shop's series writes them, at fixed instants of event time (`upto`), in the same cut as its
alerts. Everything that speaks of the shop (business measures, texts, the page, reports, answers to plans) is made of
these records alone, so all of it says the same numbers. There is nothing of a single order or a person in them.

Days are days of the shop's time zone, written `2026-11-30`. Counts are whole numbers. Money is a whole number of the
currency's minor unit (cents), by currency.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_never

import msgspec

from lockstep.event.contract import is_day, is_in_years
from lockstep.text.rfc3339 import SECOND, rfc3339

SHOP = "lockstep.shop"
FORMAT = 1
MOST_MOVES = 10
KEPT_DAYS = 91
"""So many days are kept, today included."""

COUNTS = (
    "orders",
    "units",
    "lines",
    "complex",
    "gift_wrapped",
    "special_shipping",
    "cancelled",
    "shipped",
    "delivered",
    "late",
    "returned_units",
    "sessions",
)
"""What `DayFacts.counts` may have. complex: orders with several lines, gift wrap or special shipping."""
MONEY = ("revenue", "refunds", "spend", "shipping_cost")
"""What `DayFacts.money` may have."""
HOURLY = ("orders", "sessions", "shipped", "cancelled")
"""What `DayFacts.by_hour` may have."""

Money = dict[str, int]
"""Currency (ISO 4217; `none` where an event names none) → minor units."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """upto: event time to which all of it is known, RFC 3339 in UTC. format: of the record."""

    upto: str
    format: int = FORMAT


class DayFacts(_Fact, frozen=True, kw_only=True, tag="day"):
    """One day of the whole shop, or of one channel.

    channel: "" for the whole shop. counts, money: by the names in COUNTS and MONEY; what did not happen is absent.
    by_hour: of HOURLY, a number for each hour since the day's first moment (23 to 25 of them, fewer while it goes on).
    themes: what customers said, by theme. hours_to_ship: mean hours from order to handing over; None without any.
    spend_by_campaign: of the whole shop alone; money that names no campaign is under `none`.
    """

    day: str
    channel: str = ""
    counts: dict[str, int] = {}
    money: dict[str, Money] = {}
    by_hour: dict[str, list[int]] = {}
    themes: dict[str, int] = {}
    hours_to_ship: float | None = None
    spend_by_campaign: dict[str, Money] = {}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery to the shop. expected_on: the day that was told last; first_expected_on: the one that was told first.

    status: planned, delayed or received. told_at, received_at: RFC 3339; received_at "" until it is in.
    """

    quantity: int
    expected_on: str
    first_expected_on: str
    status: str
    purchase_order: str = ""
    location: str = ""
    told_at: str = ""
    received_at: str = ""


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot with its last day. quantity: how many are left of it."""

    lot: str
    quantity: int
    expires_on: str
    location: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Stock at one location: available; held: may not be sold; held_since: RFC 3339, "" while nothing is held."""

    available: int = 0
    held: int = 0
    held_since: str = ""
    at: str = ""


class ProductFacts(_Fact, frozen=True, kw_only=True, tag="product"):
    """One product.

    day: the last day of the lists; each list has one number a day up to it, the oldest first, at most KEPT_DAYS.
    units, returned, views: sold, sent back, looked at. in_stock: 1 for a day in any moment of which it could be
    bought. returned is by day; reasons: why, by day likewise. available: None while no stock was ever told; of all
    locations; stock_at: when the newest was told. places: by location ("" where the shop names none).
    price: minor units; None while none was told. listed_on: the day it was first listed, sold or stocked.
    lead_time_days: None while no supplier told one; supplier: who did, lead_time_at: when it was changed last.
    """

    sku: str
    day: str
    units: list[int] = []
    returned: list[int] = []
    views: list[int] = []
    in_stock: list[int] = []
    reasons: dict[str, list[int]] = {}
    available: int | None = None
    stock_at: str = ""
    places: dict[str, Place] = {}
    receipts: list[Receipt] = []
    lots: list[Lot] = []
    price: int | None = None
    currency: str = ""
    listed_on: str = ""
    lead_time_days: float | None = None
    lead_time_before: float | None = None
    lead_time_at: str = ""
    supplier: str = ""


class PlanMove(msgspec.Struct, frozen=True, kw_only=True):
    """When a campaign is to be, as an event said it at an instant that was not so before; RFC 3339."""

    told_at: str
    starts: str
    ends: str
    cancelled: bool = False


class PlanNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of an answer to a campaign, as both teams were told them last.

    at: when, RFC 3339. revision: how often the same announcement was told again since with other numbers. changed: what
    was other then, sentences. expected, capacity: day → orders; what is not known is absent. out_from: product → first
    day of the campaign on which it is out; of those that do not last.
    """

    at: str
    revision: int = 0
    changed: list[str] = []
    expected: dict[str, int] = {}
    capacity: dict[str, int] = {}
    out_from: dict[str, str] = {}


class PlanFacts(_Fact, frozen=True, kw_only=True, tag="plan"):
    """A campaign as marketing announced it last (`campaign.planned`, calendar.yml or a feed).

    starts, ends: first and last moment, RFC 3339. told_at: when this was said. number: 1 for the first announcement,
    one more each time anything of it changed. source: `event`, `calendar` or the name of a feed. verdict: of the answer
    that was given last (`lockstep.shop.plan_answer`), "" before the first; a new answer keeps to it where it is close.
    numbers: of the answer that was told last; None before the first, and of a record of a version that kept none.
    moves: what events said of its time, the last MOST_MOVES changes, oldest first: rules take them over one by one.
    """

    campaign: str
    starts: str
    ends: str
    skus: list[str] = []
    channels: list[str] = []
    expected_sessions: float | None = None
    expected_orders: float | None = None
    discount: float | None = None
    told_at: str = ""
    number: int = 1
    source: str = "event"
    cancelled: bool = False
    verdict: str = ""
    moves: list[PlanMove] = []
    numbers: PlanNumbers | None = None

    @property
    def revision(self) -> int:
        """How often this announcement was told again with other numbers."""
        return 0 if self.numbers is None else self.numbers.revision

    def number_after(self, before: "PlanFacts") -> int:
        """The number of this announcement, of which `before` is the one before it; the same where it says the same."""
        same = {"upto": "", "told_at": "", "number": 0, "verdict": "", "moves": [], "numbers": None}
        is_same = msgspec.structs.replace(self, **same) == msgspec.structs.replace(before, **same)
        return before.number if is_same else before.number + 1


def announced_plan(said: Mapping[str, Any], *, at: str, before: PlanFacts | None) -> PlanFacts:
    """A campaign as the data of `campaign.planned` announce it. at: when. before: as it was announced before, whose
    number, verdict and numbers it keeps where it says the same."""
    plan = PlanFacts(
        upto=at,
        campaign=said["campaign"],
        starts=instant_text(said["starts"]),
        ends=instant_text(said["ends"]),
        skus=list(dict.fromkeys(said["skus"])),
        channels=said.get("channels") or [],
        expected_sessions=said.get("expected_sessions"),
        expected_orders=said.get("expected_orders"),
        discount=said.get("discount"),
        told_at=at,
        cancelled=bool(said.get("cancelled")),
    )
    moves = _moves(plan, before)
    if before is None:
        return msgspec.structs.replace(plan, moves=moves)
    number = plan.number_after(before)
    if number == before.number:
        return msgspec.structs.replace(plan, number=number, verdict=before.verdict, numbers=before.numbers, moves=moves)
    return msgspec.structs.replace(plan, number=number, moves=moves)


def _moves(plan: PlanFacts, before: PlanFacts | None) -> list[PlanMove]:
    """What events have said of a campaign's time, with what they say now."""
    earlier = [] if before is None else before.moves
    now = PlanMove(told_at=plan.told_at, starts=plan.starts, ends=plan.ends, cancelled=plan.cancelled)
    if earlier and msgspec.structs.replace(earlier[-1], told_at=now.told_at) == now:
        return earlier
    return [*earlier, now][-MOST_MOVES:]


def instant_text(text: str) -> str:
    """RFC 3339 in UTC, as all times of facts are."""
    return rfc3339(round(datetime.fromisoformat(text).timestamp() * SECOND))


class CapacityFacts(_Fact, frozen=True, kw_only=True, tag="capacity"):
    """What operations can ship from `starts` to `ends` (RFC 3339): orders a day, or work units where they are told. Of
    two that cover a day the one that was told later counts."""

    starts: str
    ends: str
    orders_per_day: float
    work_units_per_day: float | None = None
    told_at: str = ""
    source: str = "event"


Fact = DayFacts | ProductFacts | PlanFacts | CapacityFacts

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def key_of(fact: Fact) -> str:
    """The key of a record: `day/2026-11-30/web`, `product/A-1`, `plan/SUMMER`, `capacity/2026-11-30T00:00:00Z`."""
    match fact:
        case DayFacts():
            return f"day/{fact.day}/{fact.channel}"
        case ProductFacts():
            return f"product/{fact.sku}"
        case PlanFacts():
            return f"plan/{fact.campaign}"
        case CapacityFacts():
            return f"capacity/{fact.starts}"


class ImpossibleMoment(msgspec.ValidationError):
    """A fact of a moment that cannot be reckoned with, kept by a program that took the event that names it."""


def encode(fact: Fact) -> bytes:
    return _ENCODER.encode(fact)


def decode(value: bytes) -> Fact:
    """The fact in a record of `lockstep.shop`. Raises msgspec.MsgspecError.

    Receipts and lots of days that there are not are left out, and a plan or capacity beyond the calendar is an
    ImpossibleMoment: events that named them are refused now, and older programs kept what they told.
    """
    fact = _DECODER.decode(value)
    match fact:
        case ProductFacts():
            receipts = [r for r in fact.receipts if is_day(r.expected_on) and is_day(r.first_expected_on)]
            lots = [lot for lot in fact.lots if is_day(lot.expires_on)]
            if len(receipts) < len(fact.receipts) or len(lots) < len(fact.lots):
                return msgspec.structs.replace(fact, receipts=receipts, lots=lots)
        case PlanFacts() | CapacityFacts():
            moves = fact.moves if isinstance(fact, PlanFacts) else []
            for text in (fact.starts, fact.ends, *(text for move in moves for text in (move.starts, move.ends))):
                if not is_in_years(datetime.fromisoformat(text)):
                    raise ImpossibleMoment(f"names the moment '{text}', which cannot be reckoned with")
        case DayFacts():
            pass
        case _:
            assert_never(fact)
    return fact
