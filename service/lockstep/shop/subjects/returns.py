"""What comes back: of a product, of a channel, and why."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.labels import NONE
from lockstep.shop.day_sums import counted, on_days
from lockstep.shop.facts import ProductFacts
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import list_text

MEASURES = ("return_rate", "return_rise")
"""What `product_returns` makes."""

_Sums = tuple[int, int]
"""(units returned, units sold)"""


def product_returns(shop: Shop, product: ProductFacts, at: datetime) -> dict[str, Made]:
    """return_rate and return_rise, with the reasons that were given most."""
    today = shop.day_of(at)
    now, before = _product_sums(shop, product, today)
    reasons = reasons_text(shop, product, today)
    return _rates(shop, "return", now, before, (("reasons given most", reasons),) if reasons else ())


def channel_returns(shop: Shop, channel: str, at: datetime) -> dict[str, Made]:
    """channel_return_rate and channel_return_rise."""
    today, settings = shop.day_of(at), shop.settings
    earlier = today - timedelta(settings.return_days)

    def sums(last: date, count: int) -> _Sums:
        return counted(shop, "returned_units", last, count, channel), counted(shop, "units", last, count, channel)

    now, before = sums(today, settings.return_days), sums(earlier, settings.return_before_days)
    return _rates(shop, "channel_return", now, before)


def top_reasons(shop: Shop, product: ProductFacts, today: date) -> list[tuple[str, int]]:
    """(reason, units) of the units that came back in the days of returns, most first."""
    counts = {
        reason: sum(on_days(product, numbers, today, shop.settings.return_days))
        for reason, numbers in product.reasons.items()
    }
    return sorted(((r, n) for r, n in counts.items() if n > 0), key=lambda item: (-item[1], item[0]))


def reasons_text(shop: Shop, product: ProductFacts, today: date) -> str:
    """`too small (8), torn (3) and faded (1)`; "" where none was given."""
    given = [(reason, count) for reason, count in top_reasons(shop, product, today) if reason != NONE]
    return list_text([f"{reason} ({count})" for reason, count in given[:3]])


@dataclass(frozen=True)
class Returned:
    """One row of the ranking. score: rate × number of units returned."""

    sku: str
    rate: Fraction
    returned: int
    units: int
    score: Fraction
    reasons: str


def returns_ranking(shop: Shop, at: datetime, most: int = 10) -> list[Returned]:
    """Products whose returns matter most: by rate × number, so that neither one unit of one nor a best seller with
    a low rate leads. Those with fewer than the minimum of units sold are left out."""
    today = shop.day_of(at)
    rows = []
    for product in shop.products.values():
        if not any(product.returned):
            continue
        returned, units = _product_sums(shop, product, today)[0]
        if returned > 0 and units >= max(1, shop.settings.min_return_units):
            rate = Fraction(returned, units)
            reasons = reasons_text(shop, product, today)
            rows.append(Returned(product.sku, rate, returned, units, rate * returned, reasons))
    return sorted(rows, key=lambda row: (-row.score, row.sku))[:most]


def _product_sums(shop: Shop, product: ProductFacts, today: date) -> tuple[_Sums, _Sums]:
    settings = shop.settings
    earlier = today - timedelta(settings.return_days)

    def sums(last: date, count: int) -> _Sums:
        return sum(on_days(product, product.returned, last, count)), sum(on_days(product, product.units, last, count))

    return sums(today, settings.return_days), sums(earlier, settings.return_before_days)


def _rates(
    shop: Shop, name: str, now: _Sums, before: _Sums, more: tuple[tuple[str, int | float | str], ...] = ()
) -> dict[str, Made]:
    settings = shop.settings
    least = max(1, settings.min_return_units)
    rate = _rate(now, least)
    usual = _rate(before, least)
    made_of = (
        (f"units returned in {settings.return_days} days", now[0]),
        ("units sold in them", now[1]),
        *more,
    )
    compared = (
        *made_of,
        (f"units returned in the {settings.return_before_days} days before", before[0]),
        ("units sold in those", before[1]),
    )
    few = f"fewer than {least} units were sold in {settings.return_days} days"
    few_before = f"fewer than {least} units were sold in the {settings.return_before_days} days before"
    rise = None if rate is None or usual is None else rate - usual
    return {
        f"{name}_rate": Made(rate, "%", made_of, "" if rate is not None else few),
        f"{name}_rise": Made(rise, "%", compared, "" if rise is not None else few if rate is None else few_before),
    }


def _rate(sums: _Sums, least: int) -> Fraction | None:
    return Fraction(sums[0], sums[1]) if sums[1] >= least else None
