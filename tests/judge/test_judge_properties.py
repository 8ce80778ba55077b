"""Random rules on random events: however it is fed, cut and restored, the service says what the reference says.

The examples are the same in every run; `LOCKSTEP_TEST_FACTOR=50` looks that many times further, at new ones.
"""

import os
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from comparison import differences, judged, plain, with_numbers
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from judge_pipeline import LATENESS_S, Pipeline, arrivals
from reference import reference_transitions
from shorthand import (
    LONDON,
    ORDERS,
    SESSIONS,
    STOCK,
    Event,
    clock,
    event,
    flow,
    level,
    of,
    orders,
    plan,
    ratio,
    rule,
    when,
)

from lockstep.calendar import Day, Entry, calendar_of
from lockstep.measure.definition import Aggregate, Measured, SeriesDef, series_of
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable, Source, specificity
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Change,
    Condition,
    Hours,
    Level,
    NewValue,
    Not,
    Override,
    Plan,
    Projection,
    Rule,
    Severity,
    Share,
    Spike,
    Tolerance,
)
from lockstep.rule.condition.when import is_level_only
from lockstep.tools.backtest.replay import replay_events

START = clock("12:00")
LENGTH_S = 1_200
END = START + timedelta(seconds=LENGTH_S)

FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))


def examples(count: int) -> settings:
    unhurried = [HealthCheck.too_slow, HealthCheck.large_base_example]
    return settings(
        max_examples=int(count * FACTOR),
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=unhurried,
        phases=[Phase.generate, *([Phase.shrink] if FACTOR == 1 else [])],
    )


# ---- events ---------------------------------------------------------------------------------------------------------

CHANNELS = st.sampled_from(["web", "app"])
SKUS = st.sampled_from(["A", "B"])
# Bursts on and around the borders of buckets, and anything in between.
SECONDS = st.one_of(
    st.integers(0, LENGTH_S // 60 - 1).map(lambda m: m * 60.0),
    st.integers(0, LENGTH_S // 60 - 1).map(lambda m: m * 60 + 59.999999),
    st.integers(0, LENGTH_S - 1).map(float),
)


@st.composite
def streams(draw: st.DrawFn, most: int = 50) -> list[Event]:
    found = []
    for i in range(draw(st.integers(1, most))):
        at = START + timedelta(seconds=draw(SECONDS))
        kind = draw(st.sampled_from(["order.placed", "order.placed", "traffic.session", "stock.level"]))
        data: dict[str, Any]
        if kind == "stock.level":
            at += timedelta(microseconds=-i if at.microsecond else i)  # equal times have an order of their own
            data = {"sku": draw(SKUS), "available": draw(st.integers(0, 6))}
            if draw(st.booleans()):
                data["location"] = "WH2"
            if draw(st.booleans()):
                data["reserved"] = draw(st.integers(0, 4))
        else:
            data = {"channel": draw(CHANNELS)}
            if draw(st.booleans()):
                data["count"] = draw(st.integers(1, 3))
            if kind == "order.placed":
                line = {"sku": draw(SKUS), "quantity": draw(st.integers(0, 3)), "unit_price": 1}
                total = draw(st.sampled_from([0.1, 1.5, 10, 100, -5]))
                customer = draw(st.sampled_from(["x", "y", "z"]))
                data |= {"order_id": "o", "total": total, "lines": [line], "customer": customer}
        found.append(event(kind, at, i, **data))
    return found


# ---- rules ----------------------------------------------------------------------------------------------------------

WINDOWS = st.sampled_from([60, 120, 300])
NUMBERS = st.sampled_from([0, 1, 2, 3, 4])
SEVERITIES = st.sampled_from(list(Severity))
SUM = flow("sum", field="total")
BY_CHANNEL = [
    ORDERS,
    SESSIONS,
    SUM,
    flow("average", field="total"),
    flow("minimum", field="total"),
    flow("maximum", field="total"),
    flow("distinct", field="customer"),
    flow("percentile", field="total", quantile=0.9),
    ratio(ORDERS, SESSIONS),
]
BY_SKU = [
    flow("count", by=("sku",), line_labels=("sku",)),
    flow("sum", field="lines.quantity", by=("sku",), line_labels=("sku",)),
    STOCK,
    replace(STOCK, field="reserved"),
    replace(STOCK, field="reserved", stale_after_s=120),
]
BY_NOTHING = [flow("count", by=()), flow("count", "traffic.session", by=()), level(by=())]


@st.composite
def bounds_texts(draw: st.DrawFn, clear: bool) -> list[str]:
    """One or two levels in one direction."""
    rising = draw(st.booleans())
    word, back = (
        (draw(st.sampled_from(["above", "at_least"])), "below")
        if rising
        else (draw(st.sampled_from(["below", "at_most"])), "above")
    )
    first = draw(NUMBERS)
    texts = [f"{word} {first}"]
    if draw(st.booleans()):
        texts.append(f"critical {word} {first + (2 if rising else -2)}")
    if clear and draw(st.booleans()):
        texts[0] += f" clear {back} {first + (-1 if rising else 1)}"
    return texts


@st.composite
def sources(draw: st.DrawFn, measures: list[Any]) -> Source:
    """A bound that is another measure's value, or stands in a table."""
    times, plus = draw(st.sampled_from([(1, 0), (1, 0), (0.5, 0), (1.1, 0), (1, 1), (2, -1)]))
    measure = draw(st.sampled_from([m for m in measures if not _is_rough(m)]))
    expression = Measured(measure) if isinstance(measure, SeriesDef) else measure
    series = series_of(expression)
    if draw(st.booleans()):
        window = draw(WINDOWS) if any(not s.is_level for s in series) else None
        return OfMeasure("other", expression, window, times, plus)
    # By the labels of the measures that are drawn from; a rule may have more, never fewer.
    labels = tuple(sorted(min((s.by for s in series), key=len)))
    cells = {"channel": ["web", "w*", "*"], "sku": ["A", "*", "B*"], "customer": ["x", "*", "*y"]}
    rows = draw(st.dictionaries(st.tuples(*(st.sampled_from(cells[n]) for n in labels)), ROW_NUMBERS, max_size=3))
    ordered = tuple(sorted(rows.items(), key=lambda row: specificity(row[0])))
    return OfTable("t.csv", "n", labels, ordered, draw(st.sampled_from([None, 2])), times, plus)


ROW_NUMBERS = st.sampled_from([0, 1, 3, None])


def _is_rough(measure: Any) -> bool:
    """Percentiles are known to a hundredth: what is compared with them may fall on either side."""
    return any(s.aggregate is Aggregate.PERCENTILE for s in series_of(of(measure)))


@st.composite
def sourced(draw: st.DrawFn, condition: Any, measures: list[Any]) -> Any:
    """A threshold or share with some of its bounds from elsewhere."""
    if _is_rough(condition.expression):
        return condition
    levels = []
    for one in condition.levels:
        breach = draw(_elsewhere(one.breach, measures))
        levels.append(Level(one.severity, breach, one.clear and draw(_elsewhere(one.clear, measures))))
    return replace(condition, levels=tuple(levels))


@st.composite
def _elsewhere(draw: st.DrawFn, bounds: Bounds, measures: list[Any]) -> Bounds:
    if not draw(st.booleans()):
        return bounds
    word = next(w for w in ("above", "below", "at_least", "at_most") if getattr(bounds, w) is not None)
    return Bounds(sources=((word, draw(sources(measures))),))


@st.composite
def thresholds(draw: st.DrawFn, measures: list[Any], clear: bool = True) -> Condition:
    if draw(st.integers(0, 2)) == 0:
        return draw(sourced(draw(fixed_thresholds(measures, clear)), measures))
    return draw(fixed_thresholds(measures, clear))


@st.composite
def fixed_thresholds(draw: st.DrawFn, measures: list[Any], clear: bool = True) -> Condition:
    measure = draw(st.sampled_from(measures))
    is_level = isinstance(measure, SeriesDef) and measure.is_level
    overrides: tuple[Override, ...] = ()
    if draw(st.integers(0, 4)) == 0:
        other = when(ORDERS, *draw(bounds_texts(clear)))
        overrides = (Override((("channel", "a*"),), other.levels),)
    return when(measure, *draw(bounds_texts(clear)), window=None if is_level else draw(WINDOWS), overrides=overrides)


PREVIOUS = st.sampled_from([Baseline(), *(Baseline(previous_s=s) for s in (120, 180, 300, 420))])
NOON = (Hours(frozenset({2}), time(12, 5), time(12, 12)),)
TODAY_CLOSED = calendar_of([Entry("closed", "today", (Day(on=START.date()),))])
MARCH_CLOSED = calendar_of([Entry("closed", "Friday", (Day(weekday=4),))])
MORNINGS = (Hours(frozenset({0, 1, 3, 4, 6}), time(9), time(10, 2)),)


@st.composite
def spikes(draw: st.DrawFn, measures: list[Any], baselines: st.SearchStrategy[Baseline]) -> Condition:
    measure = draw(st.sampled_from(measures))
    above = draw(st.sampled_from([None, 1.0, 1.1, 1.5, 2.0, 3.0]))
    below = draw(st.sampled_from([None, 0.3, 0.5, 0.75]))
    deviations = draw(st.sampled_from([None, None, 0.5, 1.25]))
    if above is None and below is None and deviations is None:
        above = 1.5
    return Spike(
        of(measure) if isinstance(measure, SeriesDef) else measure,
        draw(WINDOWS),
        draw(baselines),
        draw(SEVERITIES),
        above=above,
        below=below,
        deviations=deviations,
        at_least=draw(st.sampled_from([None, 2])),
        usual_at_least=draw(st.sampled_from([None, 0, 1, 2])),
        clear_below=draw(st.sampled_from([None, 1.0])) if above else None,
        clear_above=draw(st.sampled_from([None, 0.75])) if below and not above else None,
        clear_below_by=draw(st.sampled_from([None, None, 1, 0])) if above else None,
        clear_above_by=draw(st.sampled_from([None, None, -1])) if below and not above else None,
        chance=draw(st.sampled_from([None, None, 0.3, 0.1])),
        hours=draw(st.sampled_from([(), (), (), NOON])),
        closed=draw(st.sampled_from([None, None, None, TODAY_CLOSED])),
    )


@st.composite
def absences(draw: st.DrawFn, measures: list[SeriesDef], wider: bool = False) -> Condition:
    measure = draw(st.sampled_from(measures))
    hours = draw(st.sampled_from([(), NOON]))
    named = {("channel",): (("web",), ("shop",)), ("sku",): (("C",),)}.get(measure.by, ())
    expected = () if wider else draw(st.sampled_from([(), named]))
    return Absence(of(measure), draw(WINDOWS), draw(SEVERITIES), hours, expected)


@st.composite
def changes(draw: st.DrawFn, measures: list[Any]) -> Condition:
    measure = draw(st.sampled_from(measures))
    is_level = isinstance(measure, SeriesDef) and measure.is_level
    return Change(
        of(measure) if isinstance(measure, SeriesDef) else measure,
        draw(WINDOWS) if not is_level or draw(st.booleans()) else None,
        draw(SEVERITIES),
        by=draw(st.sampled_from([None, 1, 2])),
        by_ratio=draw(st.sampled_from([None, None, 0.5])),
        up=draw(st.booleans()),
    )


@st.composite
def new_values(draw: st.DrawFn, counts: list[SeriesDef]) -> Condition:
    return NewValue(
        of(draw(st.sampled_from(counts))),
        draw(st.sampled_from([60, 120])),
        draw(st.sampled_from([120, 150, 300])),
        draw(st.sampled_from([0, 90, 300])),
        draw(SEVERITIES),
    )


@st.composite
def shares(draw: st.DrawFn, measures: list[Any], clear: bool = True) -> Condition:
    part, whole = draw(st.sampled_from(measures)), draw(st.sampled_from(measures))
    texts = draw(bounds_texts(clear))
    levels = when(part, *texts, window=60).levels
    scale = draw(st.sampled_from([1, 0.25]))
    halved = [replace(x, breach=_scaled(x.breach, scale), clear=x.clear and _scaled(x.clear, scale)) for x in levels]
    is_level = part.is_level and whole.is_level
    return Share(
        of(part),
        of(whole),
        None if is_level else draw(WINDOWS),
        tuple(halved),
        draw(st.sampled_from([1, 3])),
        draw(st.sampled_from([None, 0.9])),
    )


def _scaled(bounds: Bounds, scale: float) -> Bounds:
    words = ("above", "below", "at_least", "at_most")
    return Bounds(**{w: None if getattr(bounds, w) is None else getattr(bounds, w) * scale for w in words})


@st.composite
def projections(draw: st.DrawFn, flows: list[Any], levels: list[SeriesDef]) -> Condition:
    flow = of(draw(st.sampled_from(flows)))
    level = of(draw(st.sampled_from(levels))) if levels and draw(st.booleans()) else None
    within = draw(st.sampled_from([None, 300, 600])) if level else None
    reaches = draw(st.sampled_from([0, 2] if level else [3, 50, 400]))
    pace = flow if level and draw(st.booleans()) else None
    return Projection(level or flow, pace, reaches, within, draw(WINDOWS), draw(SEVERITIES))


CHANNEL = ("channel",)
WIDE = [
    ([replace(m, key=()) for m in BY_CHANNEL if isinstance(m, SeriesDef)], BY_NOTHING),
    ([replace(m, key=()) for m in BY_SKU], BY_NOTHING),
    (
        [
            flow("count", by=("channel", "customer"), key=CHANNEL),
            flow("sum", field="total", by=("channel", "customer"), key=CHANNEL),
        ],
        [ORDERS, SESSIONS, flow("maximum", field="total")],
    ),
]
"""Series by all labels of a rule and by fewer, published under the labels that they share."""


@st.composite
def wide_conditions(draw: st.DrawFn) -> Condition:
    """Parts over a group's own labels and over wider ones."""
    own, wider = draw(st.sampled_from(WIDE))
    if draw(st.integers(0, 3)) == 0:
        return draw(sourced(draw(fixed_thresholds(own)), [*own, *wider, *wider]))
    both = st.one_of(conditions_of(own), conditions_of(wider, wider=True))
    found = [draw(conditions_of(own)), draw(conditions_of(wider, wider=True)), *draw(st.lists(both, max_size=1))]
    if draw(st.booleans()):
        found.append(draw(nested(both)))
    return draw(combined(st.permutations(found)))


def combined(parts: st.SearchStrategy[list[Condition]]) -> st.SearchStrategy[Condition]:
    """`any` or `all` of these."""
    return st.builds(
        lambda kind, of, severity: kind(tuple(of), severity), st.sampled_from([All, AnyOf]), parts, SEVERITIES
    )


def nested(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """A combination that is itself a part, or what is not so."""
    inner = combined(st.lists(parts, min_size=2, max_size=2))
    return st.one_of(inner, inner, st.builds(Not, inner, SEVERITIES))


def conditions_of(measures: list[Any], wider: bool = False) -> st.SearchStrategy[Condition]:
    """What can be a part of a combination."""
    single = [m for m in measures if isinstance(m, SeriesDef) and m.aggregate.value in ("count", "sum", "last")]
    sums = [m for m in single if not m.is_level]
    counts = [m for m in sums if m.aggregate.value == "count"]
    levels = [m for m in single if m.is_level]
    windowed = changes(measures).filter(lambda c: c.window_s is not None)
    flows = [m for m in measures if not isinstance(m, SeriesDef) or not m.is_level]
    others = [shares(single), windowed, projections(sums, levels), new_values(counts), spikes(flows, PREVIOUS)]
    quiet = absences(counts, wider)
    graded = st.one_of(thresholds(measures), shares(single)).map(lambda c: replace(c, graded=True))
    found = st.one_of(thresholds(measures), graded, quiet, *others)
    return st.one_of(found, found, found, st.builds(Not, found, SEVERITIES))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    measures = draw(st.sampled_from([BY_CHANNEL, BY_CHANNEL, BY_SKU, BY_NOTHING]))
    flows = [m for m in measures if not isinstance(m, SeriesDef) or not m.is_level]
    counts = [m for m in flows if isinstance(m, SeriesDef) and m.aggregate.value == "count"]
    single = [m for m in measures if isinstance(m, SeriesDef) and m.aggregate.value in ("count", "sum", "last")]
    sums = [m for m in single if not m.is_level]
    levels = [m for m in single if m.is_level]
    parts = conditions_of(measures)
    match draw(st.integers(0, 14)):
        case 12 | 13 | 14:
            return draw(wide_conditions())
        case 8:
            return draw(changes(measures))
        case 9:
            return draw(new_values(counts))
        case 10:
            found = draw(shares(single))
            return draw(sourced(found, single)) if draw(st.booleans()) else found
        case 11:
            return draw(projections(sums, levels))
        case 0 | 1 | 2:
            return draw(thresholds(measures))
        case 3 | 4:
            return draw(spikes(flows, PREVIOUS))
        case 5:
            return draw(absences(counts))
        case 6:
            return draw(combined(st.lists(st.one_of(parts, parts, parts, nested(parts)), min_size=2, max_size=3)))
        case _:
            return Not(draw(parts), draw(SEVERITIES))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    found: list[Rule] = []
    for n in range(draw(st.integers(1, 3))):
        condition = draw(conditions())
        hold = draw(st.sampled_from([None, None, None, Tolerance(2, 3), Tolerance(3, 4)]))
        found.append(
            rule(
                condition,
                hold=draw(st.sampled_from([0, 0, 30, 60, 90, 150])),
                keep=draw(st.sampled_from([0, 0, 30, 60, 90])),
                no_data=draw(st.sampled_from(["keep", "ok", "alert"])),
                name=f"R{n}",
                forget_after_s=draw(st.sampled_from([7 * 86_400, 7 * 86_400, 300])),
                cool_down_s=draw(st.sampled_from([0, 0, 45, 60, 150, 400])),
                tolerance=None if is_level_only(condition) else hold,
            )
        )
    return plan(*found)


# ---- the properties -------------------------------------------------------------------------------------------------


@examples(250)
@given(plans(), streams(), st.randoms(use_true_random=False), st.integers(0, 200))
def test_the_service_says_what_the_reference_says(watched, events, random, more):
    """In any order of the file, with events that stand in it twice, up to any instant."""
    shuffled = [*events, *random.sample(events, len(events) // 4)]
    random.shuffle(shuffled)
    until = END + timedelta(seconds=more - 100)
    kept = [e for e in shuffled if e["time"] <= until.isoformat()]
    if kept:
        judged(watched, shuffled, until=until, tolerance=0.011)


@st.composite
def weeks(draw: st.DrawFn) -> list[Event]:
    """Orders at about the same time on several days around a clock change."""
    found = []
    for i in range(draw(st.integers(8, 30))):
        day = clock("2026-03-26 09:00") + timedelta(days=draw(st.integers(0, 5)))
        at = day + timedelta(seconds=draw(st.sampled_from([0, 60, 120, 3600, 3660, 3720, 3719])))
        found.append(event("order.placed", at, i, order_id="o", total=10.0, lines=[], channel="web"))
    return found


@examples(12)
@given(
    spikes([ORDERS], st.builds(Baseline, days=st.integers(1, 4))),
    weeks(),
    st.sampled_from([0, 90]),
    st.sampled_from([(), (), MORNINGS]),
    st.sampled_from([None, MARCH_CLOSED]),
)
def test_seasons(condition, events, hold, hours, closed):
    """The same time of day in earlier days, across a clock change, within hours and beside a closed day."""
    condition = replace(condition, hours=hours, closed=closed)
    judged(plan(rule(condition, hold=hold)), events)


STEPS = st.lists(st.integers(0, 10**6), min_size=5, max_size=60)


def run(pipeline: Pipeline, coming: list[tuple[Event, int, float]], steps: list[int]) -> list[dict[str, Any]]:
    """Let things happen in the order that `steps` says, then read everything to its end."""
    return run_to(pipeline, coming, steps, END)


def run_to(
    pipeline: Pipeline, coming: list[tuple[Event, int, float]], steps: list[int], until: datetime
) -> list[dict[str, Any]]:
    queue = list(coming)
    for step in steps:
        action, size = step % 8, step // 8 % 9 + 1
        source = list(pipeline.logs)[step // 72 % len(pipeline.logs)]
        n = step // 72 % len(pipeline.samples)
        if action in (0, 1, 2):
            for item in queue[: size * 2]:
                pipeline.arrive(*item)
            del queue[: size * 2]
            for each, log in pipeline.logs.items():
                if log.at < len(log.values) and action:
                    pipeline.measure(each, size)
        elif action == 3:
            pipeline.measure(source, size)
        elif action == 4:
            pipeline.commit_source(source)
            pipeline.judge(n, size)
        elif action == 5:
            pipeline.judge(n, size * 4)
            pipeline.cut(n)
        elif action == 6:
            pipeline.crash_meter(source)
        else:
            pipeline.crash_judge(n)
    for item in queue:
        pipeline.arrive(*item)
    return pipeline.finish(until)


def compared(watched: Plan, events: list[Event], said: list[dict[str, Any]]) -> list[str]:
    expected = reference_transitions(watched, events, zone=LONDON, until=END)
    return differences(expected, said, numbers_of=with_numbers(watched), tolerance=0.011)


@examples(200)
@given(
    plans(),
    streams(),
    st.sampled_from([(1, 1), (3, 1), (1, 4), (2, 4)]),
    st.lists(st.floats(0, LATENESS_S - 1), min_size=1, max_size=7),
    st.lists(st.integers(0, 5), min_size=1, max_size=7),
    st.lists(st.integers(0, 100), max_size=5),
    STEPS,
)
def test_cut_anywhere_and_fed_in_any_order(watched, events, shape, jitter, spread, again, steps):
    """Out of order within lateness, twice, over partitions, with meters and judges that die: the same transitions."""
    sources, samples = shape
    coming = arrivals(watched, events, sources=sources, jitter=jitter, spread=spread, again=again)
    found = compared(watched, events, run(Pipeline(watched, sources=sources, samples=samples), coming, steps))
    assert not found, "\n".join(found)


BREAKABLE = [e for m in range(10) for e in orders(f"web: 12:0{m} x{5 + m % 3}")]


@pytest.mark.parametrize(
    ("broken", "is_noticed"),
    [
        pytest.param({}, False, id="nothing is broken"),
        pytest.param({"rewinds": False}, True, id="no rewind to the chunk's head"),
        pytest.param({"remembers": False}, True, id="state dropped at restore"),
    ],
)
def test_a_broken_scheme_is_noticed(broken, is_noticed):
    """The comparison can fail: without the rewind or the state the transitions differ."""
    watched = plan(rule(when(ORDERS, "above 6"), hold=60), rule(when(ORDERS, "at_most 5"), name="S"))
    pipeline = Pipeline(watched, **broken)
    coming = arrivals(watched, BREAKABLE, sources=1, jitter=[0.0], spread=[0], again=[])
    for i, item in enumerate(coming):
        pipeline.arrive(*item)
        if i % 5 == 4:
            pipeline.measure(("orders", 0))
            pipeline.commit_source(("orders", 0))
            pipeline.judge(0)
            pipeline.cut(0)
        if i % 10 == 9:
            pipeline.crash_meter(("orders", 0))
            pipeline.crash_judge(0)
    found = compared(watched, BREAKABLE, pipeline.finish(END))
    assert bool(found) == is_noticed, "\n".join(found)


def test_the_reference_can_be_wrong():
    """A reference that is told other events differs from the service."""
    events = orders("web: 12:00 x6")
    watched = plan(rule(when(ORDERS, "above 5")))
    actual = [plain(t) for t in replay_events(watched, events, zone=LONDON)]
    assert differences(reference_transitions(watched, events[1:], zone=LONDON), actual)
