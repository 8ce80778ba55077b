"""What one team's numbers mean to the other, in plain sentences: visits as orders, capacity as visits, stock as days.

Made of the numbers that an alert carries (`lockstep.shop.names`) alone, so that every message about a change says the
same, whenever and on whichever worker it is written. Each sentence has the numbers that it came from. What is not
known is said in words where the teams need it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from lockstep.labels import NONE
from lockstep.shop.exchange import money_unit
from lockstep.shop.names import NAMES, absent
from lockstep.shop.whole_shop import Made
from lockstep.text.figures import (
    MONEY,
    PERCENT,
    POINTS,
    estimated_text,
    measured_number,
    measured_text,
    rounded_figure,
    whole,
)

Facts = Mapping[str, float | str]
TEAMS = ("marketing", "operations")

_SUBJECTS = {
    "shop": "capacity",
    "capacity": "capacity",
    "orders": "capacity",
    "shipping": "shipping",
    "payments": "capacity",
    "traffic": "traffic",
    "channel": "channel",
    "conversion": "traffic",
    "spend": "channel",
    "product": "stock",
    "shelf": "stock",
    "stock": "stock",
    "supply": "stock",
    "receipt": "stock",
    "prices": "stock",
    "losses": "returns",
    "returns": "returns",
    "feedback": "feedback",
    "expiry": "expiry",
    "plan": "plan",
    "location": "location",
}
"""What an alert is about → the sentences that it gets."""
_OF_ALL = ("capacity", "shipping", "traffic")
"""Of these an alert that names a product gets what is said of its stock: that is what its orders and visits need."""


SOON_DAYS = 60
"""Of what lasts longer nobody asks when the next delivery comes."""
SOLD_OUT = "sold out"
"""Stands among the names that a text has said where it says that the product is."""


class Sentence(NamedTuple):
    """One sentence. says: the names whose numbers it is there to say: a text that has one of them goes without it.
    beside: name → what is left to say beside a text that has that name; the first that it has counts."""

    text: str
    says: tuple[str, ...]
    beside: tuple[tuple[str, str], ...] = ()


Part = Sentence | tuple[Sentence, Sentence]
"""A sentence, or two that belong together."""
NOTHING = Sentence("", ())


def sentences(
    facts: Facts,
    labels: Mapping[str, str],
    subject: str = "",
    visits: float | None = None,
    *,
    said: Collection[str] = (),
) -> dict[str, list[str]]:
    """team → its sentences, the most needed first, what belongs together as one; of a team that has none an empty list.

    facts: `names(…)` as of the change. subject: what the rule is about, one of the catalogue's SUBJECTS or a word of
    `lockstep.notify.advice` (`orders`, `traffic`, `stock`, …); "" for what the labels name. visits: that the alert is
    about, if it is about visits: they are told as orders. said: names whose numbers the text before has already, and
    SOLD_OUT where it says that.
    """
    if not facts:
        return {team: [] for team in TEAMS}
    kind = _SUBJECTS.get(subject) or _kind_of(labels)
    if kind in _OF_ALL and _named(labels, "sku"):
        kind = "stock"
    of_visits = NOTHING if visits is None else _visits_as_orders(facts, visits)
    written = {}
    for team in TEAMS:
        names = {*said, *(of_visits.says if of_visits.text else ())}
        parts = [_left(part, names) for part in _BY_KIND[kind](facts, labels, team)]
        written[team] = [text for text in (of_visits.text, *parts) if text]
    return written


def _left(part: Part, said: set[str]) -> str:
    """What is still to be said: of sentences that belong together those that the text has not."""
    parts = [part] if isinstance(part, Sentence) else part
    texts = (_beside(sentence, said) for sentence in parts)
    return " ".join(text for text in texts if text)


def _beside(sentence: Sentence, said: set[str]) -> str:
    if not sentence.text or not said.isdisjoint(sentence.says):
        return ""
    return next((text for name, text in sentence.beside if name in said), sentence.text)


def _kind_of(labels: Mapping[str, str]) -> str:
    if "sku" in labels:
        return "stock"
    for label, kind in (("campaign", "plan"), ("location", "location"), ("channel", "channel"), ("theme", "feedback")):
        if label in labels:
            return kind
    return "capacity"


def _named(labels: Mapping[str, str], label: str) -> str:
    """What a label names; "" where events name nothing."""
    value = labels.get(label, NONE)
    return "" if value == NONE else value


def known(facts: Facts, name: str) -> str:
    """A name in words: `310 orders`, `3.1%`; where it is not known, what is said instead."""
    value = facts.get(name)
    if value is None:
        return absent(name)
    if isinstance(value, str):
        return value
    unit = NAMES[name].unit if name in NAMES else ""
    if unit == MONEY:
        unit = money_unit(str(facts.get("currency", "")))
    if name == "money_at_stake":
        return estimated_text(value, unit)
    return Made(value, unit).text


def _number(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    return None if isinstance(value, str) else value


def _orders(number: float) -> str:
    """`1 order`, `310 orders`; part of one is as good as none."""
    return measured_text(whole(number), "orders")


def _be(number: float) -> str:
    return "is" if whole(number) == 1 else "are"


# ---- visits ----------------------------------------------------------------------------------------------------------

_VISITS = ("visits_today", "orders_from_visits")
LONG_AGO = 6
"""Hours without a word of stock from which on that is worth a sentence."""
LEAST_ORDERS = 5
"""Of a day whose visits brought fewer there is nothing to learn."""


def _visits_as_orders(facts: Facts, visits: float) -> Sentence:
    """`10,000 visits × 3.1% ≈ 310 orders.`"""
    rate = _number(facts, "conversion")
    if whole(visits) < 1:
        return NOTHING
    if rate is None:
        return Sentence(f"How many orders {_visits(visits)} bring is not known: {absent('conversion')}.", _VISITS)
    if not rate:
        return Sentence(f"{_visits(visits)}, and no order came of any visit lately.", _VISITS)
    return Sentence(f"{_product(visits, rate)}.", _VISITS)


def _product(visits: float, rate: float, of: str = "") -> str:
    """`10,000 visits × 3.1% ≈ 310 orders`: the rate has a digit more where a reader who multiplies would not get the
    orders. of: what stands behind the visits."""
    shown = measured_text(rate, PERCENT)
    if whole(visits * float(shown.rstrip("%")) / 100) != whole(visits * rate):
        shown = rounded_figure(rate, 2, PERCENT)
    return f"{_visits(visits)}{of} × {shown} ≈ {_brought(visits * rate)}"


def _visits(number: float) -> str:
    return measured_text(number, "visits")


def _brought(orders: float) -> str:
    return "less than 1 order" if whole(orders) < 1 else _orders(orders)


def _today(facts: Facts, labels: Mapping[str, str]) -> Sentence:
    """`4,000 visits of channel web today × 3.1% ≈ 124 orders.`"""
    visits, rate = _number(facts, "visits_today"), _number(facts, "conversion")
    if not visits or whole(visits) < 1 or (rate is not None and visits * rate < LEAST_ORDERS):
        return NOTHING
    channel = _named(labels, "channel")
    of = f"{f' of channel {channel}' if channel else ''} today"
    if rate is None:
        return Sentence(f"{_visits(visits)}{of}; {absent('conversion')}.", _VISITS)
    return Sentence(f"{_product(visits, rate, of)}.", _VISITS)


# ---- orders and what can be shipped ----------------------------------------------------------------------------------


def _capacity(facts: Facts, labels: Mapping[str, str], team: str) -> list[Sentence]:
    return [_room(facts, team), _stake(facts), _campaigns(facts)]


def _shipping(facts: Facts, labels: Mapping[str, str], team: str) -> list[Sentence]:
    """Without the room of today: what waits is not in it, and nobody is to read that there is room beside a queue."""
    return [_backlog(facts), _stake(facts), _campaigns(facts)]


def _room(facts: Facts, team: str) -> Sentence:
    """`310 orders are expected today and 490 can be shipped: room for 180 more ≈ 5,800 visits at 3.1%.`"""
    says = ("room_left", "visits_for_room", "too_many_today")
    expected, capacity = _number(facts, "expected_today"), _number(facts, "capacity_today")
    if expected is None:
        so_far = _number(facts, "orders_today")
        came = "" if so_far is None else f"; {_orders(so_far) if whole(so_far) else 'none'} came so far"
        beside = (("orders_today", f"{_capital(absent('expected_today'))}."),)
        return Sentence(f"{_capital(absent('expected_today'))}{came}.", (*says, "expected_today"), beside)
    ahead = f"{_orders(expected)} {_be(expected)} expected today" if whole(expected) else "No orders are expected today"
    if capacity is None:
        return Sentence(f"{ahead}; {absent('capacity_today')}.", (*says, "expected_today", "capacity_today"))
    left = _left_of_day(facts, expected, capacity, team)
    whole_day = f"{ahead} and {measured_number(capacity)} can be shipped: {left}."
    return Sentence(whole_day, says, (("capacity_today", f"That is {left}."), ("expected_today", f"That is {left}.")))


def _left_of_day(facts: Facts, expected: float, capacity: float, team: str) -> str:
    if expected > capacity:
        return f"{measured_number(expected - capacity)} too many"
    room = _number(facts, "room_left")
    if not room or whole(room) < 1:
        return "no room for more"
    visits, rate = _number(facts, "visits_for_room"), _number(facts, "conversion")
    more = ""
    if team == "marketing" and visits and rate:
        more = f" ≈ {_visits(visits)} at {measured_text(rate, PERCENT)}"
    return f"room for {measured_number(room)} more{more}"


def _backlog(facts: Facts) -> Sentence:
    orders, hours = _number(facts, "backlog"), _number(facts, "backlog_age")
    if not orders or hours is None or whole(orders) < 1:
        return NOTHING
    waits = "waits" if whole(orders) == 1 else "wait"
    oldest = "" if hours < 1 else f", the oldest for {measured_text(hours, 'hours')}"
    text = f"{_orders(orders)} {waits} to be shipped"
    return Sentence(f"{text}{oldest}.", ("backlog",), (("backlog_age", f"{text}."),))


def _campaigns(facts: Facts) -> Sentence:
    if "campaigns" not in facts:
        return NOTHING
    return Sentence(f"Campaigns now: {facts['campaigns']}.", ("campaigns",))


def _stake(facts: Facts) -> Sentence:
    """`At stake: about 1,200 EUR (60 units of A-1 that would sell in the 3 days it is out).`"""
    amount = _number(facts, "money_at_stake")
    if not amount:
        return NOTHING
    says: tuple[str, ...] = ("money_at_stake", "money_at_stake_of")
    if amount == facts.get("spend_without_stock"):
        says = (*says, "spend_without_stock")  # a text that names the spend has the number
    money, of = known(facts, "money_at_stake"), known(facts, "money_at_stake_of")
    beside = (("too_many_today", f"At stake: about {money}."),) if of.endswith("shipped today") else ()
    return Sentence(f"At stake: about {money} ({of}).", says, beside)


def _traffic(facts: Facts, labels: Mapping[str, str], team: str) -> list[Sentence]:
    return [_today(facts, labels), _room(facts, team), _stake(facts), _campaigns(facts)]


def _channel(facts: Facts, labels: Mapping[str, str], team: str) -> list[Sentence]:
    """Of a channel marketing hears what its visits bring, operations what is left of the day for its orders."""
    room = _room(facts, team) if "expected_today" in facts else NOTHING
    return [_today(facts, labels) if team == "marketing" else room, _stake(facts), _campaigns(facts)]


# ---- stock -----------------------------------------------------------------------------------------------------------


def _stock(facts: Facts, labels: Mapping[str, str], team: str) -> list[Part]:
    late = _late_receipt(facts, labels)
    lasting = (_cover(facts), NOTHING if _is_of(late, facts) else _next_receipt(facts))
    reorder = _reorder(facts) if team == "operations" else NOTHING
    return [late, lasting, reorder, _stake(facts), _promoted(facts), *_expiring(facts, team)]


def _is_of(late: Sentence, facts: Facts) -> bool:
    """Whether the delivery that is late is the next one, too."""
    if not late.text:
        return False
    return facts.get("next_receipt") == facts["receipt_due"] or "overdue_days" in facts


def _expiry(facts: Facts, labels: Mapping[str, str], team: str) -> list[Part]:
    return [*_expiring(facts, team), _cover(facts), _stake(facts), _promoted(facts)]


def _cover(facts: Facts) -> Sentence:
    """`40 units are in stock, enough for 10 days at 4 units a day.`"""
    available, days, a_day = (_number(facts, name) for name in ("available", "days_of_cover", "velocity"))
    says = ("available",)
    if available is None:
        return Sentence(f"{_capital(absent('available'))}.", says)
    speed = "less than 1 unit in 10 days" if a_day and a_day < 0.1 else f"{known(facts, 'velocity')} a day"
    sells = f"It sells {speed} when there is some." if a_day else ""
    if available <= 0:
        owed = f", and {measured_text(-available, 'units')} more {_be(-available)} ordered" if available < 0 else ""
        return Sentence(f"It is sold out{owed}. {sells}".rstrip(), says, ((SOLD_OUT, sells),))
    left = f"{measured_text(available, 'units')} {_be(available)} in stock"
    if days is None:
        none = "none was sold lately" if a_day == 0 else "how long that lasts is not known yet"
        lasting = ("days_without_sale", "bundle_cover")
        return Sentence(f"{left}; {none}.", says, ((SOLD_OUT, sells), *((name, f"{left}.") for name in lasting)))
    over = "a year or more" if days >= 365 else "less than a day" if days < 1 else known(facts, "days_of_cover")
    usual = "the usual " if _number(facts, "promoted_cover_gap") else ""
    lasts = f"{left}, enough for {over}{f' at {usual}{speed}' if a_day else ''}."
    pace = f"{left}{f'; {speed} are sold' if a_day and a_day > 1 else ''}."
    of_days = ("days_of_cover", "key_cover", "bundle_cover")
    # Of what was sold out a moment ago the shop's numbers are of before.
    return Sentence(lasts, says, ((SOLD_OUT, sells), *((name, pace) for name in of_days)))


def _next_receipt(facts: Facts) -> Sentence:
    """`It will be out for 3 days before 500 units arrive on Fri 4 Dec.`"""
    says = ("next_receipt", "next_receipt_quantity", "gap_days")
    quantity = _number(facts, "next_receipt_quantity")
    if "next_receipt" not in facts or not quantity:
        days = _number(facts, "days_of_cover")
        return Sentence("No delivery is planned.", says) if days is not None and days < SOON_DAYS else NOTHING
    units = measured_text(quantity, "units")
    if "overdue_days" in facts:
        was = "was" if quantity == 1 else "were"
        late = f"{units} {was} due {known(facts, 'overdue_days')} ago and {was} not received yet."
        return Sentence(late, says, (("restock", f"They are {known(facts, 'overdue_days')} late."),))
    arrive = f"{units} {'arrives' if quantity == 1 else 'arrive'} on {facts['next_receipt']}"
    gap, available = _number(facts, "gap_days"), _number(facts, "available")
    is_out = available is not None and available <= 0
    if gap:
        out = f"{'It is' if is_out else 'It will be'} out for {known(facts, 'gap_days')}"
        is_named = str(facts["next_receipt"]) in str(facts.get("restock", ""))
        until = ("restock", f"{out} until then.") if is_named else ("", "")
        return Sentence(f"{out} before {arrive}.", says, (until,))
    # What a campaign sells is more than the usual that the gap is made of.
    lasts = gap is not None and not is_out and not _number(facts, "promoted_cover_gap")
    return Sentence(f"{arrive}{', before it is sold out' if lasts else ''}.", says)


def _promoted(facts: Facts) -> Sentence:
    """`Promoted now: campaign SUMMER until Thu 3 Dec; it is sold out on 2 days of that.`"""
    gap = _number(facts, "promoted_cover_gap")
    if "campaigns" in facts:
        which = f"Promoted now: campaign {facts['campaigns']}"
    elif gap is None:
        return NOTHING
    elif "campaigns_ahead" in facts:
        which = f"Promoted soon: campaign {facts['campaigns_ahead']}"
    else:
        return Sentence("It is promoted soon.", ("campaigns", "promoted_cover_gap"))
    says, alone = ("campaigns",), (("promoted_cover_gap", f"{which}."), (SOLD_OUT, f"{which}."))
    if gap:
        return Sentence(f"{which}; it is sold out on {known(facts, 'promoted_cover_gap')} of that.", says, alone)
    is_out = (_number(facts, "available") or 0) <= 0
    return Sentence(f"{which}{'' if gap is None or is_out else '; its stock lasts to the end'}.", says, alone)


def _expiring(facts: Facts, team: str) -> list[Sentence]:
    """`36 units will be left on the last day of their lot.` `The first lot ends in 20 days.`"""
    days, unsold = _number(facts, "days_to_expiry"), _number(facts, "unsold_at_expiry")
    if days is None or not unsold:
        return []
    when = {0: "today", 1: "tomorrow"}.get(int(days), f"in {known(facts, 'days_to_expiry')}")
    hint = ": a flash sale could sell them" if team == "marketing" and unsold > 1 else ""
    left = f"{known(facts, 'unsold_at_expiry')} will be left on the last day of the lot"
    return [
        Sentence(f"{left}{hint}.", ("unsold_at_expiry",), (("days_to_expiry", f"{left}."),)),
        Sentence(f"The first lot ends {when}.", ("days_to_expiry",)),
    ]


def _reorder(facts: Facts) -> Sentence:
    if not _number(facts, "reorder_quantity"):
        return NOTHING
    text = f"Order {known(facts, 'reorder_quantity')} now; a delivery takes {known(facts, 'lead_time')}."
    return Sentence(text, ("reorder_quantity", "restock", "supplier"))


def _late_receipt(facts: Facts, labels: Mapping[str, str]) -> Sentence:
    """`500 units of PO-1 are 6 days late, expected now on Mon 7 Dec.`"""
    days = _number(facts, "receipt_late_days")
    quantity = _number(facts, "receipt_quantity")
    if days is None or not quantity or "receipt_due" not in facts:
        return NOTHING
    order = _named(labels, "purchase_order")
    units, due = f"{measured_text(quantity, 'units')}{f' of {order}' if order else ''}", facts["receipt_due"]
    says = ("receipt_due", "receipt_quantity")
    if "receipt_overdue_days" in facts:
        was = "was" if quantity == 1 else "were"
        return Sentence(f"{units} {was} due on {due} and {was} not received yet.", says)
    goods = f"{units} {_be(quantity)}"
    if not days:
        return Sentence(f"{goods} expected on {due}.", says)
    return Sentence(f"{goods} {known(facts, 'receipt_late_days')} late, expected now on {due}.", says)


# ---- returns and complaints ------------------------------------------------------------------------------------------


def _returns(facts: Facts, labels: Mapping[str, str], team: str) -> list[Part]:
    is_product = bool(_named(labels, "sku"))
    if not is_product and not _named(labels, "channel"):
        return [_campaigns(facts)]
    rate = "return_rate" if is_product else "channel_return_rate"
    return [_came_back(facts, rate), _promoted(facts) if is_product else _campaigns(facts), _stake(facts)]


def _came_back(facts: Facts, rate: str) -> tuple[Sentence, Sentence]:
    """`12% of what was sold in a week came back, 5 points more than in the 30 days before. Reasons: too small (8).`"""
    if rate not in facts:
        return Sentence(f"{_capital(absent(rate))}.", (rate,)), NOTHING
    rise, text = rate.replace("_rate", "_rise"), f"{known(facts, rate)} of what was sold in a week came back"
    more, change = _number(facts, rise), ""
    if more:
        change = f"{measured_text(abs(more), POINTS)} {'more' if more > 0 else 'less'} than in the 30 days before"
    came = f"{text}, {change}." if change else f"{text}."
    reasons = NOTHING
    if rate == "return_rate" and "return_reasons" in facts:
        reasons = Sentence(f"Reasons given most: {known(facts, 'return_reasons')}.", ("return_reasons",))
    return Sentence(came, (rise,), ((rate, f"That is {change}." if change else ""),)), reasons


def _feedback(facts: Facts, labels: Mapping[str, str], team: str) -> list[Part]:
    """Of a complaint about one product its stock, of others what runs: the shop's day has no part in it."""
    return _stock(facts, labels, team) if _named(labels, "sku") else [_campaigns(facts)]


# ---- campaigns and places --------------------------------------------------------------------------------------------

_VERDICTS = {
    "yes": "can be done as planned",
    "change": "can be done with a change",
    "no": "cannot be done as planned",
}


def _plan(facts: Facts, labels: Mapping[str, str], team: str) -> list[Part]:
    if "plan_answer" not in facts:
        return [Sentence(f"{_capital(absent('plan_answer'))}.", ("plan_answer",))]
    words = _VERDICTS.get(str(facts["plan_answer"]), str(facts["plan_answer"]))
    # The answer is of what the shop knows: beside products that it does not, it would be a yes that is none.
    unknown = "unknown_products"
    named, cause = f"Campaign {labels.get('campaign', '')} ({facts['plan_days']})", facts.get("plan_cause")
    proposal = str(facts.get("plan_suggestion", "")) if team == "marketing" else ""
    return [
        (
            Sentence(
                f"{named} {words}{f': {cause}' if cause else ''}.",
                ("plan_answer", "plan_cause", "plan_trouble", unknown),
            ),
            Sentence(str(facts.get("plan_reasons", "")), ("plan_reasons", unknown)),
        ),
        Sentence(proposal, ("plan_suggestion", unknown)),
        _stake(facts),
    ]


def _location(facts: Facts, labels: Mapping[str, str], team: str) -> list[Sentence]:
    texts = []
    if _number(facts, "held_units"):
        units, days = known(facts, "held_units"), _number(facts, "held_days")
        since = f", the longest for {known(facts, 'held_days')}" if days else ""
        texts.append(Sentence(f"{units} there are held and cannot be sold{since}.", ("held_units",)))
    if _number(facts, "receiving_days"):
        late = f"Deliveries there are booked in {known(facts, 'receiving_days')} late."
        texts.append(Sentence(late, ("receiving_days",)))
    return [*texts, _stake(facts), _reported(facts)]


def _reported(facts: Facts) -> Sentence:
    """`Its stock was last reported 12 hours ago.`"""
    age = _number(facts, "sync_age")
    if age is None:
        return Sentence(f"{_capital(absent('sync_age'))}.", ("sync_age",))
    if age < LONG_AGO:
        return NOTHING
    return Sentence(f"Its stock was last reported {known(facts, 'sync_age')} ago.", ("sync_age",))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_BY_KIND: Mapping[str, Callable[[Facts, Mapping[str, str], str], Iterable[Part]]] = {
    "capacity": _capacity,
    "shipping": _shipping,
    "traffic": _traffic,
    "channel": _channel,
    "stock": _stock,
    "returns": _returns,
    "feedback": _feedback,
    "expiry": _expiry,
    "plan": _plan,
    "location": _location,
}
