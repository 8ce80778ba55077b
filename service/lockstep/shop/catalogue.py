"""The business measures, by name: what each means, of what it is, and in what it is counted.

A rule reads one by its name, without declaring it: `threshold: {measure: days_of_cover, at_most: 7}`. To the judge it
is a level that is set at fixed instants of event time (`lockstep.judge`), from the same facts that reports and pages
show. How each is made stands in the module of its subject.
"""

from dataclasses import dataclass
from functools import cached_property

from lockstep.measure.definition import Aggregate, SeriesDef

SOURCE = "shop"
"""The source of business measures, beside the roles of topics."""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "product": ("sku",),
    "receipt": ("sku", "purchase_order"),
    "shelf": ("sku", "channel"),
    "channel": ("channel",),
    "shop": (),
    "plan": ("campaign",),
    "location": ("location",),
}
"""What a business measure can be of → the labels by which it is kept; a rule that reads it is by exactly these."""


@dataclass(frozen=True)
class Business:
    """A business measure. subject: one of SUBJECTS. unit: `days`, `orders`, `%` (0.25 is 25 %), `money` (the shop's
    currency), `x`, … meaning: a sentence for editors and docs. rest: the value that its level has while it has none
    (no sales, no plan), chosen so that no sensible rule fires of it; texts say in words that it is not known.
    usual: its value on a usual day, where its meaning says that; charts draw it."""

    name: str
    subject: str
    unit: str
    meaning: str
    rest: float = 0
    usual: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """By what it is kept."""
        return SUBJECTS[self.subject]

    @cached_property
    def series(self) -> SeriesDef:
        """What a rule reads that names it. All of them live on one samples partition, whatever they are by."""
        return SeriesDef(
            aggregate=Aggregate.LAST,
            event_type=subject_type(self.subject),
            source=SOURCE,
            field=self.name,
            by=tuple(sorted(self.labels)),
            bucket_s=0,
            key=(),
            name=self.name,
        )


_ALL = (
    # ---- a product
    Business(
        "days_of_cover",
        "product",
        "days",
        "Days until it is sold out: available / velocity; 0 when negative, 365 at most, none without sales",
        365,
    ),
    Business("velocity", "product", "units", "Units sold a day, on days on which it could be bought (28 days)"),
    Business("sell_through", "product", "%", "Units sold in 28 days / (these + what is available)", 1),
    Business("days_without_sale", "product", "days", "Days since the last sale of what is in stock; 0 without stock"),
    Business("return_rate", "product", "%", "Units returned in 7 days / units sold in them, of at least 25 sold"),
    Business("return_rise", "product", "%", "By how many points return_rate is above that of the 30 days before"),
    Business(
        "gap_days", "product", "days", "Days that it will be sold out before the next receipt; 0 when it will not"
    ),
    Business("days_to_expiry", "product", "days", "Days until the last day of the earliest lot that is left", 365),
    Business(
        "unsold_at_expiry",
        "product",
        "units",
        "Units of its lots that will be left on their last days at today's velocity",
    ),
    Business(
        "promoted_cover_gap",
        "product",
        "days",
        "Days of its running or coming campaigns (7 days) that its cover does not reach",
    ),
    Business("promoted_stock", "product", "units", "Available units, while a campaign promotes it", 1_000_000),
    Business("key_cover", "product", "days", "days_of_cover, of key products only", 365),
    Business(
        "bundle_cover", "product", "days", "Days of cover of a bundle of shop.yml: that of its scarcest part", 365
    ),
    Business(
        "reorder_quantity",
        "product",
        "units",
        "Units to order now, so that it lasts over lead time and safety days; 0 while nothing is to be ordered",
    ),
    Business(
        "lead_time_change", "product", "days", "By how many days the supplier's lead time was lengthened last (28 days)"
    ),
    Business(
        "spend_without_stock", "product", "money", "Spend of today for campaigns that promote it while it is sold out"
    ),
    # ---- a product on a channel
    Business(
        "shelf_days",
        "shelf",
        "days",
        "Days until its earliest lot is too old for the channel, by shelf_life of shop.yml; 0 when it is",
        365,
    ),
    # ---- a delivery to the shop
    Business("receipt_late_days", "receipt", "days", "Days by which it is late: past its day, or moved to a later one"),
    # ---- a channel
    Business("channel_conversion", "channel", "%", "Orders / visits over 28 days, of at least 200 visits", 1),
    Business(
        "channel_return_rate", "channel", "%", "Units returned in 7 days / units sold in them, of at least 25 sold"
    ),
    Business(
        "channel_return_rise",
        "channel",
        "%",
        "By how many points channel_return_rate is above that of the 30 days before",
    ),
    Business(
        "complex_share", "channel", "%", "Orders of 7 days with several lines, gift wrap or special shipping / all"
    ),
    Business(
        "cost_to_serve",
        "channel",
        "money",
        "Shipping cost a shipped order of 28 days, with what complex orders cost more",
    ),
    Business(
        "channel_margin",
        "channel",
        "%",
        "Part of 28 days' revenue that goods, shipping and advertising leave, where shop.yml has cost_of_goods",
        1,
    ),
    Business("roas", "channel", "x", "Revenue / spend of the last 7 days, of at least the minimum spend", 1_000),
    Business("spend_change", "channel", "x", "Spend of the last 24 hours / a usual day's of the 7 before", 1, usual=1),
    # ---- the whole shop
    Business(
        "expected_today",
        "shop",
        "orders",
        "Orders expected by the end of today: what has come, and what usually still comes, with campaigns",
    ),
    Business("capacity_today", "shop", "orders", "Orders that can be shipped today", 1_000_000),
    Business("capacity_used", "shop", "%", "Orders of today / capacity_today"),
    Business("capacity_projected", "shop", "%", "expected_today / capacity_today"),
    Business("room_left", "shop", "orders", "capacity_today - expected_today; 0 at least", 1_000_000),
    Business(
        "work_units_today",
        "shop",
        "units",
        "Work in today's orders: lines, gift wrap and special shipping count on top",
    ),
    Business(
        "forecast_gap", "shop", "%", "By how much today's orders so far are above (or below) what was expected so far"
    ),
    Business("backlog", "shop", "orders", "Orders placed and neither shipped nor cancelled (28 days)"),
    Business("backlog_age", "shop", "hours", "Age of the oldest order in the backlog, first in, first out"),
    Business("late_rate", "shop", "%", "Deliveries of 7 days that came late / all, of at least 20"),
    # ---- a campaign
    Business("plan_trouble", "plan", "", "The answer to a plan: 0 yes, 1 change, 2 no; 0 when it is over"),
    Business("plan_over_capacity", "plan", "%", "The fullest day of the plan: expected orders / capacity"),
    Business(
        "plan_unknown_products",
        "plan",
        "",
        "Products that it promotes and that were never listed, stocked or sold; 0 when it is over",
    ),
    # ---- a location
    Business("held_units", "location", "units", "Units that may not be sold there"),
    Business("held_days", "location", "days", "Days since something is held there without a break"),
    Business("receiving_days", "location", "days", "Median days from the expected day to receipt there (28 days)"),
    Business("sync_age", "location", "hours", "Hours since the location told any stock"),
)

BUSINESS: dict[str, Business] = {b.name: b for b in _ALL}
"""name → what it is."""


def subject_type(subject: str) -> str:
    """The name that stands for the event type of a business measure: `shop.product`. No such event can be sent."""
    return f"shop.{subject}"


def business_of(series: SeriesDef) -> Business | None:
    """The business measure that a series is; None where it is a measure of events."""
    return BUSINESS.get(str(series.field)) if series.source == SOURCE else None
