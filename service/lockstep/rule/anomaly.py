"""Anomalies of a group: its detector sees every closed bucket in order, and a verdict is what it said of the last one.

An incident begins when the detector is surprised enough and is over after three buckets within the usual; see
`lockstep.measure.anomaly`, which also says how it learns. Between bucket ends the last verdict stands. While it learns
nothing is judged. A bucket without a value (an average of nothing) is no data and teaches nothing; one of a group that
has been silent for longer than `forget_after` is not looked at.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.measure.anomaly import LONG as LONG_BUCKETS
from lockstep.measure.anomaly import SENSITIVITY, SHORT, Detector, Incidents, Statistic
from lockstep.measure.definition import Aggregate, Expression, Measured
from lockstep.rule.condition import Anomaly
from lockstep.rule.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of


def judge_anomaly(condition: Anomaly, view: View) -> Verdict:
    """What the detector said of the last closed bucket."""
    return view.watched(condition) or UNJUDGED


def is_count(expression: Expression) -> bool:
    """Whether its noise is at least that of independent things that are counted."""
    return isinstance(expression, Measured) and expression.series.aggregate in (Aggregate.COUNT, Aggregate.DISTINCT)


def wall_s(instant: int, zone: ZoneInfo) -> int:
    """Seconds since 1970-01-01 00:00 on the wall of the shop."""
    return int(datetime.fromtimestamp(instant, zone).replace(tzinfo=UTC).timestamp())


class Watch:
    """The detector of one anomaly on one group. upto: the end of the last bucket seen; verdict: what it was."""

    __slots__ = ("_detector", "_incidents", "upto", "verdict")

    def __init__(self, condition: Anomaly) -> None:
        self._detector = Detector(is_count=is_count(condition.expression))
        self._incidents = Incidents(SENSITIVITY[condition.sensitivity])
        self.upto = 0
        self.verdict = UNJUDGED

    def see(self, condition: Anomaly, view: View, end: int) -> None:
        """Judge and learn the bucket that ends at `end`, which is later than all before."""
        start = end - condition.bucket_s
        self.upto = end
        self.verdict = self._judged(condition, view, start, end)

    def _judged(self, condition: Anomaly, view: View, start: int, end: int) -> Verdict:
        at = Instant(end, end * 1_000_000)
        if not is_complete(condition.flows, view, at, start):
            return UNJUDGED
        value = value_of(condition.expression, view, at, start, end)
        if value is None:
            return Verdict(Kind.NO_DATA, None, None, None, None, start, end)
        detector, incidents = self._detector, self._incidents
        local = wall_s(start, view.zone)
        read = detector.observe(start, local, value, rises=condition.rises, falls=condition.falls)
        if read.is_learning:
            counts: dict[str, float] = {"learned": detector.learned}
            return Verdict(Kind.UNJUDGED, None, value, None, None, start, end, counts)
        incidents.take(read.surprise)
        counts = {"surprise": round(read.surprise, 2)}
        if read.statistic is not None:
            counts |= {"statistic": int(read.statistic), "rises": int(read.rises)}
        kind = Kind.BREACH if incidents.is_open else Kind.CLEAR
        severity = condition.severity if incidents.is_open else None
        return Verdict(kind, severity, value, read.expected, None, start, end, counts)

    def under(self, condition: Anomaly) -> "Watch":
        """All that was learned, for a condition of the same key: an edit may change how surprised it has to be."""
        other = Watch(condition)
        other.restore(condition, self.state())
        return other

    def state(self) -> list[Any]:
        v = self.verdict
        said = [v.kind.value, v.severity is not None, v.value, v.baseline, v.window_start, v.window_end, v.counts]
        return [self.upto, said, self._detector.state(), self._incidents.state()]

    def restore(self, condition: Anomaly, state: list[Any]) -> None:
        """Take back what `state` gave."""
        self.upto, said, detector, incidents = state
        kind, is_breach, value, baseline, start, end, counts = said
        severity = condition.severity if is_breach else None
        self.verdict = Verdict(Kind(kind), severity, value, baseline, None, start, end, counts)
        self._detector.restore(detector)
        self._incidents.restore(incidents)


# ---- words ----------------------------------------------------------------------------------------------------------

_WHAT = {
    Statistic.VALUE: "far {side} anything of late",
    Statistic.SHORT: f"{SHORT} buckets together far {{side}} the level",
    Statistic.LONG: f"{LONG_BUCKETS} buckets together far {{side}} the level",
    Statistic.JUMP: "a {jump} that it does not usually make",
    Statistic.TIME_OF_DAY: "far {side} the usual at this time of day",
    Statistic.TIME_OF_DAY_SHORT: f"{SHORT} buckets together far {{side}} the usual at their time of day",
    Statistic.TIME_OF_WEEK: "far {side} the usual at this time of the week",
    Statistic.TIME_OF_WEEK_SHORT: f"{SHORT} buckets together far {{side}} the usual at their time of the week",
}


def is_explained(counts: Mapping[str, float]) -> bool:
    """Whether numbers of a verdict are those of a detector that was surprised."""
    return "statistic" in counts and "rises" in counts


def statistic_text(counts: Mapping[str, float]) -> str:
    """What spoke, `far above the usual at this time of the week`; only where `is_explained`."""
    rises = bool(counts["rises"])
    text = _WHAT[Statistic(int(counts["statistic"]))]
    return text.format(side="above" if rises else "below", jump="rise" if rises else "fall")
