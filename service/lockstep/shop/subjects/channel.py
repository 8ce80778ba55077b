"""A channel: what its visits, its spend and its orders come to."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.day_sums import counted, facts_of, paid
from lockstep.shop.exchange import Total, total
from lockstep.shop.facts import COUNTS, MONEY
from lockstep.shop.forecast import median
from lockstep.shop.subjects.capacity import work_units
from lockstep.shop.subjects.returns import channel_returns
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.currency import decimals
from lockstep.text.days import list_text

COMPLEX_DAYS = 7
COST_DAYS = 28
ROAS_DAYS = 7
SPEND_DAYS = 7
"""Days before that make a usual day's spend."""

_Parts = tuple[tuple[str, int | float | str], ...]


def measures(shop: Shop, channel: str, at: datetime) -> dict[str, Made]:
    return {
        "channel_conversion": conversion(shop, channel, at),
        **channel_returns(shop, channel, at),
        "complex_share": complex_share(shop, channel, at),
        "cost_to_serve": cost_to_serve(shop, channel, at),
        "channel_margin": margin(shop, channel, at),
        "roas": roas(shop, channel, at),
        "spend_change": spend_change(shop, channel, at),
    }


def conversion(shop: Shop, channel: str, at: datetime) -> Made:
    """Orders / visits, today among the days. A channel whose orders are told under another name has none."""
    days, today = shop.settings.conversion_days, shop.day_of(at)
    orders = counted(shop, "orders", today, days, channel)
    sessions = counted(shop, "sessions", today, days, channel)
    made_of = ((f"orders of {days} days", orders), ("visits of them", sessions))
    least = max(1, shop.settings.min_sessions)
    if sessions < least:
        return Made(None, "%", made_of, f"fewer than {least} visits came in {days} days")
    if not orders and not any(f.counts.get("orders") for (_, of), f in shop.days.items() if of == channel):
        return Made(None, "%", made_of, f"no order was ever told of {channel}; orders may name another channel")
    return Made(Fraction(orders, sessions), "%", made_of)


def complex_share(shop: Shop, channel: str, at: datetime) -> Made:
    today = shop.day_of(at)
    orders = counted(shop, "orders", today, COMPLEX_DAYS, channel)
    harder = counted(shop, "complex", today, COMPLEX_DAYS, channel)
    made_of = (
        (f"orders of {COMPLEX_DAYS} days with several lines, gift wrap or special shipping", harder),
        ("all orders of them", orders),
    )
    if not orders:
        return Made(None, "%", made_of, f"no order came in {COMPLEX_DAYS} days")
    return Made(Fraction(harder, orders), "%", made_of)


def cost_to_serve(shop: Shop, channel: str, at: datetime) -> Made:
    """What shipping an order costs, times how much more work the channel's orders are than one of a single line.

    Of totals alone: nothing of a single order is known here.
    """
    today, work = shop.day_of(at), shop.settings.work
    shipped = counted(shop, "shipped", today, COST_DAYS, channel)
    cost = total(paid(shop, "shipping_cost", today, COST_DAYS, channel), shop.settings)
    if not shipped or not (cost.minor or cost.without):
        what = "no order was shipped" if not shipped else "no cost of shipping was told"
        return Made(None, cost.unit, (("orders shipped", shipped),), f"{what} in {COST_DAYS} days")
    if cost.is_unknown:
        return Made(None, cost.unit, (("orders shipped", shipped),), cost.why)
    counts = {name: counted(shop, name, today, COST_DAYS, channel) for name in COUNTS}
    plain = work.get("order", Fraction(0)) + work.get("line", Fraction(0))
    harder = Fraction(1)
    if plain > 0 and counts["orders"]:
        harder = max(Fraction(1), work_units(counts, shop.settings) / counts["orders"] / plain)
    made_of: _Parts = (
        (f"cost of shipping, {COST_DAYS} days", float(cost.amount)),
        ("orders shipped", shipped),
        ("work of an order, in that of one with one line", round(float(harder), 3)),
    )
    cents = 10 ** decimals(cost.currency)
    return Made(Fraction(round(cost.amount / shipped * harder * cents), cents), cost.unit, made_of, cost.why)


def margin(shop: Shop, channel: str, at: datetime) -> Made:
    """What is left of 28 whole days' revenue, refunds taken off, after goods, shipping and advertising; a part of it.

    Goods are the part of revenue that shop.yml says they cost; what came back is taken to be sold again.
    """
    yesterday, goods = shop.day_of(at) - timedelta(1), shop.settings.cost_of_goods
    part = goods.get(channel, goods.get("*"))
    if part is None:
        return Made(None, "%", (), f"shop.yml has no cost_of_goods of {channel}")
    sums = {name: paid(shop, name, yesterday, COST_DAYS, channel) for name in MONEY}
    totals = {name: total(money, shop.settings) for name, money in sums.items()}
    net = totals["revenue"].minor - totals["refunds"].minor
    made_of: _Parts = (
        (f"revenue of {COST_DAYS} days", float(totals["revenue"].amount)),
        ("refunds", float(totals["refunds"].amount)),
        ("part that goods cost", float(part)),
        ("cost of shipping", float(totals["shipping_cost"].amount)),
        ("spend on advertising", float(totals["spend"].amount)),
    )
    if totals["revenue"].is_unknown:
        return Made(None, "%", made_of, totals["revenue"].why)
    if net <= 0:
        return Made(None, "%", made_of, f"nothing was earned on {channel} in {COST_DAYS} days")
    if unlike := _unlike(totals.values()):
        return Made(None, "%", made_of, unlike)
    left = net * (1 - part) - totals["shipping_cost"].minor - totals["spend"].minor
    why = "; ".join(dict.fromkeys(one.why for one in totals.values() if one.why))
    return Made(left / net, "%", made_of, why)


def roas(shop: Shop, channel: str, at: datetime) -> Made:
    """Of whole days: the spend of a day is often told at its end."""
    yesterday = shop.day_of(at) - timedelta(1)
    spend = total(paid(shop, "spend", yesterday, ROAS_DAYS, channel), shop.settings)
    revenue = total(paid(shop, "revenue", yesterday, ROAS_DAYS, channel), shop.settings)
    made_of: _Parts = (
        (f"revenue of {ROAS_DAYS} days", float(revenue.amount)),
        ("spend of them", float(spend.amount)),
        ("currency", spend.currency or "not named"),
    )
    why = "; ".join(dict.fromkeys(text for text in (revenue.why, spend.why) if text))
    least = Total(max(1, shop.settings.min_spend), spend.currency, {})
    if spend.minor < least.minor:
        few = f"only {Made(spend.amount, spend.unit).text} were spent in {ROAS_DAYS} days"
        return Made(None, "x", made_of, f"{few}, of at least {Made(least.amount, least.unit).text}")
    # No revenue that can be told in the shop's currency is not no revenue: 0x would be told as money that is lost.
    if revenue.is_unknown:
        return Made(None, "x", made_of, why)
    # Revenue and spend of one channel in different currencies that cannot be brought together make no ratio.
    if revenue.currency != spend.currency and revenue.minor:
        return Made(None, "x", made_of, f"revenue in {revenue.currency} and spend in {spend.currency}")
    return Made(Fraction(revenue.minor, spend.minor), "x", made_of, why)


def spend_change(shop: Shop, channel: str, at: datetime) -> Made:
    """The larger of yesterday's spend and today's so far, over the median of the seven days before yesterday.

    Facts have spend by the day, so the last 24 hours are told by these two: a rise is seen at once, a fall when its day
    is over.
    """
    today = shop.day_of(at)
    yesterday = today - timedelta(1)
    last = [total(paid(shop, "spend", day, 1, channel), shop.settings) for day in (yesterday, today)]
    now = max(last, key=lambda spend: spend.minor)
    before = facts_of(shop, yesterday - timedelta(1), SPEND_DAYS)  # days on which the shop is known at all
    days = [total(paid(shop, "spend", _day(f.day), 1, channel), shop.settings) for f in before]
    made_of: _Parts = (("spend of the last day", float(now.amount)), ("days before that are known", len(days)))
    if len(days) < 3:
        return Made(None, "x", made_of, f"only {len(days)} days before are known")
    if unlike := _unlike([*days, *last]):
        return Made(None, "x", made_of, unlike)
    usual = median(one.minor for one in days)
    if usual <= 0:
        return Made(None, "x", made_of, f"nothing was usually spent on {channel} in the days before")
    if now.is_unknown:
        return Made(None, "x", made_of, now.why)
    made_of = (made_of[0], ("usual spend of a day", round(float(usual) / 10 ** decimals(now.currency), 2)))
    return Made(now.minor / usual, "x", made_of, now.why)


def _unlike(totals: Iterable[Total]) -> str:
    """Why totals are not set against each other: they are of several currencies; "" where they can be."""
    currencies = sorted({one.currency or "no currency" for one in totals if one.minor})
    return f"money in {list_text(currencies)}, which shop.yml has no rate between" if len(currencies) > 1 else ""


def _day(text: str) -> date:
    return date.fromisoformat(text)
