"""What one team's numbers mean to the other, in plain sentences: visits as orders, capacity as visits, stock as days.

Made of the numbers that an alert carries (`lockstep.shop.names`) alone, so that every message about a change says the
same, whenever and on whichever worker it is written. Each sentence has the numbers that it came from. What is not
known is said in words where the teams need it.
"""

from collections.abc import Callable, Mapping

from lockstep.labels import NONE
from lockstep.shop.names import NAMES, absent
from lockstep.shop.whole_shop import Made
from lockstep.text.figures import MONEY, PERCENT, number_text

Facts = Mapping[str, float | str]
TEAMS = ("marketing", "operations")

_SUBJECTS = {
    "shop": "capacity",
    "capacity": "capacity",
    "orders": "capacity",
    "shipping": "capacity",
    "payments": "capacity",
    "traffic": "traffic",
    "channel": "traffic",
    "conversion": "traffic",
    "spend": "traffic",
    "product": "stock",
    "shelf": "stock",
    "stock": "stock",
    "supply": "stock",
    "receipt": "stock",
    "prices": "stock",
    "losses": "returns",
    "returns": "returns",
    "feedback": "returns",
    "plan": "plan",
    "location": "location",
}
"""What an alert is about → the sentences that it gets."""


def sentences(
    facts: Facts, labels: Mapping[str, str], subject: str = "", visits: float | None = None
) -> dict[str, list[str]]:
    """team → its sentences, the most needed first, what belongs together as one; of a team that has none an empty list.

    facts: `names(…)` as of the change. subject: what the rule is about, one of the catalogue's SUBJECTS or a word of
    `lockstep.notify.advice` (`orders`, `traffic`, `stock`, …); "" for what the labels name. visits: that the alert is
    about, if it is about visits: they are told as orders.
    """
    if not facts:
        return {team: [] for team in TEAMS}
    kind = _SUBJECTS.get(subject) or _kind_of(labels)
    written = {team: [text for text in _BY_KIND[kind](facts, labels, team) if text] for team in TEAMS}
    if visits is not None:
        translated = _visits_as_orders(facts, visits)
        written = {
            team: [translated, *(t for t in texts if " visits today" not in t)] for team, texts in written.items()
        }
    return written


def _kind_of(labels: Mapping[str, str]) -> str:
    if "sku" in labels:
        return "stock"
    for label, kind in (("campaign", "plan"), ("location", "location"), ("channel", "traffic")):
        if label in labels:
            return kind
    return "capacity"


def known(facts: Facts, name: str) -> str:
    """A name in words: `310 orders`, `3.1%`; where it is not known, what is said instead."""
    value = facts.get(name)
    if value is None:
        return absent(name)
    if isinstance(value, str):
        return value
    unit = NAMES[name].unit if name in NAMES else ""
    if unit == MONEY:
        unit = f"{MONEY} {facts.get('currency', '')}".rstrip()
    return Made(value, unit).text


def _number(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    return None if isinstance(value, str) else value


def _visits_as_orders(facts: Facts, visits: float) -> str:
    """`10,000 visits × 3.1% ≈ 310 orders`."""
    rate = _number(facts, "conversion")
    if rate is None:
        return f"{number_text(visits)} visits: {absent('conversion')}, so they are not told as orders."
    share = number_text(round(rate, 4), PERCENT)
    return f"{number_text(visits)} visits × {share} ≈ {_about(visits * rate)} orders."


def _about(number: float) -> str:
    return number_text(round(number) if number >= 1 or number == 0 else round(number, 1))


def _capacity(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    return [_room(facts, team), _stake(facts), _backlog(facts) if team == "operations" else "", _campaigns(facts)]


def _room(facts: Facts, team: str) -> str:
    """`310 orders are expected today and 490 can be shipped: room for 180 more ≈ 5,800 visits at 3.1%.`"""
    expected, capacity, room = (_number(facts, name) for name in ("expected_today", "capacity_today", "room_left"))
    if expected is None:
        return f"{_capital(absent('expected_today'))}; {known(facts, 'orders_today')} came so far."
    ahead = f"{number_text(expected)} orders are expected today"
    if capacity is None:
        return f"{ahead}; {absent('capacity_today')}."
    ways = f"{ahead} and {number_text(capacity)} can be shipped"
    if expected > capacity:
        return f"{ways}: {number_text(expected - capacity)} too many."
    if not room:
        return f"{ways}: there is no room for more."
    visits, rate = _number(facts, "visits_for_room"), _number(facts, "conversion")
    more = ""
    if team == "marketing" and visits is not None and rate is not None:
        more = f" ≈ {number_text(visits)} visits at {number_text(round(rate, 4), PERCENT)}"
    return f"{ways}: room for {number_text(room)} more{more}."


def _backlog(facts: Facts) -> str:
    orders, hours = _number(facts, "backlog"), _number(facts, "backlog_age")
    if not orders or hours is None:
        return ""
    return f"{known(facts, 'backlog')} wait to be shipped, the oldest for {_age(hours)}."


def _age(hours: float) -> str:
    """`26 hours`, and from three days on `3.5 days`."""
    return Made(hours, "hours").text if hours < 72 else Made(hours / 24, "days").text


def _campaigns(facts: Facts) -> str:
    if "campaigns" in facts:
        return f"Running now: {facts['campaigns']}."
    return f"Coming: {facts['campaigns_ahead']}." if "campaigns_ahead" in facts else ""


def _stake(facts: Facts) -> str:
    if "money_at_stake" not in facts:
        return ""
    currency = facts.get("currency", "")
    about = number_text(rough_amount(float(facts["money_at_stake"])), f"{MONEY} {currency}".rstrip())
    return f"At stake: about {about} ({known(facts, 'money_at_stake_of')})."


def rough_amount(amount: float) -> float:
    """An estimate of money as it is said: whole above ten, cents below."""
    return round(amount) if amount >= 10 else amount


def _traffic(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    visits = _number(facts, "visits_today")
    today = ""
    if visits is not None and "conversion" in facts:
        share = number_text(round(float(facts["conversion"]), 4), PERCENT)
        orders = known(facts, "orders_from_visits")
        today = f"{number_text(visits)} visits today × {share} ≈ {orders}."
    elif visits is not None:
        today = f"{number_text(visits)} visits today; {absent('conversion')}."
    return [today, _room(facts, team), _stake(facts), _campaigns(facts)]


def _stock(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    late = _late_receipt(facts, labels) if "receipt_late_days" in facts else ""
    lasting = f"{_cover(facts, labels)} {_next_receipt(facts)}"
    reorder = _reorder(facts) if team == "operations" else ""
    return [late, lasting, _promoted(facts), _stake(facts), _expiring(facts, team), reorder]


def _cover(facts: Facts, labels: Mapping[str, str]) -> str:
    """`40 A-1 available, enough for 10 days at 4 a day.`"""
    available, days, a_day = (_number(facts, name) for name in ("available", "days_of_cover", "velocity"))
    sku = labels.get("sku", "")
    if available is None:
        return f"{_capital(absent('available'))}."
    if available <= 0:
        speed = f"; it sells {_about(a_day)} a day when there is some" if a_day else ""
        return f"{sku or 'It'} is sold out ({number_text(available)} available){speed}."
    left = f"{number_text(available)} {sku} available".replace("  ", " ")
    if days is None:
        return f"{left}; {'nothing was sold of it lately' if a_day == 0 else absent('days_of_cover')}."
    over = "a year or more" if days >= 365 else known(facts, "days_of_cover")
    return f"{left}, enough for {over} at {_about(a_day or 0)} a day."


def _next_receipt(facts: Facts) -> str:
    """`It will be out for 3 days before 500 arrive on Fri 4 Dec.`"""
    if "next_receipt" not in facts:
        return f"{_capital(absent('next_receipt'))}."
    arrive = f"{number_text(_number(facts, 'next_receipt_quantity'))} arrive on {facts['next_receipt']}"
    gap, available = _number(facts, "gap_days"), _number(facts, "available")
    if gap:
        is_out = available is not None and available <= 0
        return f"{'It is' if is_out else 'It will be'} out for {known(facts, 'gap_days')} before {arrive}."
    return f"{arrive}{'' if gap is None else ', before it is sold out'}."


def _promoted(facts: Facts) -> str:
    gap = _number(facts, "promoted_cover_gap")
    if "campaigns" not in facts and gap is None:
        return ""
    which = f"Promoted now: {facts['campaigns']}" if "campaigns" in facts else "It is promoted soon"
    if "campaigns" not in facts and "campaigns_ahead" in facts:
        which = f"Promoted soon: {facts['campaigns_ahead']}"
    if gap:
        return f"{which}; it does not last for {known(facts, 'promoted_cover_gap')} of that."
    return f"{which}." if gap is None else f"{which}; it lasts to the end."


def _expiring(facts: Facts, team: str) -> str:
    days, unsold = _number(facts, "days_to_expiry"), _number(facts, "unsold_at_expiry")
    if days is None or not unsold:
        return ""
    hint = " A flash sale could sell them." if team == "marketing" else ""
    first = known(facts, "days_to_expiry")
    return f"{known(facts, 'unsold_at_expiry')} will be left when lots end, the first in {first}.{hint}"


def _reorder(facts: Facts) -> str:
    if not _number(facts, "reorder_quantity"):
        return ""
    return f"Order {known(facts, 'reorder_quantity')} now; a delivery takes {known(facts, 'lead_time')}."


def _late_receipt(facts: Facts, labels: Mapping[str, str]) -> str:
    days = _number(facts, "receipt_late_days")
    quantity = known(facts, "receipt_quantity")
    order = f" of {labels['purchase_order']}" if labels.get("purchase_order", NONE) not in ("", NONE) else ""
    if not days:
        return f"{_capital(quantity)}{order} are expected on {known(facts, 'receipt_due')}."
    late, due = known(facts, "receipt_late_days"), known(facts, "receipt_due")
    return f"{_capital(quantity)}{order} are {late} late, expected now on {due}."


def _returns(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    rate = "return_rate" if "sku" in labels else "channel_return_rate"
    rise = "return_rise" if "sku" in labels else "channel_return_rise"
    text = ""
    if rate in facts:
        text = f"{known(facts, rate)} of what was sold in a week came back"
        more = _number(facts, rise)
        if more:
            points = number_text(round(abs(more) * 100, 1))
            text += f", {points} points {'more' if more > 0 else 'less'} than in the 30 days before"
        if "sku" in labels:
            text += f"; reasons given most: {known(facts, 'return_reasons')}" if "return_reasons" in facts else ""
        text += "."
    elif "sku" in labels or "channel" in labels:
        text = f"{_capital(absent(rate))}."
    return [text, _promoted(facts) if "sku" in labels else _campaigns(facts), _stake(facts)]


def _plan(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    campaign = labels.get("campaign", "the campaign")
    if "plan_answer" not in facts:
        return [f"{_capital(absent('plan_answer'))}."]
    verdict = {
        "yes": "can be done as planned",
        "change": "can be done with a change",
        "no": "cannot be done as planned",
    }
    words = verdict.get(str(facts["plan_answer"]), str(facts["plan_answer"]))
    return [
        f"{campaign} ({facts['plan_days']}) {words}.",
        str(facts.get("plan_reasons", "")),
        str(facts.get("plan_suggestion", "")),
        _stake(facts),
    ]


def _location(facts: Facts, labels: Mapping[str, str], team: str) -> list[str]:
    where = labels.get("location", "")
    where = "The warehouse" if where in ("", NONE) else where
    texts = []
    if _number(facts, "held_units"):
        since = f", the longest for {known(facts, 'held_days')}" if "held_days" in facts else ""
        texts.append(f"{known(facts, 'held_units')} at {where} may not be sold{since}.")
    if "receiving_days" in facts:
        texts.append(f"{where} takes in deliveries {known(facts, 'receiving_days')} after their day.")
    age = _number(facts, "sync_age")
    texts.append(f"{_capital(absent('sync_age'))}." if age is None else f"{where} told its stock {_age(age)} ago.")
    return [*texts, _stake(facts)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_BY_KIND: Mapping[str, Callable[[Facts, Mapping[str, str], str], list[str]]] = {
    "capacity": _capacity,
    "traffic": _traffic,
    "stock": _stock,
    "returns": _returns,
    "plan": _plan,
    "location": _location,
}
