"""The verdicts around each episode, as an observer of the judge keeps them: what a report draws.

The numbers are those of `lockstep.rule.condition.verdicts` on the judge's own histories, asked at bucket ends before,
in and after an episode; nothing is computed a second time. Memory is bounded: so many episodes a rule and in all, so
many points an episode (a long one is seen more coarsely), so many groups whose newest levels are remembered.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockstep.adapters.charts.curve import Curve, Point
from lockstep.judge.group import Group
from lockstep.judge.group_view import GroupView
from lockstep.measure.sample import Frame
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import (
    Anomaly,
    AnyOf,
    Condition,
    Leaf,
    Plan,
    Rule,
    Severity,
    series_of_condition,
)
from lockstep.rule.condition.period import longest_s
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind, Verdict
from lockstep.rule.condition.when import is_level_only, leaves
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition, TransitionName

MOST_POINTS = 160
"""Points of one curve; beyond, every other one is left out and the step doubles."""
POINTS_BEFORE = 40
LEVELS_BEFORE = 24
LEVELS_AFTER = 8
MOST_GROUPS = 4_000
"""Groups whose newest level values are remembered, those of late ones first."""


@dataclass(frozen=True)
class Most:
    """How many episodes are watched, the first ones: of each rule, and of all together."""

    per_rule: int = 40
    in_all: int = 300


MOST = Most()


@dataclass
class _Watch:
    """An episode that is being looked at. next, step, until in seconds; until: None while it goes on.

    is_recorded: its points come as they are judged, it is not to be asked later.
    """

    curve: Curve
    group: Group
    view: GroupView
    condition: Condition
    is_recorded: bool
    fired: float
    severity: Severity
    next: int
    step: int
    after: int
    ended: float | None = None
    left: int = LEVELS_AFTER

    @property
    def until(self) -> float | None:
        return None if self.ended is None else self.ended + self.after

    def add(self, point: Point) -> None:
        self.curve.points.append(point)
        if len(self.curve.points) > MOST_POINTS:
            del self.curve.points[1::2]
            self.step *= 2


def longest_window_s(condition: Condition) -> int:
    """The longest window that a condition looks at, in seconds; 0 for levels."""
    return max(longest_s(kind_of(leaf).window(leaf)) for leaf, _ in leaves(condition))


def _drawn(condition: Condition) -> Leaf:
    """The part of a combination whose numbers stand for it: the first."""
    return next(leaf for leaf, _ in leaves(condition))


def _before_s(rule: Rule) -> int:
    """How much is shown before an episode."""
    return min(max(4 * longest_window_s(rule.condition), 3_600), 3 * DAY_S)


class CurveRecorder:
    """An observer of a judge. curves: episode id → what its series did, of the first `most` that fired at or after
    `since`.

    keep_longer_s: what the judge is to be made with: its histories reach back to what lies before an episode.
    """

    def __init__(self, plan: Plan, *, most: Most = MOST, since: datetime | None = None) -> None:
        self._most = most
        self._since_s = None if since is None else since.timestamp()
        self.curves: dict[str, Curve] = {}
        self._watches: dict[str, _Watch] = {}
        self._watched_of: dict[str, int] = {}
        self._recent: OrderedDict[tuple[str, tuple[str, ...]], deque[Point]] = OrderedDict()
        self.keep_longer_s: dict[str, int] = {}
        for rule in plan.rules:
            longer_s = _before_s(rule) + rule.for_s + (rule.bucket_s or 60)
            for series in series_of_condition(rule.condition):
                self.keep_longer_s[series.id] = max(self.keep_longer_s.get(series.id, 0), longer_s)

    # ---- what the judge does ---------------------------------------------------------------------------------------

    def sees_every_verdict(self, rule: Rule) -> bool:
        """What can be asked only now, see `judging`: the numbers of a flow are asked where an episode was."""
        return is_level_only(rule.condition) or isinstance(_drawn(rule.condition), Anomaly)

    def judging(self, group: Group, at: Instant, view: GroupView) -> None:
        """Note what can be asked only now: a level's value, and what a detector expected, which has learned since."""
        condition = _drawn(group.condition)
        if group.facts.is_level_only:
            self._record(group, _point(at.us / SECOND, judge(condition, view, at, group.alert.firing)))
        elif isinstance(condition, Anomaly) and (watch := group.watches.get(condition.key)) is not None:
            self._record(group, _point(watch.upto, watch.verdict(condition)))

    def emitted(self, group: Group, transition: Transition, view: GroupView) -> None:
        name, episode = transition.state, transition.episode_id
        if name is TransitionName.FIRING:
            self._begin(group, transition, view)
        elif (watch := self._watches.get(episode)) is not None:
            if name is TransitionName.SEVERITY:
                watch.severity = Severity.of(transition.severity)
            else:
                watch.ended = _seconds(transition.at)

    def expiring(self) -> None:
        self._look()  # before what it looks at is gone

    def taken(self, _: Frame) -> None:
        """The judge has taken a frame: time may have advanced."""
        self._look()

    def _record(self, group: Any, point: Point) -> None:
        """Note what can be asked only now: for the episode that goes on, and for one that may begin."""
        key = (group.runtime.rule.name, group.labels)
        recent = self._recent.get(key)
        if recent is None:
            recent = self._recent[key] = deque(maxlen=LEVELS_BEFORE)
            if len(self._recent) > MOST_GROUPS:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(key)
        if recent and recent[-1] == point:
            return
        recent.append(point)
        watch = self._watches.get(group.alert.episode_id)
        if watch is not None:
            watch.add(point)
            watch.left -= watch.ended is not None
            if not watch.left:
                del self._watches[group.alert.episode_id]

    # ---- watching --------------------------------------------------------------------------------------------------

    def _begin(self, group: Group, transition: Transition, view: GroupView) -> None:
        if self._since_s is not None and _seconds(transition.at) < self._since_s:
            return
        count = self._watched_of.get(transition.rule, 0)
        if count >= self._most.per_rule or len(self.curves) >= self._most.in_all:
            return
        self._watched_of[transition.rule] = count + 1
        facts = group.facts
        rule, width = facts.rule, facts.width
        is_recorded = facts.is_level_only or isinstance(_drawn(group.condition), Anomaly)
        curve = self.curves[transition.episode_id] = Curve(steps=facts.is_level_only)
        before = _before_s(rule)
        begun = int(_seconds(transition.started_at)) - before
        watch = _Watch(
            curve=curve,
            group=group,
            view=view,
            condition=_leading(group, transition, view),
            is_recorded=is_recorded,
            fired=_seconds(transition.at),
            severity=Severity.of(transition.severity),
            next=begun - begun % width,
            step=max(1, before // POINTS_BEFORE // width) * width,
            after=before // 2,
        )
        self._watches[transition.episode_id] = watch
        if is_recorded:
            curve.points += self._recent.get((rule.name, group.labels), ())

    def _look(self, *, ahead: bool = False) -> None:
        """Ask for the verdicts of the bucket ends that have closed since. ahead: of the earliest open one, too."""
        for episode, watch in list(self._watches.items()):
            runtime = watch.group.runtime
            if watch.is_recorded or runtime.closed is None:
                continue
            last = runtime.closed + (runtime.facts.width if ahead else 0)
            until = watch.until
            while watch.next <= last and (until is None or watch.next <= until):
                watch.add(_at(watch, watch.next))
                watch.next += watch.step
            if until is not None and watch.next > until:
                del self._watches[episode]

    def finish(self) -> None:
        """Nothing more comes: look at what is left."""
        self._look(ahead=True)
        self._watches.clear()


def _leading(group: Group, transition: Transition, view: GroupView) -> Condition:
    """The part whose numbers the transition carries."""
    if not isinstance(group.condition, AnyOf) or transition.window_end is None:
        return _drawn(group.condition)
    end = int(_seconds(transition.window_end))
    at = Instant(end, end * SECOND)
    parts = (p for p in group.condition.parts if judge(p, view, at, None).kind is Kind.BREACH)
    return _drawn(next(parts, group.condition))


def _at(watch: _Watch, end: int) -> Point:
    burns = end > watch.fired and (watch.ended is None or end <= watch.ended)
    verdict = judge(watch.condition, watch.view, Instant(end, end * SECOND), watch.severity if burns else None)
    return _point(end, verdict)


def _point(at: float, verdict: Verdict) -> Point:
    return Point(at, verdict.value, verdict.baseline, verdict.counts.get("sigma"), verdict.limit)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
