"""Conditions as the judge sees them: compiled, in numbers and seconds, with nothing left to look up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import assert_never

from lockstep.calendar import Calendar
from lockstep.identity import identity
from lockstep.labels import stable_id
from lockstep.measure.definition import (
    EXPRESSION_PARTS,
    Expression,
    OfExpression,
    Operation,
    SeriesDef,
    in_buckets,
    series_of,
)
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable, Source
from lockstep.rule.condition.period import Period, Window
from lockstep.shop.series import SHOP_SERIES
from lockstep.shop.shop_settings import ShopSettings
from lockstep.text.time_units import DAY_S


class Severity(IntEnum):
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Severity":
        """Of `info`, `warning` or `critical`. Raises KeyError for another word."""
        return _SEVERITIES[word]


_SEVERITIES = {severity.word: severity for severity in Severity}


class NoData(StrEnum):
    """What a verdict of no_data does to an alert: keep its state, count as clear, or count as breach."""

    KEEP = "keep"
    OK = "ok"
    ALERT = "alert"


@dataclass(frozen=True)
class Level:
    """One severity of a threshold: when it breaches and when it is clear (None: when it does not breach)."""

    severity: Severity
    breach: Bounds
    clear: Bounds | None = None


@dataclass(frozen=True)
class Override:
    """Other levels for groups that match: label → pattern (`*` stands for anything, anywhere)."""

    match: tuple[tuple[str, str], ...]
    levels: tuple[Level, ...]


class _WithLevels(OfExpression):
    """What conditions share that compare with numbers."""

    levels: tuple[Level, ...]
    overrides: tuple[Override, ...]

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Where those of its numbers come from that do not stand in the rule, each once."""
        levels = (*self.levels, *(level for override in self.overrides for level in override.levels))
        bounds = (b for level in levels for b in (level.breach, level.clear) if b is not None and b.sources)
        return tuple(dict.fromkeys(source for b in bounds for _, source in b.sources))

    @cached_property
    def of_measures(self) -> tuple[OfMeasure, ...]:
        return tuple(s for s in self.sources if isinstance(s, OfMeasure))

    @cached_property
    def has_tables(self) -> bool:
        return any(isinstance(s, OfTable) for s in self.sources)

    @property
    def bound_windows(self) -> set[int]:
        """How far back the measures look that its numbers come from, in seconds; without calendar windows."""
        return {s.window_s for s in self.of_measures if isinstance(s.window_s, int)}


@dataclass(frozen=True)
class Threshold(_WithLevels):
    """A value against numbers.

    window_s: the window of flows, in seconds or of the calendar; None when only levels are read.
    levels: lowest severity first; none for a group to which its table gives no number, then unbound says where that
    would stand. overrides: the first that matches replaces the levels.
    graded: the levels were given by name, so that in a combination they say how severe it is.
    unit: `%` where its author wrote percents, for texts; no part of what it is.
    """

    expression: Expression
    window_s: Window | None
    levels: tuple[Level, ...]
    overrides: tuple[Override, ...] = ()
    graded: bool = False
    unbound: str = ""
    unit: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Baseline:
    """What the window usually is.

    previous_s: mean per window length over that many seconds just before the window; else None.
    weeks / days: median (and MAD) of the same window in each of the last k weeks or days, in the shop's time zone.
    known_at_least: so many of them must be known; None: min(k, 3).
    calendar: the marked days that are left out, or are the usual of their kind; only the kinds that matter, which are
    `kinds`, be any day marked so or not.
    otherwise: what stands in for it where too little is known. See `lockstep.rule.condition.baseline_windows`.
    """

    previous_s: int | None = None
    weeks: int | None = None
    days: int | None = None
    known_at_least: int | None = None
    calendar: Calendar | None = None
    otherwise: "Baseline | None" = None
    kinds: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Hours:
    """When something is expected, in the shop's time zone: weekdays (Monday is 0) and [start, end) of the day.

    end of time(0, 0) means midnight at the end of the day.
    """

    weekdays: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True)
class Spike(OfExpression):
    """A value against its baseline.

    above: breach when value > above × baseline; below: when value < below × baseline; either suffices.
    above_by, below_by: the same as a difference, value > baseline + above_by; where a direction has both, both hold.
    chance: to begin, a count must be so far away that chance alone does it at most so often; what has begun goes on as
    long as the rest holds. See `lockstep.measure.noise`.
    deviations: must hold in that direction too; alone it means both directions.
    at_least: a rise needs this value. usual_at_least: any ratio needs this baseline; below it none begins a spike, and
    none keeps one open.
    clear_below / clear_above: hysteresis as ratios; _by: as signed differences (`10 more` is 10).
    hours: the window lies within them, else what is open ends. closed: days on which nothing is expected; without
    hours they bound falls alone.
    """

    expression: Expression
    window_s: Window
    baseline: Baseline
    severity: Severity
    above: float | None = None
    below: float | None = None
    deviations: float | None = None
    at_least: float | None = None
    usual_at_least: float | None = None
    clear_below: float | None = None
    clear_above: float | None = None
    above_by: float | None = None
    below_by: float | None = None
    clear_below_by: float | None = None
    clear_above_by: float | None = None
    chance: float | None = None
    hours: tuple[Hours, ...] = ()
    closed: Calendar | None = None

    @property
    def rises(self) -> bool:
        return self.above is not None or self.above_by is not None

    @property
    def falls(self) -> bool:
        return self.below is not None or self.below_by is not None

    @property
    def both_ways(self) -> bool:
        """Whether only `deviations` says how far is far, so that either direction counts."""
        return self.deviations is not None and not self.rises and not self.falls

    @cached_property
    def rising(self) -> "Spike | None":
        """What is left of it where only a rise counts, at any time; None when it is about falls alone."""
        if not self.rises and not self.both_ways:
            return None
        return replace(
            self,
            above=1.0 if self.both_ways else self.above,
            below=None,
            below_by=None,
            clear_above=None,
            clear_above_by=None,
            hours=(),
            closed=None,
        )


@dataclass(frozen=True)
class Absence(OfExpression):
    """Nothing for a known group (or the whole source) in the window; the window lies within expected hours.

    expected: groups that are known without an event of theirs, each the values of the rule's labels.
    closed: days on which nothing is expected, whatever the hours say.
    """

    expression: Expression
    window_s: Window
    severity: Severity
    hours: tuple[Hours, ...] = ()
    expected: tuple[tuple[str, ...], ...] = ()
    closed: Calendar | None = None


@dataclass(frozen=True)
class Change(OfExpression):
    """A value that is not what it was.

    window_s: what is compared: a level with itself that long ago, a flow's window with the one just before. None, for
    levels only: each value with the one before it.
    by: it differs by so much or more (None: at all); by_ratio: by so much of what it was. up, down: which way counts.
    """

    expression: Expression
    window_s: int | None
    severity: Severity
    by: float | None = None
    by_ratio: float | None = None
    up: bool = True
    down: bool = True


@dataclass(frozen=True)
class NewValue(OfExpression):
    """The first event of a group after in_s or more without one; told of for window_s from its bucket on.

    expression: one count by the label that may be new. learn_s: as long after the source's beginning everything is
    new, so nothing is.
    """

    expression: Expression
    window_s: int
    in_s: int
    learn_s: int
    severity: Severity


@dataclass(frozen=True)
class Share(_WithLevels):
    """One measure as a part of another, against numbers.

    least: below this much of the whole there is nothing to tell. confidence: compare not the share itself but the
    bound on its side that the true one keeps with this probability (None: the share itself).
    levels, overrides, window_s, graded, unbound: as for a threshold. word: `share` or `ratio`, as its author called it,
    for texts; no part of what it is.
    """

    part: Expression
    whole: Expression
    window_s: Window | None
    levels: tuple[Level, ...]
    least: float
    confidence: float | None = None
    overrides: tuple[Override, ...] = ()
    graded: bool = False
    unbound: str = ""
    word: str = field(default="share", compare=False, repr=False)

    @property
    def expression(self) -> Expression:  # type: ignore[override] # made of the two, not given
        return Operation("/", self.part, self.whole)


@dataclass(frozen=True)
class Projection(OfExpression):
    """Where a measure gets at its present pace.

    A level falls and reaches `reaches` or less; its pace over window_s is a flow, or (None) the falls of the level
    itself. A flow grows from the day's beginning as in the last window_s and reaches `reaches` or more.
    within_s: how far ahead; None: to the end of the shop's day.
    """

    measure: Expression
    pace: Expression | None
    reaches: float
    within_s: int | None
    window_s: int
    severity: Severity

    @cached_property
    def is_of_level(self) -> bool:
        return all(s.is_level for s in series_of(self.measure))

    @property
    def expression(self) -> Expression:  # type: ignore[override] # both, to name every series
        return self.measure if self.pace is None else Operation("-", self.measure, self.pace)


ANOMALY_BUCKETS_S = (300, 600, 900, 1_200, 1_800, 3_600)
"""Shorter ones are mostly noise; longer ones take months to learn."""
ANOMALY_CHOICE_S = (300, 900, 1_800, 3_600)
"""Of which a group's own is chosen where the author names none."""


@dataclass(frozen=True)
class Anomaly(OfExpression):
    """Flows in buckets that differ from what was learned of them; nothing is asked of the author.

    bucket_s: what is judged is whole buckets of this length, from midnight UTC on. rises, falls: which way counts.
    calendar: the marked days of `kinds`, which are learned apart from the others.
    learn_from: what was learned before this day of the shop is forgotten when it comes.
    chooses: each group is judged in buckets that suit it, of which `bucket_s` is the shortest.
    """

    expression: Expression
    bucket_s: int
    severity: Severity
    sensitivity: str = "medium"
    rises: bool = True
    falls: bool = True
    calendar: Calendar | None = None
    learn_from: date | None = None
    chooses: bool = False
    kinds: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def buckets_s(self) -> tuple[int, ...]:
        """What a group may be judged in, the shortest first."""
        return ANOMALY_CHOICE_S if self.chooses else (self.bucket_s,)

    @cached_property
    def key(self) -> str:
        """Names what is learned: another measure, bucket or direction learns anew, another day in the calendar not.

        Where the bucket is chosen, as if it were an hour: what a program learned that knew no other default stays.
        """
        longest_s = self.buckets_s[-1]
        expression = in_buckets(self.expression, self.bucket_s, longest_s) if self.chooses else self.expression
        what = identity(expression, EXPRESSION_PARTS)
        return stable_id("anomaly-1", what, longest_s, self.rises, self.falls)[:12]


class _OfParts:
    """What `all` and `any` share. severity, of either: the rule's, where no part says how severe it is."""

    parts: tuple["Condition", ...]

    @cached_property
    def has_clear(self) -> bool:
        """See the function `has_clear`; so of `has_memory`, which is `remembers`."""
        return any(has_clear(part) for part in self.parts)

    @cached_property
    def has_memory(self) -> bool:
        return any(remembers(part) for part in self.parts) or (isinstance(self, AnyOf) and self.has_clear)

    @cached_property
    def grades(self) -> tuple[bool, ...]:
        """Which parts say how severe it is; empty where none does."""
        grades = tuple(is_graded(part) for part in self.parts)
        return grades if any(grades) else ()


@dataclass(frozen=True)
class All(_OfParts):
    """Every part holds."""

    parts: tuple["Condition", ...]
    severity: Severity


@dataclass(frozen=True)
class AnyOf(_OfParts):
    """At least one part holds."""

    parts: tuple["Condition", ...]
    severity: Severity


@dataclass(frozen=True)
class Not:
    """The part does not hold; where that is not known, neither is this."""

    part: "Condition"
    severity: Severity


Leaf = Threshold | Spike | Absence | Change | NewValue | Share | Projection | Anomaly
"""A condition that is no combination of others."""
Condition = Leaf | All | AnyOf | Not


def is_graded(condition: Condition) -> bool:
    """Whether a condition says itself how severe a breach is, by `levels`; else a breach is of its rule's severity."""
    match condition:
        case Threshold() | Share():
            return condition.graded
        case All() | AnyOf():
            return bool(condition.grades)
        case Spike() | Absence() | Change() | NewValue() | Projection() | Anomaly() | Not():
            return False
        case _:
            assert_never(condition)


def has_clear(condition: Condition) -> bool:
    """Whether an alert goes on between breach and clear: with `above: 12` and `clear: {below: 6}` it begins at 13 and
    goes on at 8."""
    match condition:
        case Threshold() | Share():
            overrides = (level for override in condition.overrides for level in override.levels)
            return any(level.clear is not None for level in (*condition.levels, *overrides))
        case Spike():
            clears = (condition.clear_below, condition.clear_above, condition.clear_below_by, condition.clear_above_by)
            return condition.chance is not None or any(clear is not None for clear in clears)
        case All() | AnyOf():
            return condition.has_clear
        case Absence() | Change() | NewValue() | Projection() | Anomaly() | Not():
            return False
        case _:
            assert_never(condition)


def remembers(condition: Condition) -> bool:
    """Whether each part of it remembers by itself that it breached: in `any: [orders above 12 with clear below 6, stock
    at most 0]` the alert's severity cannot tell which part holds it open. See `lockstep.rule.condition.held_parts`."""
    return isinstance(condition, All | AnyOf) and condition.has_memory


def period_of(condition: Condition) -> Period | None:
    """The calendar window of a condition, which is judged once, at its end; None: it is judged at every bucket."""
    match condition:
        case Threshold() | Spike() | Share() | Absence():
            return condition.window_s if isinstance(condition.window_s, Period) else None
        case Change() | NewValue() | Projection() | Anomaly() | All() | AnyOf() | Not():
            return None
        case _:
            assert_never(condition)


def series_of_condition(condition: Condition) -> tuple[SeriesDef, ...]:
    """Every series that a condition reads, each once."""
    match condition:
        case Threshold() | Share():
            bounds = (s for source in condition.of_measures for s in source.series)
            return tuple(dict.fromkeys((*condition.series, *bounds)))
        case Spike(expression=e) | Absence(expression=e):
            return series_of(e)
        case Change() | NewValue() | Projection() | Anomaly():
            return condition.series
        case All(parts=parts) | AnyOf(parts=parts):
            return tuple(dict.fromkeys(s for p in parts for s in series_of_condition(p)))
        case Not(part=part):
            return series_of_condition(part)
        case _:
            assert_never(condition)


@dataclass(frozen=True)
class Tolerance:
    """`for: 3 of 4 buckets`: how many of the last verdicts must breach."""

    breaches: int
    buckets: int


@dataclass(frozen=True)
class Flapping:
    """An alert that fires so many times within so long flaps: people hear of it once, and how it has settled."""

    fires: int
    within_s: int


@dataclass(frozen=True)
class Rule:
    """One rule, compiled. Its identity is its name; its groups are told apart by `by`, sorted.

    tolerance: in place of for_s. cool_down_s: no new episode for so long after one. expires: the last day on which it
    is judged, in the shop's time zone. was: earlier names, whose alerts it carries on. max_alerts, flapping: what
    people hear of it; None for all.
    durations in seconds of event time. teams: who hears of it. say: team (or `summary`) → Jinja2 template.
    bucket_s: the base slice of its flows; 0 when it reads levels only.
    version: changes whenever anything that it judges by changes.
    since_s, until_s: it judges what lies after the one and up to the other, in seconds of event time; None: no border.
    place: `rules/orders.yml:14`, for messages to its author.
    """

    name: str
    by: tuple[str, ...]
    condition: Condition
    for_s: int
    keep_firing_for_s: int
    no_data: NoData
    teams: tuple[str, ...]
    say: Mapping[str, str] = field(default_factory=dict)
    runbook: str | None = None
    forget_after_s: int = 7 * DAY_S
    bucket_s: int = 60
    version: str = ""
    place: str = ""
    tolerance: Tolerance | None = None
    cool_down_s: int = 0
    expires: date | None = None
    was: tuple[str, ...] = ()
    owner: str | None = None
    max_alerts: int | None = None
    flapping: Flapping | None = None
    since_s: int | None = None
    until_s: int | None = None

    @property
    def edition(self) -> str:
        """This version in this stretch of time: a rule may go back to what it was."""
        return self.version if self.since_s is None else f"{self.version}@{self.since_s}"


@dataclass(frozen=True)
class Plan:
    """All rules of a directory, compiled, with the series that they need.

    A rule may stand in it in several versions, oldest first, each with the stretch of event time that it judges.
    fingerprint: the plan's version. fresh: ids of series that an earlier version of the plan did not have.
    shop: what the shop says of itself; None: there is no shop.yml, no rule reads a business measure and no text names
    anything of the shop, so nobody has to know it. shops: what it was before, oldest first, each with the second of
    event time up to which it was.
    calendar: the shop's, for who shows it; what rules need of it stands in their conditions. days: the same days with
    campaigns that events announced, where there are such (`lockstep.rule.announced_campaigns`).
    """

    rules: tuple[Rule, ...]
    series: tuple[SeriesDef, ...]
    fingerprint: str = ""
    fresh: frozenset[str] = frozenset()
    calendar: Calendar | None = None
    days: Calendar | None = None
    shop: ShopSettings | None = None
    shops: tuple[tuple[int, ShopSettings | None], ...] = ()

    def shop_at(self, second: int) -> ShopSettings | None:
        """What the shop says of itself at a second of event time."""
        return next((shop for until, shop in self.shops if second <= until), self.shop)


def series_of_plan(rules: Iterable[Rule], shop: ShopSettings | None) -> tuple[SeriesDef, ...]:
    """What the meter has to measure: what the rules read, and what the facts of the shop are made of."""
    of_rules = dict.fromkeys(s for rule in rules for s in series_of_condition(rule.condition))
    return tuple(dict.fromkeys((*of_rules, *(() if shop is None else SHOP_SERIES))))
