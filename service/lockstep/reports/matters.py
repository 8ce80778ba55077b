"""What matters: a few things that somebody should do something about, the costliest first, then the most urgent.

Each is made of the same numbers as the rest of the report. Money at stake is what is lost if nobody acts: units that
are not sold at their price, orders that are not shipped at the worth of an average one, spend that brings nothing.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil

from lockstep.reports.basis import Basis, at_stake, plain
from lockstep.reports.cell_text import cell_text, day_words, money_words, short_moment
from lockstep.reports.day_figures import trade_figures
from lockstep.reports.report_record import Matter
from lockstep.reports.stock_tables import Running, expiring, late_receipts, running_out
from lockstep.shop.forecast import forecast
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.shop.subjects.returns import returns_ranking
from lockstep.text.days import list_text
from lockstep.text.rfc3339 import rfc3339_of

MOST = 6
AHEAD_DAYS = 7
BACKLOG_HOURS = 48
"""An order that waits longer makes a matter of the backlog."""
DEEP_FALL = 0.25
"""A day that brought so much less than usual is a matter."""
RETURN_RISE = 0.05
"""Points by which a return rate must have risen."""

_WEIGHT = {"critical": 0, "warning": 1, "info": 2}


def matters(basis: Basis) -> tuple[Matter, ...]:
    """At most MOST of them; of one kind and one product only the costliest."""
    far = "9999"
    everything = [
        *_stock(basis),
        *_promoted(basis),
        *_capacity(basis),
        *_plans(basis),
        *_backlog(basis),
        *_expiring(basis),
        *_returns(basis),
        *_fall(basis),
        *_alerts(basis),
        *_actions(basis),
    ]
    everything.sort(key=lambda m: (-(m.at_stake or 0), m.due or far, m.name, m.what))
    chosen: dict[str, Matter] = {}
    for matter in everything:
        chosen.setdefault(matter.name, matter)
    return tuple(list(chosen.values())[:MOST])


def _units(number: float | Fraction) -> str:
    count = ceil(number)
    return f"{count:,} unit{'' if count == 1 else 's'}"


def _days(number: float) -> str:
    days = round(number, 1) if number < 10 else round(number)
    return f"{days:g} day{'' if days == 1 else 's'}"


def _money(basis: Basis, minor: int | None) -> str:
    return "an unknown sum" if minor is None else money_words(minor, basis.currency)


def _end_of(basis: Basis, day: date) -> str:
    return rfc3339_of(basis.start_of(day + timedelta(1)))


def _stock(basis: Basis) -> Iterator[Matter]:
    for r in running_out(basis)[:MOST]:
        runs_dry = basis.today + timedelta(int(r.cover))
        yield Matter(
            name=f"stock/{r.product.sku}",
            what=_stock_words(r, runs_dry),
            who="operations",
            act=_stock_act(basis, r),
            at_stake=r.worth,
            due=_end_of(basis, runs_dry),
            because=f"{_units(r.lost)} not sold in {_days(r.gap)}, at {r.velocity:.3g} a day"
            + ("" if r.worth is None else f" and a price of {_money(basis, basis.price(r.product))}"),
        )


def _stock_words(r: Running, runs_dry: date) -> str:
    head = f"{r.product.sku} is sold out" if r.is_out else f"{r.product.sku} will be sold out on {day_words(runs_dry)}"
    if r.next is None:
        return f"{head}, and no receipt is planned"
    when = day_words(date.fromisoformat(r.next.expected_on))
    return f"{head}, {_days(r.gap)} before {r.next.quantity:,} arrive on {when}"


def _stock_act(basis: Basis, r: Running) -> str:
    if r.next is None:
        quantity = basis.number("reorder_quantity", "product", r.product.sku)
        units = f"{_units(quantity)} of {r.product.sku}" if quantity else r.product.sku
        return f"Order {units} now, and tell marketing when it comes; until then nobody should promote it"
    return (
        f"Ask the supplier of {r.product.sku} to send it earlier, or a part of it; until then nobody should promote it"
    )


def _promoted(basis: Basis) -> Iterator[Matter]:
    """Campaigns that promote what is not there, and what is spent on them."""
    for product in basis.products():
        made = basis.made("product", product.sku)
        spend = basis.minor("spend_without_stock", "product", product.sku) or 0
        gap = plain(made["promoted_cover_gap"].value) or 0
        velocity = plain(made["velocity"].value) or 0
        running = [p.campaign for p in basis.plans(7) if product.sku in p.skus]
        if not running or (spend <= 0 and gap <= 0):
            continue
        names = list_text(running)
        out = (product.available or 0) <= 0
        missing = at_stake(gap * velocity, basis.price(product))
        stake = spend + (missing or 0)
        state = "is sold out" if out else f"lasts {_days(gap)} less than the campaign"
        promote = "promotes" if len(running) == 1 else "promote"
        costs = [f"{_money(basis, spend)} spent today"] if spend else []
        costs += [f"{_money(basis, missing)} of sales it cannot serve"] if missing else []
        yield Matter(
            name=f"promotion/{product.sku}",
            what=f"{names} {promote} {product.sku}, which {state}",
            who="marketing",
            act=f"Pause {names} for {product.sku}, or promote something that is in stock",
            at_stake=stake or None,
            due=rfc3339_of(basis.at) if out else _end_of(basis, basis.today),
            because=" and ".join(costs),
        )


def _capacity(basis: Basis) -> Iterator[Matter]:
    """Days of the coming week on which more is expected than can be shipped."""
    full: list[tuple[date, int, int]] = []
    for n in range(AHEAD_DAYS):
        day = basis.today + timedelta(n)
        expected, capacity = forecast(basis.shop, day, basis.at), capacity_of(basis.shop, day)
        if not isinstance(expected, str) and capacity is not None and expected.orders > capacity.orders:
            full.append((day, expected.orders, int(capacity.orders)))
    if not full:
        return
    day, expected_then, capacity_then = full[0]
    over = sum(orders - able for _, orders, able in full)
    when = "today" if day == basis.today else f"on {day_words(day)}"
    more = f", and {len(full) - 1} more such day{'s' * (len(full) > 2)} in the week" if len(full) > 1 else ""
    yield Matter(
        name="capacity",
        what=f"{expected_then:,} orders are expected {when} and {capacity_then:,} can be shipped{more}",
        who="operations",
        act=f"Add shifts for {over:,} orders, or say which days stay as they are; until then marketing adds no traffic",
        at_stake=None if basis.order_worth is None else over * basis.order_worth,
        due=rfc3339_of(basis.at) if day == basis.today else rfc3339_of(basis.start_of(day)),
        because=f"{over:,} orders that cannot be shipped in time, at {_money(basis, basis.order_worth)}",
    )


def _plans(basis: Basis) -> Iterator[Matter]:
    for plan in basis.plans(14):
        said = basis.answer(plan)
        if said.verdict == "yes":
            continue
        over = sum(min(-d.room, d.campaign or 0) for d in said.days if d.room is not None and d.room < 0)
        stake = at_stake(over, basis.order_worth) if over else None
        begins = datetime.fromisoformat(plan.starts)
        yield Matter(
            name=f"plan/{plan.campaign}",
            what=f"{plan.campaign} cannot be served as it is planned. {said.reasons[0]}".rstrip("."),
            who="both teams",
            act=said.suggestion.rstrip(".") or "Agree on another day or another product",
            at_stake=stake,
            due=rfc3339_of(max(begins, basis.at)),
            because=f"{over:,} of its orders are above capacity" if over else "",
        )


def _backlog(basis: Basis) -> Iterator[Matter]:
    made = basis.made("shop")
    backlog, age = plain(made["backlog"].value), plain(made["backlog_age"].value)
    if backlog and age and age > BACKLOG_HOURS:
        yield Matter(
            name="backlog",
            what=f"{round(backlog):,} orders wait, the oldest for {round(age):,} hours",
            who="operations",
            act="Ship the oldest first, and find out what holds them; marketing: promise no quick delivery",
            at_stake=None if basis.order_worth is None else round(backlog) * basis.order_worth,
            due=rfc3339_of(basis.at),
            because=f"{round(backlog):,} orders at {_money(basis, basis.order_worth)}, which may be cancelled",
        )


def _expiring(basis: Basis) -> Iterator[Matter]:
    for e in expiring(basis)[:MOST]:
        last = date.fromisoformat(e.lot.expires_on)
        yield Matter(
            name=f"expiry/{e.product.sku}",
            what=f"{_units(e.unsold)} of {e.product.sku}, lot {e.lot.lot}, are left on its last day, {day_words(last)}",
            who="marketing",
            act=f"Plan a flash sale of {_units(e.unsold)} at {e.discount}% off",
            at_stake=e.worth,
            due=_end_of(basis, last),
            because=f"{_units(e.unsold)} at {_money(basis, basis.price(e.product))}",
        )


def _returns(basis: Basis) -> Iterator[Matter]:
    for row in returns_ranking(basis.shop, basis.at):
        rise = basis.made("product", row.sku)["return_rise"].value
        if rise is None or rise < RETURN_RISE:
            continue
        more, price = Fraction(rise) * row.units, basis.price(basis.shop.products[row.sku])
        reason = f", mostly: {row.reasons}" if row.reasons else ""
        yield Matter(
            name=f"returns/{row.sku}",
            what=f"{cell_text(plain(row.rate), '%', basis.shop.zone)} of {row.sku} come back, "
            f"{round(rise * 100)} points more than before{reason}",
            who="both teams",
            act="Operations: look at what comes back. Marketing: correct what the page promises, and do not promote it",
            at_stake=at_stake(more, price),
            due=_end_of(basis, basis.today + timedelta(1)),
            because=f"{_units(more)} more than usual of {row.units:,} sold, at {_money(basis, price)}",
        )


def _fall(basis: Basis) -> Iterator[Matter]:
    """A day that brought much less than usual."""
    figures = {f.name: f for f in trade_figures(basis, basis.yesterday)}
    revenue = figures["revenue"]
    if revenue.value is None or not revenue.usual or revenue.value > revenue.usual * (1 - DEEP_FALL):
        return
    lost = round(revenue.usual - revenue.value)
    sessions, conversion = figures["sessions"], figures["conversion"]
    cause = "orders"
    if sessions.value is not None and sessions.usual and sessions.value < sessions.usual * (1 - DEEP_FALL / 2):
        cause = "visits"
    elif (
        conversion.value is not None and conversion.usual and conversion.value < conversion.usual * (1 - DEEP_FALL / 2)
    ):
        cause = "conversion"
    act = {
        "visits": "Look at which channel lost its visits, and at its campaigns",
        "conversion": "Look at prices, stock and the checkout: visitors came and did not buy",
        "orders": "Look at the channels one by one",
    }[cause]
    yield Matter(
        name="revenue",
        what=f"Yesterday brought {_money(basis, round(revenue.value))}, "
        f"{round(100 * lost / revenue.usual)}% less than usual; it is the {cause}",
        who="marketing",
        act=act,
        at_stake=lost,
        due=_end_of(basis, basis.today),
        because=f"usually {_money(basis, round(revenue.usual))}",
    )


def _alerts(basis: Basis) -> Iterator[Matter]:
    """Open alerts that nobody has, the most severe first."""
    nobody = [a for a in basis.news.open if not a.has_it]
    for alert in sorted(nobody, key=lambda a: (_WEIGHT.get(a.severity, 3), a.since))[:MOST]:
        yield Matter(
            name=f"alert/{alert.alert_id}",
            what=f"{alert.headline}; since {short_moment(alert.since, basis.shop.zone)}, and nobody has it",
            who="both teams",
            act=f"Somebody take {alert.about}",
            due=alert.since,
        )


def _actions(basis: Basis) -> Iterator[Matter]:
    """Actions whose day has passed."""
    for action in basis.actions:
        if action.closed_at is None and action.due and action.due < basis.today.isoformat():
            yield Matter(
                name=f"action/{action.id}",
                what=f"Was due on {day_words(date.fromisoformat(action.due))}: {action.text}",
                who=action.assignee or "both teams",
                act="Do it, or say by when",
                due=_end_of(basis, date.fromisoformat(action.due)),
            )


def late_words(basis: Basis) -> list[str]:
    """Receipts that are late, as sentences."""
    lines = []
    for product, receipt, days in late_receipts(basis):
        first, now = (day_words(date.fromisoformat(d)) for d in (receipt.first_expected_on, receipt.expected_on))
        late = f"{days} day{'' if days == 1 else 's'} late"
        lines.append(f"{product.sku}: {receipt.quantity:,} units, first told for {first}, now for {now} ({late})")
    return lines
