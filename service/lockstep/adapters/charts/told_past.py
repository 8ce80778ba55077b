"""What a condition measured before a change that was told: a curve, which ends with what was told.

Each kind of condition has a past of its own:

threshold, spike, share, absence   their verdicts at earlier bucket ends, given by the code that judges
change                             the same windows of its measure, and what the value was before
of levels alone                    each change of the level, at its own time
projection                         its measure until now, and where that gets to at its pace
anomaly                            what its detector saw and expected, bucket by bucket
new_value                          none: before its first event there was nothing

Only what the judge still knows is shown. Where it says something else than was told, nothing is.
"""

from lockstep.adapters.charts.curve import LEAST_POINTS, LEAST_STEPS, NoChart, Point, Spot, ToldPast
from lockstep.adapters.charts.past_view import PastView
from lockstep.adapters.charts.verdict_past import VerdictPast, seconds, shown_s
from lockstep.judge.judge import Seen
from lockstep.rule.condition.kind.projection import shop_day
from lockstep.rule.condition.kinds import Anomaly, Change, Leaf, NewValue, Projection
from lockstep.transition import Transition


def told_past(seen: Seen, leaf: Leaf, transition: Transition) -> ToldPast | NoChart:
    """The past of the condition whose numbers a transition tells."""
    if transition.value is None:
        return NoChart.NO_DATA
    asked = VerdictPast(PastView(seen.view), seen.rule, leaf, transition, transition.value)
    if isinstance(leaf, NewValue):
        return NoChart.NEW
    if isinstance(leaf, Anomaly):
        past = _of_anomaly(asked, leaf)
    elif isinstance(leaf, Projection):
        past = _of_projection(asked, leaf)
    elif isinstance(leaf, Change):
        past = _of_change(asked, leaf)
    else:  # any other kind: its verdicts can be asked for at an instant that is over
        past = asked.verdicts()
    if past is None:
        return NoChart.GONE
    return past if sum(point.value is not None for point in past.points) >= past.least else NoChart.SHORT


def _of_change(asked: VerdictPast, leaf: Change) -> ToldPast | None:
    """The measure until now, and what it was before."""
    announced, end = asked.transition, asked.end
    if announced.baseline is None:
        return None
    if asked.is_of_levels:
        since = None if end is None else float(end - shown_s(leaf))
        past = asked.steps(leaf.expression, shown_since=since, has_limit=False)  # `by` is a difference
        if past is None:
            return None
        # Compared with itself a window ago; or with what it was until the value came.
        at = past.points[-1].at if announced.window_start is None else seconds(announced.window_start)
        return ToldPast(past.points, steps=True, before=Spot(at, announced.baseline), least=2)
    if end is None or announced.window_start is None:
        return None
    begins = round(seconds(announced.window_start))
    if asked.measured(leaf.expression, begins, end) != asked.value:
        return None
    since_s, window_s = asked.known_since(end), end - begins
    points = [
        Point(float(at), asked.measured(leaf.expression, at - window_s, at), None, None, None)
        for at in asked.window_ends(end)
        if at - window_s >= since_s
    ]
    last = Point(float(end), asked.value, None, None, None)
    return ToldPast([*points, last], before=Spot(float(begins), announced.baseline))


def _of_projection(asked: VerdictPast, leaf: Projection) -> ToldPast | None:
    """The measure until now, and a line to where it gets at its pace."""
    limit, then, end = asked.transition.limit, asked.transition.baseline, asked.end
    if end is None or then is None or limit is None:
        return None
    begins, ends = shop_day(end - 1, asked.view.zone)
    until = float(ends if leaf.within_s is None else end + leaf.within_s)
    if leaf.is_of_level:
        past = asked.steps(leaf.measure, shown_since=float(end - shown_s(leaf)))
        if past is None:
            return None
        points, is_reached = list(past.points), asked.value <= limit
    else:
        if asked.measured(leaf.measure, begins, end) != asked.value:
            return None
        day = [at for at in asked.bucket_ends(begins, end) if at > begins]
        points = [Point(float(at), asked.measured(leaf.measure, begins, at), None, None, limit) for at in day]
        points.append(Point(float(end), asked.value, None, None, limit))
        is_reached = asked.value >= limit
    least = LEAST_STEPS if leaf.is_of_level else LEAST_POINTS
    if is_reached:
        return ToldPast(points, steps=leaf.is_of_level, least=least)
    ahead = _meets(Spot(float(end), asked.value), Spot(until, then), limit)
    return ToldPast(points, steps=leaf.is_of_level, ahead=ahead, until=until, least=least)


def _meets(now: Spot, then: Spot, limit: float) -> Spot:
    """Where a line meets a limit, or its end where it does not get there."""
    part = (limit - now.value) / (then.value - now.value) if then.value != now.value else 2.0
    return Spot(now.at + part * (then.at - now.at), limit) if 0 <= part <= 1 else then


def _of_anomaly(asked: VerdictPast, leaf: Anomaly) -> ToldPast | None:
    """What its detector saw and expected, bucket by bucket, up to the one that was told."""
    watch, end = asked.view.watches.get(leaf.key), asked.end
    if watch is None or end is None:
        return None
    buckets = [bucket for bucket in watch.past() if bucket.end <= end]
    if not buckets or not buckets[-1].is_of(asked.value):
        return None
    *earlier, last = buckets
    points = [Point(float(b.end), b.value, b.expected, None, None, b.low, b.high) for b in earlier]
    usual = asked.transition.baseline
    return ToldPast([*points, Point(float(end), asked.value, usual, None, None, last.low, last.high)])
