"""The account of an alert, or of a stretch of time: what happened, who was told, who acted, in neutral sentences.

It is for a review in which nobody is blamed: it says what was known when and to whom, never what somebody failed to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from lockstep.adapters.response_board import Event
from lockstep.adapters.timeline.told_and_done import answered_words, changed_words, decided_words, whom
from lockstep.notify.message import Writer
from lockstep.response.command import Answer
from lockstep.response.decision import Decision
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.facts import CapacityFacts, Fact, PlanFacts, ProductFacts
from lockstep.text.days import day_text
from lockstep.text.figures import duration_words, measured_text, time_text
from lockstep.text.label_words import alert_in_words
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition, TransitionName

FORMAT = 1
_WAYS = {
    "page": "on the page",
    "link": "by a link",
    "button": "in the chat",
    "api": "by the API",
    "cli": "on a terminal",
}


class Known(msgspec.Struct, frozen=True):
    """Something that happened, as it became known. known_at: when the log got it, in Unix milliseconds."""

    known_at: int
    event: Event


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    at: when it became known, RFC 3339 in UTC. kind: `alert`, `told`, `waits`, `not_told`, `person`, `plan`, `receipt`
    or `capacity`. what: the sentence. happened_at: when it happened, where that was earlier by a minute or more; else
    "". alert_id, episode_id, rule, labels: of which alert; empty for what is of the whole shop. who: the
    receivers that were told, or the person who acted.
    """

    at: str
    kind: str
    what: str
    happened_at: str = ""
    alert_id: str = ""
    episode_id: str = ""
    rule: str = ""
    labels: dict[str, str] = {}
    who: tuple[str, ...] = ()


class FirstHeard(msgspec.Struct, frozen=True, kw_only=True):
    """Since when somebody knew. who: a receiver, or a person. at: RFC 3339. how: in words. after: how long after it was
    first known, in words."""

    who: str
    at: str
    how: str
    after: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """title: what it is about. starts, ends: which stretch was asked for, RFC 3339; "" without a bound. known_since:
    from when on the topics still have everything of it; "" where they have all. zone: of the times that people read.
    entries: oldest first. heard: who knew of it, the first first. remarks: what cannot be said, and why.
    """

    title: str
    zone: str
    entries: tuple[Entry, ...]
    heard: tuple[FirstHeard, ...]
    starts: str = ""
    ends: str = ""
    known_since: str = ""
    remarks: tuple[str, ...] = ()
    format: int = FORMAT


def account(
    known: Sequence[Known],
    facts: Iterable[Fact],
    rules: Mapping[str, Rule],
    writer: Writer,
    *,
    title: str,
    starts: str = "",
    ends: str = "",
    known_since: str = "",
    remarks: Sequence[str] = (),
    is_of_one: bool = False,
) -> Account:
    """known: what happened, in any order. facts: plans, products and capacities, of which what was said between starts
    and ends is told. is_of_one: whether all of it is of one alert, which no line names then."""
    ordered = sorted(known, key=lambda k: (k.known_at, _rank(k.event)))
    fired: dict[str, str] = {}
    about: dict[str, str] = {}
    entries: list[Entry] = []
    together: list[Known] = []
    for one in ordered:
        if together and (not isinstance(one.event, Decision) or _moment(one) != _moment(together[-1])):
            entries.append(_decided(together, names_alert=not is_of_one))
            together = []
        if isinstance(one.event, Decision):
            together.append(one)
        elif isinstance(one.event, Transition):
            entries.append(_changed(one, one.event, rules, writer, fired))
            about[one.event.alert_id] = alert_in_words(one.event.rule, one.event.labels)
        else:
            name = "" if is_of_one else about.get(getattr(one.event.command, "alert_id", ""), "")
            entries.append(_answered(one.event, writer.zone, name))
    if together:
        entries.append(_decided(together, names_alert=not is_of_one))
    entries += (e for fact in facts for e in _told_of_shop(fact, writer.zone) if _is_within(e.at, starts, ends))
    in_order = tuple(sorted(entries, key=lambda entry: _instant(entry.at)))
    return Account(
        title=title,
        zone=writer.zone.key,
        entries=in_order,
        heard=_first_heard(in_order),
        starts=starts,
        ends=ends,
        known_since=known_since,
        remarks=tuple(remarks),
    )


def as_json(review: Account) -> bytes:
    """The account as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(review), indent=2)


def _rank(event: Event) -> int:
    """What one cut wrote has one time: first what changed, then what people did, then what was decided of it."""
    return 0 if isinstance(event, Transition) else 1 if isinstance(event, Answer) else 2


def _moment(known: Known) -> tuple[str, str, str, str]:
    decision = known.event
    assert isinstance(decision, Decision)
    return decision.at, decision.outcome, decision.alert_id, decision.why


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_within(at: str, starts: str, ends: str) -> bool:
    moment = _instant(at)
    return (not starts or moment >= _instant(starts)) and (not ends or moment < _instant(ends))


# ---- sentences ----------------------------------------------------------------------------------------------------


def _changed(
    known: Known, transition: Transition, rules: Mapping[str, Rule], writer: Writer, fired: dict[str, str]
) -> Entry:
    rule = rules.get(transition.rule)
    if transition.state is TransitionName.FIRING:
        fired.setdefault(transition.episode_id, transition.at)
    began = fired.get(transition.episode_id, transition.started_at)
    if transition.state is TransitionName.RESOLVED:
        lasted = duration_words((_instant(transition.at) - _instant(began)).total_seconds())
        said = f"{changed_words(transition)} after {lasted}: {alert_in_words(transition.rule, transition.labels)}"
    else:
        said = f"{changed_words(transition)}: {writer.headline(transition, rule)}"
    at = moment_text(known.known_at / 1000)
    is_later = known.known_at / 1000 - _instant(transition.at).timestamp() >= 60
    return Entry(
        at=at,
        kind="alert",
        what=said,
        happened_at=transition.at if is_later else "",
        alert_id=transition.alert_id,
        episode_id=transition.episode_id,
        rule=transition.rule,
        labels=transition.labels,
    )


def _decided(together: Sequence[Known], *, names_alert: bool) -> Entry:
    """What one moment decided for one or several receivers."""
    decisions = [k.event for k in together if isinstance(k.event, Decision)]
    first = decisions[0]
    return Entry(
        at=moment_text(_instant(first.at).timestamp()),
        kind=first.outcome,
        what=f"{decided_words(decisions)}{f' ({alert_in_words(first.rule, first.labels)})' if names_alert else ''}",
        alert_id=first.alert_id,
        episode_id=first.episode_id,
        rule=first.rule,
        labels=first.labels,
        who=tuple(dict.fromkeys(map(whom, decisions))),
    )


def _answered(answer: Answer, zone: ZoneInfo, alert: str) -> Entry:
    """alert: which one it was, in words; "" where nobody has to be told."""
    command = answer.command
    beside = "; ".join(filter(None, (alert, _WAYS.get(command.way, ""))))
    return Entry(
        at=answer.decided_at,
        kind="person",
        what=f"{answered_words(answer, zone)}{f' ({beside})' if beside else ''}",
        alert_id=getattr(command, "alert_id", ""),
        episode_id=getattr(command, "episode_id", ""),
        who=(command.by or "somebody",),
    )


def _told_of_shop(fact: Fact, zone: ZoneInfo) -> list[Entry]:
    """What was announced: the last word on a campaign, a capacity or a delivery to the shop."""
    match fact:
        case PlanFacts(told_at=str(announced_at)) if announced_at:
            verb = "cancelled" if fact.cancelled else "planned" if fact.number == 1 else "planned anew"
            stretch = f"{time_text(fact.starts, zone)} to {time_text(fact.ends, zone)}"
            return [Entry(at=announced_at, kind="plan", what=f"Campaign {flat(fact.campaign)} was {verb}: {stretch}")]
        case CapacityFacts(told_at=str(announced_at)) if announced_at:
            stretch = f"from {time_text(fact.starts, zone)} to {time_text(fact.ends, zone)}"
            what = f"Operations said that they can ship {measured_text(fact.orders_per_day, 'orders')} a day {stretch}"
            return [Entry(at=announced_at, kind="capacity", what=what)]
        case ProductFacts():
            entries = []
            for receipt in fact.receipts:
                goods = f"{receipt.quantity:,} of product {flat(fact.sku)}"
                if receipt.told_at:
                    moved = receipt.expected_on != receipt.first_expected_on
                    was = f", first for {_day(receipt.first_expected_on)}" if moved else ""
                    what = f"{goods} were promised for {_day(receipt.expected_on)}{was}"
                    entries.append(Entry(at=receipt.told_at, kind="receipt", what=what))
                if receipt.received_at:
                    entries.append(Entry(at=receipt.received_at, kind="receipt", what=f"{goods} arrived"))
            return entries
        case _:
            return []


def _day(day: str) -> str:
    return day_text(date.fromisoformat(day))


def _first_heard(entries: Sequence[Entry]) -> tuple[FirstHeard, ...]:
    """Who was told or acted, each with their first time."""
    began = next((_instant(e.at) for e in entries if e.kind == "alert"), None)
    heard: dict[str, FirstHeard] = {}
    for entry in entries:
        if entry.kind not in ("told", "person"):
            continue
        for who in entry.who:
            if who not in heard and who not in ("nobody", "somebody"):
                later = 0.0 if began is None else (_instant(entry.at) - began).total_seconds()
                after = "" if began is None or later < 1 else duration_words(later)
                how = "was told" if entry.kind == "told" else "acted"
                heard[who] = FirstHeard(who=who, at=entry.at, how=how, after=after)
    return tuple(heard.values())
