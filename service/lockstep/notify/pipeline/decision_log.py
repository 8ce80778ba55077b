"""Decisions as they are published: who was told what of an alert, who was not, and why."""

import msgspec

from lockstep.notification import Item
from lockstep.notify.pipeline.episodes import Episode, Listener
from lockstep.notify.pipeline.hooks import Planned
from lockstep.notify.pipeline.reason_words import reason_words
from lockstep.ports import Cut, Destination, Record
from lockstep.response.decision import DECISIONS, Decision, Outcome, Reason
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition


class DecisionLog:
    """Writes decisions into the cut that is open. cut: that one; set anew after each cut by whoever owns both."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut

    def write(
        self,
        transition: Transition,
        destination: Destination | None,
        outcome: Outcome,
        reason: Reason,
        why: str,
        *,
        moment: float,
        route: str = "",
        delivery_id: str = "",
    ) -> None:
        """One decision about a transition, and for a destination; None: for nobody."""
        decision = Decision(
            alert_id=transition.alert_id,
            episode_id=transition.episode_id,
            transition_id=transition.transition_id,
            rule=transition.rule,
            labels=transition.labels,
            severity=transition.severity,
            state=transition.state.value,
            at=moment_text(moment),
            outcome=outcome,
            reason=reason,
            why=why,
            receiver="" if destination is None else destination.receiver,
            channel="" if destination is None else destination.channel,
            destination_id="" if destination is None else destination.id,
            delivery_id=delivery_id,
            route=route,
        )
        self.cut.records.append(Record(DECISIONS, msgspec.json.encode(decision), transition.alert_id.encode(), 0))

    def summed_up(self, item: Item, planned: Planned, moment: float) -> None:
        """An item that was kept for a summary was told in it, or counted."""
        destination = planned.destination
        why = planned.body.reason or reason_words(planned.reason)
        decision = Decision(
            alert_id=item.alert_id,
            episode_id=item.episode_id,
            transition_id=item.chart or "",
            rule=item.rule,
            labels=item.labels,
            severity=item.severity,
            state=item.state,
            at=moment_text(moment),
            outcome="told",
            reason=planned.reason,
            why=why if item in planned.body.items else f"{why}; counted only, because it names the most severe",
            receiver=destination.receiver,
            channel=destination.channel,
            destination_id=destination.id,
            delivery_id=planned.number,
        )
        self.cut.records.append(Record(DECISIONS, msgspec.json.encode(decision), item.alert_id.encode(), 0))

    def heard(
        self,
        episode: Episode,
        listener: Listener,
        destination: Destination,
        outcome: Outcome,
        reason: Reason,
        why: str,
        *,
        moment: float,
        delivery_id: str = "",
    ) -> None:
        """The same of what a listener has to hear of its episode."""
        self.write(
            episode.last,
            destination,
            outcome,
            reason,
            why,
            moment=moment,
            route=listener.routes[0][1],
            delivery_id=delivery_id,
        )
