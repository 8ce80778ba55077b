"""The read model of what people did and who was told: follows the public topics into memory, on every worker.

It is bounded: of the newest transitions and decisions 32 MiB each are kept, of answers 10,000, as they were published;
what is older stays on its topic. What stands (`lockstep.response-state`) is kept whole, as a compacted topic is.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import msgspec
import structlog

from lockstep.adapters.stream.follower import Follower
from lockstep.judge.publish import ALERTS
from lockstep.ports import Batch, Broker
from lockstep.response.command import AUDIT, Answer, Command, Deed, decode_answer
from lockstep.response.decision import DECISIONS, Decision, decode_decision
from lockstep.response.standing import (
    RESPONSE_STATE,
    Action,
    Handling,
    Override,
    PlanStanding,
    Silence,
    Standing,
    decode_standing,
)
from lockstep.transition import Transition, decode

log = structlog.get_logger("lockstep.follow")

MOST_BYTES = 32 << 20
"""Of transitions, and of decisions, that are kept, their places in memory included."""
EACH_BYTES = 200
"""What Python keeps beside the bytes of one record."""
MOST_ANSWERS = 10_000
LOOKS_BACK = {ALERTS: 20_000, DECISIONS: 50_000, AUDIT: MOST_ANSWERS}
"""Records before the end of a topic at which a worker begins to read it."""
Event = Transition | Decision | Answer
"""What happened to an alert."""


class _AlertOf(msgspec.Struct):
    alert_id: str


class _Envelope(msgspec.Struct):
    data: _AlertOf


_TRANSITION_HEAD = msgspec.json.Decoder(_Envelope)
_DECISION_HEAD = msgspec.json.Decoder(_AlertOf)


@dataclass(frozen=True, slots=True)
class _Said:
    """A record as it came. at_ms: when the broker got it; turn: its place among all that this worker has read."""

    at_ms: int
    turn: int
    value: bytes


@dataclass
class _Newest:
    """The newest records by alert, of at most so many bytes."""

    most_bytes: int
    order: deque[str] = field(default_factory=deque)
    by_alert: dict[str, deque[_Said]] = field(default_factory=dict)
    size: int = 0

    def add(self, alert_id: str, said: _Said) -> None:
        self.order.append(alert_id)
        self.by_alert.setdefault(alert_id, deque()).append(said)
        self.size += len(said.value) + EACH_BYTES
        while self.size > self.most_bytes:
            oldest = self.order.popleft()
            records = self.by_alert[oldest]
            self.size -= len(records.popleft().value) + EACH_BYTES
            if not records:
                del self.by_alert[oldest]

    def every(self) -> Iterator[_Said]:
        """Of all alerts."""
        return chain.from_iterable(self.by_alert.values())

    def of(self, alert_id: str) -> Iterator[_Said]:
        """Oldest first."""
        return iter(self.by_alert.get(alert_id, ()))


class ResponseBoard:
    """What people did, what stands of it, and who was told what and why. `follow` keeps it up to date."""

    def __init__(self, broker: Broker, *, clock: Callable[[], datetime], most_bytes: int = MOST_BYTES) -> None:
        self._broker, self._clock = broker, clock
        self._follower = Follower(broker, {**LOOKS_BACK, RESPONSE_STATE: None}, self._take)
        self._records = 0
        self._transitions, self._decisions = _Newest(most_bytes), _Newest(most_bytes)
        self._answers: OrderedDict[str, tuple[_Said, Answer]] = OrderedDict()
        self._standing: dict[str, Standing] = {}
        self._unreadable: set[str] = set()
        self.changes = 0
        """Grows with each record that was read."""

    # ---- reading --------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Read on to the end of each topic. Raises BrokerError."""
        await self._follower.refresh()

    async def follow(self) -> None:
        """Read on for ever."""
        await self._follower.follow("the response board")

    def _take(self, batch: Batch) -> None:
        self.changes += len(batch)
        for key, value, at_ms in zip(batch.keys, batch.values, batch.timestamps_ms, strict=True):
            try:
                self._take_record(batch.topic, key, value, at_ms)
            except msgspec.MsgspecError:
                if batch.topic not in self._unreadable:
                    self._unreadable.add(batch.topic)
                    log.warning("a record is of a newer version and left out; update this worker", topic=batch.topic)

    def _take_record(self, topic: str, key: bytes | None, value: bytes | None, at_ms: int) -> None:
        """Raises msgspec.MsgspecError."""
        if topic == RESPONSE_STATE:
            name = (key or b"").decode(errors="replace")
            standing = None if value is None else decode_standing(value)
            self._standing.pop(name, None)
            if standing is not None:
                self._standing[name] = standing  # at the end: in the order of the log
            return
        if value is None:
            return
        self._records += 1
        said = _Said(at_ms, self._records, value)
        if topic == ALERTS:
            self._transitions.add(_TRANSITION_HEAD.decode(value).data.alert_id, said)
        elif topic == DECISIONS:
            self._decisions.add(_DECISION_HEAD.decode(value).alert_id, said)
        else:
            answer = decode_answer(value)
            # Of one id the first word counts: it is what was done.
            self._answers.setdefault(answer.id, (said, answer))
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)

    async def wait_until_taken(self, alert_id: str, *, within_s: float) -> None:
        """Wait until notify has taken the last transition of an alert, or for so long: it may be news to it, too.

        Notify has taken what it has decided on, and what the broker has had for longer. Raises BrokerError.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.refresh()
                while self._is_news(alert_id, within_s):
                    await self._follower.read_on()

    def _is_news(self, alert_id: str, within_s: float) -> bool:
        said = [*self._transitions.of(alert_id)]
        if not said or self._clock().timestamp() - said[-1].at_ms / 1000 > within_s:
            return False
        return not self.decisions(alert_id, decode(said[-1].value).episode_id)

    async def wait_for(self, command_id: str, *, within_s: float) -> Answer | None:
        """The answer to a command, waited for so long, and then all that stands by it is here, too. None: not in time.

        Raises BrokerError.
        """
        try:
            async with asyncio.timeout(within_s):
                while self.answer(command_id) is None:
                    await self._follower.read_on()
                # One cut has written both, but a cluster may show one topic before the other.
                written = (await self._broker.written(RESPONSE_STATE))[0]
                while self._follower.next_of(RESPONSE_STATE) < written:
                    await self._follower.read_on()
        except TimeoutError:
            pass
        return self.answer(command_id)

    # ---- asking ---------------------------------------------------------------------------------------------------

    def handling(self, alert_id: str) -> Handling | None:
        """What people did about the alert's last episode; None where nothing stands."""
        standing = self._standing.get(f"handling/{alert_id}")
        return standing if isinstance(standing, Handling) else None

    def silence(self, silence_id: str) -> Silence | None:
        """A silence by its id, also one that is over."""
        standing = self._standing.get(f"silence/{silence_id}")
        return standing if isinstance(standing, Silence) else None

    def silences(self, every: bool = False) -> list[Silence]:
        """Those that hold or will, by their start; every: those that are over, too.

        One that recurs is over when somebody ended it.
        """
        now = self._clock()
        silences = [s for s in self._standing.values() if isinstance(s, Silence)]
        shown = [s for s in silences if every or (s.ended_at is None and (s.rrule or not _is_past(s.ends, now)))]
        return sorted(shown, key=lambda s: (s.starts, s.id))

    def overrides(self, every: bool = False) -> list[Override]:
        """Who stands in now or later, in the order in which people said so; every: those that are over, too."""
        now = self._clock()
        overrides = [o for o in self._standing.values() if isinstance(o, Override)]
        return [o for o in overrides if every or (o.ended_at is None and not _is_past(o.ends, now))]

    def actions(self, every: bool = False) -> list[Action]:
        """What somebody is to do, the oldest first; every: those that are closed, too."""
        actions = [a for a in self._standing.values() if isinstance(a, Action)]
        return sorted((a for a in actions if every or a.closed_at is None), key=lambda a: (a.created_at, a.id))

    def plan(self, campaign: str) -> PlanStanding | None:
        """How a campaign stands between the teams; None before it was answered."""
        standing = self._standing.get(f"plan/{campaign}")
        return standing if isinstance(standing, PlanStanding) else None

    def plans(self) -> list[PlanStanding]:
        """How the campaigns that were answered stand, by name."""
        plans = [p for p in self._standing.values() if isinstance(p, PlanStanding)]
        return sorted(plans, key=lambda p: p.campaign)

    def answer(self, command_id: str) -> Answer | None:
        """What became of a command; None while nobody knows."""
        known = self._answers.get(command_id)
        return None if known is None else known[1]

    def answers(self) -> list[Answer]:
        """What became of the last commands, and what was done without notify; oldest first."""
        return [answer for _, answer in self._answers.values()]

    def decisions(self, alert_id: str, episode_id: str = "") -> list[Decision]:
        """Who was told of an alert or not, oldest first. episode_id: of this episode alone."""
        every = (decode_decision(said.value) for said in self._decisions.of(alert_id))
        return [d for d in every if not episode_id or d.episode_id == episode_id]

    def transitions(self, alert_id: str, episode_id: str = "") -> list[Transition]:
        """What was published of an alert, oldest first. episode_id: of this episode alone."""
        return [t for _, t in self._transitions_of(alert_id, episode_id)]

    def published_since(self, moment: datetime) -> list[bytes]:
        """The transitions that the broker got since then, as they were published; those of an alert in order."""
        at_ms = moment.timestamp() * 1000
        return [said.value for said in self._transitions.every() if said.at_ms >= at_ms]

    def timeline(self, alert_id: str, episode_id: str = "") -> list[Event]:
        """What happened to an alert, as the broker got it: it fired, people were told, somebody acted.

        episode_id: of this episode alone; what people did without naming an episode belongs to each.
        """
        decisions = ((said, decode_decision(said.value)) for said in self._decisions.of(alert_id))
        happened: list[tuple[int, int, int, Event]] = [
            *((said.at_ms, 0, said.turn, t) for said, t in self._transitions_of(alert_id, episode_id)),
            *(
                (said.at_ms, 1, said.turn, answer)
                for said, answer in self._answers.values()
                if is_about(answer.command, alert_id, episode_id)
            ),
            *((said.at_ms, 2, said.turn, d) for said, d in decisions if not episode_id or d.episode_id == episode_id),
        ]
        # What one cut wrote has one time: first what changed, then what was decided of it.
        return [event for *_, event in sorted(happened, key=lambda row: row[:3])]

    def _transitions_of(self, alert_id: str, episode_id: str) -> Iterator[tuple[_Said, Transition]]:
        """Each transition once: it may have been published again."""
        seen: set[str] = set()
        for said in self._transitions.of(alert_id):
            transition = decode(said.value)
            if transition.transition_id not in seen and (not episode_id or transition.episode_id == episode_id):
                seen.add(transition.transition_id)
                yield said, transition


def is_about(command: Command | Deed, alert_id: str, episode_id: str) -> bool:
    """Whether a command is about an alert and, where one is named on both sides, about this episode of it."""
    if getattr(command, "alert_id", None) != alert_id:
        return False
    episode: str = getattr(command, "episode_id", "")
    return "" in (episode, episode_id) or episode == episode_id


def _is_past(text: str, now: datetime) -> bool:
    """Whether an instant has come; one that cannot be read has not."""
    try:
        return datetime.fromisoformat(text) <= now
    except (ValueError, TypeError):
        return False
