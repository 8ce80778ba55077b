"""The notify stage: every transition to firing or resolved becomes deliveries, and people are not flooded.

Webhooks get each transition at once. People get the transitions of one rule within GROUP_WAIT_S as one message, at most
MOST_MESSAGES of them per rule and destination in MESSAGES_PER_S, and then one summary of what came meanwhile.
An alert that flaps is told once and when it has settled (`flap`), and of one rule no more than `max_alerts` says.
A group's timer is set and runs out in `tick`, and stands in the state: a restart neither loses nor repeats a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import StateError
from lockstep.labels import partition_of, stable_id
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.notification import CAME_AND_WENT, Audience, Body, Item, Message
from lockstep.notify.fired_since import KEY as FIRED_KEY
from lockstep.notify.fired_since import Fired
from lockstep.notify.flap import KEY as FLAP_KEY
from lockstep.notify.flap import Flaps, Heard, Settled
from lockstep.notify.max_alerts import OpenEpisodes
from lockstep.notify.message import Writer, came_and_went, flapping_note, settled_note
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.route import Routing
from lockstep.ports import Batch, Cut, Destination, Record
from lockstep.rule.condition.kinds import Plan, Rule, Severity
from lockstep.transition import Transition, TransitionName, decode

ALERTS = "lockstep.alerts"
DELIVERIES = "lockstep.deliveries"
FORMAT = 1
GROUP_WAIT_S = 10.0
MOST_MESSAGES = 20
MESSAGES_PER_S = 600.0
MOST_ITEMS = 30
"""Items shown in one message, the most severe of them; the rest is counted."""

LONGEST_SUBJECT = 200


@dataclass
class _Group:
    """What waits for one rule and destination.

    number: of the last message. due: when the next one goes out, None while nothing waits. held: too many went out,
    the next one is a summary. more: how many items were dropped. sent: when the recent messages went out.
    """

    rule: str
    destination: Destination
    teams: tuple[str, ...]
    number: int = 0
    due: float | None = None
    held: bool = False
    items: list[Item] = field(default_factory=list)
    more: int = 0
    sent: list[float] = field(default_factory=list)
    open: OpenEpisodes = field(default_factory=OpenEpisodes)


class Notify:
    """ports.Stage over lockstep.alerts and lockstep.commands."""

    def __init__(
        self,
        plan: Plan,
        routing: Routing,
        *,
        zone: ZoneInfo,
        delivery_partitions: int = 1,
        group_wait_s: float = GROUP_WAIT_S,
        public_url: str | None = None,
        currency: str = "",
    ) -> None:
        self._rules = {r.name: r for r in plan.rules}
        self._routing = routing
        self._writer = Writer(zone, public_url, currency)
        self._partitions = delivery_partitions
        self._wait_s = group_wait_s
        self._groups: dict[tuple[str, str], _Group] = {}
        self._flaps = Flaps()
        self._fired = Fired()
        self._dirty: set[tuple[str, str]] = set()
        self._cut = Cut()
        self._reported: set[tuple[str, str]] = set()
        self._news: list[Transition] = []

    # ---- ports.Stage ----------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        self._flaps.restore(entries)
        self._fired.restore(entries)
        for key, value in entries.items():
            if key.startswith((FLAP_KEY, FIRED_KEY)):
                continue
            row = msgspec.json.decode(value)
            stored = row.pop("format", None)
            if stored != FORMAT:
                raise StateError(f"lockstep.notify-state: a group of format {stored}, this version reads {FORMAT}")
            row.update(
                destination=Destination(**row["destination"]),
                teams=tuple(row["teams"]),
                items=msgspec.convert(row["items"], list[Item]),
                open=OpenEpisodes(**row["open"]),
            )
            group = _Group(**row)
            self._groups[group.rule, group.destination.id] = group

    def feed(self, batch: Batch) -> None:
        for offset, value in zip(batch.offsets, batch.values, strict=True):
            if value is None:
                continue
            if batch.topic != ALERTS:
                self._refuse(batch, offset, value, "no command is known to this version")
                continue
            try:
                transition = decode(value)
                for moment in (transition.at, transition.started_at, transition.window_start, transition.window_end):
                    if moment is not None and datetime.fromisoformat(moment).tzinfo is None:
                        raise ValueError(f"'{moment}' has no zone")
                rank = Severity.of(transition.severity)
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                self._refuse(batch, offset, value, f"no transition: {error}")
                continue
            self._decide(transition, rank)

    def tick(self, now: datetime) -> None:
        moment = now.timestamp()
        for settled in self._flaps.tick(moment):
            self._tell_settled(settled)
        for key, group in sorted(
            self._groups.items(), key=lambda pair: pair[0]
        ):  # in an order that a restart does not change
            if group.due is None:
                if group.items:
                    group.due = moment + self._wait_s
                    self._dirty.add(key)
                elif group.sent and group.sent[-1] <= moment - MESSAGES_PER_S:
                    group.sent = []
                    self._dirty.add(key)
                continue
            # A clock that was put back must not hold a message for longer than it could ever have waited.
            group.due = min(group.due, moment + max(self._wait_s, MESSAGES_PER_S))
            if group.due <= moment:
                self._close(key, group, moment)

    def cut(self) -> Cut:
        cut, self._cut = self._cut, Cut()
        for key in self._dirty:
            row = {"format": FORMAT, **vars(self._groups[key])}
            cut.entries["\x1f".join(key).encode()] = msgspec.json.encode(row)
        self._dirty.clear()
        cut.entries.update(self._flaps.cut())
        cut.entries.update(self._fired.cut())
        return cut

    def take_reports(self) -> list[str]:
        """Texts of rules that could not be filled in since the last call, each said once."""
        fresh = [text for key, text in self._writer.reports.items() if key not in self._reported]
        self._reported.update(self._writer.reports)
        return fresh

    def take_news(self) -> list[Transition]:
        """The alerts that fired, got worse or ended since the last call, whoever is told of them: for the log."""
        news, self._news = self._news, []
        return news

    # ---- deciding -------------------------------------------------------------------------------------------------

    def _refuse(self, batch: Batch, offset: int, value: bytes, detail: str) -> None:
        dead = DeadEvent(batch.topic, batch.partition, offset, "data", detail, value)
        self._cut.records.append(dead_record(dead))

    def _decide(self, transition: Transition, rank: Severity) -> None:
        state = transition.state
        if state in (TransitionName.PENDING, TransitionName.CANCELLED) or transition.past:
            return
        if state is TransitionName.SEVERITY and rank <= _rank(transition.previous_severity):
            return
        self._news.append(transition)
        rule = self._rules.get(transition.rule)
        heard = self._flaps.hear(transition, rank, None if rule is None else rule.flapping)
        self._fired.hear(transition)
        fired_at = self._fired.since(transition)
        for destination, sharing in self._routing.for_teams(self._teams(transition, rule)):
            if CHANNELS[destination.channel].audience is Audience.PROGRAMS:
                self._deliver(
                    stable_id("delivery", destination.id, transition.transition_id, state.value),
                    destination,
                    rule=transition.rule,
                    state=state.value,
                    about=[(transition.alert_id, transition.episode_id)],
                    body=self._writer.webhook(transition, rule, sharing, fired_at=fired_at),
                )
            elif heard is not Heard.HUSH:
                item = self._writer.item(transition, rule, sharing, fired_at=fired_at)
                if heard is Heard.BEGINS and rule is not None and rule.flapping is not None:
                    item = item.noted(flapping_note(rule.flapping))
                self._gather(destination, sharing, transition.rule, item)
        if state is TransitionName.RESOLVED and heard is not Heard.HUSH:  # else it is told when it has settled
            self._fired.forget(transition)

    def _teams(self, transition: Transition, rule: Rule | None) -> tuple[str, ...]:
        """Who hears of it."""
        # A refused file concerns those who hear of its rules; everybody, where it has none or nothing reaches them.
        asked = () if transition.refusal is None else transition.refusal.teams
        if self._routing.for_teams(asked):
            return asked
        # Of a removed rule only its name is left: everybody hears that its alerts have ended.
        return tuple(self._routing.teams) if rule is None else rule.teams

    def _tell_settled(self, settled: Settled) -> None:
        """How an alert that flapped has ended, to the people who heard that it began to."""
        transition = settled.last
        rule = self._rules.get(transition.rule)
        fired_at = self._fired.since(transition)
        for destination, sharing in self._routing.for_teams(self._teams(transition, rule)):
            if CHANNELS[destination.channel].audience is Audience.PEOPLE:
                item = self._writer.item(transition, rule, sharing, fired_at=fired_at)
                self._gather(destination, sharing, transition.rule, item.noted(settled_note(settled)))
        if transition.state is TransitionName.RESOLVED:
            self._fired.forget(transition)

    def _gather(self, destination: Destination, teams: tuple[str, ...], rule: str, item: Item) -> None:
        key = (rule, destination.id)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(rule, destination, teams)
        group.destination, group.teams = destination, teams
        self._dirty.add(key)
        for place, earlier in enumerate(group.items):
            if earlier.episode_id == item.episode_id:
                group.items[place] = _joined(earlier, item)
                return
        group.items.append(item)
        if len(group.items) > MOST_ITEMS:
            dropped = min(group.items, key=_weight)
            group.items.remove(dropped)
            if self._cap(rule) is not None:
                group.open.dropped(dropped)
            group.more += 1

    def _cap(self, rule: str) -> int | None:
        known = self._rules.get(rule)
        return None if known is None else known.max_alerts

    def _close(self, key: tuple[str, str], group: _Group, moment: float) -> None:
        self._dirty.add(key)
        recent = [t for t in group.sent if moment - MESSAGES_PER_S < t <= moment]
        if len(recent) >= MOST_MESSAGES and not group.held:
            group.due, group.held, group.sent = recent[0] + MESSAGES_PER_S, True, recent
            return
        items, more = sorted(group.items, key=_weight, reverse=True), group.more
        cap = self._cap(group.rule)
        if cap is None:
            group.open = OpenEpisodes()
        else:
            items = group.open.chosen(items, cap, group.rule)
            more = len(group.open.held)
        if not items:
            group.items, group.more, group.due, group.held = [], 0, None, False
            return
        group.number += 1
        begins = any(not item.is_over for item in items)
        state = "resolved" if not begins else items[0].state if len(items) == 1 else "firing"
        self._deliver(
            stable_id("delivery", group.rule, group.destination.id, "group", group.number),
            group.destination,
            rule=group.rule,
            state=state,
            about=[(item.alert_id, item.episode_id) for item in items],
            body=Message(
                subject=_subject(items, more),
                state=state,
                rule=group.rule,
                severity=max(Severity.of(item.severity) for item in items).word,
                teams=group.teams,
                items=tuple(items),
                more=more,
                summary=group.held,
            ),
        )
        group.sent = [*recent, moment][-MOST_MESSAGES:]
        group.items, group.more, group.due, group.held = [], 0, None, False

    def _deliver(
        self,
        number: str,
        destination: Destination,
        *,
        rule: str,
        state: str,
        about: list[tuple[str, str]],
        body: Body,
    ) -> None:
        """about: (alert, episode) of every item in the body."""
        value = {
            "format": FORMAT,
            "id": number,
            "destination": destination,
            "rule": rule,
            "state": state,
            "alerts": list(dict.fromkeys(alert for alert, _ in about)),
            "episodes": list(dict.fromkeys(episode for _, episode in about)),
            "body": body,
        }
        partition = partition_of((destination.id,), self._partitions)
        self._cut.records.append(Record(DELIVERIES, msgspec.json.encode(value), destination.id.encode(), partition))


def _rank(severity: str | None) -> int:
    """A severity as a number that grows with it; 0 for none, and for a word that is none."""
    try:
        return Severity.of(severity or "")
    except KeyError:
        return 0


def _joined(earlier: Item, later: Item) -> Item:
    """Two items of one episode that go out together, as one."""
    if later.state == "resolved":
        if earlier.state != "firing":
            return later
        # Nobody was told that it began: one note, with the numbers of its beginning, says that it came and went.
        texts = came_and_went(later.texts)
        return msgspec.structs.replace(earlier, at=later.at, since=later.since, texts=texts, state=CAME_AND_WENT)
    if earlier.state == "firing":
        return msgspec.structs.replace(later, state="firing")
    return later


def _weight(item: Item) -> tuple[bool, int]:
    """What goes first in a message and is dropped last: what goes on, then what is severe."""
    return not item.is_over, Severity.of(item.severity)


def _subject(items: list[Item], more: int) -> str:
    """How severe, what and the numbers, or that it is over, of what is most severe; and how much else there is.

    The mails of an episode have different subjects; what makes them one thread are their references.
    """
    first, others = items[0], len(items) - 1 + more
    line = f"{first.badge.capitalize()}: {first.headline}"
    tail = f"; and {others:,} more" if others else ""
    return (line if len(line) + len(tail) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - len(tail) - 1] + "…") + tail
