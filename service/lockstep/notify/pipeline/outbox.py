"""What goes out in the open cut: deliveries, and records of what was decided."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lockstep.labels import partition_of, stable_id
from lockstep.notification import Audience, Body
from lockstep.notify.message import Writer, notice_message
from lockstep.notify.pipeline.decision_log import DecisionLog
from lockstep.notify.pipeline.episodes import Episode
from lockstep.notify.pipeline.hooks import Notice, Planned, ProgramDocument, StormCap
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.route import Hearer, OnCall, Routing
from lockstep.ports import Cut, Destination, Record
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Rule
from lockstep.transition import Transition

DELIVERIES = "lockstep.deliveries"
FORMAT = 1


def is_for_people(destination: Destination) -> bool:
    """Whether people read what goes there."""
    return CHANNELS[destination.channel].audience is Audience.PEOPLE


class Outbox:
    """Puts what goes out into the cut that is open; every delivery to programs with its decision."""

    def __init__(
        self, rules: Mapping[str, Rule], writer: Writer, *, partitions: int, storms: StormCap | None = None
    ) -> None:
        """partitions: of `lockstep.deliveries`. storms: what may keep messages for a summary."""
        self._rules, self._writer, self._partitions, self._storms = rules, writer, partitions, storms
        self.cut = Cut()
        self.decisions = DecisionLog(self.cut)

    def take(self) -> Cut:
        """The cut that was open; the next one is open then."""
        cut, self.cut = self.cut, Cut()
        self.decisions.cut = self.cut
        return cut

    def add(self, records: Iterable[Record]) -> None:
        """Records to publish, in order."""
        self.cut.records += records

    def publish(self, planned: Planned, moment: float) -> frozenset[str]:
        """A message to people goes out, but for what is kept for a summary: the ids of those episodes."""
        passed = planned if self._storms is None else self._storms.take(planned, moment)
        if passed is not None:
            self._deliver(passed)
        sent = {episode for _, episode in passed.about} if passed is not None else set()
        return frozenset(episode for _, episode in planned.about if episode not in sent)

    def summarise(self, moment: float) -> None:
        """The summaries go out that are due."""
        for planned in () if self._storms is None else self._storms.summaries(moment):
            self._deliver(planned)
            for item in planned.tells:
                self.decisions.summed_up(item, planned, moment)

    def tell_document(self, document: ProgramDocument) -> None:
        """A destination gets what is no alert's."""
        self._send(
            document.id,
            document.destination,
            rule="",
            state=document.state,
            about=[],
            body=document.body,
            life_s=document.life_s,
            subject=document.subject,
        )

    def tell_program(
        self,
        number: str,
        transition: Transition,
        episode: Episode,
        hearer: Hearer,
        reason: Reason,
        *,
        why: str,
        moment: float,
    ) -> None:
        """A program hears of a transition. number: the delivery's id."""
        self._send(
            number,
            hearer.destination,
            rule=transition.rule,
            state=transition.state.value,
            about=[(transition.alert_id, transition.episode_id)],
            body=self._writer.webhook(
                transition, self._rules.get(transition.rule), hearer.teams, fired_at=episode.fired_at
            ),
        )
        self.decisions.write(
            transition,
            hearer.destination,
            "told",
            reason,
            why,
            moment=moment,
            route=hearer.routes[0][1],
            delivery_id=number,
        )

    def tell_notice(self, notice: Notice, routing: Routing, on_call: OnCall) -> None:
        """What people of a notice's teams hear that is no alert's. on_call: who is now."""
        for destination, sharing in routing.for_teams(notice.teams or tuple(routing.teams), on_call):
            if is_for_people(destination):
                number = stable_id("delivery", destination.id, "notice", notice.id)
                body = notice_message(notice, sharing)
                self._send(number, destination, rule=body.rule, state=body.state, about=[], body=body)

    def _deliver(self, planned: Planned) -> None:
        self._send(
            planned.number,
            planned.destination,
            rule=planned.rule,
            state=planned.state,
            about=planned.about,
            body=planned.body,
        )

    def _send(
        self,
        number: str,
        destination: Destination,
        *,
        rule: str,
        state: str,
        about: Sequence[tuple[str, str]],
        body: Body,
        life_s: float | None = None,
        subject: str | None = None,
    ) -> None:
        """about: (alert, episode) of every item in the body. life_s: how long it is worth trying; None: as ever.
        subject: of a document, see ProgramDocument."""
        value = {
            "format": FORMAT,
            "id": number,
            "destination": destination,
            "rule": rule,
            "state": state,
            "alerts": list(dict.fromkeys(alert for alert, _ in about)),
            "episodes": list(dict.fromkeys(episode for _, episode in about)),
            "body": body,
            **({} if life_s is None else {"life_s": life_s}),
            **({} if subject is None else {"subject": subject}),
        }
        partition = partition_of((destination.id,), self._partitions)
        self.cut.records.append(Record(DELIVERIES, msgspec.json.encode(value), destination.id.encode(), partition))
