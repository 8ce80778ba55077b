"""Where routing.yml, or the teams of a rule, are others than before: who hears of open alerts now, and who no more.

Each open episode remembers to what the routes led (`Routing.reach`). Where they lead elsewhere after a start, a new
receiver is told at once that it fires, and a former one hears nothing more, not even the end; both are recorded.
Programs that heard of an episode hear its end all the same: what they have opened must be closed.
"""

from collections.abc import Callable, Sequence

from lockstep.labels import stable_id
from lockstep.notify.pipeline.episodes import Episode
from lockstep.notify.pipeline.outbox import Outbox, is_for_people
from lockstep.notify.pipeline.people import People
from lockstep.notify.route import Hearer, Routing
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Severity


class Reach:
    """Compares what the routes say with what they said when an episode last changed; keeps nothing itself."""

    def __init__(
        self,
        routing: Routing,
        people: People,
        outbox: Outbox,
        *,
        teams: Callable[[Episode], Sequence[str]],
        hearers: Callable[[Episode, float], Sequence[Hearer]],
    ) -> None:
        """teams: whom an episode concerns. hearers: to whom the routes lead at a moment, programs as well."""
        self._routing, self._people, self._outbox = routing, people, outbox
        self._teams, self._hearers = teams, hearers

    def note(self, episode: Episode) -> None:
        """It has begun, or its severity is another one: to what the routes lead for it."""
        episode.reach = self._led_to(episode, Severity(episode.rank))

    def begin(self, moment: float) -> None:
        """The first look after a start."""
        for episode in self._people.episodes:
            self._leave_what_is_gone(episode, moment)
            if episode.is_over or episode.flaps:  # what flaps is told when it has settled, as the routes are then
                continue
            before = episode.reach
            self.note(episode)
            is_heard = bool(episode.listeners or episode.programs)
            leads_elsewhere = before != episode.reach
            if leads_elsewhere:
                self._people.episodes.changed(episode)
            # Where an earlier version did not write down to what the routes led, only what nobody hears of is told.
            if leads_elsewhere if before is not None else not is_heard:
                self._tell(episode, moment)
                self._leave_former(episode, moment)

    def _led_to(self, episode: Episode, severity: Severity) -> list[str]:
        facts = {**episode.labels, "rule": episode.rule, "severity": severity.word}
        return self._routing.reach(self._teams(episode), facts)

    def _leave_what_is_gone(self, episode: Episode, moment: float) -> None:
        """Receivers that routing.yml has no more hear nothing."""
        for destination_id in [known for known in episode.listeners if known not in self._routing.by_id]:
            self._people.leave(episode, destination_id, "its receiver is no longer in routing.yml", moment)
        episode.programs = [known for known in episode.programs if known in self._routing.by_id]

    def _tell(self, episode: Episode, moment: float) -> None:
        """Whoever is new hears that it fires; who knows of it has the routes that lead there now."""
        for hearer in self._hearers(episode, moment):
            destination, known = hearer.destination, episode.listeners.get(hearer.destination.id)
            if known is not None:
                self._people.lead(episode, destination.id, hearer.routes)
                known.is_called = False
            elif is_for_people(destination):
                self._people.gather(
                    episode, destination, hearer.routes, Reason.NEW_RECEIVER, moment=moment, at_once=True
                )
            elif destination.id not in episode.programs:
                episode.programs.append(destination.id)
                last, why = episode.last, "it is a new receiver of an open alert"
                number = stable_id("delivery", destination.id, last.transition_id, last.state.value)
                self._outbox.tell_program(number, last, episode, hearer, Reason.NEW_RECEIVER, why=why, moment=moment)

    def _leave_former(self, episode: Episode, moment: float) -> None:
        """Who was told, and to whom no route leads any more, at no severity and in no shift, hears no more of it."""
        kept = {known for severity in Severity for known in self._led_to(episode, severity)}
        for name in [known for known in kept if known not in self._routing.by_id]:
            kept |= {d.id for d in self._routing.reached((name,), "", self._routing.ever_on_call)}
        for destination_id, listener in list(episode.listeners.items()):
            if destination_id not in kept and not listener.is_called:
                why = "routing.yml leads elsewhere since: it is told no more of this alert"
                self._people.leave(episode, destination_id, why, moment)
