"""What every kind of condition says of itself: its verdict, when that can change, what it takes at the least, what its
numbers can mean.

A kind is one file in `kind/`, which ends in its `ConditionKind`; `lockstep.rule.condition.kind_table` lists them. No
field of these classes has a default, so that a kind which leaves something out cannot be built.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Generic, TypeVar

from lockstep.measure.definition import SeriesDef
from lockstep.measure.exact import Exact
from lockstep.rule.condition.hours import OpenHours
from lockstep.rule.condition.kinds import Baseline, Hours, Leaf, Severity
from lockstep.rule.condition.period import Period, Window
from lockstep.rule.condition.view import Instant, Verdict, View
from lockstep.rule.condition.words import Words

C = TypeVar("C", bound=Leaf)


@dataclass(frozen=True, kw_only=True)
class When:
    """When the verdict of one condition may change. No field has a default, so that a kind of condition says all of it.

    Seconds throughout.
    offsets: how long after a bucket's end that bucket may still change the verdict: borders of window and baseline,
    without those of a baseline that depends on the day, which are looked up on the day.
    level_offsets: how long after a level's value it may still be asked for at bucket ends, beside at once.
    beginnings: how long after its source's beginning something is judged that was not yet, beside what data does then.
    reach_s: how far back flows are read where that is further than any offset.
    memory_s: how long a group's last event is remembered, beyond its history.
    hours: those that have to hold the window, which is `hours_window_s` long; None: it is judged at any time.
    period: the calendar window at whose end it is judged; None: it is judged at every bucket.
    expected: groups that are known from the beginning of their source on, for ever.
    reads_the_past: whether levels are asked for what they were, which makes a rule one that is judged at bucket ends.
    compares_values: whether each value of a level is compared with the one before it, which a bucket end cannot do.
    baselines: what it is compared with, each with its window in seconds: the borders of their windows may move with the
    day and the clocks; () where it has no baseline, or one of calendar windows.
    early_s: how far back the data of a group may lie that breaches early by what its baseline does.
    restless: whether time alone ends a breach: what is left of the day shrinks, until the next one begins.
    """

    offsets: frozenset[int]
    level_offsets: frozenset[int]
    beginnings: frozenset[int]
    reach_s: int
    memory_s: int
    hours: OpenHours | None
    hours_window_s: int
    period: Period | None
    expected: frozenset[tuple[str, ...]]
    reads_the_past: bool
    compares_values: bool
    baselines: tuple[tuple[Baseline, int], ...]
    early_s: int
    restless: bool


Total = Callable[[int, int], Exact | None]
"""The flow over [start, end), in millionths; None where it has no value."""


@dataclass(frozen=True, slots=True)
class Rise:
    """What a flow has to reach before a condition on it can be other than clear, for far less than a verdict costs.

    Of one flow that only grows, which breaches where a window has much, or much more than before it. A
    screen never misses: below it the verdict on a group that is clear is clear; above, the verdict is asked.

    window_s: the stretch that is judged. least: what it must have for a breach at any severity, in millionths.
    usual_s: the stretch just before the window that says what is usual; 0: nothing is compared with it.
    times / over: the window must have so many times the mean of that stretch. more: and so much more, in millionths;
    None: it need not.
    closer: what a bucket end is compared with as well, where less than a verdict says what is usual; None: nothing.

    Above 3x of the last hour, in windows of 15 minutes with at least 20: 120 orders in that hour are 30 in a window, so
    fewer than 90 are clear, whatever chance and deviations say; 4 orders in that hour are 1, so fewer than 20 are.
    """

    series: SeriesDef
    window_s: int
    least: int
    usual_s: int = 0
    times: int = 0
    over: int = 1
    more: int | None = None
    closer: "Band | None" = field(default=None, compare=False)

    def least_until(self, end: int, total: Total) -> int:
        """The least that the window which ends at `end` must have, in millionths."""
        if not self.usual_s:
            return self.least
        usual = total(end - self.window_s - self.usual_s, end - self.window_s)
        if not isinstance(usual, int):
            return self.least
        part = usual * self.window_s
        least = max(self.least, part * self.times // (self.usual_s * self.over))
        return least if self.more is None else max(least, part // self.usual_s + self.more)


def lowest(screens: Sequence[Rise]) -> Rise:
    """The screen below which no condition of these is other than clear. They ask about the same stretches."""
    more = [screen.more for screen in screens]
    ratio = min(Fraction(screen.times, screen.over) for screen in screens)
    return replace(
        screens[0],
        least=min(screen.least for screen in screens),
        times=ratio.numerator,
        over=ratio.denominator,
        more=None if None in more else min(n for n in more if n is not None),
    )


Figures = tuple[Exact, Exact]
"""(part, whole): what is compared is the part against so many times the whole. Of a plain number the whole is one."""

Times = tuple[int, int]
"""(numerator, denominator) of what is written."""


@dataclass(frozen=True, slots=True)
class Band:
    """Within which numbers a condition on flows is clear.

    asks: names what is read; conditions that ask the same differ in limits alone. read: the figures at a bucket end, in
    seconds; None where they cannot lead to a breach.
    low, high: clear while the part lies between so many times the whole, both excluded; None: no such limit.
    least: clear while the whole is less, whatever the part.
    is_seasonal: it reads the same time of earlier days or weeks. No table remembers for so long who had data, so it is
    asked where a group is visited.

    Fewer than 5 orders: (orders, one), low 5. Less than a third of the last hour in windows of 15 minutes, of which at
    least 6 are usual: (orders, usual orders), low 1/3, least 6. Figures are in millionths, and so is least.
    """

    asks: Hashable
    read: Callable[[View, int], Figures | None] = field(compare=False)
    low: Times | None = None
    high: Times | None = None
    least: Exact | None = None
    is_seasonal: bool = False

    def is_met(self, figures: Figures) -> bool:
        part, whole = figures
        if self.least is not None and whole < self.least:
            return False
        low, high = self.low, self.high
        return (low is not None and part * low[1] <= low[0] * whole) or (
            high is not None and part * high[1] >= high[0] * whole
        )


def widest(bands: Sequence[Band]) -> Band:
    """The band that is met wherever one of these is. They ask the same."""
    lows = [Fraction(*band.low) for band in bands if band.low is not None]
    highs = [Fraction(*band.high) for band in bands if band.high is not None]
    leasts = [band.least for band in bands]
    return replace(
        bands[0],
        low=max(lows).as_integer_ratio() if lows else None,
        high=min(highs).as_integer_ratio() if highs else None,
        least=None if None in leasts else min(least for least in leasts if least is not None),
    )


Screen = Rise | Band
"""What a group must show for a condition to be other than clear, for far less than a verdict costs.

A screen never misses: where it is not met, the verdict on a group without an open alert is clear, or says nothing;
where it is met, the verdict is asked. It decides nothing else. A `Rise`, of a flow that only grows, is looked at while
its bucket is still open; a `Band`, of any number of flows, when a bucket closes.
"""


@dataclass(frozen=True)
class NeverMet:
    """A number of a condition that nothing can ever meet. key: where it stands, below the kind's word in YAML."""

    key: str
    message: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class ConditionKind(Generic[C]):
    """One kind of condition.

    of: its dataclass in `lockstep.rule.condition.kinds`. identity: the fields of it that name a rule's version, in
    their order, for ever (see `lockstep.rule.identity_parts`). yaml_words: under which a
    rule file has it. word: the one that its author wrote, `new_value` or `ratio`.

    judge: its verdict on one group (condition, view, instant, the severity at which the alert fires).
    when: when that verdict may change.
    for_group: the condition as it stands for a group with these labels: its override, its row of a table.
    is_alike: whether groups that read the same series get the same verdict; not where each has numbers or a memory of
    its own.
    may_be_early: whether more events cannot undo a breach, so that it may be told before its window has closed.
    clears_early: whether more events cannot undo a clear while a calendar window goes on: an absence is over.
    only_rises: whether data that leaves a window can only end a breach, never begin one (levels aside).
    screen: what a group must reach to be other than clear; None: that takes a verdict.

    window: the stretch that it measures; None for values of levels, and where the verdict alone says it. hours: those
    that its author gave it; () where there are none. lengths_s: its windows and stretches, of which the
    slices that are kept must be a part. looks_back_s: how far back from the end of a window it looks, as its author
    wrote it. learns_s: how far back it must have seen events to be judged as if it had always watched, where that is
    further than it looks.
    severities: those that it may breach at, lowest first. directions: (word, condition) of what it is made of that a
    test can reach one by one: the rise and the fall of a spike; () for a single thing.
    never_met: its numbers that nothing can meet, but for those of bounds, which are looked at where they are written.
    template_names: which of `limit`, `baseline`, `baseline_of`, `ratio` and `why` its messages may fill in.
    words: how its verdicts are told.
    """

    of: type[C]
    identity: tuple[str, ...]
    yaml_words: tuple[str, ...]
    word: Callable[[C], str]
    judge: Callable[[C, View, Instant, Severity | None], Verdict]
    when: Callable[[C], When]
    for_group: Callable[[C, Mapping[str, str]], C]
    is_alike: Callable[[C], bool]
    may_be_early: Callable[[C], bool]
    clears_early: bool
    only_rises: Callable[[C], bool]
    screen: Callable[[C], Screen | None]
    window: Callable[[C], Window | None]
    hours: Callable[[C], tuple[Hours, ...]]
    lengths_s: Callable[[C], tuple[int, ...]]
    looks_back_s: Callable[[C], int]
    learns_s: Callable[[C], int]
    severities: Callable[[C], tuple[Severity, ...]]
    directions: Callable[[C], tuple[tuple[str, C], ...]]
    never_met: Callable[[C], tuple[NeverMet, ...]]
    template_names: Callable[[C], frozenset[str]]
    words: Words


def no_screen(_condition: C) -> Screen | None:
    """`screen` of a kind that only a verdict can tell."""
    return None


def same_for_all(condition: C, _labels: Mapping[str, str]) -> C:
    """`for_group` of a kind whose numbers stand in the rule alone."""
    return condition


def in_period(period: Period | None) -> frozenset[int]:
    """In a combination the verdict of the last calendar window stands until the next."""
    return frozenset() if period is None else frozenset({period.longest_s})
