"""What a verdict is and what it is read from: the histories of one group as of one instant.

Missing is not zero, and nothing is not missing: a view says which it is.
"""

from enum import Enum
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from lockstep.measure.definition import Aggregate, Expression, Measured, SeriesDef
from lockstep.measure.exact import Exact, part_of
from lockstep.measure.formula import evaluate
from lockstep.rule.condition.kinds import Anomaly, Severity
from lockstep.text.rfc3339 import SECOND


class Kind(Enum):
    """UNJUDGED: the window reaches back to where nothing was measured yet; nobody is to conclude anything.

    NO_BOUND: the rule's table says nothing of the group, so there is nothing to compare with; what is open ends.
    CLOSED: the window does not lie within the hours in which a spike is judged; what is open ends.
    """

    BREACH = "breach"
    CLEAR = "clear"
    NO_DATA = "no_data"
    UNJUDGED = "unjudged"
    NO_BOUND = "no_bound"
    CLOSED = "closed"


class Verdict(msgspec.Struct, frozen=True):
    """severity: of a breach. limit: the number that was crossed. Times in seconds since the epoch.

    baseline_of: which stretches the baseline is of, in words, and why not better ones. limit_of: where the limit comes
    from, in words (`1.5 × reorder_point`); "" for a number of the rule itself. history: the stretches of the baseline,
    each (start, end, value). parts: of a combination, the verdicts that were looked at. so_far: of a
    calendar window that goes on, which nothing that is still to come can undo.
    """

    kind: Kind
    severity: Severity | None = None
    value: float | None = None
    baseline: float | None = None
    limit: float | None = None
    window_start: int | None = None
    window_end: int | None = None
    counts: dict[str, float] = {}
    baseline_of: str = ""
    limit_of: str = ""
    history: tuple[tuple[int, int, float | None], ...] = ()
    parts: tuple["Verdict", ...] = ()
    so_far: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the usual the value is."""
        return None if self.value is None or not self.baseline else self.value / self.baseline


UNJUDGED = Verdict(Kind.UNJUDGED)
CLOSED = Verdict(Kind.CLOSED)


class View(Protocol):
    """The histories of one group, as its rule sees them. Numbers are exact, in millionths; a verdict shows floats."""

    @property
    def zone(self) -> ZoneInfo: ...

    def flow(self, series: SeriesDef, start: int, end: int) -> Exact | None:
        """The measure over [start, end) in seconds: 0 or None for nothing, as its aggregate says."""

    def level(self, series: SeriesDef, instant_us: int, *, newest: bool = False) -> Exact | None:
        """The level in force just before an instant, or the newest; None when none is or it is stale at the instant."""

    def moved(self, series: SeriesDef) -> Exact | None:
        """By how much its newest value moved a level; None when it was the group's first."""

    def fallen(self, series: SeriesDef, start: int, end: int) -> Exact | None:
        """What a level lost in [start, end), from bucket end to bucket end, its rises left aside."""

    def first_seen(self, series: SeriesDef, start: int, end: int) -> int | None:
        """The start of the first bucket in [start, end) in which a flow has data."""

    def last_seen(self, series: SeriesDef, before: int) -> int | None:
        """The start of the last bucket with data before a second, as far back as the series is remembered."""

    def watched(self, condition: Anomaly) -> Verdict | None:
        """What the detector of an anomaly said of the last bucket that it saw; None before the first."""

    def complete_from(self, series: SeriesDef) -> float:
        """From which second on the series has seen everything; infinity when its source never had an event."""

    def has_events(self, series: SeriesDef, before: int) -> bool:
        """Whether the series' source had an event before a second: what comes later must not show earlier."""


class Instant(msgspec.Struct, frozen=True):
    """When to judge. end: the bucket's end in seconds, for flows; us: the same instant in microseconds.

    newest: judge at a value of a level that has just come, with the newest values of all.
    """

    end: int
    us: int
    newest: bool = False


def value_of(
    expression: Expression, view: View, at: Instant, start: int, end: int, per: int | None = None
) -> Exact | None:
    """The measure in [start, end), in millionths. per: a mean over so many seconds, of counts and sums."""

    if expression.__class__ is Measured and per is None and not expression.series.is_level:
        return view.flow(expression.series, start, end)

    def read(series: SeriesDef) -> Exact | None:
        if series.is_level:
            if end != at.end:
                return view.level(series, end * SECOND)
            return view.level(series, at.us, newest=at.newest)
        value = view.flow(series, start, end)
        if value is None or per is None or series.aggregate not in (Aggregate.COUNT, Aggregate.SUM):
            return value
        return part_of(value, per, end - start)

    return evaluate(expression, read)


def is_complete(flows: tuple[SeriesDef, ...], view: View, at: Instant, start: int) -> bool:
    """Whether all was seen since `start`. A source that never had an event has no value and leaves nothing open."""
    return all(start >= view.complete_from(s) or not view.has_events(s, at.end) for s in flows)
