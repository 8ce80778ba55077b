"""What people do about alerts, and what becomes of destinations that cannot be reached: commands, applied."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from lockstep.labels import stable_id
from lockstep.notify.handling import (
    HandlingCommand,
    broken_through,
    expired,
    expires_at,
    handle,
    handled_hush,
    is_answered,
    title,
)
from lockstep.notify.pipeline.command_log import CommandLog, standing_records
from lockstep.notify.pipeline.due_times import DueTimes
from lockstep.notify.pipeline.episodes import Episode, Listener
from lockstep.notify.pipeline.hooks import Applied
from lockstep.notify.pipeline.outbox import FORMAT, Outbox, is_for_people
from lockstep.notify.pipeline.parts import Parts
from lockstep.notify.pipeline.people import People, facts_of
from lockstep.notify.route import Hearer, Routing
from lockstep.ports import Destination, Record
from lockstep.response.command import (
    Acknowledge,
    AddNote,
    Assign,
    Close,
    Command,
    DestinationDown,
    DestinationUp,
    Snooze,
    TakeBack,
    down_id,
)
from lockstep.response.decision import Reason
from lockstep.response.standing import RESPONSE_STATE, key_of
from lockstep.rule.condition.kinds import Severity

JUST_TOLD_S = 30.0
"""Who was told of an alert so lately is not called by the first step of its escalation at once."""
DEAD_KEY = b"\x1fdead\x1f"
"""Begins the keys of entries that name destinations which cannot be reached."""


class Responses:
    """Applies commands; what it remembers of them is a part of notify's state."""

    def __init__(
        self,
        people: People,
        routing: Routing,
        parts: Parts,
        outbox: Outbox,
        *,
        teams: Callable[[Episode], tuple[str, ...]],
        zone: ZoneInfo,
    ) -> None:
        """teams: who hears of an episode."""
        self._people, self._routing, self._parts, self._outbox = people, routing, parts, outbox
        self._teams, self._zone = teams, zone
        self._commands = CommandLog()
        self._expiries: DueTimes[str] = DueTimes()
        self._dead: dict[str, str] = {}
        self._dirty: set[str] = set()

    # ---- state ----------------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone. Episodes have been taken back."""
        self._commands.restore(entries)
        for key, value in entries.items():
            if key.startswith(DEAD_KEY):
                self._dead[key.removeprefix(DEAD_KEY).decode()] = msgspec.json.decode(value)["why"]
        for episode in self._people.episodes:
            self._set_expiry(episode)

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries = self._commands.cut()
        for key in self._dirty:
            why = self._dead.get(key)
            row = None if why is None else msgspec.json.encode({"format": FORMAT, "why": why})
            entries[DEAD_KEY + key.encode()] = row
        self._dirty.clear()
        return entries

    def tick(self, moment: float) -> None:
        """Acknowledgements and snoozes expire."""
        self._expiries.put_back(moment)
        for episode_id in sorted(self._expiries.take(moment)):
            self._expire(episode_id, moment)

    # ---- commands -------------------------------------------------------------------------------------------------

    def take(self, command: Command, moment: float) -> None:
        """Apply a command that was not applied before, and say what became of it."""
        if not self._commands.knows(command.id):
            applied = self._apply(command, moment)
            self._outbox.add(self._commands.answer(command, applied, moment))
            self._outbox.add(applied.records)
            for document in applied.documents:
                self._outbox.tell_document(document)

    def _apply(self, command: Command, moment: float) -> Applied:
        match command:
            case Acknowledge() | TakeBack() | Assign() | AddNote() | Snooze() | Close():
                handled = self._handle(command, moment)
                for part in self._parts if handled.applied else ():
                    part.apply(command, moment)
                episode = self._people.episodes.open_of(command.alert_id)
                about = "" if episode is None else title(episode)
                taken_up = self._parts.actions.take_up(command, handled, about, moment)
                return Applied(handled.applied, handled.why, (*handled.standing, *taken_up))
            case DestinationDown():
                return self._destination_down(command, moment)
            case DestinationUp():
                if self._dead.pop(command.destination_id, None) is None:
                    return Applied(applied=False, why="it was not known to be dead")
                self._dirty.add(command.destination_id)
                return Applied(applied=True, why=f"{self._named(command.destination_id)} takes deliveries again")
        for part in self._parts:
            applied = part.apply(command, moment)
            if applied is not None:
                return applied
        return Applied(applied=False, why="nothing that this routing.yml has takes such a command")

    def _handle(self, command: HandlingCommand, moment: float) -> Applied:
        """Something that somebody does about the open episode of an alert."""
        episodes = self._people.episodes
        episode = episodes.open_of(command.alert_id)
        seen = episodes.get(command.episode_id)
        is_other = command.episode_id and (episode is None or episode.episode_id != command.episode_id)
        if is_other and (seen is None or not seen.flaps):  # while an alert flaps, whichever of them was seen
            now = ", it has begun anew since" if episode is not None else ""
            return Applied(applied=False, why=f"this episode of the alert is over{now}: there is nothing to do")
        if episode is None:
            return Applied(applied=False, why="no alert with this id is open: there is nothing to do")
        handled = handle(command, episode, moment, ack_timeout_s=self._ack_timeout_s(episode), zone=self._zone)
        if handled.applied.applied:
            episodes.changed(episode)
            self._set_expiry(episode)
            if handled.tells:
                self._people.respond(episode, moment, handled.tells)
            if handled.is_released:
                self._people.remind(episode, moment, handled.tells)
                for listener in episode.listeners.values():  # also where nobody is told that it was taken back
                    if listener.told:
                        self._escalate(episode, listener.routes, moment)
            if handled.ends_escalation and self._parts.escalations is not None:
                self._parts.escalations.end(episode.episode_id, is_closed=isinstance(command, Close))
        return handled.applied

    def _ack_timeout_s(self, episode: Episode) -> float | None:
        """The shortest one of the routes by which people hear of it."""
        options = [self._routing.tree.options(route) for li in episode.listeners.values() for _, route in li.routes]
        return min((o.ack_timeout_s for o in options if o.ack_timeout_s is not None), default=None)

    def _set_expiry(self, episode: Episode) -> None:
        ends = expires_at(episode.handling)
        if ends is None:
            self._expiries.drop(episode.episode_id)
        else:
            self._expiries.set(episode.episode_id, ends)

    def _expire(self, episode_id: str, moment: float) -> None:
        """An acknowledgement or a snooze is over: what still fires is told again."""
        episode = self._people.episodes.get(episode_id)
        if episode is None or episode.is_over or episode.handling is None:
            return
        episode.handling, why = expired(episode.handling, moment)
        self._people.episodes.changed(episode)
        self._set_expiry(episode)
        self._outbox.add(standing_records([episode.handling]))
        if why:
            self._people.remind(episode, moment, why)

    def worsened(self, episode: Episode) -> None:
        """An episode may have got worse than it was when it was snoozed or closed, which is over then."""
        handling = episode.handling
        if (
            handling is not None
            and episode.rank > episode.hushed_rank
            and (handling.snoozed_until or handling.closed_by)
        ):
            episode.handling = broken_through(handling)
            self._outbox.add(standing_records([episode.handling]))
            self._set_expiry(episode)

    def over(self, episode: Episode) -> None:
        """An episode is over: what people did about it stands no longer, nobody else is called."""
        if episode.handling is not None:
            self._outbox.add([Record(RESPONSE_STATE, None, key_of(episode.handling).encode(), 0)])
        self._expiries.drop(episode.episode_id)
        if self._parts.escalations is not None:
            self._parts.escalations.end(episode.episode_id)

    # ---- destinations that cannot be reached ----------------------------------------------------------------------

    def _destination_down(self, command: DestinationDown, moment: float) -> Applied:
        """Who else is told, where a destination is dead: its fallback, and the next step of escalations.

        Of a delivery that was given up it is recorded that it never arrived.
        """
        key = command.destination_id
        self._dead[key] = command.why
        self._dirty.add(key)
        probing = down_id(key, command.delivery_id, is_given_up=False)
        is_helped = command.is_given_up and self._commands.knows(probing)  # others heard when its lane began to probe
        for episode in self._people.episodes:
            listener = episode.listeners.get(key)
            is_program = listener is None and key in episode.programs
            if listener is None and not is_program:
                continue
            delivery = self._program_delivery(episode, key) if listener is None else listener.delivery
            if command.delivery_id not in ("", delivery) or (listener is not None and not listener.told):
                continue
            if command.is_given_up:
                self._note_given_up(episode, listener, command, moment)
            if not episode.is_over and not is_helped:
                routes = self._program_routes(episode, key, moment) if listener is None else listener.routes
                self._fall_back(episode, routes, key, moment)
        return Applied(applied=True, why=f"{self._named(key)} cannot be reached: {command.why}")

    def _note_given_up(
        self, episode: Episode, listener: Listener | None, command: DestinationDown, moment: float
    ) -> None:
        """What was said to be told has not been: who asks why nothing came finds it."""
        destination = self._routing.by_id.get(command.destination_id)
        if listener is not None:
            destination = self._people.destination_of(listener, command.destination_id)
        route = listener.routes[0][1] if listener is not None else ""
        self._outbox.decisions.write(
            episode.last,
            destination,
            "not_told",
            Reason.DEAD,
            f"it was given up: {command.why}",
            moment=moment,
            route=route,
            delivery_id=command.delivery_id,
        )

    @staticmethod
    def _program_delivery(episode: Episode, destination_id: str) -> str:
        """The id of the delivery that told a program the last change of an episode."""
        last = episode.last
        return stable_id("delivery", destination_id, last.transition_id, last.state.value)

    def _program_routes(self, episode: Episode, destination_id: str, moment: float) -> tuple[tuple[str, str], ...]:
        """(team, route) of the ways that lead to a program."""
        facts = {**episode.labels, "rule": episode.rule, "severity": Severity(episode.rank).word}
        hearers = self._routing.hearers(self._teams(episode), facts, partial(self._parts.on_call, moment=moment))
        return next((h.routes for h in hearers if h.destination.id == destination_id), ())

    def _fall_back(
        self, episode: Episode, routes: Iterable[tuple[str, str]], destination_id: str, moment: float
    ) -> None:
        why = f"{self._named(destination_id)} cannot be reached"
        for _, route in routes:
            fallback = self._routing.tree.options(route).fallback
            if fallback:
                self.call(episode, fallback, Reason.FALLBACK, why, moment)
        if self._parts.escalations is not None:
            self._parts.escalations.hurry(episode.episode_id, why, moment)

    def _named(self, destination_id: str) -> str:
        destination = self._routing.by_id.get(destination_id)
        return destination_id if destination is None else f"{destination.channel} {destination.target}"

    def told(self, episode: Episode, destination: Destination, listener: Listener, moment: float) -> None:
        """A destination was told that an episode fires."""
        self._escalate(episode, listener.routes, moment)
        if destination.id in self._dead:
            self._fall_back(episode, listener.routes, destination.id, moment)

    def program_told(self, episode: Episode, hearer: Hearer, moment: float, *, is_alone: bool) -> None:
        """A program was told that an episode fires. is_alone: no people are to hear of it, so this is when escalations
        begin."""
        if is_alone:
            self._escalate(episode, hearer.routes, moment)
        if hearer.destination.id in self._dead:
            self._fall_back(episode, hearer.routes, hearer.destination.id, moment)

    def _escalate(self, episode: Episode, routes: Iterable[tuple[str, str]], moment: float) -> None:
        """The escalations of (team, route) begin, or go on where they were stopped."""
        escalations = self._parts.escalations
        if escalations is not None and not is_answered(episode):
            for _, route in routes:
                escalation = self._routing.tree.options(route).escalation
                if escalation:
                    escalations.begin(episode.last, escalation, moment)

    def call(self, episode: Episode, to: Iterable[str], reason: Reason, why: str, moment: float) -> None:
        """An open episode is told to further receivers at once."""
        last = episode.last
        on_call = partial(self._parts.on_call, moment=moment)
        routes: dict[str, tuple[Destination, list[tuple[str, str]]]] = {}
        for team in self._teams(episode):
            path = self._routing.tree.paths(facts_of(episode, team))[0]
            for destination in self._routing.reached(to, team, on_call):
                routes.setdefault(destination.id, (destination, []))[1].append((team, path.route))
        for key, (destination, ways) in routes.items():
            known = episode.listeners.get(key)
            # Who hears of it by routes of their own keeps what these say: when it is repeated, and to whom it goes on.
            own = () if known is None else known.routes
            hearer = Hearer(destination, tuple(dict.fromkeys([*own, *ways])))
            if reason is Reason.FALLBACK and known is not None and known.told >= episode.rank:
                continue  # who knows of it is no help; nor is the dead one its own fallback
            if reason is Reason.ESCALATION and known is not None and _was_just_told(episode, known, moment):
                said = f"told a moment ago; {why}"
                self._outbox.decisions.heard(episode, known, destination, "not_told", Reason.SAME, said, moment=moment)
            elif is_for_people(destination):
                self._people.gather(episode, destination, hearer.routes, reason, moment=moment, why=why, at_once=True)
            elif handled_hush(episode, Listener("", hearer.routes, waits=reason), moment, self._zone) is None:
                number = stable_id("delivery", key, last.transition_id, reason.value, why, round(moment))
                self._outbox.tell_program(number, last, episode, hearer, reason, why=why, moment=moment)


def _was_just_told(episode: Episode, listener: Listener, moment: float) -> bool:
    """Whether somebody has heard of the alert, as it is, so lately."""
    return listener.told >= episode.rank and moment - JUST_TOLD_S < listener.told_at <= moment
