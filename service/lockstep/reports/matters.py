"""What matters: a few things that somebody should do something about, the costliest first, then the most urgent.

Each is made of the same numbers as the rest of the report. Money at stake is what is lost if nobody acts, as
`lockstep.shop.stakes` has it for alerts, too.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil

from lockstep.reports.basis import Basis
from lockstep.reports.cell_text import day_words, money_words, short_moment
from lockstep.reports.day_figures import trade_figures
from lockstep.reports.news import AlertLine
from lockstep.reports.report_record import Figure, Matter
from lockstep.reports.tables.stock_tables import Expiring, expiring
from lockstep.reports.todo import BOTH, NOBODY, TEAMS
from lockstep.shop.day_sums import is_running
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.shop.stakes import (
    Shortage,
    Stake,
    above_capacity,
    full_days,
    held,
    more_spend,
    orders_stake,
    plan_stakes,
    promotion,
    sent_back,
    units_stake,
)
from lockstep.shop.subjects.location import locations
from lockstep.shop.subjects.promotions import promoting
from lockstep.shop.subjects.returns import returns_ranking
from lockstep.shop.whole_shop import plain
from lockstep.text.currency import decimals
from lockstep.text.days import list_text
from lockstep.text.figures import PERCENT, POINTS, many, measured_number, measured_text, money_text, whole
from lockstep.text.one_line import capital
from lockstep.text.rfc3339 import rfc3339_of

MOST = 6
AHEAD_DAYS = 7
BACKLOG_HOURS = 48
"""An order that waits longer makes a matter of the backlog."""
DEEP_FALL = 0.25
"""A day that brought so much less than usual is a matter."""
RETURN_RISE = 0.05
"""Points by which a return rate must have risen."""
MOST_RETURNS = 3
"""Products that most come back of, which are looked at."""
PROMOTED_DAYS = 7
"""Campaigns that begin within so many days are looked at for what they lack."""
HELD_DAYS = 3
"""Stock that is held for longer is a matter."""
SPEND_RISE = 1.5
"""Times a usual day's spend."""

LEAST_SPACES = 2
"""What stands before a colon is something to do where it has so many."""

_WEIGHT = {"critical": 0, "warning": 1, "info": 2}


def matters(basis: Basis, *, most: int = MOST, until: datetime | None = None) -> tuple[Matter, ...]:
    """At most so many; of one kind and one product only the costliest, and no alert of what another matter is about.

    until: what has time until later is left out; None: nothing is.
    """
    never = "9999"  # sorts behind every instant
    promoted = list(_promoted(basis))
    everything = [
        *_stock(basis),
        *promoted,
        *_capacity(basis),
        *_plans(basis, {matter.name for matter in promoted}),
        *_backlog(basis),
        *_expiring(basis),
        *_returns(basis),
        *_held(basis),
        *_spend(basis),
        *_fall(basis),
        *_actions(basis),
    ]
    everything += _alerts(basis, {matter.name.partition("/")[2] for matter in everything})
    if until is not None:
        everything = [m for m in everything if m.due and datetime.fromisoformat(m.due) <= until]
    everything.sort(key=lambda m: (-(m.at_stake or 0), m.due or never, m.name.startswith("alert/")))
    chosen: dict[str, Matter] = {}
    for matter in everything:
        chosen.setdefault(matter.name, matter)
    return tuple(list(chosen.values())[:most])


def _units(number: float | Fraction) -> str:
    return many(ceil(number), "unit")


def _days(number: float | Fraction) -> str:
    return measured_text(plain(number), "days")


def _minor(stake: Stake | None) -> int | None:
    return None if stake is None else stake.minor


def _money(basis: Basis, minor: int | float) -> str:
    return money_words(minor, basis.currency)


def _price(basis: Basis, minor: int | None) -> str:
    """Of one unit or order, with its cents: what is at stake is a multiple of it."""
    if minor is None:
        return "a price that is not known"
    digits = decimals(basis.currency)
    return money_text(minor / 10**digits, basis.currency, digits=digits if minor % 10**digits else 0)


def _end_of(basis: Basis, day: date) -> str:
    return rfc3339_of(basis.start_of(day + timedelta(1)))


def _stock(basis: Basis) -> Iterator[Matter]:
    for lacking in basis.shortages[:MOST]:
        runs_dry = basis.today + timedelta(int(lacking.cover))
        price = basis.price(lacking.product)
        yield Matter(
            name=f"stock/{lacking.product.sku}",
            what=_stock_words(lacking, runs_dry),
            who="operations",
            act=_stock_act(basis, lacking),
            also=f"Do not promote product {lacking.product.sku} until it is back",
            at_stake=_minor(lacking.stake),
            due=_end_of(basis, runs_dry),
            because=f"{_units(lacking.units)} not sold in {_days(lacking.gap)}, "
            f"at {measured_number(float(lacking.a_day))} a day"
            + ("" if price is None else f" and a price of {_price(basis, price)}"),
        )


def _stock_words(lacking: Shortage, runs_dry: date) -> str:
    name = f"Product {lacking.product.sku}"
    head = f"{name} is sold out" if lacking.is_out else f"{name} will be sold out on {day_words(runs_dry)}"
    if lacking.next is None:
        return f"{head}, and no delivery is planned"
    when = day_words(date.fromisoformat(lacking.next.expected_on))
    return f"{head}, {_days(lacking.gap)} before {_units(lacking.next.quantity)} arrive on {when}"


def _stock_act(basis: Basis, lacking: Shortage) -> str:
    sku = lacking.product.sku
    if lacking.next is None:
        quantity = basis.number("reorder_quantity", "product", sku)
        return f"Order {f'{_units(quantity)} of ' if quantity else ''}product {sku}"
    return f"Ask the supplier of product {sku} to send it earlier, or a part of it"


def _promoted(basis: Basis) -> Iterator[Matter]:
    """Campaigns that promote what is not there, and what is spent on them."""
    promoted = {sku for plan in basis.plans(PROMOTED_DAYS) for sku in plan.skus}
    for sku in sorted(promoted & basis.shop.products.keys()):
        product = basis.shop.products[sku]
        stake = promotion(basis.shop, product, basis.at)
        gap = basis.number("promoted_cover_gap", "product", sku) or 0
        if gap <= 0 and stake is None:
            continue
        plans = promoting(basis.shop, sku, basis.at, ahead_days=PROMOTED_DAYS)
        names = f"campaign{'s' * (len(plans) > 1)} {list_text([plan.campaign for plan in plans])}"
        out, begun = (product.available or 0) <= 0, any(is_running(p, basis.at) for p in plans)
        state = "is sold out" if out else f"lasts {_days(gap)} less than the campaign"
        yield Matter(
            name=f"promotion/{sku}",
            what=f"C{names[1:]} {'promotes' if len(plans) == 1 else 'promote'} product {sku}, which {state}",
            who="marketing",
            act=_promoted_act(sku, names, is_out=out, has_begun=begun),
            at_stake=_minor(stake),
            due=rfc3339_of(basis.at) if out and begun else _end_of(basis, basis.today),
            because="" if stake is None else stake.of,
        )


def _promoted_act(sku: str, campaigns: str, *, is_out: bool, has_begun: bool) -> str:
    if not has_begun:
        return f"Take product {sku} out of {campaigns}"
    return f"Pause product {sku} in {campaigns}" if is_out else f"Promote product {sku} less in {campaigns}"


def _capacity(basis: Basis) -> Iterator[Matter]:
    """Days of the coming week on which more is expected than can be shipped."""
    full = full_days(basis.shop, basis.at, AHEAD_DAYS)
    if not full:
        return
    first, over = full[0], sum(day.expected - day.capacity for day in full)
    days = _days_words(basis, [day.day for day in full])
    when = "today" if first.day == basis.today else f"on {day_words(first.day)}"
    more = f", and {len(full) - 1} more such day{'s' * (len(full) > 2)} in the week" if len(full) > 1 else ""
    yield Matter(
        name="capacity",
        what=f"{first.expected:,} orders are expected {when} and {first.capacity:,} can be shipped{more}",
        who="operations",
        act=f"Find people for {over:,} more order{'s' * (over != 1)} {days}, or say that you cannot",
        also=f"Bring no more traffic {days} until operations have the people",
        at_stake=_minor(above_capacity(basis.shop, full, "", basis.at)),
        due=rfc3339_of(basis.at) if first.day == basis.today else rfc3339_of(basis.start_of(first.day)),
        because=f"{over:,} orders that cannot be shipped in time, at {_price(basis, basis.order_worth)}",
    )


def _days_words(basis: Basis, days: Sequence[date]) -> str:
    """`today`, `on Sat 5 Dec`, `on Sat 5 Dec and Sun 6 Dec`, `between today and Sun 6 Dec`."""
    words = ["today" if day == basis.today else day_words(day) for day in days]
    if len(words) > 2:
        return f"between {words[0]} and {words[-1]}"
    return ("" if words[0] == "today" else "on ") + list_text(words)


def _plans(basis: Basis, promoted: Collection[str]) -> Iterator[Matter]:
    """promoted: names of matters of what campaigns promote, which need no other one of their plans."""
    near = {plan.campaign for plan in basis.plans(PROMOTED_DAYS)}
    for plan in basis.plans(14):
        said = basis.answer(plan)
        if said.verdict == "yes":
            continue
        stakes = plan_stakes(basis.shop, said, basis.at)
        if plan.campaign in near:  # what of its products is not there is a matter of its own: the promotion's
            stakes = [stake for stake in stakes if stake.is_of_orders]
        stake = next(iter(stakes), None)
        if not _full(said) and _short(said) and all(f"promotion/{sku}" in promoted for sku in _short(said)):
            continue
        begins = datetime.fromisoformat(plan.starts)
        less = sum(min(-day.room, day.campaign or 0) for day in said.days if day.room is not None and day.room < 0)
        orders = f", as {many(less, 'order')} of it cannot be shipped" if less else ""
        change = f"Move campaign {plan.campaign}, or lower its budget{orders}"
        if begins <= basis.at:
            change = f"Lower the budget of campaign {plan.campaign}{orders}"
        yield Matter(
            name=f"plan/{plan.campaign}",
            what=f"Campaign {plan.campaign} cannot be served as it is planned: {_lacks(said)}",
            who="marketing",
            act=change,
            at_stake=_minor(stake),
            due=rfc3339_of(max(begins, basis.at)),
            because="" if stake is None else stake.of,
        )


def _full(said: PlanAnswer) -> list[date]:
    return [date.fromisoformat(day.day) for day in said.days if day.room is not None and day.room < 0]


def _short(said: PlanAnswer) -> list[str]:
    return [product.sku for product in said.products if product.enough_until or product.short]


def _lacks(said: PlanAnswer) -> str:
    """`more orders than can be shipped on 7 of its days, and product A-1 will not last`; else the gravest reason."""
    full, short = _full(said), _short(said)
    parts = []
    if full:
        days = day_words(full[0]) if len(full) == 1 else f"{len(full)} of its days"
        parts.append(f"more orders than can be shipped on {days}")
    if short:
        parts.append(f"product{'s' * (len(short) > 1)} {list_text(short)} will not last")
    return ", and ".join(parts) or said.reasons[0].rstrip(".")


def _backlog(basis: Basis) -> Iterator[Matter]:
    made = basis.made("shop")
    backlog, age = plain(made["backlog"].value), plain(made["backlog_age"].value)
    if backlog and age and age > BACKLOG_HOURS:
        yield Matter(
            name="backlog",
            what=f"{made['backlog'].text} wait to be shipped, the oldest for {made['backlog_age'].text}",
            who="operations",
            act="Ship the oldest orders first, and find out what holds them",
            also="Promise no quick delivery until the orders that wait are shipped",
            at_stake=_minor(orders_stake(basis.shop, whole(backlog), "", basis.at)),
            due=rfc3339_of(basis.at),
            because=f"{made['backlog'].text} at {_price(basis, basis.order_worth)}, which may be cancelled",
        )


def _expiring(basis: Basis) -> Iterator[Matter]:
    lots: dict[str, list[Expiring]] = {}
    for one in expiring(basis):
        lots.setdefault(one.product.sku, []).append(one)
    for sku, ours in list(lots.items())[:MOST]:
        first, units = min(ours, key=lambda e: e.days), sum(e.unsold for e in ours)
        last = date.fromisoformat(first.lot.expires_on)
        stake = units_stake(basis.shop, first.product, units, "", basis.at)
        of = f"lot {first.lot.lot}" if len(ours) == 1 else f"{len(ours)} lots, {first.lot.lot} first"
        yield Matter(
            name=f"expiry/{sku}",
            what=f"{_units(units)} of product {sku} ({of}) will be left on the last day, {day_words(last)}",
            who="marketing",
            act=f"Plan a flash sale: {_units(units)} of product {sku} at {first.discount}% off",
            at_stake=_minor(stake),
            due=_end_of(basis, last),
            because=f"{_units(units)} at {_price(basis, basis.price(first.product))}",
        )


def _returns(basis: Basis) -> Iterator[Matter]:
    for row in returns_ranking(basis.shop, basis.at)[:MOST_RETURNS]:
        rise = basis.made("product", row.sku)["return_rise"].value
        if rise is None or rise < RETURN_RISE:
            continue
        product = basis.shop.products[row.sku]
        stake, price = sent_back(basis.shop, product, basis.at), basis.price(product)
        reason = f", mostly: {row.reasons}" if row.reasons else ""
        yield Matter(
            name=f"returns/{row.sku}",
            what=f"{measured_text(plain(row.rate), PERCENT)} of product {row.sku} come back, "
            f"{measured_text(plain(rise), POINTS)} more than before{reason}",
            who="operations",
            act=f"Look at what comes back of product {row.sku}, and tell marketing what is wrong",
            also=f"Correct the page of product {row.sku}, and do not promote it",
            at_stake=_minor(stake),
            due=_end_of(basis, basis.today),
            because=f"{_units(Fraction(rise) * row.units)} more than usual of {row.units:,} sold, "
            f"at {_price(basis, price)}",
        )


def _held(basis: Basis) -> Iterator[Matter]:
    """Places that hold what could be sold, for longer than a few days."""
    for place in filter(None, locations(basis.shop)):
        made = basis.made("location", place)
        units, days = plain(made["held_units"].value), plain(made["held_days"].value)
        if not units or days is None or days < HELD_DAYS:
            continue
        name = f"{'marketplace' if place in basis.shop.settings.marketplaces else 'warehouse'} {place}"
        yield Matter(
            name=f"held/{place}",
            what=f"The {name} has held {_units(units)} for {_days(days)}",
            who="operations",
            act=f"Ask the {name} to release {_units(units)}, or to say why not",
            at_stake=_minor(held(basis.shop, place, basis.at)),
            due=_end_of(basis, basis.today + timedelta(1)),
            because=f"{_units(units)} at their prices",
        )


def _spend(basis: Basis) -> Iterator[Matter]:
    """Channels on which much more is spent than usual."""
    for channel in basis.shop.channels():
        change = plain(basis.made("channel", channel)["spend_change"].value)
        stake = more_spend(basis.shop, channel, basis.at) if change is not None and change >= SPEND_RISE else None
        if stake is not None and change is not None:
            yield Matter(
                name=f"spend/{channel}",
                what=f"Spend on the channel {channel} is {measured_number(change)} times a usual day's",
                who="marketing",
                act=f"Look at the budgets on the channel {channel}, and stop what nobody planned",
                at_stake=stake.minor,
                due=_end_of(basis, basis.today),
                because=stake.of,
            )


def _fall(basis: Basis) -> Iterator[Matter]:
    """A day that brought much less than usual, and is known to its end."""
    if basis.known_until(basis.yesterday) is not None:
        return
    figures = {f.name: f for f in trade_figures(basis, basis.yesterday)}
    revenue = figures["revenue"]
    if revenue.value is None or not revenue.usual or not _is_below(revenue, DEEP_FALL):
        return
    lost = whole(revenue.usual - revenue.value)
    cause = "orders"
    if _is_below(figures["sessions"], DEEP_FALL / 2):
        cause = "visits"
    elif _is_below(figures["conversion"], DEEP_FALL / 2):
        cause = "conversion"
    words, act = {
        "visits": ("fewer visitors came", "Find the channel that lost its visits, and look at its campaigns"),
        "conversion": ("fewer visitors bought", "Look at prices, stock and the checkout"),
        "orders": ("fewer orders came", "Find the channel that lost its orders"),
    }[cause]
    yield Matter(
        name="revenue",
        what=f"Yesterday brought {_money(basis, revenue.value)}, "
        f"{measured_text(lost / revenue.usual, PERCENT)} less than usual: {words}",
        who="marketing",
        act=act,
        at_stake=lost,
        due=_end_of(basis, basis.today),
        because=f"usually {_money(basis, revenue.usual)}",
    )


def _is_below(figure: Figure, part: float) -> bool:
    """Whether a figure is that part less than usual, 0.25 a quarter; False where either is not known."""
    if figure.value is None or not figure.usual:
        return False
    return figure.value <= figure.usual * (1 - part)


def _alerts(basis: Basis, known: Collection[str]) -> Iterator[Matter]:
    """Open alerts that nobody has, the most severe first; those of one rule are one, and so are those of one thing.
    known: what other matters are about."""
    nobody = [a for a in basis.news.open if not a.has_it and not any(value in known for value in a.labels.values())]
    by_rule: dict[str, list[AlertLine]] = {}
    for alert in sorted(nobody, key=lambda a: (_WEIGHT.get(a.severity, 3), a.since)):
        by_rule.setdefault(alert.rule, []).append(alert)
    due = {"critical": rfc3339_of(basis.at), "warning": _end_of(basis, basis.today)}
    things: list[dict[str, str]] = []
    for alert, *others in by_rule.values():
        if alert.labels and alert.labels in things:
            continue
        things.append(alert.labels)
        acts = {team: _action(alert.acts[team]) for team in reversed(TEAMS) if alert.acts.get(team)}
        who, act = next(iter(acts.items()), (BOTH, f"Say who is on it: {alert.headline}"))
        more = f", and {many(len(others), 'more such alert')}" if others else ""
        yield Matter(
            name=f"alert/{alert.alert_id}",
            what=f"{short_moment(alert.since, basis.shop.zone)}: {alert.headline}{more}",
            who=who,
            act=act,
            also=next((text for team, text in acts.items() if team != who), ""),
            due=due.get(alert.severity, ""),
            because='nobody has said "I\'m on it"',
        )


def _action(text: str) -> str:
    """What to do of what a rule tells a team, without why: `Call the supplier` of `Call the supplier: it is 1 day
    late.`, as numbers of then are others now. Else its first sentence."""
    act = text.partition(": ")[0] if text.partition(": ")[0].count(" ") >= LEAST_SPACES else text
    return act.partition(". ")[0].rstrip(".")


def _actions(basis: Basis) -> Iterator[Matter]:
    """Actions whose day has passed."""
    for action in basis.actions:
        if action.closed_at is None and action.due and action.due < basis.today.isoformat():
            yield Matter(
                name=f"action/{action.id}",
                what=capital(action.text),
                who=action.assignee or NOBODY,
                act=f"{capital(action.text)}, or say by when",
                due=_end_of(basis, date.fromisoformat(action.due)),
                because=f"it was to be done by {day_words(date.fromisoformat(action.due))}",
            )
