"""What a shop says of itself in shop.yml, compiled: numbers that business measures need."""

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class ReportSlot:
    """Who gets a kind of report when.

    at: local time, `08:00`; "": that of the daily report. to: receivers; (): those of all reports.
    """

    at: str = ""
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShopSettings:
    """Each has a default that suits a small shop.

    currency: ISO 4217, in which totals are told. exchange: currency → how many of the shop's currency one of it is
    worth. capacity_per_day: orders that can be shipped on a day for which nothing was declared; None: not known.
    capacity_by_weekday: likewise, of a weekday (Monday is 0) that differs from capacity_per_day. work_per_day: capacity
    in work units instead of orders, where the shop counts it so.
    closed_capacity: whether closed days of the calendar have none. key_skus: products that must not run out, with `*`.
    lead_time_days: of suppliers that told none. safety_days: cover that should be left when a receipt comes.
    velocity_days: over how many days sales are looked at. conversion_days: likewise, visits to orders.
    return_days, return_before_days: the days in which returns are counted, and those they are compared with.
    min_return_units: fewer units sold make no return rate. min_spend: minor units; less makes no ROAS.
    min_sessions: fewer visits make no conversion. work: what an order costs in work units: `order` each, `line` for
    each line, `gift_wrap`, `special_shipping` on top. standard_shipping: methods that are not special.
    cost_of_goods: channel, or `*` for all others → part of its revenue that the goods cost. bundles: bundle → its parts
    and how many of each. shelf_life: channel → days that a lot must still last to be sold there.
    marketplaces: locations or channels that are marketplaces. backorder: products that may be sold without stock.
    new_days: for so long a product is new, and no cover or spike of it is judged. report_at: local time of the daily
    report; agenda_on: the day of the weekly agenda, `Mon`; launch_until: the last day (or local minute, RFC 3339
    without a zone) of a launch, in which there is a report each hour; report_to: receivers of reports, () for those of
    the teams; report_slots: kind of report → who gets it when, of the kinds of which the shop says it;
    meeting_minutes: how long the meeting is that the agenda is for. packs: those that are switched on.
    reports_wait: what the file says of reports cannot be read and never was, so nobody knows when they are wanted.
    """

    currency: str = ""
    exchange: dict[str, Fraction] = field(default_factory=dict)
    capacity_per_day: float | None = None
    capacity_by_weekday: dict[int, float] = field(default_factory=dict)
    work_per_day: float | None = None
    closed_capacity: bool = True
    cost_of_goods: dict[str, Fraction] = field(default_factory=dict)
    bundles: dict[str, dict[str, int]] = field(default_factory=dict)
    shelf_life: dict[str, int] = field(default_factory=dict)
    key_skus: tuple[str, ...] = ()
    backorder: tuple[str, ...] = ()
    marketplaces: tuple[str, ...] = ()
    standard_shipping: tuple[str, ...] = ("none", "standard")
    lead_time_days: float = 14
    safety_days: float = 7
    velocity_days: int = 28
    conversion_days: int = 28
    return_days: int = 7
    return_before_days: int = 30
    min_return_units: int = 25
    min_spend: int = 10_000
    min_sessions: int = 200
    new_days: int = 14
    work: dict[str, Fraction] = field(
        default_factory=lambda: {
            "order": Fraction(1),
            "line": Fraction(1, 4),
            "gift_wrap": Fraction(1, 2),
            "special_shipping": Fraction(1, 2),
        }
    )
    report_at: str = "06:00"
    agenda_on: str = "Mon"
    launch_until: str = ""
    report_to: tuple[str, ...] = ()
    report_slots: dict[str, tuple[ReportSlot, ...]] = field(default_factory=dict)
    meeting_minutes: int = 60
    packs: tuple[str, ...] = ()
    reports_wait: bool = False
