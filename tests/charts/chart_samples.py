"""Charts that the tests of this folder share: stories of events, judged as the service does it."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.curve import Chart
from lockstep.adapters.charts.history import chart_of, keep_longer_s, levels_shown
from lockstep.judge.level_trail import LevelTrail
from lockstep.rule.condition.kinds import Plan
from lockstep.tools.backtest.replay import Attached, Replay, replayed
from lockstep.tools.ruletest.suite import load_text
from lockstep.transition import Transition

LONDON = ZoneInfo("Europe/London")
MEASURES = """\
measures:
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  returns:  {count: order.returned}
  sessions: {count: traffic.session}
  stock:    {last: available, of: stock.level}
  conversion: {formula: orders / sessions}
rules:
"""
SPIKE = (
    "by: [channel], spike: {measure: orders, window: 15m, baseline: {previous: 1h}, above: 3x, at_least: 20, "
    "usual_at_least: 2}",
    "orders web: 20/h for 3h, then 2/min for 15m, then 20/h for 3h",
)
STOCK = (
    "by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}",
    "stock A-1: 60, 45 at 08:30, 30 at 09:00, 20 at 09:30, 12 at 10:00, 90 at 11:00",
)
FEW = ("threshold: {measure: orders, window: 1h, below: 20}", "orders: 1/min for 9h, then 10/h for 4h")
DAYS = (
    "severity: critical, by: [channel], spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 4}, "
    "below: 0.5x, usual_at_least: 5}",
    "orders web: 20/h for 5d, then 7/h for 50m",
)
RETURNS = (
    "share: {measure: returns, of: orders, window: 1h, of_at_least: 50, above: 10%}",
    "orders: 1/min for 10h; returns: 1 at 08:05, then 1/h for 8h, then 20/h for 1h",
)


def judged(rule: str, story: str, *, kept: bool = True) -> tuple[Replay, Plan]:
    """What a story leads to, and the rules. kept: whether the judge keeps as much as charts show."""
    lines = "".join(f"      - {line.strip()}\n" for line in story.split(";"))
    suite = load_text(
        f"start: 2026-03-02 08:00\ntests:\n  - name: t\n    events:\n{lines}    expect: nothing\n",
        f"{MEASURES}  - {{name: R, {rule}}}\n",
        LONDON,
    )
    assert [str(f) for f in suite.faults if f.level == "error"] == []
    (test,) = suite.tests
    longer = keep_longer_s(test.plan) if kept else {}
    trail = LevelTrail(levels_shown(test.plan))
    replay = replayed(
        test.plan,
        test.events,
        zone=LONDON,
        until=test.until,
        attach=lambda: Attached(keep_longer_s=longer, trail=trail),
    )
    return replay, test.plan


def charts(rule: str, story: str, *, kept: bool = True) -> Iterator[tuple[Transition, Chart | None]]:
    """Each change that people hear of, with its chart."""
    replay, plan = judged(rule, story, kept=kept)
    fired_at: dict[str, str] = {}
    for transition in replay.transitions:
        if transition.state == "firing":
            fired_at[transition.episode_id] = transition.at
        if transition.state in ("firing", "severity", "resolved"):
            fired = fired_at.get(transition.episode_id)
            yield transition, chart_of(replay.judge, transition, plan, fired_at=fired, currency="EUR")


def first_chart(rule: str, story: str) -> Chart:
    """Of the first change that has one."""
    return next(chart for _, chart in charts(rule, story) if chart is not None)
