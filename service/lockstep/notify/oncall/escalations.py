"""Escalation: who else hears of an alert that nobody has, and of one that stays critical for hours.

The steps of an escalation are due a while after an alert was told on a path that names it; the whole timetable runs
`repeat` times more. Whoever acknowledges, closes or snoozes the alert stops it where it stands; where the same episode
is told again later (the acknowledgement expired), it goes on from there, with what was left of the wait. No step is
told twice. A step that came late (the service was down, a clock was put forward) moves those after it, so that
everybody has the time to answer that the timetable gives them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from lockstep.errors import StateError
from lockstep.notify.pipeline.hooks import Applied, Call, Happened
from lockstep.response.command import Command
from lockstep.rule.condition.kinds import Severity
from lockstep.text.figures import duration_words
from lockstep.transition import Transition, TransitionName

KEY = b"\x1fescalation\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
MOST_REPEATS = 5
LEAST_ROUND_S = 300
LATE_S = 5.0
"""A step that comes later than this moves those after it."""
HURRY_AGAIN_S = 60.0
"""Several destinations of one step that die together hurry once."""
JUST_NOW = 0.0
LOOK_AGAIN_S = 20.0
"""How often a step that waits for its hours, or for the alert to get worse, is looked at."""

Within = Callable[[str, float], bool]
"""(name of a mute time, moment) → whether the moment lies in it."""


@dataclass(frozen=True)
class Step:
    """after_s: since the round began. to: as a route's. severity: of a less severe alert it is not told.

    mute, active: names of mute times; in these it waits until they are over, and outside of those until they begin.
    """

    after_s: int
    to: tuple[str, ...]
    severity: Severity = Severity.INFO
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()

    def may_be_told(self, rank: int, moment: float, within: Within) -> bool:
        """Whether it may be told of an alert that is so severe, at that moment."""
        is_active = not self.active or any(within(name, moment) for name in self.active)
        return rank >= self.severity and is_active and not any(within(name, moment) for name in self.mute)


@dataclass(frozen=True)
class Escalation:
    """steps: in the order of their times. repeat: how often all of them come again.

    unresolved: who hears last of an alert that stays open for long, also while somebody has it; once an episode.
    """

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    unresolved: Step | None = None

    @property
    def round_s(self) -> int:
        """How long a round is: after its last step everybody waits as long as before it, five minutes at least."""
        if not self.steps:
            return LEAST_ROUND_S
        last, before = self.steps[-1].after_s, self.steps[-2].after_s if len(self.steps) > 1 else 0
        return last + max(last - before, LEAST_ROUND_S)

    @property
    def count(self) -> int:
        """Steps of all rounds."""
        return len(self.steps) * (1 + self.repeat)

    def offset_s(self, number: int) -> int:
        """When a step is due, by its number in all rounds, since the beginning."""
        round_number, n = divmod(number, len(self.steps))
        return round_number * self.round_s + self.steps[n].after_s


@dataclass
class _Run:
    """An escalation of one open episode.

    rank: how severe the alert is. opened: when it was first told. begun: from when the steps are counted; it moves with
    lateness, hurry and pauses. number: of the next step in all rounds. waiting: numbers of steps that were due and may
    not be told yet. stopped_at: since when somebody has it; None: nobody. closed: somebody said that it is over.
    unresolved_told: whether the last step of all was told. hurried_at: when it last was hurried, and why: for the text.
    """

    episode_id: str
    escalation: str
    alert_id: str
    rank: int
    opened: float
    begun: float
    number: int = 0
    waiting: list[int] = field(default_factory=list)
    stopped_at: float | None = None
    closed: bool = False
    unresolved_told: bool = False
    hurried_at: float | None = None
    hurried_why: str = ""


class EscalationRuns:
    """hooks.Escalations: the escalations of all open episodes."""

    def __init__(self, escalations: Mapping[str, Escalation], within: Within) -> None:
        """within: whether a moment lies in a mute time, by its name."""
        self._escalations, self._within = escalations, within
        self._runs: dict[tuple[str, str], _Run] = {}
        self._by_episode: dict[str, list[tuple[str, str]]] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._ticked_at, self._first_due = float("inf"), float("-inf")

    def begin(self, transition: Transition, escalation: str, moment: float) -> None:
        """An alert was told on a path with an escalation: it begins, or goes on where it was stopped."""
        if escalation not in self._escalations or transition.state is TransitionName.RESOLVED:
            return
        key = transition.episode_id, escalation
        run = self._runs.get(key)
        if run is None:
            rank = int(Severity.of(transition.severity))
            self._add(_Run(*key, alert_id=transition.alert_id, rank=rank, opened=moment, begun=moment))
        elif run.stopped_at is not None:
            run.begun += max(0.0, moment - run.stopped_at) if run.stopped_at != JUST_NOW else 0.0
            run.stopped_at, run.closed = None, False
        else:
            return
        self._change(key)

    def end(self, episode_id: str, *, is_closed: bool = False) -> None:
        """Somebody has it, it is snoozed or closed: nothing more comes until it is told again."""
        for key in self._by_episode.get(episode_id, ()):
            run = self._runs[key]
            run.closed |= is_closed
            if run.stopped_at is None:
                run.stopped_at = JUST_NOW
            self._change(key)

    def hurry(self, episode_id: str, why: str, moment: float) -> None:
        """A destination that was to be told of it is dead: the next step is due now. why: in words."""
        for key in self._by_episode.get(episode_id, ()):
            run, escalation = self._runs[key], self._escalations.get(key[1])
            lately = run.hurried_at is not None and moment - HURRY_AGAIN_S < run.hurried_at <= moment
            if escalation is None or run.stopped_at is not None or run.number >= escalation.count or lately:
                continue
            run.begun = min(run.begun, moment - escalation.offset_s(run.number))
            run.hurried_at, run.hurried_why = moment, why
            self._change(key)

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        for key in [*self._by_episode.get(transition.episode_id, ())]:
            if transition.state is TransitionName.RESOLVED:
                self._drop(key)
            else:
                self._runs[key].rank = int(Severity.of(transition.severity))
                self._change(key)

    def apply(self, command: Command, moment: float) -> Applied | None:
        """None: what people do reaches it as `end` and `begin`."""
        return None

    def tick(self, moment: float) -> Happened:
        """The steps that are due, in an order that a restart does not change."""
        happened = Happened()
        if self._ticked_at <= moment < self._first_due:
            self._ticked_at = moment
            return happened
        first_due = float("inf")
        for key in sorted(self._runs):
            run, escalation = self._runs[key], self._escalations.get(key[1])
            if escalation is None:  # it was taken out of routing.yml
                self._drop(key)
                continue
            if run.stopped_at == JUST_NOW:
                run.stopped_at = moment
                self._dirty.add(key)
            happened.calls.extend(self._due(run, escalation, moment))
            first_due = min(first_due, self._next_look(run, escalation, moment))
        self._ticked_at, self._first_due = moment, first_due
        return happened

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            run = self._runs.get(key)
            value = None if run is None else msgspec.json.encode({"format": FORMAT, **vars(run)})
            entries[KEY + "\x1f".join(key).encode()] = value
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                stored = row.pop("format", None)
                if stored != FORMAT:
                    said = f"an escalation of format {stored}, this version reads {FORMAT}"
                    raise StateError(f"lockstep.notify-state: {said}")
                self._add(_Run(**row))

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _due(self, run: _Run, escalation: Escalation, moment: float) -> Iterable[Call]:
        if run.stopped_at is None:
            yield from self._waiting_steps(run, escalation, moment)
            yield from self._timetable(run, escalation, moment)
        last = escalation.unresolved
        if last is None or run.unresolved_told or run.closed:
            return
        opened = min(run.opened, moment)
        if moment - opened >= last.after_s and last.may_be_told(run.rank, moment, self._within):
            run.unresolved_told = True
            self._change((run.episode_id, run.escalation))
            why = f"it is still open after {duration_words(moment - opened)} (escalation {escalation.name})"
            yield Call(run.episode_id, last.to, why)

    def _waiting_steps(self, run: _Run, escalation: Escalation, moment: float) -> Iterable[Call]:
        for number in [n for n in run.waiting if n < escalation.count]:
            step = escalation.steps[number % len(escalation.steps)]
            if step.may_be_told(run.rank, moment, self._within):
                run.waiting.remove(number)
                self._change((run.episode_id, run.escalation))
                yield Call(run.episode_id, step.to, _why(escalation, number, run, moment))

    def _timetable(self, run: _Run, escalation: Escalation, moment: float) -> Iterable[Call]:
        key = run.episode_id, run.escalation
        if run.number < escalation.count:
            # A clock that was put back must not hold a step for longer than it could ever have waited.
            offset = escalation.offset_s(run.number)
            wait = offset - (escalation.offset_s(run.number - 1) if run.number else 0)
            if run.begun + offset > moment + wait:
                run.begun = moment + wait - offset
                self._change(key)
        while run.number < escalation.count and run.begun + escalation.offset_s(run.number) <= moment:
            number, step = run.number, escalation.steps[run.number % len(escalation.steps)]
            run.number += 1
            self._change(key)
            if not step.may_be_told(run.rank, moment, self._within):
                run.waiting.append(number)
                continue
            late = moment - run.begun - escalation.offset_s(number)
            if late > LATE_S:
                run.begun += late
            yield Call(run.episode_id, step.to, _why(escalation, number, run, moment))
            run.hurried_why = ""

    def _next_look(self, run: _Run, escalation: Escalation, moment: float) -> float:
        looks = []
        if run.stopped_at is None:
            looks += [moment + LOOK_AGAIN_S] if run.waiting else []
            looks += [run.begun + escalation.offset_s(run.number)] if run.number < escalation.count else []
        last = escalation.unresolved
        if last is not None and not run.unresolved_told and not run.closed:
            looks.append(max(run.opened + last.after_s, moment + LOOK_AGAIN_S))
        return min(looks, default=float("inf"))

    def _add(self, run: _Run) -> None:
        key = run.episode_id, run.escalation
        self._runs[key] = run
        self._by_episode.setdefault(run.episode_id, []).append(key)
        self._first_due = float("-inf")

    def _drop(self, key: tuple[str, str]) -> None:
        del self._runs[key]
        left = [other for other in self._by_episode[key[0]] if other != key]
        if left:
            self._by_episode[key[0]] = left
        else:
            del self._by_episode[key[0]]
        self._dirty.add(key)

    def _change(self, key: tuple[str, str]) -> None:
        self._dirty.add(key)
        self._first_due = float("-inf")


def _why(escalation: Escalation, number: int, run: _Run, moment: float) -> str:
    """`nobody has it after 15 minutes (escalation night-watch, step 2 of 3)`."""
    round_number, n = divmod(number, len(escalation.steps))
    again = f", round {round_number + 1} of {1 + escalation.repeat}" if round_number else ""
    place = f"escalation {escalation.name}, step {n + 1} of {len(escalation.steps)}{again}"
    waited = max(0.0, moment - run.opened)
    why = run.hurried_why or (
        f"nobody has it after {duration_words(waited)}" if waited >= 1 else "you are called first"
    )
    return f"{why} ({place})"
