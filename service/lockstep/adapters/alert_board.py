"""The read model: follows lockstep.alert-state into memory, so that every worker answers the same questions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from lockstep.adapters.stream.follower import Follower
from lockstep.ports import Batch, Broker
from lockstep.transition import Transition, TransitionName, decode

TOPIC = "lockstep.alert-state"
KEEP_ENDED = timedelta(days=1)
ENDED = (TransitionName.RESOLVED, TransitionName.CANCELLED)


def _began(transition: Transition) -> str:
    """Sorts by time: with its Z, 12:00:00.5Z comes before 12:00:00Z as text."""
    return transition.started_at.removesuffix("Z")


class AlertBoard:
    """What is pending or firing now, and what ended within a day."""

    def __init__(self, broker: Broker, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._follower = Follower(broker, {TOPIC: None}, self._take_batch)
        self._latest: dict[str, list[Transition]] = {}  # the last of each episode that began last, mostly one
        self.changes = 0
        """Grows with each record that was read, and with each alert that was forgotten."""
        self.heard: dict[str, datetime] = {}
        """Alert id → when a record of it was last read here, also one that said nothing new."""

    async def refresh(self) -> None:
        """Read on to the end of the topic. Raises BrokerError."""
        await self._follower.refresh()

    def _take_batch(self, batch: Batch) -> None:
        self.changes += len(batch)
        for value in batch.values:
            self._take(value)

    def _take(self, value: bytes | None) -> None:
        if value is None:
            return
        try:
            transition = decode(value)
        except msgspec.MsgspecError:
            return  # written by a newer version; the next one of this alert may be readable
        self.heard[transition.alert_id] = self._clock()
        # A frozen judge may speak up late: of one episode the highest number counts, of two the later start. Two begin
        # at one instant where an edit ends the first at once: that which goes on counts.
        began = _began(transition)
        known = self._latest.get(transition.alert_id, [])
        same = next((t for t in known if t.episode_id == transition.episode_id), None)
        if any(_began(t) > began for t in known) or (same is not None and same.number > transition.number):
            return
        beside = [t for t in known if t is not same and _began(t) == began]
        self._latest[transition.alert_id] = [*beside, transition]

    async def follow(self) -> None:
        """Read on for ever."""
        await self._follower.follow("the alert board", after=self._forget)

    def _forget(self) -> None:
        oldest = self._clock() - KEEP_ENDED
        for key, episodes in list(self._latest.items()):
            if all(t.state in ENDED and datetime.fromisoformat(t.at) < oldest for t in episodes):
                del self._latest[key]
                self.changes += 1
                self.heard.pop(key, None)

    def open(self) -> list[Transition]:
        """The last transition of each alert that is pending or firing, in no order: cheap where there are thousands."""
        return [transition for transition in self.latest_of_each() if transition.state not in ENDED]

    def latest_of_each(self) -> Iterator[Transition]:
        """The last transition of each alert that is pending or firing, or ended within a day; in no order."""
        return map(_last, self._latest.values())

    def latest(self, alert_id: str) -> Transition | None:
        """The last transition of an alert; None where it is not known, or ended more than a day ago."""
        episodes = self._latest.get(alert_id)
        return None if episodes is None else _last(episodes)

    def alerts(self, *, rule: str | None = None, every: bool = False) -> list[Transition]:
        """The last transition of each alert that is pending or firing (every: of those that ended, too)."""
        alerts = [
            t for t in self.latest_of_each() if (every or t.state not in ENDED) and (rule is None or t.rule == rule)
        ]
        return sorted(alerts, key=lambda t: (_began(t), t.rule, sorted(t.labels.items())))


def candidates(what: str, labels: Mapping[str, str], alerts: Sequence[Transition]) -> list[Transition]:
    """The alerts that somebody may mean; of several those that are open.

    what: the beginning of an alert's or an episode's id, or a rule, with labels where it has several. alerts: the last
    transition of each.
    """
    known = [t for t in alerts if t.rule == what and labels.items() <= t.labels.items()]
    if not known and what and not labels:
        known = [t for t in alerts if t.alert_id.startswith(what) or t.episode_id.startswith(what)]
    return [t for t in known if t.state not in ENDED] or known


def _last(episodes: list[Transition]) -> Transition:
    """What counts of an alert whose episodes began at one instant: that which goes on."""
    last = episodes[-1]
    if last.state in ENDED and len(episodes) > 1:
        return next((t for t in episodes if t.state not in ENDED), last)
    return last
