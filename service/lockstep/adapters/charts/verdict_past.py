"""The past of a condition: its verdicts at earlier bucket ends, or the steps of its level, up to what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lockstep.adapters.charts.curve import LEAST_STEPS, Point, ToldPast
from lockstep.adapters.charts.level_steps import points_since, steps_to
from lockstep.adapters.charts.past_view import PastView
from lockstep.measure.definition import Expression, Measured
from lockstep.measure.exact import shown
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import Leaf, Rule, Share, Spike, series_of_condition
from lockstep.rule.condition.period import Period, longest_s, start_of
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind, Verdict, value_of
from lockstep.rule.condition.when import is_level_only
from lockstep.shop.catalogue import BUSINESS, SOURCE
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition

MOST_POINTS = 48


def shown_s(leaf: Leaf) -> int:
    """How much a chart shows, in seconds: eight windows, of long ones fewer, never less than three; 0 without any."""
    window_s = longest_s(kind_of(leaf).window(leaf))
    return min(8 * window_s, max(3 * window_s, DAY_S))


@dataclass(frozen=True)
class VerdictPast:
    """What is asked for one transition of a condition, which has a value. None where the history says something else.

    view: of its group. rule: that told it. value: what was told.
    """

    view: PastView
    rule: Rule
    leaf: Leaf
    transition: Transition
    value: float

    @property
    def end(self) -> int | None:
        """The end of the window that was told."""
        window_end = self.transition.window_end
        return None if window_end is None else round(seconds(window_end))

    # ---- at bucket ends -------------------------------------------------------------------------------------------

    def verdicts(self) -> ToldPast | None:
        """Earlier verdicts, as far back as all of their windows is kept."""
        announced, end = self.transition, self.end
        if kind_of(self.leaf).window(self.leaf) is None and self.is_of_levels:
            return self.steps(self.leaf.expression)
        if end is None or not (announced.so_far or judge(self.leaf, self.view, _at(end), None).value == self.value):
            return None
        since = self.known_since(end)
        points = (self._verdict(at, since) for at in self.window_ends(end))
        sigma = announced.counts.get("sigma")
        last = Point(float(end), announced.value, announced.baseline, sigma, announced.limit)
        return ToldPast([*(point for point in points if point is not None), last])

    @property
    def is_of_levels(self) -> bool:
        return all(series.is_level for series in series_of_condition(self.leaf))

    def _verdict(self, end: int, since: float) -> Point | None:
        start = start_of(kind_of(self.leaf).window(self.leaf), end, self.view.zone)
        if start < since:
            return None
        verdict = judge(self.leaf, self.view, _at(end), None)
        value = verdict.value
        if verdict.kind is Kind.UNJUDGED and not isinstance(self.leaf, Share):
            value = self.measured(self.leaf.expression, start, end)
        is_whole = all(begins >= since for begins, _, _ in verdict.history)
        baseline = verdict.baseline if is_whole else None
        sigma = verdict.counts.get("sigma") if is_whole else None
        return Point(float(end), value, baseline, sigma, self._limit(verdict, baseline))

    def _limit(self, verdict: Verdict, baseline: float | None) -> float | None:
        """The limit that was told, as it was then: the same number, as many times what was usual, or what another
        measure was."""
        announced, leaf = self.transition, self.leaf
        if announced.limit is None:
            return None
        if announced.limit_of:
            return verdict.limit if verdict.limit_of == announced.limit_of else None
        if announced.baseline is None:
            return announced.limit
        if not isinstance(leaf, Spike) or leaf.above_by is not None or leaf.below_by is not None:
            return None
        return baseline * announced.limit / announced.baseline if baseline and announced.baseline else None

    def window_ends(self, end: int) -> Sequence[int]:
        """Where the windows before the one that ends at `end` ended."""
        window = kind_of(self.leaf).window(self.leaf)
        if isinstance(window, Period):
            ends = [window.bounds(end, self.view.zone, n * window.days)[1] for n in range(1, 9)]
            return sorted(e for e in ends if e < end)
        return self.bucket_ends(end - shown_s(self.leaf), end)

    def bucket_ends(self, first: int, end: int) -> Sequence[int]:
        """Bucket ends from about `first` on and before `end`, about MOST_POINTS."""
        width, length = self.rule.bucket_s or 60, end - first
        step = max(1, length // MOST_POINTS // width) * width
        return range(end - length // step * step, end, step)

    def known_since(self, end: int) -> float:
        """From which second on all is known that the condition read up to `end`."""
        return max(self.view.known_since(series, end) for series in series_of_condition(self.leaf))

    def measured(self, expression: Expression, start: int, end: int) -> float | None:
        """A measure in [start, end)."""
        exact = value_of(expression, self.view, _at(end), start, end)
        return None if exact is None else shown(exact)

    # ---- levels ---------------------------------------------------------------------------------------------------

    def steps(
        self, expression: Expression, *, shown_since: float | None = None, has_limit: bool = True
    ) -> ToldPast | None:
        """Each value of a level, or of a formula of levels, at its own time.

        shown_since: a second before which nothing is shown. has_limit: whether the limit that was told is a height.
        """
        # At its own values a level counts from their instant on, at bucket ends it is what it was just before.
        end = self.end
        last_us = round(seconds(self.transition.at) * SECOND) if end is None else end * SECOND
        told_at = last_us / SECOND
        steps = steps_to(self.view, expression, last_us - (not is_level_only(self.rule.condition)), self.value)
        if not steps:
            return None
        if steps[-1][0] < last_us:  # it fires later than the value came
            steps.append((last_us, self.value))
        limits = [self._limit_at(at) if has_limit else None for at, _ in steps]
        usual = _usual_of(expression)
        points = [
            Point(min(at / SECOND, told_at), value, usual, None, limit)
            for (at, value), limit in zip(steps, limits, strict=True)
        ]
        if shown_since is not None:
            points = points_since(points, shown_since)
        # What has been as usual for weeks, and jumps, is to be seen beside that.
        return ToldPast(points, steps=True, least=LEAST_STEPS if usual is None else 2)

    def _limit_at(self, at_us: int) -> float | None:
        if not self.transition.limit_of:
            return self.transition.limit
        return self._limit(judge(self.leaf, self.view, Instant(0, at_us + 1), None), None)


def _usual_of(expression: Expression) -> float | None:
    """What a business measure is on a usual day, where its meaning says that; None of a formula."""
    if not isinstance(expression, Measured) or expression.series.source != SOURCE:
        return None
    return BUSINESS[str(expression.series.field)].usual


def _at(end: int) -> Instant:
    return Instant(end, end * SECOND)


def seconds(moment: str) -> float:
    """An RFC 3339 instant in seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()
