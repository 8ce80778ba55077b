"""What was planted in the two weeks, and what each of the two teams must hear of it: the table's left side.

A rule's name stands here only where the shop must hear of it; which thresholds it has is the rules' own affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simshop import script
from tests.simshop.script import on
from tests.simshop.shop_life import Truth

TEAMS = ("marketing", "operations")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Heard:
    """One thing that both teams must hear. rules: any of these speaks of it. labels: of the alert, if it has them.

    by: at this moment at the latest; since: not before; None: not before it began. words: pieces that the text of a
    team, or the headline, must have.
    """

    rules: tuple[str, ...]
    by: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Also:
    """Rules that may speak of it, too; `*` at the end of a name is any rest. since: not before; None: it began."""

    rules: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True)
class Planted:
    """Something that happened. starts: when it began. until: what is said up to then may be of it."""

    name: str
    what: str
    starts: datetime
    until: datetime
    hears: tuple[Heard, ...] = ()
    also: tuple[Also, ...] = ()

    def explains(self, rule: str, labels: Mapping[str, str], at: datetime) -> bool:
        """Whether an alert is of this."""
        return any(
            (said.since or self.starts) <= at < self.until
            and any(_is(name, rule) for name in said.rules)
            and agrees(said.labels, labels)
            for said in (*self.hears, *self.also)
        )


def _is(name: str, rule: str) -> bool:
    return rule.startswith(name[:-1]) if name.endswith("*") else rule == name


def agrees(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether no label says otherwise; one that an alert does not have says nothing."""
    return all(labels.get(name, value) == value for name, value in wanted.items())


ORDERS = ("OrderVolumeSpike", "OrderSpike", "BusyDay", "ForecastMissed", "CapacityUsed", "CapacityWillNotDo")
"""What speaks of many orders, and of what they ask of the warehouse."""
TRAFFIC = ("TrafficAboveUsual", "TrafficSurge")
LOW, OUT, LATE = ("LowCover",), ("SoldOut",), ("LateReceipt",)
STOCK = ("LowStock", "OutOfStock", "SoldOutStillVisited")
"""What speaks of few units, beside LOW and OUT."""


def planted(truth: Truth) -> tuple[Planted, ...]:
    """All of it, in the order of time. truth: of the seed, for what depends on who bought what."""
    every = (*_first_week(), *_second_week(truth), *_sold_out(truth))
    return tuple(sorted(every, key=lambda one: one.starts))


def _first_week() -> tuple[Planted, ...]:
    unknown, listed, lead = script.UNKNOWN_AT, script.NEW_LISTED, script.LONGER_LEAD
    surge, visits, short, lot = script.ORDER_SURGE, script.TRAFFIC_SURGE, script.SHORT_DAY, script.LOT_TOLD
    stuck, hold, inbound, slow = script.STUCK, script.HOLD, script.INBOUND_DUE, script.SLOW_SINCE + 30 * _DAY
    third_party, marketplace = {"location": script.THIRD_PARTY}, {"location": script.MARKETPLACE}
    return (
        Planted(
            "a supplier takes longer",
            f"{script.LENGTHENED}: from 14 to {script.LONGER_DAYS} days for {', '.join(script.LENGTHENED_FOR)}",
            lead,
            lead + _DAY,
            tuple(
                Heard(("LongerLeadTime",), lead + _HOUR, {"sku": sku}, words=_both(sku, "14 days"))
                for sku in script.LENGTHENED_FOR
            ),
        ),
        Planted(
            "a new product",
            f"{script.NEW} is listed and sells",
            listed,
            listed + 2 * _DAY,
            (Heard(("NewProduct",), listed + _DAY, {"sku": script.NEW}, words=_both(script.NEW)),),
        ),
        Planted(
            "orders surge without a campaign",
            "three times the usual on web for three hours",
            surge.starts,
            on(2),
            (
                Heard(("OrderVolumeSpike",), surge.ends, words=_both("orders", "expected today")),
                Heard(("CapacityWillNotDo",), surge.ends + 2 * _HOUR, words=_both("orders")),
            ),
            (Also(ORDERS), Also(TRAFFIC)),
        ),
        Planted(
            "deliveries to the marketplace are booked in slowly",
            f"{script.INBOUND_DAYS} days late, of five products",
            inbound,
            inbound + 8 * _DAY,
            (
                Heard(("SlowReceiving",), inbound + 4 * _DAY, marketplace, words=_both(script.MARKETPLACE)),
                *(
                    Heard(LATE, inbound + 2 * _DAY, {"sku": sku}, words=_both(sku, "late"))
                    for sku in sorted(script.AT_MARKETPLACE)
                ),
            ),
        ),
        Planted(
            "the 3PL is stuck",
            "no stock told and nothing shipped for 30 hours",
            stuck[0],
            stuck[1] + 5 * _DAY,
            (Heard(("LocationSilent",), stuck[0] + 18 * _HOUR, third_party, words=_both(script.THIRD_PARTY)),),
            (Also(("BacklogAges", "SlowToShip", "LateDeliveries")),),
        ),
        Planted(
            "an unknown product in an order",
            f"{script.UNKNOWN}, which nobody has listed",
            unknown,
            unknown + 2 * _DAY,
            (Heard(("UnknownProduct",), unknown + _HOUR, {"sku": script.UNKNOWN}, words=_both(script.UNKNOWN)),),
        ),
        Planted(
            "visits surge without a campaign",
            "two and a half times the usual on web for two and a half hours",
            visits.starts,
            visits.ends + _HOUR,
            (Heard(TRAFFIC, visits.ends, words=_both("visits")),),
        ),
        Planted(
            "the marketplace holds stock",
            f"{script.HELD_PART:.0%} of {script.HELD} for six days",
            hold[0],
            hold[1],
            (Heard(("StockHeld",), hold[0] + 4 * _DAY, marketplace, words=_both(script.MARKETPLACE)),),
        ),
        Planted(
            "a day over capacity",
            f"{script.SHORT_CAPACITY} orders can be shipped on Friday, told on Thursday",
            short,
            short + _DAY + 9 * _HOUR,
            (
                Heard(("CapacityWillNotDo",), short + 9 * _HOUR, words=_both("orders")),
                Heard(("CapacityUsed",), short + 18 * _HOUR, words=_both("orders")),
            ),
            (Also((*ORDERS, "BacklogAges", "SlowToShip")),),
        ),
        Planted(
            "nobody buys a product any more",
            f"{script.SLOW}, for 30 days",
            slow,
            slow + 7 * _DAY,
            (Heard(("SlowMoving",), slow + _DAY, {"sku": script.SLOW}, words=_both(script.SLOW)),),
            (Also(("Overstock",), {"sku": script.SLOW}),),
        ),
        Planted(
            "a lot near its last day",
            f"{script.LOT_QUANTITY} of {script.LOT}, {script.LOT_DAYS} days before it",
            lot,
            lot + 7 * _DAY,
            (
                Heard(("Expiring",), lot + 2 * _HOUR, {"sku": script.LOT}, words=_both(script.LOT)),
                Heard(("UnsoldAtExpiry",), lot + 2 * _DAY, {"sku": script.LOT}, words=_both(script.LOT)),
            ),
            (Also(("Overstock",), {"sku": script.LOT}),),
        ),
        Planted(
            "a promotion with enough stock",
            f"{script.WELL_STOCKED.name} of {script.PROMOTED}, on Saturday and Sunday",
            script.WELL_STOCKED.starts,
            script.WELL_STOCKED.ends + _HOUR,
            also=(Also(ORDERS), Also(TRAFFIC)),
        ),
    )


def _second_week(truth: Truth) -> tuple[Planted, ...]:
    outage, wave, jump, theme = script.OUTAGE, script.RETURN_WAVE, script.SPEND_JUMP, script.NEW_THEME_FROM
    plan, changed = script.IMPOSSIBLE, script.IMPOSSIBLE_CHANGED
    web = {"channel": "web"}
    return (
        Planted(
            "one product comes back",
            f"{script.RETURN_PART:.0%} of {script.RETURNED}: {script.RETURN_REASON}",
            wave[0],
            wave[1],
            (
                Heard(
                    ("ReturnRate",),
                    wave[0] + 4 * _DAY,
                    {"sku": script.RETURNED},
                    words=_both(script.RETURNED, script.RETURN_REASON),
                ),
            ),
            (Also(("ChannelReturnRate",)), Also(("ComplaintTheme",), {"theme": "sizing"})),
        ),
        Planted(
            "the checkout is down",
            "no orders on web and app for three hours, payments time out",
            outage.starts,
            on(9),
            (Heard(("OrderDrop", "NoOrders"), outage.ends, web, words=_both("orders")),),
            (Also(("OrderDrop", "NoOrders", "SlowDay", "ForecastMissed")),),
        ),
        Planted(
            "money for ads that bring nobody",
            f"{script.SPEND_FACTOR} times the usual on web for three days",
            jump[0],
            jump[1] + 3 * _DAY,
            (
                Heard(("SpendJump",), jump[0] + 14 * _HOUR, web, words=_both("web")),
                *(
                    [Heard(("PoorRoas",), jump[0] + 4 * _DAY, web, words=_both("web"))]
                    if _brings_too_little(truth)
                    else []
                ),
            ),
            (Also(("PoorRoas",), web),),
        ),
        Planted(
            "a complaint that nobody had made before",
            f"'{script.NEW_THEME}', nine times on the first day",
            theme,
            theme + 4 * _DAY,
            (Heard(("NewComplaint",), theme + 4 * _HOUR, {"theme": script.NEW_THEME}, words=_both(script.NEW_THEME)),),
            (Also(("ComplaintTheme",), {"theme": script.NEW_THEME}),),
        ),
        Planted(
            "a plan that cannot be carried out",
            f"{plan.name}: {plan.orders * plan.days:,.0f} orders of {plan.skus[0]}; made small the day after",
            plan.planned,
            changed,
            (Heard(("PlanInTrouble",), plan.planned + _HOUR, {"campaign": plan.name}, words=_both(plan.name)),),
            (Also(("PromotedRunsLow",), {"sku": plan.skus[0]}),),
        ),
    )


def _brings_too_little(truth: Truth) -> bool:
    """Whether the money for ads takes a week's revenue below what it is to bring, which follows from what was sold.

    Looked at when each of its days is over; what it comes to later may be said, too.
    """
    first = script.SPEND_JUMP[0].date()
    for n in range(3):
        week = [first + timedelta(n - before) for before in range(7)]
        revenue, spend = (sum(of[day] for day in week) for of in (truth.web_revenue, truth.web_spend))
        if revenue < script.LEAST_ROAS * spend:
            return True
    return False


def _sold_out(truth: Truth) -> tuple[Planted, ...]:
    """Those that begin with the last unit sold, and of which people hear before; what is not yet sold out is none."""
    promotion, sku = script.RUNS_OUT, script.PROMOTED_OUT
    late = Heard(LATE, script.LATE_DUE + 2 * _DAY, {"sku": script.LATE}, script.LATE_DUE, words=_both("late"))
    plan = Heard(
        ("PlanInTrouble",),
        promotion.planned + _HOUR,
        {"campaign": promotion.name},
        promotion.planned,
        words=_both(promotion.name),
    )
    low = Heard(("PromotedRunsLow",), promotion.planned + _HOUR, {"sku": sku}, promotion.planned, words=_both(sku))
    gone = truth.sold_out[sku][0] if truth.sold_out[sku] else promotion.ends
    out = Heard(("PromotedOutOfStock",), gone + _HOUR, {"sku": sku}, words=_both(sku))
    spent = Heard(("SpendWithoutStock",), gone + 3 * _HOUR, {"sku": sku}, words=_both(sku))
    busy = (Also(ORDERS, since=promotion.starts), Also(TRAFFIC, since=promotion.starts))
    every = (
        (script.SOLD_OUT, "sold out", "until Tuesday's delivery", script.SOLD_OUT_BACK, (), ()),
        (script.LATE, "a delivery is late", "due on Monday, then on Saturday", script.LATE_NEW + _DAY, (late,), ()),
        (sku, "a promotion runs out of its product", promotion.name, on(12), (plan, low, out, spent), busy),
    )
    return tuple(
        _runs_out(truth.sold_out[product][0], product, name, what, until, more, also)
        for product, name, what, until, more, also in every
        if truth.sold_out[product]
    )


def _runs_out(
    out: datetime,
    sku: str,
    name: str,
    what: str,
    until: datetime,
    more: tuple[Heard, ...],
    also: tuple[Also, ...],
) -> Planted:
    """A product that is low and then gone: both must be told, the first before the second. out: its last unit sold."""
    label = {"sku": sku}
    hears = (
        Heard(LOW, out, label, since=out - 8 * _DAY, words=_both(sku)),
        Heard(OUT, out + _HOUR, label, words=_both(sku)),
        *more,
    )
    return Planted(name, f"{sku}: {what}", out, until, hears, (*also, Also(STOCK, label, since=out - 8 * _DAY)))


def _both(*words: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(TEAMS, words)
