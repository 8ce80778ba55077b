"""How the answer to a plan reads: in one line, in sentences with their numbers, and what each team is to do.

A campaign and a product are named as such, and a campaign always with its days; the parts of a sum are all there.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from lockstep.response.standing import PlanStanding
from lockstep.text.days import day_text, list_text
from lockstep.text.figures import clock_text, many, measured_text
from lockstep.text.one_line import capital

Verdict = Literal["yes", "change", "no"]
VERDICTS: tuple[Verdict, ...] = ("yes", "change", "no")
"""From good to bad."""

PLANNING_TEAM = "marketing"
"""Who plans campaigns; the other teams say whether they can carry them."""
MOST_NAMED = 2
"""Of other campaigns so many are named; more are counted."""


class PlanDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a plan. expected: orders of the whole shop; usual: of these, without any campaign; campaign: what this
    one adds; others: what other_campaigns add. None where it is not known. Of a day to come the three add up to
    expected; of today they are what was thought before it began. room: capacity - expected, below 0 where it is too
    little."""

    day: str
    expected: int | None
    usual: int | None
    campaign: int | None
    others: int | None
    capacity: int | None
    room: int | None
    other_campaigns: list[str] = []


class PlanProduct(msgspec.Struct, frozen=True, kw_only=True):
    """One product of a plan, or a part of a bundle that it promotes: a bundle lies on the shelf as its parts.

    needed: units that are asked for in the plan's days. short: how many of these are not there. enough_until: the first
    day on which it is out; "" when it lasts. next_receipt: day of the next delivery, or "". bundles: those of the plan
    of which it is a part; [] where the plan alone names it.
    """

    sku: str
    available: int | None
    days_of_cover: float | None
    needed: int
    short: int
    enough_until: str
    next_receipt: str
    next_receipt_quantity: int
    bundles: list[str] = []


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """reasons: sentences with their numbers, the gravest first, which is the end of the headline; of a `yes`, why it
    can be done. suggestion: what to change, a sentence; "" for a `yes`. instead: what operations would have to do so
    that it can run as it is planned, a question's end; "" where it is not one thing. orders: that the campaign adds in
    all, of: where that number comes from. compared: what earlier campaigns brought, where that is known and something
    else was announced, a sentence; "". unknown: what could not be looked at, sentences. missing: team → what it is to
    do so that it can be, a sentence. number: of the announcement that is answered. when: its days, as people read them.
    """

    campaign: str
    number: int
    verdict: Verdict
    reasons: list[str]
    suggestion: str = ""
    orders: int | None = None
    orders_of: str = ""
    compared: str = ""
    days: list[PlanDay] = []
    products: list[PlanProduct] = []
    clashes: list[str] = []
    late_receipts: list[str] = []
    unknown: list[str] = []
    missing: dict[str, str] = {}
    instead: str = ""
    when: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nothing speaks against it and not all is known."""
        return self.verdict == "yes" and bool(self.unknown)

    @property
    def cause(self) -> str:
        """Why, as the end of a headline."""
        return cause_of(self.unknown if self.is_open else self.reasons)

    @property
    def headline(self) -> str:
        """The answer in one line."""
        return headline(self.campaign, self.verdict, when=self.when, cause=self.cause, is_open=self.is_open)

    @property
    def others(self) -> list[str]:
        """What is to be said below the headline: reasons and unknowns, without the one that it says."""
        return [*self.unknown[1:], *self.reasons] if self.is_open else [*self.reasons[1:], *self.unknown]

    @property
    def fullest(self) -> PlanDay | None:
        """The day with the largest share of its capacity; None where none is known."""
        known = [day for day in self.days if day.capacity is not None and day.expected is not None]
        return max(known, key=fullness, default=None)


def fullness(day: PlanDay) -> float:
    """expected / capacity; infinite where nothing can be shipped and something is expected."""
    if day.expected is None or day.capacity is None:
        return 0.0
    if day.capacity <= 0:
        return float("inf") if day.expected else 0.0
    return day.expected / day.capacity


# ---- in one line ----------------------------------------------------------------------------------------------------

_FIRST = {
    "yes": "{} looks possible",
    "no": "{} cannot be done as planned",
    "cancelled": "{} is cancelled",
    "change": "{} needs a change",
}
_OPEN = "{} cannot be judged yet"


def headline(
    campaign: str, verdict: str, *, when: str = "", cause: str = "", is_open: bool = False, again: str = ""
) -> str:
    """`Campaign JUMBO-BAGS (Wed 2 to Thu 3 Dec) cannot be done as planned: 470 orders, 360 can be shipped`.

    when: its days. cause: of `cause_of`. is_open: a yes of which not all is known. again: `now` or `still` where it was
    answered before.
    """
    named = f"campaign {campaign}{f' ({when})' if when else ''}"
    text = (_OPEN if verdict == "yes" and is_open else _FIRST[verdict]).format(f"{named} {again}" if again else named)
    return f"{text[0].upper()}{text[1:]}{f': {cause}' if cause else ''}"


def cause_of(reasons: Sequence[str]) -> str:
    """The gravest reason as the end of a headline; "" for none."""
    first = next(iter(reasons), "").rstrip(".")
    return f"{first[:1].lower()}{first[1:]}"


# ---- what each team is to do ----------------------------------------------------------------------------------------


def answer_by(starts: str, now: datetime) -> str:
    """Until when operations are asked to answer, RFC 3339: before it starts; "" for one that runs."""
    return starts if datetime.fromisoformat(starts) > now else ""


def by_text(reply_by: str, zone: ZoneInfo) -> str:
    """`by Wed 2 Dec 09:00`; `by the end of Tue 1 Dec` for midnight, and `now, as it runs already` for ""."""
    if not reply_by:
        return "now, as it runs already"
    local = datetime.fromisoformat(reply_by).astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        return f"by the end of {day_text(local.date() - timedelta(1))}"
    return f"by {clock_text(reply_by, zone)}"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the teams by one answer. to_do: of the team, a sentence or two. beside: what a message to this
    team alone says of the other one."""

    to_do: str
    beside: str = ""


def asked_of_both(
    verdict: str, *, by: str, proposal: str = "", instead: str = "", missing: Mapping[str, str] | None = None
) -> tuple[Asked, Asked]:
    """What an answer asks of marketing, and of operations, who reply to it.

    by: of `by_text`. proposal, instead, missing: of the answer.
    """
    lacking = missing or {}
    waits = f"Operations have been asked to answer {by}."
    if verdict != "yes":
        question = f"Answer {by}: {instead or 'can it run as planned'}, or should marketing change it?"
        beside = f"Proposal to marketing: {proposal}" if proposal else ""
        unless = f"Unless operations say {by} that it can run as planned."
        return Asked(to_do=proposal or "Change the plan.", beside=unless), Asked(to_do=question, beside=beside)
    question = f"Answer {by}: can you do it?"
    if lacking.get("operations"):
        question += " Too little is known here to say it for you."
    wait = "Wait: do not start it before operations have said yes."
    to_do = lacking.get("marketing", "") or wait
    return Asked(to_do=to_do, beside=waits), Asked(to_do=question, beside="Marketing waits for your answer.")


def reply_words(verdict: str) -> tuple[str, str]:
    """What the two buttons say by which operations confirm an answer, and object to it."""
    if verdict == "yes":
        return "Yes, we can do it", "No, we cannot…"
    return "Marketing has to change it", "We can do it as planned…"


def is_as_planned(verdict: str, reply: str) -> bool:
    """Whether the campaign runs as it is planned, after operations have replied to an answer: they have confirmed a
    yes, or objected to a change or a no."""
    return (verdict == "yes") == (reply == "confirmed")


CANCELLED_TO_DOS = ("Stop its ads and posts.", "Nothing is needed for it any more.")
"""Of marketing, and of operations."""


def reply_headline(standing: PlanStanding) -> str:
    """What operations have said to an answer, in one line."""
    named = f"campaign {standing.campaign}{f' ({standing.when})' if standing.when else ''}"
    is_yes, runs = standing.verdict == "yes", is_as_planned(standing.verdict, standing.reply)
    if runs:
        return f"Operations said {'yes' if is_yes else 'it can be done'}: {named} runs as planned"
    return f"Operations {'said no' if is_yes else 'agree'}: {named} has to be changed"


def reply_to_dos(standing: PlanStanding, zone: ZoneInfo) -> tuple[str, str]:
    """What marketing, and what operations are to do after a reply."""
    starts = f" from {clock_text(standing.reply_by, zone)} on" if standing.reply_by else ""
    if is_as_planned(standing.verdict, standing.reply):
        return "Run it as planned.", f"Be ready for it{starts}."
    before = f" before it starts on {clock_text(standing.reply_by, zone)}" if standing.reply_by else " now, as it runs"
    if standing.verdict == "yes" or not standing.proposal:
        return f"Change the plan{before}, or speak with operations.", "Wait for the new plan; you will be asked again."
    return standing.proposal, "Nothing more to do: marketing changes it, and you will be asked again."


def standing_to_dos(standing: PlanStanding, zone: ZoneInfo) -> tuple[str, str]:
    """What marketing, and what operations are to do as a campaign stands between them."""
    if standing.verdict == "cancelled":
        return CANCELLED_TO_DOS
    if standing.reply:
        why = f": {standing.note}" if standing.note else ""
        marketing, operations = reply_to_dos(standing, zone)
        return (
            marketing,
            f"{operations} ({standing.by} {standing.reply} the answer on {clock_text(standing.at, zone)}{why})",
        )
    asked = asked_of_both(standing.verdict, by=by_text(standing.reply_by, zone), proposal=standing.proposal)
    return asked[0].to_do, asked[1].to_do


# ---- days -----------------------------------------------------------------------------------------------------------


def day_name(day: PlanDay) -> str:
    return day_text(date.fromisoformat(day.day))


def sum_text(day: PlanDay) -> str:
    """`100 usual + 60 by this campaign + 75 by campaign CYBER-MONDAY = 235 orders`; only the end of it where the parts
    are no sum, as on the day that runs."""
    if None in (day.usual, day.campaign, day.others) or (day.usual or 0) + (day.campaign or 0) + (day.others or 0) != (
        day.expected
    ):
        return f"{day.expected:,} orders"
    parts = [f"{day.usual:,} usual"]
    if day.campaign:
        parts.append(f"{day.campaign:,} by this campaign")
    if day.others:
        parts.append(f"{day.others:,} by {_others(day.other_campaigns)}")
    return f"{' + '.join(parts)} = {day.expected:,} orders" if len(parts) > 1 else f"{day.expected:,} orders, as usual"


def _others(names: Sequence[str]) -> str:
    if not 0 < len(names) <= MOST_NAMED:
        return many(len(names), "other campaign") if names else "other campaigns"
    return f"campaign{'s' * (len(names) > 1)} {list_text(list(names))}"


def expected_text(day: PlanDay) -> str:
    return f"{day.expected:,} orders are expected on {day_name(day)}, {day.capacity:,} can be shipped"


def too_many_text(day: PlanDay) -> str:
    """`Wed 2 Dec: 100 usual + 60 by this campaign = 160 orders, 10 more than can be shipped.`"""
    more = max(0, -(day.room or 0))
    over = f", {more:,} more than can be shipped" if more else ""
    return f"{day_name(day)}: {sum_text(day)}{over}."


# ---- products -------------------------------------------------------------------------------------------------------


def product_name(p: PlanProduct) -> str:
    """`product A-1`, or `product A-1 (part of SET)`."""
    return f"product {p.sku} (part of {list_text(p.bundles)})" if p.bundles else f"product {p.sku}"


def products_text(skus: Sequence[str]) -> str:
    """`product A-1`, `products A-1 and B-1`."""
    return f"product{'s' * (len(skus) > 1)} {list_text(list(skus))}"


def sold_out_text(p: PlanProduct, last: date) -> str:
    """`Product 22469 is sold out from Thu 3 Dec, 1 day before it ends.` last: the campaign's last day."""
    name = capital(product_name(p))
    if not p.enough_until:
        return f"{name}: {p.needed:,} are needed, {p.short:,} more than there will be."
    out = date.fromisoformat(p.enough_until)
    left = (last - out).days
    when = f"from {day_text(out)}, {many(left, 'day')} before it ends" if left else f"on {day_text(out)}, its last day"
    return f"{name} is sold out {when}."


def stock_text(p: PlanProduct, *, is_needed: bool = True) -> str:
    """`Product A-1: 196 are needed, 112 more than there will be; 90 are left, …`. is_needed: whether needs are said."""
    needs = f"{p.needed:,} are needed, {p.short:,} more than there will be; " if is_needed and p.short else ""
    days = (
        "" if p.days_of_cover is None else f", enough for {measured_text(p.days_of_cover, 'days')} at the usual speed"
    )
    coming = "no delivery is planned"
    if p.next_receipt:
        coming = f"the next {p.next_receipt_quantity:,} come on {day_text(date.fromisoformat(p.next_receipt))}"
    left = f"{p.available:,} are left{days}" if p.available and p.available > 0 else "none is left"
    return f"{capital(product_name(p))}: {needs}{left}; {coming}."


def get_more_text(p: PlanProduct) -> str:
    """What operations would have to do so that a product lasts, as the end of a question."""
    by = f" by {day_text(date.fromisoformat(p.enough_until))}" if p.enough_until else ""
    return f"can you get {p.short:,} more of product {p.sku}{by}"
