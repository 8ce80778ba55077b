"""Anomalies of one series: learned online, in bounded memory, without a setting per series and without look-ahead.

Per closed bucket with value x, the detector knows what came before and nothing else:

level      follows x by at most four times its usual error a step, over about a day.
seasons    a profile of the day (96 bins) and of the week (168), in local time. One value is judged by its distance to
           the band of a bin and its neighbours, so that steep edges and a bucket's jitter do not speak; a mean of
           values by the distance to the bins themselves, as jitter cancels there. A season is detected, not set: it
           is heard only while it predicts better than the level.
statistics eight numbers (see `Statistic`): the value against its level, means of it, a jump, the seasons' residuals.
tails      each statistic has, on both sides, three tracked quantiles (90 %, 96.8 % and 99 %, Robbins and Monro 1951),
           moved by one bounded step per value: a wild value teaches no more than a mild one. Beyond the 99 % the tail
           is a generalized Pareto one, as in peaks over threshold (Siffer et al., KDD 2017), with the shape that these
           quantiles have (Pickands, Annals of Statistics 3, 1975): from exponential to as heavy as 1/x.
surprise   2 at the 99 % quantile, one more for each factor of ten that the tail thins out. The most surprising
           statistic is the explanation. It is a ranking, not a probability: buckets depend on each other.
incidents  are what is beyond the 99 %; one is worth an alarm by its surprise and by how rare its like is in this
           series; see `Incidents`.

A value is judged before it teaches (a mean teaches once its values are judged no more: a window is no part of what it
is compared with), and what teaches is cut, never what is judged. Counts are judged as 2·sqrt(x + 3/8), where Poisson
noise is about 1 whatever the mean (Anscombe 1948), and no tail is thinner than that noise alone: 0, 0, 0, 1 says
nothing. A missing bucket is not fed; the means of several buckets begin anew after a gap.

Weakness: seasons other than day and week are not learned (a cycle of ten hours keeps the level's tails wide). After a
lasting change the level follows within a day, the profiles within a week or three.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from enum import IntEnum
from math import exp, inf, log, log1p, log10, sqrt
from typing import Any, NamedTuple

from lockstep.measure.bucket import bucket_end
from lockstep.text.time_units import DAY_S, WEEK_S

# None of these is per series.
LEARNING, LEARNING_S = 150, DAY_S * 3 // 2
"""Values before a statistic speaks, and seconds before any does: so long it takes to tell a day from a change."""
MEMORY = 2000
"""Values that a tail and the usual range remember."""
LOW_Q, HIGH_Q = 0.90, 0.99
MIDDLE_Q = 1 - sqrt((1 - LOW_Q) * (1 - HIGH_Q))
"""Halfway in the logarithm of what is beyond: of an exponential tail it lies halfway between the other two."""
HEAVIEST = 1.0
"""The largest shape of a tail, beyond which not even a mean exists; the smallest is 0, no end of a tail is believed."""
FLOOR = 0.05
"""A tail is never thinner than this share of the usual range: without noise everything would be a record.

Counts do not need it: their noise is known from below.
"""
SKILL, SKILL_LOST = 0.75, 0.85
"""A season is heard from the first share of the level's error on, until the second."""
GAP = 6
"""Missing buckets after which the means of several buckets begin anew."""
CALM = 3
"""Values within the usual that end an incident."""
ECHO = 12
"""Values after an incident in which what is no larger is its echo: it sways back, and means of SHORT values hold it."""
SENSITIVITY = {"low": 3.5, "medium": 3.25, "high": 3.0}
"""What an incident has to be worth for an alarm."""
MODESTY_S = 180 * DAY_S
"""How long ago a past incident counts 1/e."""
ALIKE = 3.5
"""At `medium` up to three past incidents of about the size in that time, and half a one as in a plotting position.

Hence the rate: of what recurs, 4 alarms at most, then silence while it recurs more often than every two months; of
what is drawn at random, of whatever distribution, those that rank so high: 3 in 180 days on each side, one a month.
"""
STEP, TIMES = 0.25, 3
"""From one sensitivity to the next: so much less has to be worth an alarm, and its like may come so often as often."""

_SPAN = log((1 - LOW_Q) / (1 - HIGH_Q))
_BASE = -log10(1 - HIGH_Q)
_LN10 = log(10)
_HALF = _SPAN / 2
_NORMAL_HIGH = 2.326
"""The 99 % quantile of a standard normal, which a count's noise is like after the transform."""
_NORMAL_SCALE = (2.326 - 1.282) / _SPAN
_EDGES = (*(_BASE * 1.25**i for i in range(8)), 1e2, 1e3, 1e4)
"""Sizes of incidents: surprises from these on are of about one size; beyond 10 a tail hardly tells them apart."""


class Statistic(IntEnum):
    """What can be surprising. The number of values that each looks at, below, is in buckets."""

    VALUE = 0
    SHORT = 1
    LONG = 2
    JUMP = 3
    TIME_OF_DAY = 4
    TIME_OF_DAY_SHORT = 5
    TIME_OF_WEEK = 6
    TIME_OF_WEEK_SHORT = 7


SHORT, LONG = 12, 48
JUMP_NOW, JUMP_BEFORE = 3, 24
KINDS = len(Statistic)
_WIDTHS = (1, SHORT, LONG, JUMP_NOW, 1, SHORT, 1, SHORT)
"""The number of values that are judged in each statistic."""
_COUNT_SIGMA = (
    1.0,
    1 / sqrt(SHORT),
    1 / sqrt(LONG),
    sqrt(1 / JUMP_NOW + 1 / JUMP_BEFORE),
    1.0,
    1 / sqrt(SHORT),
    1.0,
    1 / sqrt(SHORT),
)
"""The noise of each statistic of a count when nothing but chance is at work."""


class Reading(NamedTuple):
    """What one value was. statistic: the most surprising one, None when none was; rises: on which side.

    at_s: the bucket's start. surprise: see the module. expected: the usual value at that time. is_learning: too early
    to be surprised. low, high: of the values at that time 1 % are below the one, and 1 % above the other; None until
    that is known.
    """

    at_s: int
    surprise: float
    statistic: Statistic | None
    rises: bool
    expected: float
    is_learning: bool
    low: float | None = None
    high: float | None = None


class _Season:
    """A profile over a period, its error and the level's, and whether it helps."""

    __slots__ = ("band", "bins", "centre", "count", "error", "heard", "level_error", "period", "ramp", "seen", "width")

    def __init__(self, bins: int, period: int, ramp: int) -> None:
        """ramp: periods after which a lasting change has been learned."""
        self.bins, self.period, self.ramp = bins, period, ramp
        self.width = period // bins
        self.centre = array("f", bytes(4 * bins))
        self.count = array("H", bytes(2 * bins))
        self.seen = 0
        self.error = self.level_error = 0.0
        self.heard = False
        self.band = (0.0, 0.0)  # of the last residual: the lowest and the highest usual of its time and those beside it

    def residual(self, local_s: int, x: float, level: float, step: float) -> tuple[float | None, bool, float, float]:
        """How far a value is from the usual of its time, which then learns from it.

        local_s: when, in seconds on the wall. x: the value. level: what it would be without a season. step: the usual
        distance of two values, in seconds. Returns the distance to the band of this time and the times beside it (None
        while it is not known), whether the season helps, the usual of this time, and the distance to that.
        """
        at = local_s % self.period // self.width
        centre, count = self.centre, self.count
        known = count[at]
        if not known:
            centre[at], count[at] = x, 1
            return None, False, level, 0.0
        here = centre[at]
        low = high = here
        for near in (at - 1, at + 1 if at + 1 < self.bins else 0):
            if count[near]:
                other = centre[near]
                if other < low:
                    low = other
                elif other > high:
                    high = other
        self.band = low, high
        away = x - high if x > high else x - low if x < low else 0.0

        self.seen += 1
        share = max(1 / self.seen, max(step / self.period, 1e-4) / 3)
        mine, its = abs(x - here), abs(x - level)
        if self.seen > 50:
            most = 6 * max(self.error, self.level_error)
            mine, its = min(mine, most), min(its, most)
        self.error += share * (mine - self.error)
        self.level_error += share * (its - self.level_error)
        age = self.seen * step
        bar = SKILL_LOST if self.heard else SKILL
        self.heard = age > 1.5 * self.period and self.error < bar * self.level_error

        per = max(1.0, self.width / step)
        known = min(known + 1, 65_535)
        count[at] = known
        move = x - here
        if known > 2 * per + 1:
            bound = 4 * self.error + 1e-12
            move = max(-bound, min(bound, move))
        centre[at] = here + max(1 / known, 1 / (per * self.ramp)) * move
        return (away if age > self.period / 2 else None), self.heard, here, x - here

    def state(self) -> list[Any]:
        return [self.centre.tobytes(), self.count.tobytes(), self.seen, self.error, self.level_error, self.heard]

    def restore(self, state: Sequence[Any]) -> None:
        centre, count, self.seen, self.error, self.level_error, self.heard = state
        self.centre, self.count = array("f", centre), array("H", count)


class _Tails:
    """The upper tails of all statistics; the second half are those of the negated ones."""

    __slots__ = ("count", "first", "high", "later", "low", "middle")

    def __init__(self) -> None:
        self.count = [0] * KINDS
        self.low = array("d", bytes(8 * 2 * KINDS))
        self.middle = array("d", bytes(8 * 2 * KINDS))
        self.high = array("d", bytes(8 * 2 * KINDS))
        self.first: list[array[float]] = [array("f") for _ in range(KINDS)]  # until LEARNING, then empty
        self.later: list[array[float]] = [array("d") for _ in range(KINDS)]  # judged, not yet learned

    def learn_first(self, kind: int, v: float) -> None:
        """Gather the first values; they give the quantiles to begin with."""
        first = self.first[kind]
        first.append(v)
        self.count[kind] += 1
        if self.count[kind] == LEARNING:
            rank = sorted(first)
            for quantiles, q in ((self.low, LOW_Q), (self.middle, MIDDLE_Q), (self.high, HIGH_Q)):
                at = int(q * (LEARNING - 1))
                quantiles[kind], quantiles[kind + KINDS] = rank[at], -rank[-1 - at]
            self.first[kind] = array("f")

    def surprise(self, row: int, v: float, floor: float, high: float) -> float:
        """How surprising v is: above a 99 % quantile of at least `high`, with a scale of at least `floor`.

        row: the statistic, or, for its negative, KINDS further. 0 where it is no surprise.
        """
        known = self.high[row]
        over = v - (known if known > high else high)
        if over <= 0:
            return 0.0
        low = self.low[row]
        # A count's tail within what chance alone does says nothing of its shape.
        shape = 0.0 if known < high else self._shape(known - self.middle[row], self.middle[row] - low)
        # The scale where the tail begins, at the 99 %.
        scale = (known - low) / _SPAN if shape == 0 else (known - low) * shape / (1 - exp(-shape * _SPAN))
        scale = max(scale, floor)
        if scale <= 0:
            return 0.0
        return _BASE + (over / scale if shape == 0 else log1p(shape * over / scale) / shape) / _LN10

    @staticmethod
    def _shape(upper: float, lower: float) -> float:
        """How heavy a tail is, by the distances of its quantiles: 0 as an exponential one, 1 as 1/x."""
        if upper <= lower or lower <= 0:
            return 0.0
        return min(log(upper / lower) / _HALF, HEAVIEST)

    def learn(self, kind: int, v: float, floor: float) -> None:
        """Learn a judged value once no value that it was made of is still being judged.

        kind: the statistic that v is of. floor: the least scale of its tail, what chance alone does to a count.
        """
        self.count[kind] += 1
        if _WIDTHS[kind] > 1:
            later = self.later[kind]
            later.append(v)
            if len(later) < _WIDTHS[kind]:
                return
            v = later.pop(0)
        count = min(self.count[kind], MEMORY)
        for row, x in ((kind, v), (kind + KINDS, -v)):
            low, middle, high = self.low[row], self.middle[row], self.high[row]
            step = max((high - low) / _SPAN, floor) / count
            high += step * (HIGH_Q / (1 - HIGH_Q) if x > high else -1.0)
            middle += step * (MIDDLE_Q / (1 - MIDDLE_Q) if x > middle else -1.0)
            low += step * (LOW_Q / (1 - LOW_Q) if x > low else -1.0)
            self.high[row], self.middle[row], self.low[row] = high, middle, min(low, high)


class Detector:
    """One series. Feed it closed buckets in their order, then ask nothing else of it."""

    __slots__ = (
        "_before",
        "_bottom",
        "_cut",
        "_day",
        "_first_s",
        "_last_s",
        "_level",
        "_mean",
        "_now",
        "_of_day",
        "_of_week",
        "_off",
        "_step",
        "_tails",
        "_top",
        "_week",
        "is_count",
        "learned",
    )

    def __init__(self, *, is_count: bool = False) -> None:
        """is_count: values are numbers of independent things, whose noise is at least Poisson's."""
        self.is_count = is_count
        self.learned = 0
        self._level = self._mean = self._top = self._bottom = 0.0
        self._first_s = self._last_s = 0
        self._step = 0.0
        self._day, self._week = _Season(96, DAY_S, 5), _Season(168, WEEK_S, 3)
        self._tails = _Tails()
        self._off, self._cut, self._now, self._before = array("d"), array("d"), array("d"), array("d")
        self._of_day, self._of_week = array("d"), array("d")

    def observe(self, at_s: int, local_s: int, value: float, *, rises: bool = True, falls: bool = True) -> Reading:
        """Judge the value of a closed bucket, then learn it.

        at_s: the bucket's start; later than that of all before. local_s: the same on the wall, as seconds since
        1970-01-01 00:00 there. rises, falls: the sides that may speak; both are learned.
        """
        x = 2 * sqrt(max(value, 0.0) + 0.375) if self.is_count else value
        self._tell_time(at_s, x)
        step = self._step or 300.0
        off = x - self._level
        of_day, day_heard, day_usual, day_off = self._day.residual(local_s, x, self._level, step)
        of_week, week_heard, week_usual, week_off = self._week.residual(local_s, x, self._level, step)
        usual = week_usual if week_heard else day_usual if day_heard else self._level
        low, high = self._usual_range(day_heard, week_heard)
        cut = self._cut_off(off)
        spread = self._top - self._bottom
        tame = self._level + cut
        self._learn_range(tame)
        self._learn_level(x, off, step)

        before, now = _pushed(self._before, tame, LONG), _pushed(self._now, x, JUMP_NOW)
        jump = None
        if len(before) == LONG:
            # What was wild is cut when it has become the past: its end must not look like a fall.
            jump = sum(now) / JUMP_NOW - sum(before[:JUMP_BEFORE]) / JUMP_BEFORE
        statistics = (
            off,
            _mean(_pushed(self._off, off, SHORT), SHORT),
            _mean(_pushed(self._cut, cut, LONG), LONG),
            jump,
            of_day,
            None if of_day is None else _mean(_pushed(self._of_day, day_off, SHORT), SHORT),
            of_week,
            None if of_week is None else _mean(_pushed(self._of_week, week_off, SHORT), SHORT),
        )
        heard = (True, True, True, True, day_heard, day_heard, week_heard, week_heard)
        is_learning = self.learned < LEARNING or at_s - self._first_s < LEARNING_S
        if is_learning:
            rises = falls = False
        kind, surprise, is_rise = self._surprises(statistics, heard, spread, rises, falls)
        expected = max(usual * usual / 4 - 0.125, 0.0) if self.is_count else usual
        self.learned += 1
        statistic = None if kind is None else Statistic(kind)
        return Reading(at_s, surprise, statistic, is_rise, expected, is_learning, low, high)

    def _usual_range(self, day_heard: bool, week_heard: bool) -> tuple[float | None, float | None]:
        """Beyond which the value that is judged is a surprise by itself."""
        kind, low, high = Statistic.VALUE, self._level, self._level
        if week_heard:
            kind, (low, high) = Statistic.TIME_OF_WEEK, self._week.band
        elif day_heard:
            kind, (low, high) = Statistic.TIME_OF_DAY, self._day.band
        tails = self._tails
        if tails.count[kind] < LEARNING:
            return None, None
        least = _NORMAL_HIGH * _COUNT_SIGMA[kind] if self.is_count else -inf
        low -= max(tails.high[kind + KINDS], least)
        high += max(tails.high[kind], least)
        return (_count_of(low), _count_of(high)) if self.is_count else (low, high)

    @staticmethod
    def learning_s(bucket_s: int) -> int:
        """How long a series is learned before it is judged, if no bucket is missing."""
        return max(LEARNING * bucket_s, bucket_end(LEARNING_S, bucket_s))

    def still_to_learn(self, bucket_s: int) -> int:
        """How many more buckets are learned before one is judged, if none is missing."""
        next_s = self._last_s + bucket_s
        return max(LEARNING - self.learned, -((next_s - self._first_s - LEARNING_S) // bucket_s), 0)

    @property
    def mean(self) -> float:
        """About what a bucket has; of counts a little less than the mean, where they vary."""
        return max(self._mean * self._mean / 4 - 0.375, 0.0) if self.is_count else self._mean

    def _tell_time(self, at_s: int, x: float) -> None:
        if not self.learned:
            self._level = self._mean = self._top = self._bottom = x
            self._first_s = self._last_s = at_s
            return
        gap = at_s - self._last_s
        self._last_s = at_s
        if not self._step:
            self._step = float(gap)
        elif gap > (GAP + 1) * self._step:
            for ring in self._rings():
                del ring[:]
        # The usual distance of two buckets, as a median does: one long gap counts as one short one.
        if gap > self._step:
            self._step = min(gap, self._step * 1.05)
        elif gap < self._step:
            self._step = max(gap, self._step * 0.95)

    def _rings(self) -> tuple["array[float]", ...]:
        return self._off, self._cut, self._now, self._before, self._of_day, self._of_week

    def _learn_level(self, x: float, off: float, step: float) -> None:
        share = max(1 / (self.learned + 1), step / DAY_S, 1e-4)
        error = self._day.level_error
        if self.learned > 100 and error > 0:
            bound = 4 * error + 1e-12
            off = max(-bound, min(bound, off))
        self._level += share * off

    def _learn_range(self, x: float) -> None:
        """The usual range forgets towards the mean."""
        self._mean += (x - self._mean) / min(self.learned + 1, MEMORY)
        self._top = max(x, self._top - (self._top - self._mean) / MEMORY)
        self._bottom = min(x, self._bottom + (self._mean - self._bottom) / MEMORY)

    def _cut_off(self, off: float) -> float:
        """For the long mean: one spike is no shift."""
        tails = self._tails
        if tails.count[Statistic.VALUE] < LEARNING:
            return off
        row = Statistic.VALUE if off > 0 else Statistic.VALUE + KINDS
        most = tails.high[row] + 3 * (tails.high[row] - tails.low[row]) / _SPAN
        return min(off, most) if off > 0 else max(off, -most)

    def _surprises(
        self, statistics: Sequence[float | None], heard: Sequence[bool], spread: float, rises: bool, falls: bool
    ) -> tuple[int | None, float, bool]:
        """(the most surprising statistic, its surprise, whether it rose)."""
        tails = self._tails
        best: int | None = None
        highest, is_rise = 0.0, True
        floor = FLOOR * spread
        high = 0.0 if self.is_count else -inf
        for kind, v in enumerate(statistics):
            if v is None:
                continue
            if tails.count[kind] < LEARNING:
                tails.learn_first(kind, v)
                continue
            if self.is_count:
                sigma = _COUNT_SIGMA[kind]
                floor, high = _NORMAL_SCALE * sigma, _NORMAL_HIGH * sigma
            if heard[kind]:
                up, down = tails.surprise(kind, v, floor, high), tails.surprise(kind + KINDS, -v, floor, high)
                if rises and up > highest:
                    best, highest, is_rise = kind, up, True
                if falls and down > highest:
                    best, highest, is_rise = kind, down, False
            tails.learn(kind, v, floor)
        return best, highest, is_rise

    # ---- state ----------------------------------------------------------------------------------------------------

    def state(self) -> list[Any]:
        """Everything that it knows, as plain numbers and bytes."""
        tails = self._tails
        return [
            [self.learned, self._first_s, self._last_s, self._step],
            [self._level, self._mean, self._top, self._bottom],
            self._day.state(),
            self._week.state(),
            [
                tails.count,
                tails.low.tobytes(),
                tails.high.tobytes(),
                tails.middle.tobytes(),
                [f.tobytes() for f in tails.first],
                [v.tobytes() for v in tails.later],
            ],
            [ring.tobytes() for ring in self._rings()],
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Take back what `state` gave; before format 2 a tail had two quantiles, and was exponential."""
        clock, level, day, week, (count, low, high, *middle, first, later), rings = state
        self.learned, self._first_s, self._last_s, self._step = clock
        self._level, self._mean, self._top, self._bottom = level
        self._day.restore(day)
        self._week.restore(week)
        tails = self._tails
        tails.count, tails.low, tails.high = list(count), array("d", low), array("d", high)
        halfway = [(a + b) / 2 for a, b in zip(tails.low, tails.high, strict=True)]
        tails.middle = array("d", middle[0] if middle else halfway)
        tails.first, tails.later = [array("f", f) for f in first], [array("d", v) for v in later]
        for ring, stored in zip(self._rings(), rings, strict=True):
            ring[:] = array("d", stored)


class Incidents:
    """What surprises of a series are worth: one incident is one thing, and worth the less the more like it there were.

    An incident is a stretch of surprises beyond the usual 99 %, over when CALM values in a row were within it. It is
    worth its surprise, but at most what its rarity among the past incidents of the series allows, on its side and of
    about its size or larger. That is a rank and asks for no distribution, as in conformal detection (Laxhammar and
    Falkman 2014): however heavy a tail is and whatever recurs, the rate of what ranks high settles.

    What is remembered knows nothing of a sensitivity; an alarm is open from where the worth reaches its bar to the
    end of the incident. So what is open at `low` is open at `medium`, and what is open there is at `high`.

    What follows within ECHO values and is no larger is worth nothing: it is the echo of what was told.

    Weakness: where the first incidents of a series come, each is rare; the rate settles after some of them.
    """

    __slots__ = ("_calm", "_echo", "_last", "_past", "_past_s", "_peaks", "worth")

    def __init__(self) -> None:
        self.worth = 0.0  # of the incident that is going on, the most so far
        self._calm = 0
        self._peaks = [0.0, 0.0]  # its highest surprises below and above the usual
        self._last, self._echo = 0.0, 0  # the peak of the last one, the values for which it still echoes
        self._past_s = 0  # the time for which `past` is
        self._past = array("d", bytes(8 * 2 * len(_EDGES)))  # incidents from each edge on: below, then above

    def take(self, reading: Reading) -> None:
        """The next reading, later than all before."""
        self._echo = max(self._echo - 1, 0)
        if reading.surprise >= _BASE:
            self._calm = 0
            self._peaks[reading.rises] = max(self._peaks[reading.rises], reading.surprise)
            if not (self._echo and reading.surprise <= self._last):
                self.worth = max(self.worth, min(reading.surprise, _rarity(self.alike(reading))))
        elif any(self._peaks):
            self._calm += 1
            if self._calm == CALM:
                self._remember(reading.at_s)

    def alike(self, reading: Reading) -> float:
        """How many past incidents were of about this size or larger, on this side; those of long ago count less."""
        box = max(bisect_right(_EDGES, reading.surprise) - 2, 0)  # of about its size: from one edge below on
        return self._past[reading.rises * len(_EDGES) + box] * self._forgotten(reading.at_s)

    def _forgotten(self, at_s: int) -> float:
        return exp(-max(at_s - self._past_s, 0) / MODESTY_S)

    def _remember(self, at_s: int) -> None:
        forgotten = self._forgotten(at_s)
        for side, peak in enumerate(self._peaks):
            for box in range(len(_EDGES)):
                place = side * len(_EDGES) + box
                self._past[place] = self._past[place] * forgotten + (peak >= _EDGES[box])
        self._past_s = max(at_s, self._past_s)
        # A larger one that is not over yet goes on echoing.
        self._last = max(*self._peaks, self._last if self._echo else 0.0)
        self._echo = ECHO
        self._calm, self.worth, self._peaks = 0, 0.0, [0.0, 0.0]

    def state(self) -> list[Any]:
        return [self.worth, self._calm, *self._peaks, self._last, self._echo, self._past_s, self._past.tobytes()]

    def restore(self, state: Sequence[Any]) -> None:
        self.worth, self._calm, below, above, self._last, self._echo, self._past_s, past = state
        self._peaks, self._past = [below, above], array("d", past)

    def restore_first(self, state: Sequence[Any], at_s: int) -> None:
        """Take back what format 1 kept up to a time: alarms in half steps of surprise, whatever their side."""
        is_open, self._calm, age, peak, _, stored = state
        past = array("d", stored)
        forgotten = exp(-age / 3_000)  # it counted values
        alarms = [past[min(int(edge * 2), len(past) - 1)] * forgotten for edge in _EDGES]
        self._past, self._past_s = array("d", alarms * 2), at_s
        if is_open:
            self.worth, self._peaks = max(SENSITIVITY.values()), [peak, peak]
        else:
            self._calm = 0


def _rarity(alike: float) -> float:
    """What an incident is worth at most that had so many like it."""
    return SENSITIVITY["medium"] - STEP * log((alike + 0.5) / ALIKE) / log(TIMES)


def _count_of(x: float) -> float:
    """The count that is judged as x."""
    return max(max(x, 0.0) ** 2 / 4 - 0.375, 0.0)


def _pushed(ring: "array[float]", x: float, most: int) -> "array[float]":
    """The last `most` values, oldest first."""
    ring.append(x)
    if len(ring) > most:
        del ring[0]
    return ring


def _mean(ring: "array[float]", of: int) -> float | None:
    """None until there are enough values; summed anew each time, so that nothing drifts."""
    return sum(ring) / of if len(ring) == of else None
