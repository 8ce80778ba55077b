"""Anomalies of a group: its detector sees every closed bucket in order, and a verdict is what it said of the last one.

An incident is open from where it is worth an alarm at the sensitivity until three buckets were within the usual; see
`lockstep.measure.anomaly`, which also says how it learns. Between bucket ends the last verdict stands. While it learns
nothing is judged. A bucket without a value (an average of nothing) is no data and teaches nothing; one of a group that
has been silent for longer than `forget_after` is not looked at.

Days that the calendar marks teach nothing of ordinary ones, nor are they compared with them: campaign days and holidays
are judged by what was learned of their own kind, once three of them are known and enough of their buckets; closed days
are not judged. What is open when such days begin stays open until something is judged again.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.calendar import Calendar
from lockstep.errors import StateError
from lockstep.measure.anomaly import LONG as LONG_BUCKETS
from lockstep.measure.anomaly import SENSITIVITY, SHORT, Detector, Incidents, Reading, Statistic
from lockstep.measure.definition import Aggregate, Expression, Measured
from lockstep.measure.exact import shown
from lockstep.rule.condition.kinds import ANOMALY_BUCKETS_S, Anomaly
from lockstep.rule.condition.usual import LEAST_LIKE_DAYS, LIKE_DAYS
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.language.quantity import duration_text


def judge_anomaly(condition: Anomaly, view: View) -> Verdict:
    """What the detector said of the last closed bucket."""
    return view.watched(condition) or UNJUDGED


def is_count(expression: Expression) -> bool:
    """Whether its noise is at least that of independent things that are counted."""
    return isinstance(expression, Measured) and expression.series.aggregate in (Aggregate.COUNT, Aggregate.DISTINCT)


def wall_s(instant: int, zone: ZoneInfo) -> int:
    """Seconds since 1970-01-01 00:00 on the wall of the shop."""
    return int(datetime.fromtimestamp(instant, zone).replace(tzinfo=UTC).timestamp())


class _Apart:
    """What is known of the days of one kind alone. days: how many taught something; last: the latest of them."""

    __slots__ = ("days", "detector", "last")

    def __init__(self, condition: Anomaly) -> None:
        self.detector = Detector(is_count=is_count(condition.expression))
        self.days = self.last = 0

    def see(self, day: int) -> int:
        """Take note of a day; how many came before it."""
        if day != self.last:
            self.days, self.last = self.days + 1, day
        return self.days - 1

    def state(self) -> list[Any]:
        return [self.days, self.last, self.detector.state()]

    def restore(self, state: list[Any]) -> None:
        self.days, self.last, detector = state
        self.detector.restore(detector)


FORMAT = 2
"""Of what a watch stores; 1, which named no format, is read."""
PARTS_OF_FORMAT_1 = 6


class Watch:
    """What is known of one anomaly on one group. upto: the end of the last bucket seen; verdict: what it was.

    since: the beginning of the first bucket that was learned. apart: what is known of marked days, by their kind.
    """

    __slots__ = ("_apart", "_detector", "_incidents", "_since", "upto", "verdict")

    def __init__(self, condition: Anomaly) -> None:
        self.upto = 0
        self.verdict = UNJUDGED
        self._forget(condition)

    def _forget(self, condition: Anomaly) -> None:
        self._since: int | None = None
        self._detector = Detector(is_count=is_count(condition.expression))
        self._incidents = Incidents()
        self._apart: dict[str, _Apart] = {}

    def see(self, condition: Anomaly, view: View, end: int) -> None:
        """Judge and learn the bucket that ends at `end`, which is later than all before."""
        start = end - condition.bucket_s
        self.upto = end
        self.verdict = self._judged(condition, view, start, end)

    def _judged(self, condition: Anomaly, view: View, start: int, end: int) -> Verdict:
        at = Instant(end, end * 1_000_000)
        if not is_complete(condition.flows, view, at, start):
            return UNJUDGED
        found = value_of(condition.expression, view, at, start, end)
        if found is None:
            return Verdict(Kind.NO_DATA, None, None, None, None, start, end)
        value = shown(found)
        was_open = self._is_open(condition)
        is_new = self._is_forgotten(condition, start, view.zone)
        if is_new:
            self._forget(condition)
        if self._since is None:
            self._since = start
        reading, counts, of = self._read(condition, view.zone, start, end, value)
        if reading is None and is_new and was_open:
            # It is normal now: what is open ends.
            return Verdict(Kind.CLEAR, None, value, None, None, start, end, counts, of)
        if reading is None:
            return Verdict(Kind.UNJUDGED, None, value, None, None, start, end, counts, of)
        counts = {"surprise": round(reading.surprise, 2)}
        if reading.statistic is not None:
            alike = self._incidents.alike(reading)
            counts |= {"statistic": int(reading.statistic), "rises": int(reading.rises), "alike": round(alike, 1)}
        self._incidents.take(reading)
        is_open = self._is_open(condition)
        kind, severity = (Kind.BREACH, condition.severity) if is_open else (Kind.CLEAR, None)
        return Verdict(kind, severity, value, reading.expected, None, start, end, counts, of)

    def _is_open(self, condition: Anomaly) -> bool:
        return self._incidents.worth >= SENSITIVITY[condition.sensitivity]

    def _is_forgotten(self, condition: Anomaly, start: int, zone: ZoneInfo) -> bool:
        """Whether what was learned is of before the day from which the author wants it learned, which has come."""
        if condition.learn_from is None or self._since is None:
            return False
        return self._since < midnight(condition.learn_from, zone) <= start

    def _read(
        self, condition: Anomaly, zone: ZoneInfo, start: int, end: int, value: float
    ) -> tuple[Reading | None, dict[str, float], str]:
        """(what the bucket is, None where it is not to be judged; numbers; what it is compared with, or why not)."""
        marked, day = marked_as(condition.calendar, start, end, zone)
        if marked == "closed":
            return None, {}, "the shop is closed on that day"
        if not marked:
            detector, known, of = self._detector, LEAST_LIKE_DAYS, ""
        else:
            apart = self._apart.get(marked)
            if apart is None:
                apart = self._apart[marked] = _Apart(condition)
            detector, known = apart.detector, apart.see(day)
            of = f"the last {known} {LIKE_DAYS[marked]}s"
        found = detector.observe(start, wall_s(start, zone), value, rises=condition.rises, falls=condition.falls)
        if known < LEAST_LIKE_DAYS or found.is_learning:
            return None, {"learned": detector.learned}, _too_little(condition, marked, known, detector)
        return found, {}, of

    def under(self, condition: Anomaly) -> "Watch":
        """All that was learned, for a condition of the same key: an edit may change how surprised it has to be."""
        other = Watch(condition)
        other.restore(condition, self.state())
        return other

    def state(self) -> list[Any]:
        v = self.verdict
        said = [v.kind.value, v.severity is not None, v.value, v.baseline, v.window_start, v.window_end, v.counts]
        apart = {kind: known.state() for kind, known in self._apart.items()}
        incidents, detector = self._incidents.state(), self._detector.state()
        return [FORMAT, self.upto, [*said, v.baseline_of], self._since, detector, incidents, apart]

    def restore(self, condition: Anomaly, state: list[Any]) -> None:
        """Take back what `state` gave, also that of an earlier program."""
        stored_format, *parts = state if len(state) != PARTS_OF_FORMAT_1 else [1, *state]
        if stored_format not in (1, FORMAT):
            raise StateError(
                f"an anomaly's stored state has format {stored_format}, this program knows {FORMAT}; use the version "
                "that wrote it, or begin anew under another LOCKSTEP_APP_ID"
            )
        self.upto, said, self._since, detector, incidents, apart = parts
        kind, is_breach, value, baseline, start, end, counts, of = said
        severity = condition.severity if is_breach else None
        self.verdict = Verdict(Kind(kind), severity, value, baseline, None, start, end, counts, of)
        self._detector.restore(detector)
        if stored_format == 1:
            self._incidents.restore_first(incidents, self.upto)
        else:
            self._incidents.restore(incidents)
        for name, known in apart.items():
            self._apart[name] = _Apart(condition)
            self._apart[name].restore(known)


def marked_as(calendar: Calendar | None, start: int, end: int, zone: ZoneInfo) -> tuple[str, int]:
    """What the local days that a bucket touches are marked as, "" for ordinary ones, and the first day's number."""
    if calendar is None:
        return "", 0
    first, last = (datetime.fromtimestamp(second, zone).date() for second in (start, end - 1))
    kinds = calendar.kinds_over(first, last)
    return ("closed" if "closed" in kinds else min(kinds)) if kinds else "", first.toordinal()


@lru_cache(maxsize=64)
def midnight(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day of the shop begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _too_little(condition: Anomaly, marked: str, known: int, detector: Detector) -> str:
    """Why a bucket is not judged, and how long that will be so."""
    if marked and known < LEAST_LIKE_DAYS:
        like = LIKE_DAYS[marked] + ("" if known == 1 else "s")
        return f"only {known} {like} {'is' if known == 1 else 'are'} known"
    left = detector.still_to_learn(condition.bucket_s)
    if marked:
        return f"it is learning: {detector.learned} buckets of {LIKE_DAYS[marked]}s so far, {left} more to come"
    takes = duration_text(left * condition.bucket_s)
    return f"it is learning: {detector.learned} buckets so far, {left} more to come, {takes}" + _sooner(
        condition, detector
    )


ENOUGH = 12
"""Orders in a bucket of which a third less is hardly chance any more."""
SEEN = 24
"""Buckets after which it is known how many orders come."""


def _sooner(condition: Anomaly, detector: Detector) -> str:
    """What shorter bucket would do for a count, too, and how long that one learns."""
    if not detector.is_count or detector.learned < SEEN:
        return ""
    for bucket_s in ANOMALY_BUCKETS_S:
        each = detector.mean * bucket_s / condition.bucket_s
        if bucket_s < condition.bucket_s and each >= ENOUGH:
            shorter, takes = duration_text(bucket_s), duration_text(detector.learning_s(bucket_s))
            return f"; 'bucket: {shorter}' would do, with about {each:.0f} each, and learns for {takes}"
    return ""


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
