"""The notify stage: every transition to firing or resolved becomes deliveries, and people are not flooded.

    transition ─► routes ─► programs: at once
                        └─► people: flapping? ─► group waits ─► handled, silenced, inhibited, muted? ─► max_alerts

Webhooks get each transition at once. People get those of one group within its wait as one message, at most
MOST_MESSAGES of them per group in MESSAGES_PER_S, and then one summary of what came meanwhile. An alert that flaps is
told once and when it has settled (`flap`), and of one rule no more than `max_alerts` says. What people do about alerts
comes as commands and is applied in their order. Timers are set and run out in `tick`, and stand in the state: a restart
neither loses nor repeats a message.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from lockstep.labels import stable_id
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.notify.fired_since import Fired
from lockstep.notify.flap import Flaps, Heard, Settled, flapping_note, settled_note
from lockstep.notify.message import Writer
from lockstep.notify.pipeline.command_log import answer_record, standing_records
from lockstep.notify.pipeline.episodes import Episode, raw
from lockstep.notify.pipeline.hooks import Happened
from lockstep.notify.pipeline.message_groups import COUNTER
from lockstep.notify.pipeline.outbox import DELIVERIES, Outbox, is_for_people
from lockstep.notify.pipeline.parts import Parts, parts_of
from lockstep.notify.pipeline.people import People, facts_of
from lockstep.notify.pipeline.reach import Reach
from lockstep.notify.pipeline.responses import Responses
from lockstep.notify.route import Hearer, Routing
from lockstep.ports import Batch, Cut, Record
from lockstep.response.command import COMMANDS, decode_command
from lockstep.response.decision import Reason
from lockstep.response.standing import RESPONSE_STATE
from lockstep.rule.condition.kinds import Plan, Severity
from lockstep.transition import Transition, TransitionName, decode, fires_otherwise

__all__ = ["ALERTS", "DELIVERIES", "GROUP_WAIT_S", "Notify"]

ALERTS = "lockstep.alerts"
GROUP_WAIT_S = 10.0


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
        parts: Parts | None = None,
    ) -> None:
        """parts: what may stop a message, or have others told; None: as the routing says."""
        self._rules = {r.name: r for r in plan.rules}
        self._routing = routing
        self._writer = Writer(zone, public_url, currency)
        if parts is None:
            parts = parts_of(
                routing,
                zone,
                teams_of=self._teams,
                open_facts=self._open_facts,
                open_alerts=lambda: (e.last for e in self._people.episodes if not e.is_over),
                overview=None if public_url is None else f"{public_url.rstrip('/')}/",
                shop=plan.shop,
            )
        self._parts = parts
        self._flaps = Flaps()
        self._fired = Fired()
        self._outbox = Outbox(self._rules, self._writer, partitions=delivery_partitions, storms=self._parts.storms)
        self._people = People(
            rules=self._rules,
            routing=routing,
            writer=self._writer,
            hushing=self._parts.hushing,
            decisions=self._outbox.decisions,
            publish=self._outbox.publish,
            wait_s=group_wait_s,
        )
        self._responses = Responses(
            self._people,
            routing,
            self._parts,
            self._outbox,
            teams=lambda episode: self._teams(episode.last),
            zone=zone,
        )
        self._people.on_told = self._responses.told
        self._people.hearers = self._people_now
        self._reach = Reach(
            routing,
            self._people,
            self._outbox,
            teams=lambda episode: self._teams(episode.last),
            hearers=lambda episode, moment: self._hearers(episode.last, moment),
        )
        self._reported: set[tuple[str, str]] = set()
        self._news: list[Transition] = []
        self._has_begun = False

    # ---- ports.Stage ----------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        people = self._people
        for stored in (self._flaps, self._fired, people.episodes, *self._parts):
            stored.restore(entries)
        for key, value in entries.items():
            if not key.startswith(b"\x1f") or key == COUNTER:
                people.groups.restore(key, value)
        people.restored()
        self._responses.restore(entries)

    def feed(self, batch: Batch) -> None:
        for offset, value, arrived_ms in zip(batch.offsets, batch.values, batch.timestamps_ms, strict=True):
            if value is None:
                continue
            moment = arrived_ms / 1000
            self._begin(moment)
            if batch.topic == COMMANDS:
                self._feed_command(batch, offset, value, moment)
                continue
            if batch.topic != ALERTS:
                self._refuse(batch, offset, value, "nothing of this topic is known to this version")
                continue
            try:
                transition = decode(value)
                for time in (transition.at, transition.started_at, transition.window_start, transition.window_end):
                    if time is not None and datetime.fromisoformat(time).tzinfo is None:
                        raise ValueError(f"'{time}' has no zone")
                rank = Severity.of(transition.severity)
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                self._refuse(batch, offset, value, f"no transition: {error}")
                continue
            self._decide(transition, rank, moment)

    def tick(self, now: datetime) -> None:
        moment = now.timestamp()
        self._begin(moment)
        for part in self._parts:
            self._happened(part.tick(moment), moment)
        self._responses.tick(moment)
        for settled in self._flaps.tick(moment):
            self._tell_settled(settled, moment)
        self._people.tick(moment)
        self._outbox.summarise(moment)

    def cut(self) -> Cut:
        cut, people = self._outbox.take(), self._people
        for stored in (people.groups, people.episodes, self._flaps, self._fired, self._responses, *self._parts):
            cut.entries.update(stored.cut())
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

    def _feed_command(self, batch: Batch, offset: int, value: bytes, moment: float) -> None:
        try:
            command = decode_command(value)
        except msgspec.MsgspecError as error:
            self._refuse(batch, offset, value, f"no command: {error}")
            return
        self._responses.take(command, moment)

    def _refuse(self, batch: Batch, offset: int, value: bytes, detail: str) -> None:
        dead = DeadEvent(batch.topic, batch.partition, offset, "data", detail, value)
        self._outbox.add([dead_record(dead)])

    # ---- transitions ----------------------------------------------------------------------------------------------

    def _decide(self, transition: Transition, rank: Severity, moment: float) -> None:
        state = transition.state
        if state in (TransitionName.PENDING, TransitionName.CANCELLED):
            return
        if transition.past:
            why = "it is of imported time"
            self._outbox.decisions.write(transition, None, "not_told", Reason.PAST, why, moment=moment)
            return
        known = self._people.episodes.get(transition.episode_id)
        if fires_otherwise(transition) and known is not None and not known.is_over:
            self._say_otherwise(transition, known, moment)
            return
        for part in self._parts:
            part.hear(transition)
        if self._parts.downtime is not None:
            self._parts.downtime.read(transition, moment)
        if state is TransitionName.SEVERITY and rank <= _rank(transition.previous_severity):
            self._ease(transition, rank, moment)
            return
        self._news.append(transition)
        rule = self._rules.get(transition.rule)
        heard = self._flaps.hear(transition, rank, None if rule is None else rule.flapping)
        self._fired.hear(transition)
        episode = self._episode(transition, rank)
        hearers = self._hearers(transition, moment)
        self._tell_programs(transition, episode, hearers, moment)
        people = [h for h in hearers if is_for_people(h.destination)]
        if heard is Heard.HUSH:
            self._hush_flapping(transition, episode, people, moment)
        elif state is TransitionName.RESOLVED:
            self._end(transition, episode, people, moment)
        else:
            note = flapping_note(rule.flapping) if heard is Heard.BEGINS and rule and rule.flapping else ""
            self._begin_or_worsen(transition, episode, people, note, moment)
            if not hearers:
                why = "no route and no team of it has a receiver"
                self._outbox.decisions.write(transition, None, "not_told", Reason.NOBODY, why, moment=moment)
        self._people.drop_if_over(episode)

    def _episode(self, transition: Transition, rank: Severity) -> Episode:
        """The episode of a transition, as it is after it."""
        episodes = self._people.episodes
        episode = episodes.get(transition.episode_id)
        is_end = transition.state is TransitionName.RESOLVED
        if episode is None:
            episode = Episode(
                alert_id=transition.alert_id,
                episode_id=transition.episode_id,
                rule=transition.rule,
                labels=transition.labels,
                rank=rank,
                fired_at=self._fired.since(transition),
                open=raw(transition),
                from_before=transition.state is not TransitionName.FIRING,
            )
            episodes.add(episode)
        episode.rank = rank
        if is_end:
            episode.ended = raw(transition)
        else:
            episode.open, episode.ended = raw(transition), None
            self._responses.worsened(episode)
            self._reach.note(episode)
        episodes.changed(episode)
        return episode

    def _open_facts(self) -> Iterator[dict[str, str]]:
        """What fires now, for each of its teams."""
        for episode in self._people.episodes:
            if not episode.is_over:
                for team in self._teams(episode.last):
                    yield facts_of(episode, team)

    def _teams(self, transition: Transition) -> tuple[str, ...]:
        """Who hears of it."""
        # A refused file concerns those who hear of its rules; everybody, where it has none or nothing reaches them.
        asked = () if transition.refusal is None else transition.refusal.teams
        if self._routing.for_teams(asked):
            return asked
        # Of a removed rule only its name is left: everybody hears that its alerts have ended.
        rule = self._rules.get(transition.rule)
        return tuple(self._routing.teams) if rule is None else rule.teams

    def _hearers(self, transition: Transition, moment: float) -> list[Hearer]:
        facts = {**transition.labels, "rule": transition.rule, "severity": transition.severity}
        return self._routing.hearers(self._teams(transition), facts, partial(self._parts.on_call, moment=moment))

    def _people_now(self, episode: Episode, moment: float) -> list[Hearer]:
        """The people to whom the routes lead at this moment."""
        return [h for h in self._hearers(episode.last, moment) if is_for_people(h.destination)]

    def _tell_programs(
        self, transition: Transition, episode: Episode, hearers: Sequence[Hearer], moment: float
    ) -> None:
        """Programs hear each transition at once, whatever people hear; the end of what they heard, too."""
        programs = [h for h in hearers if not is_for_people(h.destination)]
        ids = {h.destination.id for h in programs}
        if transition.state is TransitionName.RESOLVED:
            teams = self._teams(transition)
            for known in episode.programs:
                destination = self._routing.by_id.get(known)
                if known not in ids and destination is not None:
                    programs.append(Hearer(destination, tuple((team, "") for team in teams)))
        else:
            episode.programs += [h.destination.id for h in programs if h.destination.id not in episode.programs]
        for hearer in programs:
            number = stable_id("delivery", hearer.destination.id, transition.transition_id, transition.state.value)
            self._outbox.tell_program(
                number, transition, episode, hearer, Reason.EACH, why="it hears every change", moment=moment
            )
            if not episode.is_over:
                self._responses.program_told(episode, hearer, moment, is_alone=len(programs) == len(hearers))

    def _begin_or_worsen(
        self, transition: Transition, episode: Episode, people: Sequence[Hearer], note: str, moment: float
    ) -> None:
        reason = Reason.FIRST if transition.state is TransitionName.FIRING else Reason.WORSE
        hearing = {h.destination.id: h for h in people}
        for destination_id, listener in episode.listeners.items():  # who knows of it hears that it got worse
            if destination_id not in hearing:
                destination = self._people.destination_of(listener, destination_id)
                hearing[destination_id] = Hearer(destination, listener.routes)
        if episode.flaps:
            episode.flaps = False
        earlier = [e for e in self._people.episodes.of(episode.alert_id) if e.flaps and e is not episode]
        self._people.absorb(earlier, episode)
        for hearer in hearing.values():
            self._people.gather(
                episode,
                hearer.destination,
                hearer.routes,
                reason,
                moment=moment,
                note=note,
                knew=_rank(transition.previous_severity) if episode.from_before else 0,
            )

    def _say_otherwise(self, transition: Transition, episode: Episode, moment: float) -> None:
        """It fires as before, for another fault: the same trouble, told anew only where its message can be edited."""
        if transition.number <= episode.last.number:
            return  # two workers said the same
        episode.open = raw(transition)
        self._reach.note(episode)
        self._people.episodes.changed(episode)
        self._tell_programs(transition, episode, self._hearers(transition, moment), moment)
        self._people.respond(episode, moment, "what is wrong has changed", Reason.REPEAT)

    def _ease(self, transition: Transition, rank: Severity, moment: float) -> None:
        """It is less severe than it was: nobody is told, what is told later is as it is then.

        Who was told that it is critical hears nothing new where it becomes that again.
        """
        episode = self._people.episodes.get(transition.episode_id)
        if episode is None:
            return
        episode.rank, episode.open = rank, raw(transition)
        self._reach.note(episode)
        self._people.episodes.changed(episode)
        why = "it is less severe than it was, of which people are not told"
        for destination_id, listener in episode.listeners.items():
            destination = self._people.destination_of(listener, destination_id)
            self._outbox.decisions.heard(episode, listener, destination, "not_told", Reason.SAME, why, moment=moment)

    def _end(self, transition: Transition, episode: Episode, people: Sequence[Hearer], moment: float) -> None:
        if episode.from_before and not episode.listeners:
            # An earlier version told everybody that it began.
            for hearer in people:
                self._people.gather(episode, hearer.destination, hearer.routes, Reason.ALL_OVER, moment=moment, knew=1)
        else:
            for destination_id, listener in list(episode.listeners.items()):
                destination = self._people.destination_of(listener, destination_id)
                self._people.gather(episode, destination, listener.routes, Reason.ALL_OVER, moment=moment)
        self._fired.forget(transition)
        self._responses.over(episode)

    # ---- flapping -------------------------------------------------------------------------------------------------

    def _hush_flapping(self, transition: Transition, episode: Episode, people: Sequence[Hearer], moment: float) -> None:
        """It flaps: what is told of it is told when it has settled."""
        episode.flaps = True
        for hearer in people:
            self._outbox.decisions.write(
                transition,
                hearer.destination,
                "not_told",
                Reason.FLAPPING,
                "it is flapping: people hear of it when it gets worse or has settled",
                moment=moment,
                route=hearer.routes[0][1],
            )
        if transition.state is TransitionName.RESOLVED:
            self._responses.over(episode)
            if episode.listeners:  # they were told that it began, and hear how it settled
                episode.ended = None
            self._people.episodes.changed(episode)

    def _tell_settled(self, settled: Settled, moment: float) -> None:
        """How an alert that flapped has ended, to the people who heard that it began to."""
        last, people = settled.last, self._people
        earlier = [e for e in people.episodes.of(last.alert_id) if e.flaps and e.episode_id != last.episode_id]
        episode = people.episodes.get(last.episode_id)
        is_known = bool(earlier) or (episode is not None and bool(episode.listeners))
        rank = Severity.of(last.severity)
        if episode is None:
            episode = Episode(
                alert_id=last.alert_id,
                episode_id=last.episode_id,
                rule=last.rule,
                labels=last.labels,
                rank=rank,
                fired_at=self._fired.since(last),
                open=earlier[-1].open if earlier else raw(last),
            )
            people.episodes.add(episode)
        episode.flaps = False
        people.absorb(earlier, episode)
        note = settled_note(settled)
        hearing: dict[str, Hearer] = {
            key: Hearer(people.destination_of(listener, key), listener.routes)
            for key, listener in episode.listeners.items()
        }
        is_over = last.state is TransitionName.RESOLVED
        if not (is_over and is_known):
            for hearer in self._hearers(last, moment):
                if is_for_people(hearer.destination):
                    hearing[hearer.destination.id] = hearer
        if is_over:
            episode.ended = raw(last)
        for key, hearer in hearing.items():
            knows = key in episode.listeners and episode.listeners[key].told > 0
            reason = Reason.ALL_OVER if is_over else Reason.REPEAT if knows else Reason.FIRST
            knew = 1 if is_over and not is_known else 0  # an earlier version told everybody that it began
            people.gather(episode, hearer.destination, hearer.routes, reason, moment=moment, note=note, knew=knew)
        if is_over:
            self._fired.forget(last)
            self._responses.over(episode)
        people.drop_if_over(episode)

    # ---- time -----------------------------------------------------------------------------------------------------

    def _begin(self, moment: float) -> None:
        """Before anything is read: routing and rules may be others than those that the state was made under.

        What mute times and inhibitions hold is looked at again by these parts, where they are others than before: a
        restart with the same file decides nothing anew.
        """
        if not self._has_begun:
            self._has_begun = True
            self._reach.begin(moment)

    def _happened(self, happened: Happened, moment: float) -> None:
        """What a part says when time has passed."""
        self._outbox.add(standing_records(happened.standing))
        self._outbox.add(Record(RESPONSE_STATE, None, key.encode(), 0) for key in happened.gone)
        self._outbox.add(answer_record(answer) for answer in happened.answers)
        for ended in happened.ended:
            self._people.look_again(moment, ended.why, again=ended.again)
        for notice in happened.notices:
            self._outbox.tell_notice(notice, self._routing, partial(self._parts.on_call, moment=moment))
        for call in happened.calls:
            episode = self._people.episodes.get(call.episode_id)
            if episode is not None and not episode.is_over:
                self._responses.call(episode, call.to, Reason.ESCALATION, call.why, moment)
        self._outbox.add(happened.records)
        for document in happened.documents:
            self._outbox.tell_document(document)


def _rank(severity: str | None) -> int:
    """A severity as a number that grows with it; 0 for none, and for a word that is none."""
    try:
        return Severity.of(severity or "")
    except KeyError:
        return 0
