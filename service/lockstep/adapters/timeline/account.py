"""The account of an alert, or of a stretch of time: what happened, who was told, who acted, in neutral sentences.

It is for a review in which nobody is blamed: it says what was known when and to whom, never what somebody failed to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from lockstep.adapters.response_board import Event
from lockstep.notify.message import Writer
from lockstep.response.command import (
    Acknowledge,
    AddNote,
    Answer,
    Assign,
    Close,
    DestinationDown,
    DestinationUp,
    Snooze,
    TakeBack,
)
from lockstep.response.decision import Decision
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.facts import CapacityFacts, Fact, PlanFacts, ProductFacts
from lockstep.text.figures import duration_words, measured_text, time_text
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition, TransitionName, fires_otherwise

FORMAT = 1
MOST_NAMED = 6
"""Receivers that one sentence names."""
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
) -> Account:
    """known: what happened, in any order. facts: plans, products and capacities, of which what was said between starts
    and ends is told."""
    ordered = sorted(known, key=lambda k: (k.known_at, _rank(k.event)))
    fired: dict[str, str] = {}
    entries: list[Entry] = []
    together: list[Known] = []
    for one in ordered:
        if together and (not isinstance(one.event, Decision) or _moment(one) != _moment(together[-1])):
            entries.append(_decided(together))
            together = []
        if isinstance(one.event, Decision):
            together.append(one)
        elif isinstance(one.event, Transition):
            entries.append(_changed(one, one.event, rules, writer, fired))
        else:
            entries.append(_answered(one, one.event, writer.zone))
    if together:
        entries.append(_decided(together))
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
    headline = writer.headline(transition, rule, fired_at=fired.get(transition.episode_id, ""))
    words = {
        TransitionName.PENDING: "noticed, and not told yet",
        TransitionName.FIRING: "changed" if fires_otherwise(transition) else f"began to fire, {transition.severity}",
        TransitionName.SEVERITY: f"became {transition.severity}",
        TransitionName.RESOLVED: "came back" if not transition.reason else "ended",
        TransitionName.CANCELLED: "over before it fired",
    }
    at = moment_text(known.known_at / 1000)
    is_later = known.known_at / 1000 - _instant(transition.at).timestamp() >= 60
    return Entry(
        at=at,
        kind="alert",
        what=f"{words[transition.state]}: {headline}",
        happened_at=transition.at if is_later else "",
        alert_id=transition.alert_id,
        episode_id=transition.episode_id,
        rule=transition.rule,
        labels=transition.labels,
    )


def _decided(together: Sequence[Known]) -> Entry:
    """What one moment decided for one or several receivers."""
    decisions = [k.event for k in together if isinstance(k.event, Decision)]
    first = decisions[0]
    whom = list(dict.fromkeys(_whom(d) for d in decisions))
    names = ", ".join(whom[:MOST_NAMED]) + (f" and {len(whom) - MOST_NAMED} more" if len(whom) > MOST_NAMED else "")
    why = first.why or first.reason.replace("_", " ")
    said = {
        "told": f"told {names}: {why}",
        "waits": f"{names} hears of it later: {why}",
        "not_told": f"kept from {names}: {why}",
    }[first.outcome]
    return Entry(
        at=moment_text(_instant(first.at).timestamp()),
        kind=first.outcome,
        what=f"{said} ({_about(first.rule, first.labels)})",
        alert_id=first.alert_id,
        episode_id=first.episode_id,
        rule=first.rule,
        labels=first.labels,
        who=tuple(whom),
    )


def _whom(decision: Decision) -> str:
    if not decision.receiver:
        return "nobody"
    return f"{decision.receiver} by {decision.channel}" if decision.channel else decision.receiver


def _about(rule: str, labels: dict[str, str]) -> str:
    return ", ".join([rule, *labels.values()])


def _answered(known: Known, answer: Answer, zone: ZoneInfo) -> Entry:
    command = answer.command
    by, way = command.by or "somebody", _WAYS.get(command.way, "")
    match command:
        case Acknowledge():
            did = f"acknowledged by {by}" + (f", who wrote: {command.note}" if command.note else "")
        case TakeBack():
            did = f"given back by {by}"
        case Assign():
            did = f"assigned to {command.to or 'nobody'} by {by}"
        case AddNote():
            did = f"noted by {by}: {command.text}"
        case Snooze():
            did = f"snoozed by {by} until {time_text(command.until, zone)}"
        case Close():
            did = f"closed by {by}" + (f", who wrote: {command.note}" if command.note else "")
        case DestinationDown() | DestinationUp():
            did = answer.why
        case _:
            did = f"{answer.why} ({by})"
    if not answer.applied:
        did = f"asked for by {by}, and left as it was: {answer.why}"
    return Entry(
        at=answer.decided_at,
        kind="person",
        what=flat(f"{did}{f' ({way})' if way else ''}"),
        alert_id=getattr(command, "alert_id", ""),
        episode_id=getattr(command, "episode_id", ""),
        who=(by,),
    )


def _told_of_shop(fact: Fact, zone: ZoneInfo) -> list[Entry]:
    """What was announced: the last word on a campaign, a capacity or a delivery to the shop."""
    match fact:
        case PlanFacts(told_at=str(announced_at)) if announced_at:
            verb = "cancelled" if fact.cancelled else "announced" if fact.number == 1 else "announced anew"
            stretch = f"{time_text(fact.starts, zone)} to {time_text(fact.ends, zone)}"
            return [Entry(at=announced_at, kind="plan", what=f"campaign {flat(fact.campaign)} was {verb}: {stretch}")]
        case CapacityFacts(told_at=str(announced_at)) if announced_at:
            stretch = f"from {time_text(fact.starts, zone)} to {time_text(fact.ends, zone)}"
            what = f"capacity was declared: {measured_text(fact.orders_per_day, 'orders')} a day {stretch}"
            return [Entry(at=announced_at, kind="capacity", what=what)]
        case ProductFacts():
            entries = []
            for receipt in fact.receipts:
                goods = f"{receipt.quantity:,} of {flat(fact.sku)}"
                if receipt.told_at:
                    moved = receipt.expected_on != receipt.first_expected_on
                    was = f", first expected on {receipt.first_expected_on}" if moved else ""
                    what = f"{goods} were expected on {receipt.expected_on}{was}"
                    entries.append(Entry(at=receipt.told_at, kind="receipt", what=what))
                if receipt.received_at:
                    entries.append(Entry(at=receipt.received_at, kind="receipt", what=f"{goods} came in"))
            return entries
        case _:
            return []


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
