"""What built-in texts advise: what a team can do about orders that fall is not what it does about stock that does."""

import re
from collections.abc import Iterable, Mapping

from lockstep.measure.definition import Aggregate, OfExpression, SeriesDef, series_of
from lockstep.rule import wording
from lockstep.rule.condition.kinds import Projection, Rule, Share, Threshold, series_of_condition
from lockstep.rule.condition.when import leaves
from lockstep.rule.explained_condition import said_of
from lockstep.rule.judged_verdict import Judged
from lockstep.rule.sentences import kind_named
from lockstep.shop.catalogue import SOURCE
from lockstep.shop.translations import SOLD_OUT, sentences
from lockstep.transition import Transition

Advice = Mapping[tuple[str, str], str]
"""(team, direction) → what to do; direction is `above`, `below` or "" for either."""

_SUBJECTS: Mapping[str, str] = {
    "order.placed": "orders",
    "order.cancelled": "losses",
    "order.returned": "losses",
    "order.refunded": "losses",
    "order.shipped": "shipping",
    "order.delivered": "shipping",
    "feedback.received": "feedback",
    "cart.updated": "orders",
    "checkout.started": "orders",
    "payment.failed": "payments",
    "traffic.session": "traffic",
    "product.viewed": "traffic",
    "ad.clicked": "spend",
    "traffic.spend": "spend",
    "stock.level": "stock",
    "stock.receipt": "supply",
    "supplier.updated": "supply",
    "price.changed": "prices",
}
"""Event type → what it is about."""

_CONVERSION = {"order.placed", "traffic.session"}
"""Event types of what compares buyers with visitors."""

_CHEAPER = "hold back what you pay for until the cause is known"
_OF_SUBJECT: Mapping[str, Advice] = {
    "orders": {
        ("marketing", "above"): "find out whether a campaign, price or post of yours brings it, and ask operations "
        "whether they can carry it before you add to it",
        ("marketing", "below"): f"check that campaigns, feeds and landing pages work, and {_CHEAPER}",
        ("operations", "above"): "check that stock, staff and systems can carry it, and tell marketing if they cannot",
        (
            "operations",
            "below",
        ): "check the checkout, payments and the feed of orders, and tell marketing what you find",
    },
    "losses": {
        ("marketing", "above"): "find out which product or campaign most of them have in common, and hold it back",
        ("operations", "above"): "find out which product, batch or carrier most of them have in common",
    },
    "payments": {
        ("marketing", "above"): f"{_CHEAPER}: visitors want to buy and cannot pay",
        ("operations", "above"): "place a test order, ask the payment provider, and tell marketing when it works again",
    },
    "prices": {
        ("marketing", ""): "find out whether the price is meant, and whether what you advertise is still true",
        ("operations", ""): "correct the price if it is wrong, and look at the orders that came at it",
    },
    "shipping": {
        ("marketing", ""): "promise no delivery times until operations knows the cause",
        ("operations", ""): "check warehouse, staff and carriers, and tell marketing what they can promise",
    },
    "feedback": {
        ("marketing", "above"): "read what customers say, and answer before you advertise more of it",
        ("operations", "above"): "read what customers say, and find out which product, batch or carrier is behind it",
    },
    "traffic": {
        ("marketing", "above"): "find out whether a campaign or post of yours brings it, or robots do, and ask "
        "operations whether the site carries it",
        ("marketing", "below"): f"check that campaigns, links and tracking work, and {_CHEAPER}",
        ("operations", "above"): "check that the site carries it, and whether people or robots come",
        ("operations", "below"): "check that the site can be reached, and that its visits are still counted",
    },
    "spend": {
        ("marketing", "above"): "check the budgets and bids of what you pay for",
        ("marketing", "below"): "check that what you pay for still runs",
    },
    "stock": {
        ("marketing", "above"): "ask operations whether it should be sold off",
        ("marketing", "below"): "stop advertising what runs out, and ask operations when there is more",
        ("operations", "above"): "check the number and what was ordered, and tell marketing if it has to go",
        ("operations", "below"): "order or move more, or correct the number, and tell marketing when there is more",
    },
    "supply": {
        ("marketing", ""): "ask operations what it means for what you advertise",
        ("operations", ""): "ask the supplier, and tell marketing what it means for them",
    },
    "conversion": {
        ("marketing", "above"): "find out what works, and ask operations whether they can carry more of it",
        ("marketing", "below"): "check landing pages, prices and offers before you pay for more visits",
        ("operations", "above"): "check that prices are right, and that stock and staff can carry it",
        ("operations", "below"): "check the checkout, payments and stock",
    },
}
_OF_KIND: Mapping[str, Advice] = {
    "new_value": {
        ("marketing", ""): "find out whether it is one of yours, and tell operations if it is",
        ("operations", ""): "find out whether it is meant to be there",
    },
    "change": {
        ("marketing", ""): "find out whether the change was meant, and whether what you advertise is still true",
        ("operations", ""): "find out whether the change was meant, and tell marketing what it means for them",
    },
}
_MISSING: Advice = {
    ("marketing", ""): f"ask operations whether it is the shop or its data that is missing, and {_CHEAPER}",
    ("operations", ""): "check the systems behind it and whether their events still arrive",
}
_ANY: Advice = {
    ("marketing", ""): "find out whether something of yours changed it, and ask operations before you spend on it",
    ("operations", ""): "find out what changed in the systems and supplies behind it, and tell marketing what it means",
}
ELSE = "find out what changed, and tell the teams that work with it"
"""For teams that Lockstep knows nothing of."""


def advice(team: str, rule: Rule | None, leaf: Judged | None, *, direction: str, is_missing: bool) -> str:
    """What a team can do, as one sentence without a full stop: the rule's subject decides, where its kind does not.

    leaf: the condition whose numbers the alert shows; None where it is not known. direction: where its value lies,
    `above`, `below` or "" for neither. is_missing: there is no value, as nothing came or there is no data.
    """
    kind = "" if leaf is None else kind_named(leaf.kind)
    subject = subject_of(rule, leaf)
    special = _MISSING if is_missing or kind == "absence" else _OF_KIND.get(kind) or _OF_SUBJECT.get(subject, _ANY)
    for table in (special, _ANY):
        for key in ((team, direction), (team, "")):
            if key in table:
                return table[key]
    return ELSE


def subject_of(rule: Rule | None, leaf: Judged | None) -> str:
    """What a rule is about: orders, stock, …; "" for several things, or where that is not known."""
    if rule is None:
        return ""
    parts = [c for c, _ in leaves(rule.condition) if leaf is not None and said_of(c.expression) == leaf.of]
    # The leaf whose numbers are shown, else all.
    series = _series(parts[0]) if parts else series_of_condition(rule.condition)
    types = {s.event_type for s in series}
    if types == _CONVERSION:
        return "conversion"
    subjects = {_SUBJECTS.get(kind, "") for kind in types}
    return subjects.pop() if len(subjects) == 1 else ""


def _series(condition: OfExpression) -> Iterable[SeriesDef]:
    """Of a share those of the part: returns of orders are about returns, though orders of visits are about both. Of a
    projection those that get somewhere: stock that is sold is about stock."""
    if isinstance(condition, Projection):
        return series_of(condition.measure)
    series = series_of(condition.expression)
    if isinstance(condition, Share) and {s.event_type for s in series} != _CONVERSION:
        return series_of(condition.part)
    return series


MOST_SENTENCES = 2
"""Of what could be said of the shop; more is on its page."""


def translated(
    transition: Transition,
    rule: Rule | None,
    leaf: Judged | None,
    team: str,
    *,
    before: str = "",
    most: int = MOST_SENTENCES,
) -> str:
    """What an alert means in the other team's numbers: sentences that follow a team's own words.

    "" where nothing of the shop is known. What the rule's summary and its text for the team say of the shop is not said
    again. before: both as they are read.
    """
    if not transition.shop or rule is None:
        return ""
    about = _about(rule, leaf)
    texts = [rule.say.get(part, "") for part in ("summary", team)]
    visits = transition.value if about == "traffic" else None
    said = {name for text in texts for name in wording.shop_names_in(text)}
    if any(wording.is_named("value", text) for text in texts):
        said |= {str(s.field) for s in _shop_series(rule)}
    if _IS_SOLD_OUT.search(before):
        said.add(SOLD_OUT)
    facts = _as_of_now(transition, rule, leaf)
    return " ".join(sentences(facts, transition.labels, about, visits, said=said).get(team, ())[:most])


_IS_SOLD_OUT = re.compile(r"(?<!be )\bsold out\b")


def _shop_series(rule: Rule) -> list[SeriesDef]:
    return [s for s in series_of_condition(rule.condition) if s.source == SOURCE]


_MEASURES = {
    **dict.fromkeys(("backlog", "backlog_age", "late_rate"), "shipping"),
    **dict.fromkeys(("return_rate", "return_rise", "channel_return_rate", "channel_return_rise"), "returns"),
    **dict.fromkeys(("days_to_expiry", "unsold_at_expiry"), "expiry"),
}
"""Business measures that are about something else than what they are kept of."""


def _about(rule: Rule, leaf: Judged | None) -> str:
    """What a rule is about: a subject of the catalogue, or one that advice knows."""
    kept_of = {str(s.field): s.event_type.partition(".")[2] for s in _shop_series(rule)}
    subjects = {_MEASURES.get(name, subject) for name, subject in kept_of.items()}
    return subjects.pop() if len(subjects) == 1 else subject_of(rule, leaf)


def _as_of_now(transition: Transition, rule: Rule, leaf: Judged | None) -> Mapping[str, float | str]:
    """The shop's numbers with the stock that the alert itself is of: they are as of the last step of some minutes, and
    nobody is to read "sold out" beside "1 unit is available"."""
    facts, value, a_day = transition.shop, transition.value, transition.shop.get("velocity")
    is_stock = [
        s.event_type == "stock.level" and s.field == "available" and s.aggregate is Aggregate.LAST and not s.where
        for c, _ in leaves(rule.condition)
        if leaf is not None and isinstance(c, Threshold) and said_of(c.expression) == leaf.of
        for s in series_of(c.expression)
    ]
    if is_stock != [True] or rule.by != ("sku",) or value is None or value == facts.get("available"):
        return facts
    depend = ("days_of_cover", "gap_days", "promoted_cover_gap", "reorder_quantity")
    now: dict[str, float | str] = {name: number for name, number in facts.items() if name not in depend}
    now["available"] = value
    if isinstance(a_day, int | float) and a_day > 0:
        days = now["days_of_cover"] = min(365.0, max(0.0, value / a_day))
        cover, gap = facts.get("days_of_cover"), facts.get("gap_days")
        if isinstance(cover, int | float) and isinstance(gap, int | float) and gap > 0:
            sooner = round(gap + cover - days)  # of no gap nobody knows how narrow it is
            if sooner > 0:
                now["gap_days"] = sooner
    return now
