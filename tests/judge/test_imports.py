"""Events that are imported before a service goes live: as if all had been live, and nobody is told of the past."""

from datetime import timedelta

import pytest
from comparison import differences, plain, with_numbers
from hypothesis import given
from hypothesis import strategies as st
from judge_pipeline import LATENESS_S, Pipeline, arrivals
from reference import micros, reference_transitions
from shorthand import LONDON, ORDERS, STOCK, clock, flow, orders, plan, rule, sessions, stock, when
from test_judge_properties import END, LENGTH_S, START, STEPS, examples, plans, run_to, streams

from lockstep.event.imports import IMPORTED, Mark, MarkKind, mark_of, mark_record
from lockstep.transition import TransitionName, decode

OPEN = (TransitionName.FIRING, TransitionName.SEVERITY)


def said(pipeline):
    """What was published: (of the past, told once more at its end, everything else)."""
    past, again, live = [], [], []
    for transition in map(decode, pipeline.published):
        known = {t.transition_id for t in past}
        (past if transition.past else again if transition.transition_id in known else live).append(transition)
    return past, again, live


def short(transitions):
    """`LowStock A firing 12:05`, in order."""
    return [f"{t.rule} {' '.join(t.labels.values())} {t.state} {t.at[11:-1].removesuffix(':00')}" for t in transitions]


def open_at(transitions, border):
    """The episodes that fire at an instant, of transitions in any order."""
    last = {}
    for t in sorted(transitions, key=lambda t: t.number):
        if micros(t.at) < border:
            last[t.episode_id] = t
    return {episode for episode, t in last.items() if t.state in OPEN}


def read(pipeline, steps=()):
    """Let meters and judges work, die and begin anew; then the imports have been read to their ends.

    What is live has not come: its lanes wait.
    """
    for step in steps:
        source = list(pipeline.logs)[step // 72 % len(pipeline.logs)]
        n, size = step // 72 % len(pipeline.samples), step // 8 % 9 + 1
        match step % 8:
            case 0 | 1 | 2 | 3:
                pipeline.measure(source, size)
            case 4:
                pipeline.commit_source(source)
                pipeline.judge(n, size)
            case 5:
                pipeline.judge(n, size * 4)
                pipeline.cut(n)
            case 6:
                pipeline.crash_meter(source)
            case _:
                pipeline.crash_judge(n)
    for source in pipeline.logs:
        pipeline.measure(source)


def import_then_live(watched, events, *, split, ended, until, shape, jitter, spread, before, after):
    """A pipeline that has read what was imported, all before an instant, and then what came live, to its end.

    shape, jitter, spread: as for `arrivals`. before, after: what happens meanwhile (`read`, `run_to`).
    """
    sources, samples = shape
    old = [e for e in events if micros(e["time"]) < micros(split.isoformat())]
    new = [e for e in events if micros(e["time"]) >= micros(split.isoformat())]
    pipeline = Pipeline(watched, sources=sources, samples=samples)
    pipeline.append_import(old, ended=ended)
    read(pipeline, before)
    coming = arrivals(watched, new, sources=sources, jitter=jitter, spread=spread, again=[]) if new else []
    run_to(pipeline, coming, after, until)
    return pipeline


@examples(100)
@given(
    plans(),
    streams(),
    st.sampled_from([(1, 1), (3, 1), (1, 4), (2, 4)]),
    st.lists(st.floats(0, LATENESS_S - 1), min_size=1, max_size=7),
    st.lists(st.integers(0, 5), min_size=1, max_size=7),
    st.integers(60, LENGTH_S),
    st.integers(0, 180),
    STEPS,
    STEPS,
)
def test_import_then_live_is_all_live(watched, events, shape, jitter, spread, split_s, gap_s, before, after):
    """Whatever is imported of them, and wherever meters and judges die: the transitions of a shop that was live."""
    split = START + timedelta(seconds=split_s)
    ended = split + timedelta(seconds=gap_s)
    until = max(END, ended)
    pipeline = import_then_live(
        watched,
        events,
        split=split,
        ended=ended,
        shape=shape,
        jitter=jitter,
        spread=spread,
        before=before,
        after=after,
        until=until,
    )
    past, again, live = said(pipeline)
    expected = reference_transitions(watched, events, zone=LONDON, until=until)
    as_live = [*map(plain, past), *map(plain, live)]
    unequal = differences(expected, as_live, numbers_of=with_numbers(watched), tolerance=0.011)
    assert not unequal, "\n".join(unequal)
    assert not pipeline.dead
    border = micros(ended.isoformat())
    assert all(micros(t.at) < border for t in past)
    assert all(micros(t.at) == border and t.state is TransitionName.FIRING for t in again)
    still_fires = open_at(past, border)
    assert sorted(t.episode_id for t in again) == sorted(still_fires), short([*past, *again, *live])


BUSY = plan(
    rule(when(ORDERS, "at_least 3"), name="Busy"),
    rule(when(STOCK, "at_most 20 clear above 30", window=None), name="Low"),
)


@pytest.mark.parametrize(
    ("imported", "live", "past", "told"),
    [
        pytest.param(
            orders("web: 12:01 x3, 12:03 x1"),
            orders("web: 12:09"),
            ["Busy web firing 12:02", "Busy web resolved 12:03"],
            [],
            id="what came and went is told to nobody",
        ),
        pytest.param(
            orders("web: 12:04:10 x3"),
            orders("web: 12:05:10 x3, 12:09"),
            ["Busy web firing 12:05"],
            ["Busy web firing 12:05:30", "Busy web resolved 12:07"],
            id="what fires when the import ends is told then",
        ),
        pytest.param(
            stock("A: 12:01 10, 12:02 25; B: 12:01 10, 12:02 40"),
            stock("A: 12:06 31, 12:07 5; B: 12:07 50"),
            ["Low A firing 12:01", "Low B firing 12:01", "Low B resolved 12:02"],
            ["Low A firing 12:05:30", "Low A resolved 12:06", "Low A firing 12:07"],
            id="a level is told before its first live value",
        ),
        pytest.param(
            stock("A: 12:01 10"),
            orders("web: 12:09"),
            ["Low A firing 12:01"],
            ["Low A firing 12:05:30"],
            id="a level without a live value is told when event time is there",
        ),
        pytest.param(
            orders("web: 12:04:10 x3"),
            [],
            ["Busy web firing 12:05"],
            ["Busy web firing 12:05:30", "Busy web resolved 12:06"],
            id="nothing comes live: time goes on from the end of the import",
        ),
    ],
)
def test_who_is_told(imported, live, past, told):
    """The import ends at 12:05:30; live events come after it."""
    pipeline = Pipeline(BUSY)
    pipeline.append_import(imported, ended=clock("12:05:30"))
    read(pipeline)
    for event in live:
        pipeline.arrive(event)
    pipeline.finish(clock("12:10"))
    found_past, again, found_live = said(pipeline)
    assert sorted(short(found_past)) == sorted(past)
    assert sorted(short([*again, *found_live])) == sorted(told)


def test_early_verdicts_wait_for_the_end_of_imported_time():
    """What breaches in a bucket that is open when the import ends is told when it closes, not lost as the past."""
    pipeline = Pipeline(plan(rule(when(ORDERS, "at_least 3"), name="Busy")))
    pipeline.append_import(orders("web: 12:05:10 x3"), ended=clock("12:05:30"))
    read(pipeline)
    pipeline.judge(0)
    pipeline.cut(0)
    assert not pipeline.published
    pipeline.arrive(orders("web: 12:09")[0])
    pipeline.finish(clock("12:10"))
    assert short(said(pipeline)[2]) == ["Busy web firing 12:06", "Busy web resolved 12:07"]


def test_an_import_that_goes_on_stands_still():
    """However long it pauses: its next event is as old as its last one, and not late."""
    pipeline = Pipeline(plan(rule(when(ORDERS, "at_least 3"), name="Busy")))
    pipeline.now = clock("18:00")
    pipeline.append_import(orders("web: 12:01"), ended=None)
    read(pipeline)
    meter = pipeline.meter("orders", IMPORTED)
    for minutes in range(60):
        meter.observe(at_end=True, now=clock("18:00") + timedelta(minutes=minutes))
    pipeline.now = clock("19:00")
    read(pipeline)
    pipeline.append_import(orders("web: 12:02 x3"), ended=clock("19:00"))
    read(pipeline)
    pipeline.arrive(orders("web: 19:09")[0])
    pipeline.finish(clock("19:10"))
    assert short(said(pipeline)[0]) == ["Busy web firing 12:03", "Busy web resolved 12:04"]
    assert not pipeline.dead


@pytest.mark.parametrize("size", range(1, 9))
def test_a_second_import_follows_before_anybody_reads(size):
    """Wherever batches are cut: the end of the first is none, so the second is not too late."""
    pipeline = Pipeline(BUSY)
    pipeline.append_import(orders("web: 12:01 x3"), ended=clock("12:30"))
    pipeline.append_import(orders("web: 12:03 x3"), ended=clock("12:31"))
    source = "orders", IMPORTED
    pipeline.ends_from[source] = len(pipeline.logs[source].values) - 1
    pipeline.crash_meter(source)
    for seconds in (0, 31):  # the role's own topic is known to be empty: it holds nobody up
        pipeline.meter("orders", 0).observe(at_end=True, now=pipeline.now + timedelta(seconds=seconds))
    pipeline.measure(("orders", 0))
    for _ in pipeline.logs[source].values:
        pipeline.measure(source, size)
    pipeline.finish(clock("12:40"))
    assert short(said(pipeline)[0]) == [
        "Busy web firing 12:02",
        "Busy web resolved 12:03",
        "Busy web firing 12:04",
        "Busy web resolved 12:05",
    ]
    assert not pipeline.dead


def test_one_kind_is_imported_and_another_is_live():
    """A rule that reads both is judged when both are there; what reads the live one alone is told as ever."""
    both = plan(
        rule(when(ORDERS, "at_least 3"), name="Busy"),
        rule(when(flow("count", "traffic.session"), "at_least 2"), name="Crowd"),
    )
    pipeline = Pipeline(both)
    pipeline.append_import(orders("web: 12:01 x3"), ended=clock("12:05:30"))
    for event in sessions("web: 12:02 x2, 12:04"):
        pipeline.arrive(event)
    pipeline.finish(clock("12:10"))
    past, again, live = said(pipeline)
    assert short(past) == ["Busy web firing 12:02", "Busy web resolved 12:03"]
    assert short([*again, *live]) == ["Crowd web firing 12:03", "Crowd web resolved 12:04"]


def test_marks():
    """They are told apart from each other and from events, by types that brokers have kept for long."""
    assert {kind.name: kind.value.removeprefix("lockstep.import.") for kind in MarkKind} == {
        "ASKED": "asked",
        "BEGUN": "begun",
        "ENDED": "ended",
        "SERVED": "served",
    }
    for mark in (Mark(kind, at_us) for kind in MarkKind for at_us in (1_000_001, 5_000_000)):
        assert mark_of(mark_record("orders", mark).value) == mark
    for value in (None, b"", b"{", b'"lockstep.import.', b'{"type": "lockstep.import.else", "time": "x"}'):
        assert mark_of(value) is None
