"""What was planted in the two weeks, and what each of the two teams must hear of it: the table's left side.

A rule's name stands here only where the shop must hear of it; which thresholds it has is the rules' own affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simshop import script
from tests.simshop.script import Promotion, on
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


ORDERS = ("OrderSpike", "BusyDay")
TRAFFIC = ("TrafficSurge",)
LOW, OUT = ("LowStock",), ("OutOfStock",)


def planted(truth: Truth) -> tuple[Planted, ...]:
    """All of it, in the order of time. truth: of the seed, for what depends on who bought what."""
    every = (*_first_week(), *_second_week(), *_sold_out(truth))
    return tuple(sorted(every, key=lambda one: one.starts))


def _first_week() -> tuple[Planted, ...]:
    unknown, listed, lead = script.UNKNOWN_AT, script.NEW_LISTED, script.LONGER_LEAD
    web = {"channel": "web"}
    return (
        Planted(
            "a supplier takes longer",
            f"{script.LENGTHENED}: from 14 to {script.LONGER_DAYS} days for {', '.join(script.LENGTHENED_FOR)}",
            lead,
            lead + _DAY,
            tuple(
                Heard(("LongerLeadTime",), lead + _HOUR, {"sku": sku}, words=_both(sku, f"{script.LONGER_DAYS}"))
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
            script.ORDER_SURGE.starts,
            on(2),
            (Heard(("OrderSpike",), script.ORDER_SURGE.ends, web, words=_both("web", "orders")),),
            (Also(ORDERS, web), Also(TRAFFIC, web)),
        ),
        Planted(
            "the 3PL is stuck",
            "no stock told and nothing shipped for 30 hours",
            script.STUCK[0],
            script.STUCK[1] + 5 * _DAY,
            (
                Heard(
                    ("LocationSilent",),
                    script.STUCK[0] + 18 * _HOUR,
                    {"location": script.THIRD_PARTY},
                    words=_both(script.THIRD_PARTY),
                ),
            ),
        ),
        Planted(
            "an unknown product in an order",
            f"{script.UNKNOWN}, which nobody has listed",
            unknown,
            unknown + _DAY,
            (Heard(("NewProduct",), unknown + _HOUR, {"sku": script.UNKNOWN}, words=_both(script.UNKNOWN)),),
        ),
        Planted(
            "visits surge without a campaign",
            "two and a half times the usual on web for two and a half hours",
            script.TRAFFIC_SURGE.starts,
            script.TRAFFIC_SURGE.ends + _HOUR,
            (Heard(TRAFFIC, script.TRAFFIC_SURGE.ends, web, words=_both("web", "visits")),),
        ),
        Planted(
            "the marketplace holds stock",
            f"{script.HELD_PART:.0%} of {script.HELD} for six days",
            script.HOLD[0],
            script.HOLD[1],
            (Heard(("HeldStock",), script.HOLD[0] + 4 * _DAY, {"sku": script.HELD}, words=_both("held")),),
        ),
        Planted(
            "a promotion with enough stock",
            f"{script.WELL_STOCKED.name} of {script.PROMOTED}, on Saturday and Sunday",
            script.WELL_STOCKED.starts,
            script.WELL_STOCKED.ends + _HOUR,
            also=(Also(ORDERS), Also(TRAFFIC)),
        ),
    )


def _second_week() -> tuple[Planted, ...]:
    outage, wave, jump, theme = script.OUTAGE, script.RETURN_WAVE, script.SPEND_JUMP, script.NEW_THEME_FROM
    web = {"channel": "web"}
    return (
        Planted(
            "one product comes back",
            f"{script.RETURN_PART:.0%} of {script.RETURNED}: {script.RETURN_REASON}",
            wave[0],
            wave[1],
            (Heard(("ReturnWave",), wave[0] + 4 * _DAY, {"sku": script.RETURNED}, words=_both(script.RETURNED)),),
        ),
        Planted(
            "the checkout is down",
            "no orders on web and app for three hours, payments time out",
            outage.starts,
            on(9),
            (
                Heard(("OrderDrop", "NoOrders"), outage.ends, web, words=_both("orders")),
                Heard(("PaymentsFail",), outage.starts + _HOUR, words=_both("payments")),
            ),
            (Also(("OrderDrop", "NoOrders", "SlowDay")),),
        ),
        Planted(
            "money for ads that bring nobody",
            f"{script.SPEND_FACTOR} times the usual on web for three days",
            jump[0],
            jump[1] + 2 * _DAY,
            (Heard(("SpendJump",), jump[0] + 8 * _HOUR, web, words=_both("web", "spent")),),
        ),
        Planted(
            "a complaint that nobody had made before",
            f"'{script.NEW_THEME}', nine times on the first day",
            theme,
            theme + 4 * _DAY,
            (Heard(("NewTheme",), theme + 4 * _HOUR, {"theme": script.NEW_THEME}, words=_both(script.NEW_THEME)),),
        ),
    )


def _sold_out(truth: Truth) -> tuple[Planted, ...]:
    """Those that begin with the last unit sold, and of which people hear before; what is not yet sold out is none."""
    promoted = script.RUNS_OUT
    every = (
        (script.SOLD_OUT, "sold out", "until Tuesday's delivery", script.SOLD_OUT_BACK),
        (
            script.LATE,
            "a delivery is late",
            "due on Monday, then on Saturday",
            script.LATE_NEW + _DAY,
        ),
        (script.PROMOTED_OUT, "a promotion runs out of its product", promoted.name, on(12)),
    )
    return tuple(
        _runs_out(truth.sold_out[sku][0], sku, name, what, until, None if sku != script.PROMOTED_OUT else promoted)
        for sku, name, what, until in every
        if truth.sold_out[sku]
    )


def _runs_out(out: datetime, sku: str, name: str, what: str, until: datetime, promotion: Promotion | None) -> Planted:
    """A product that is low and then gone: both must be told, the first before the second.

    out: when the last unit was sold. promotion: for which people still come.
    """
    label = {"sku": sku}
    hears = [
        Heard(LOW, out, label, since=out - 8 * _DAY, words=_both(sku, "left")),
        Heard(OUT, out + _HOUR, label, words=_both(sku, "sold out")),
    ]
    also: tuple[Also, ...] = ()
    if promotion is not None:
        hears.append(Heard(("SoldOutStillVisited",), out + 3 * _HOUR, label, words=_both(sku, "visitors")))
        also = (Also(ORDERS, since=promotion.starts), Also(TRAFFIC, since=promotion.starts))
    return Planted(name, f"{sku}: {what}", out, until, tuple(hears), also)


def _both(*words: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(TEAMS, words)
