"""Anomalies of a group: its detector sees every closed bucket in order, and a verdict is what it said of the last one.

An incident is open from where it is worth an alarm at the sensitivity until three buckets were within the usual; see
`lockstep.measure.anomaly_detector`, which also says how it learns. Between bucket ends the last verdict stands. While
it learns nothing is judged. A bucket without a value (an average of nothing) is no data and teaches nothing; one of a
group that has been silent for longer than `forget_after` is not looked at.

Days that the calendar marks teach nothing of ordinary ones, nor are they compared with them: campaign days and holidays
are judged by what was learned of their own kind, once three of them are known and enough of their buckets; closed days
are not judged. What is open when such days begin stays open until something is judged again.
"""

from array import array
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from math import isclose, isnan
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from lockstep.calendar import Calendar
from lockstep.errors import StateError
from lockstep.measure.anomaly_detector import LONG as LONG_BUCKETS
from lockstep.measure.anomaly_detector import SENSITIVITY, SHORT, Detector, Incidents, Reading, Statistic
from lockstep.measure.definition import Aggregate, Expression, Measured
from lockstep.measure.exact import shown
from lockstep.rule.condition.baseline_windows import LEAST_LIKE_DAYS, LIKE_DAYS
from lockstep.rule.condition.condition_kind import ConditionKind, When, no_screen, same_for_all
from lockstep.rule.condition.kinds import ANOMALY_BUCKETS_S, Anomaly, Severity
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import USUAL, Facts, usual_in_headline
from lockstep.rule.language.quantity import duration_text
from lockstep.text.figures import number_text
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S


def judge_anomaly(condition: Anomaly, view: View, _at: Instant, _firing: Severity | None) -> Verdict:
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


FORMAT = 4
"""Of what a watch stores; 3, without a past, 2, one bucket whose verdict was decided, and 1, which named no format, are
read."""
PARTS_OF_FORMAT_1 = 6
FIRST_WITH_LANES = 3

CHOOSES_AFTER = 36
"""Hours that are learned before a group's bucket is chosen: before any bucket that is learned in them could speak."""
ENOUGH = 12
"""Orders in a bucket of which a third less is hardly chance any more."""
DENSE = 0.95
"""A shorter bucket suits where it is as seldom empty as an hour, but for so much: three events in each, at random."""


PAST = 48
"""Buckets of which a watch remembers what it saw, for who shows them: 768 B where it has chosen its bucket."""


class SeenBucket(NamedTuple):
    """What one bucket had, what was expected, and between which values it would have been usual.

    end: in seconds. Numbers are kept with seven digits. low, high: None where that was not known.
    """

    end: int
    value: float
    expected: float
    low: float | None
    high: float | None

    def is_of(self, value: float) -> bool:
        """Whether it is the bucket that had this value."""
        return isclose(self.value, value, rel_tol=1e-6, abs_tol=1e-9)


class Watch:
    """What is known of one anomaly on one group: of each bucket that it may judge in, and of one once it is chosen.

    Until then all are learned beside each other. The shortest is chosen in which the group has enough: a count `ENOUGH`
    in each, any other flow hardly more empty ones than hours. What was learned in it stays: nothing is learned twice.
    """

    __slots__ = ("_lanes",)

    def __init__(self, condition: Anomaly) -> None:
        self._lanes = [_Lane(condition, bucket_s) for bucket_s in condition.buckets_s]

    @property
    def bucket_s(self) -> int:
        """The shortest bucket that has to be shown to it."""
        return self._lanes[0].bucket_s

    @property
    def upto(self) -> int:
        """The end of the last bucket of that length that it saw."""
        return self._lanes[0].upto

    @property
    def learned(self) -> int:
        """How many buckets of ordinary days are known; while none is chosen hours."""
        return self._lanes[-1].learned

    def see(self, condition: Anomaly, view: View, end: int) -> None:
        """Judge and learn what ends at `end`, the end of a bucket of `bucket_s` that is later than all before."""
        for lane in self._lanes:
            if end % lane.bucket_s == 0:
                lane.see(condition, view, end)
        if len(self._lanes) > 1 and self.learned >= CHOOSES_AFTER:
            self._lanes = [self._suiting(condition)]

    def _suiting(self, condition: Anomaly) -> "_Lane":
        hours = self._lanes[-1]
        return next((lane for lane in self._lanes if lane.suits(condition, hours)), hours)

    def verdict(self, condition: Anomaly) -> Verdict:
        """Of the last bucket, as surprised as a condition wants it; while none is chosen of the last hour."""
        verdict = self._lanes[-1].verdict(condition)
        if len(self._lanes) == 1 or verdict.kind is not Kind.UNJUDGED or "learned" not in verdict.counts:
            return verdict
        lane = self._suiting(condition)
        so_far = f"so far {duration_text(lane.bucket_s)} suits, which is learned for {duration_text(lane.learning_s)}"
        text = f"it is learning: its bucket is chosen after {CHOOSES_AFTER} hours, {self.learned} are known; {so_far}"
        return msgspec.structs.replace(verdict, baseline_of=text)

    def past(self) -> list[SeenBucket]:
        """The last buckets that it judged, the oldest first; at most PAST."""
        return self._lanes[-1].past()

    def under(self, condition: Anomaly) -> "Watch":
        """All that was learned, for a condition of the same key: an edit may change how surprised it has to be."""
        other = Watch(condition)
        other.restore(condition, self.state())
        return other

    def state(self) -> list[Any]:
        return [FORMAT, [lane.state() for lane in self._lanes]]

    def restore(self, condition: Anomaly, state: list[Any]) -> None:
        """Take back what `state` gave, also that of an earlier program.

        A condition that names its bucket takes back what was learned in that one, of others nothing.
        """
        stored_format, *parts = state if len(state) != PARTS_OF_FORMAT_1 else [1, *state]
        if stored_format not in (1, 2, 3, FORMAT):
            raise StateError(
                f"an anomaly's stored state has format {stored_format}, this program knows {FORMAT}; use the version "
                "that wrote it, or begin anew under another LOCKSTEP_APP_ID"
            )
        if stored_format >= FIRST_WITH_LANES:
            stored = [(bucket_s, lane) for bucket_s, *lane in parts[0]]
        else:
            stored = [(condition.buckets_s[-1], _decided(stored_format, parts))]
        wanted = [(b, lane) for b, lane in stored if condition.chooses or b in condition.buckets_s]
        if wanted:
            self._lanes = [_Lane(condition, bucket_s) for bucket_s, _ in wanted]
        for lane, (_, of_lane) in zip(self._lanes, wanted, strict=False):
            lane.restore(condition, of_lane)
        if stored_format == 1:
            self._lanes[0].restore_first_incidents(parts[-2])


def _decided(stored_format: int, parts: list[Any]) -> list[Any]:
    """What formats 1 and 2 stored as a lane's parts: their verdict was one condition's, a lane's is anybody's."""
    upto, (kind, _, *numbers), since, detector, incidents, apart = parts
    is_judged = "surprise" in numbers[4]
    closing = 0.0 if is_judged or Kind(kind) is not Kind.CLEAR else max(SENSITIVITY.values())
    if Kind(kind) in (Kind.BREACH, Kind.CLEAR):
        kind = (Kind.CLEAR if is_judged else Kind.UNJUDGED).value
    incidents = Incidents().state() if stored_format == 1 else incidents
    return [0, upto, [kind, *numbers], closing, since, detector, incidents, apart]


class _Lane:
    """What is known of one anomaly on one group in buckets of one length.

    upto: the end of the last bucket seen. filled: of how many buckets of ordinary days the value was not 0.
    """

    __slots__ = (
        "_apart",
        "_closing",
        "_detector",
        "_incidents",
        "_past",
        "_said",
        "_since",
        "bucket_s",
        "filled",
        "upto",
    )

    def __init__(self, condition: Anomaly, bucket_s: int) -> None:
        self.bucket_s = bucket_s
        self.upto = 0
        # What the last bucket was: clear where it was judged, whatever it is worth to whom.
        self._said = UNJUDGED
        # What was open when all was forgotten, in worth: it ends with the bucket that was just seen.
        self._closing = 0.0
        # Four numbers a bucket, of the last ones up to `upto` from the first one on that was judged; see `SeenBucket`.
        self._past = array("f")
        self._forget(condition)

    def _forget(self, condition: Anomaly) -> None:
        self.filled = 0
        self._since: int | None = None  # the beginning of the first bucket that was learned
        self._detector = Detector(is_count=is_count(condition.expression))
        self._incidents = Incidents()
        self._apart: dict[str, _Apart] = {}  # what is known of marked days, by their kind

    @property
    def learned(self) -> int:
        """How many buckets of ordinary days are known."""
        return self._detector.learned

    @property
    def learning_s(self) -> int:
        """How long it learns in all before it judges."""
        return self._detector.learning_s(self.bucket_s)

    def suits(self, condition: Anomaly, hours: "_Lane") -> bool:
        """Whether the group has enough in each bucket, compared with the longest ones."""
        if is_count(condition.expression) and self._detector.mean < ENOUGH:
            return False
        return hours.filled > 0 and self.filled >= DENSE * hours.filled * hours.bucket_s / self.bucket_s

    def see(self, condition: Anomaly, view: View, end: int) -> None:
        """Judge and learn the bucket that ends at `end`, which is later than all before."""
        if self._past:
            missing = min((end - self.upto) // self.bucket_s - 1, PAST)
            self._past.extend(_NOT_JUDGED * (missing + 1))  # the last ones are those of this bucket
            del self._past[: -4 * PAST]
        self.upto = end
        self._closing = 0.0
        self._said = self._seen(condition, view, end - self.bucket_s, end)

    def verdict(self, condition: Anomaly) -> Verdict:
        """Of the last bucket: a breach while an incident is worth an alarm at the condition's sensitivity."""
        bar = SENSITIVITY[condition.sensitivity]
        if self._said.kind is Kind.CLEAR and self._incidents.worth >= bar:
            return msgspec.structs.replace(self._said, kind=Kind.BREACH, severity=condition.severity)
        if self._closing >= bar:
            # It is normal now: what is open ends.
            return msgspec.structs.replace(self._said, kind=Kind.CLEAR)
        return self._said

    def _seen(self, condition: Anomaly, view: View, start: int, end: int) -> Verdict:
        at = Instant(end, end * SECOND)
        if not is_complete(condition.flows, view, at, start):
            return UNJUDGED
        measured = value_of(condition.expression, view, at, start, end)
        if measured is None:
            return Verdict(Kind.NO_DATA, None, None, None, None, start, end)
        value = shown(measured)
        was_worth = self._incidents.worth
        is_new = self._is_forgotten(condition, start, view.zone)
        if is_new:
            self._forget(condition)
        if self._since is None:
            self._since = start
        reading, counts, of = self._read(condition, view.zone, start, end, value)
        if reading is None:
            self._closing = was_worth if is_new else 0.0
            return Verdict(Kind.UNJUDGED, None, value, None, None, start, end, counts, of)
        counts = {"surprise": round(reading.surprise, 2)}
        if reading.statistic is not None:
            alike = self._incidents.alike(reading)
            counts |= {"statistic": int(reading.statistic), "rises": int(reading.rises), "alike": round(alike, 1)}
        self._incidents.take(reading)
        nan = float("nan")
        low, high = (nan, nan) if reading.low is None or reading.high is None else (reading.low, reading.high)
        self._past[-4:] = array("f", (value, reading.expected, low, high))
        return Verdict(Kind.CLEAR, None, value, reading.expected, None, start, end, counts, of)

    def past(self) -> list[SeenBucket]:
        """See `Watch.past`."""
        numbers = [None if isnan(number) else number for number in self._past]
        ends = range(self.upto - self.bucket_s * (len(numbers) // 4 - 1), self.upto + 1, self.bucket_s)
        rows = zip(ends, numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)
        return [SeenBucket(e, v, x, low, high) for e, v, x, low, high in rows if v is not None and x is not None]

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
            self.filled += value != 0
        else:
            apart = self._apart.get(marked)
            if apart is None:
                apart = self._apart[marked] = _Apart(condition)
            detector, known = apart.detector, apart.see(day)
            of = f"the last {known} {LIKE_DAYS[marked]}s"
        reading = detector.observe(start, wall_s(start, zone), value, rises=condition.rises, falls=condition.falls)
        if known < LEAST_LIKE_DAYS or reading.is_learning:
            return None, {"learned": detector.learned}, _too_little(self.bucket_s, marked, known, detector)
        return reading, {}, of

    def state(self) -> list[Any]:
        v = self._said
        said = [v.kind.value, v.value, v.baseline, v.window_start, v.window_end, v.counts, v.baseline_of]
        apart = {kind: known.state() for kind, known in self._apart.items()}
        learned = [self._since, self._detector.state(), self._incidents.state(), apart]
        return [self.bucket_s, self.filled, self.upto, said, self._closing, *learned, self._past.tobytes()]

    def restore(self, condition: Anomaly, state: list[Any]) -> None:
        """Take back what `state` gave after the bucket's length."""
        self.filled, self.upto, said, self._closing, self._since, detector, incidents, apart, *past = state
        self._past = array("f", past[0] if past else b"")
        kind, value, baseline, start, end, counts, of = said
        self._said = Verdict(Kind(kind), None, value, baseline, None, start, end, counts, of)
        self._detector.restore(detector)
        self._incidents.restore(incidents)
        for name, known in apart.items():
            self._apart[name] = _Apart(condition)
            self._apart[name].restore(known)

    def restore_first_incidents(self, state: list[Any]) -> None:
        """Take back what format 1 kept of incidents."""
        self._incidents.restore_first(state, self.upto)


_NOT_JUDGED = array("f", [float("nan")] * 4)


def marked_as(calendar: Calendar | None, start: int, end: int, zone: ZoneInfo) -> tuple[str, int]:
    """What the local days that [start, end) touches are marked as, "" for ordinary ones, and the first day's number."""
    if calendar is None:
        return "", 0
    first, last = (datetime.fromtimestamp(second, zone).date() for second in (start, end - 1))
    kinds = calendar.kinds_over(first, last)
    return ("closed" if "closed" in kinds else min(kinds)) if kinds else "", first.toordinal()


@lru_cache(maxsize=64)
def midnight(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day of the shop begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _too_little(bucket_s: int, marked: str, known: int, detector: Detector) -> str:
    """Why a bucket is not judged, and how long that will be so."""
    if marked and known < LEAST_LIKE_DAYS:
        like = LIKE_DAYS[marked] + ("" if known == 1 else "s")
        return f"only {known} {like} {'is' if known == 1 else 'are'} known"
    left = detector.still_to_learn(bucket_s)
    if marked:
        return f"it is learning: {detector.learned} buckets of {LIKE_DAYS[marked]}s so far, {left} more to come"
    takes = duration_text(left * bucket_s)
    sooner = _sooner(bucket_s, detector)
    return f"it is learning: {detector.learned} buckets so far, {left} more to come, {takes}{sooner}"


SEEN = 24
"""Buckets after which it is known how many orders come."""


def _sooner(bucket_s: int, detector: Detector) -> str:
    """What shorter bucket would do for a count, too, and how long that one learns."""
    if not detector.is_count or detector.learned < SEEN:
        return ""
    for shorter_s in ANOMALY_BUCKETS_S:
        each = detector.mean * shorter_s / bucket_s
        if shorter_s < bucket_s and each >= ENOUGH:
            shorter, takes = duration_text(shorter_s), duration_text(detector.learning_s(shorter_s))
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


def _when(leaf: Anomaly) -> When:
    return When(
        offsets=frozenset({0, *leaf.buckets_s}),
        level_offsets=frozenset(),
        beginnings=frozenset(),
        reach_s=0,
        memory_s=0,
        hours=None,
        hours_window_s=0,
        period=None,
        expected=frozenset(),
        reads_the_past=False,
        baselines=(),
        early_s=0,
        compares_values=False,
        restless=False,
    )


LEARNING_S = 35 * DAY_S
"""What an anomaly has learned after five weeks speaks of days and weeks."""


def _reason(facts: Facts) -> str:
    """`41 within 1 hour, usually 12 then; far above the usual at this time of day, surprise 8.1`."""
    text = f"{facts.number}{facts.within}"
    if facts.baseline is None:
        return text
    on = f" on {facts.baseline_of}" if facts.baseline_of else ""
    text += f", usually {facts.usual} then{on}"
    if is_explained(facts.counts):
        text += f"; {statistic_text(facts.counts)}, surprise {number_text(facts.counts.get('surprise'))}"
    return text


def _headline(facts: Facts) -> str:
    """`14:00 on a Monday: 41 orders within 1 hour, usually 12; far above the usual at this time of day`."""
    if not is_explained(facts.counts) or facts.began is None:
        return usual_in_headline(facts)
    of = f" {facts.of.replace('_', ' ')}" if facts.of else ""
    usual = "" if facts.baseline is None else f", usually {facts.usual}"
    if usual and facts.baseline_of:
        usual += f" on {facts.baseline_of}"
    when = f"{facts.began:%H:%M} on a {facts.began:%A}"
    return f"{when}: {facts.number}{of}{facts.within}{usual}; {statistic_text(facts.counts)}"


WORDS = replace(USUAL, reason=_reason, headline=_headline)


ANOMALY = ConditionKind(
    of=Anomaly,
    identity=("expression", "bucket_s", "severity", "sensitivity", "rises", "falls", "calendar", "learn_from"),
    yaml_words=("anomaly",),
    word=lambda _: "anomaly",
    judge=judge_anomaly,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: False,
    may_be_early=lambda _: False,
    clears_early=False,
    only_rises=lambda _: False,
    screen=no_screen,
    window=lambda _: None,
    hours=lambda _: (),
    lengths_s=lambda _: (),
    looks_back_s=lambda _: 0,
    learns_s=lambda _: LEARNING_S,
    severities=lambda anomaly: (anomaly.severity,),
    directions=lambda _: (),
    never_met=lambda _: (),
    template_names=lambda _: frozenset({"baseline", "baseline_of", "ratio", "why"}),
    words=WORDS,
)
