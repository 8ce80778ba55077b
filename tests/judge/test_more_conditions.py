"""Change, new value, share, ratio, projection: small events, transitions computed by hand, told by both judges."""

from datetime import time, timedelta

import pytest
from comparison import differences, judged
from judge_pipeline import LATENESS_S, Pipeline, role_of
from reference import reference_transitions
from shorthand import (
    LONDON,
    ORDERS,
    ORDERS_ALL,
    SESSIONS,
    SESSIONS_ALL,
    STOCK,
    clock,
    flow,
    level,
    lines,
    of,
    orders,
    plan,
    rule,
    sessions,
    stock,
    when,
)

from lockstep.measure.history import BUCKETS_PER_BLOCK
from lockstep.rule.condition.kind.projection import shop_day
from lockstep.rule.condition.kind.share import wilson_bounds
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Change,
    Hours,
    NewValue,
    Not,
    Override,
    Projection,
    Severity,
    Share,
)

WARNING = Severity.WARNING
UNITS = flow("sum", field="lines.quantity", by=("sku",), line_labels=("sku",))
HOUR, DAY = 3_600, 86_400


def change(measure=STOCK, window=None, **more):
    return Change(of(measure), window, WARNING, **more)


def share(*levels, part=ORDERS, whole=SESSIONS, window=60, least=10, confidence=None):
    return Share(of(part), of(whole), window, when(part, *levels).levels, least, confidence)


def told(watched, events, until):
    return lines(judged(plan(watched), events, until=clock(until)))


def told_in_steps(watched, events, until):
    """As the service tells it event by event, its state cut and restored on the way; the reference says the same."""
    pipeline = Pipeline(watched)
    for n, event in enumerate(sorted(events, key=lambda e: e["time"])):
        pipeline.arrive(event, 0)
        pipeline.measure((role_of(event), 0))
        pipeline.judge(0)
        if n % 5 == 4:
            pipeline.cut(0)
            pipeline.crash_judge(0)
    found = pipeline.finish(until)
    assert not differences(reference_transitions(watched, events, zone=LONDON, until=until), found)
    return lines(found)


@pytest.mark.parametrize(
    ("watched", "levels", "until", "expected"),
    [
        pytest.param(
            rule(change()),
            "A: 12:00 30, 12:01 30, 12:02:10 35, 12:03 35, 12:04 34",
            "12:10",
            ["12:02:10 A firing warning", "12:03 A resolved warning", "12:04 A firing warning"],
            id="a value that is not the one before it",
        ),
        pytest.param(
            rule(change(by=5)),
            "A: 12:00 30, 12:01 34, 12:02 39, 12:03 39",
            "12:10",
            ["12:02 A firing warning", "12:03 A resolved warning"],
            id="by so much, this included",
        ),
        pytest.param(
            rule(change(by_ratio=0.5, up=False)),
            "A: 12:00 10, 12:01 20, 12:02 12, 12:03 6, 12:04 0, 12:05 0",
            "12:10",
            ["12:03 A firing warning", "12:05 A resolved warning"],
            id="down only, by a part of what it was",
        ),
        pytest.param(
            rule(change()),
            "A: 12:00 30 WH1, 12:01 5 WH2, 12:02 5 WH2",
            "12:10",
            ["12:01 A firing warning", "12:02 A resolved warning"],
            id="the level of all places counts",
        ),
        pytest.param(
            rule(change(window=300, by=10)),
            "A: 12:00 30, 12:07:30 24, 12:08:30 18, 12:20 18",
            "12:30",
            ["12:09 A firing warning", "12:13 A resolved warning"],
            id="over a window, small steps add up and leave again",
        ),
        pytest.param(
            rule(change(window=300)),
            "A: 12:00 30, 12:07:10 24, 12:07:50 30",
            "12:30",
            [],
            id="there and back within a bucket is no change",
        ),
    ],
)
def test_change_of_a_level(watched, levels, until, expected):
    """A level against what it was; the first value is no change."""
    assert told(watched, stock(levels), until) == expected


def test_change_of_a_flow():
    """A window against the one before it."""
    events = orders("web: 12:00 x4, 12:01 x4, 12:02 x10, 12:03 x9, 12:04 x9")
    watched = rule(change(ORDERS, window=60, by_ratio=1.0))
    assert told(watched, events, "12:06") == [
        "12:03 web firing warning",
        "12:04 web resolved warning",
        "12:06 web firing warning",
    ]


def new(in_s, learn_s, window=600):
    return rule(NewValue(of(ORDERS), window, in_s, learn_s, WARNING))


@pytest.mark.parametrize(
    ("watched", "text", "until", "expected"),
    [
        pytest.param(
            new(HOUR, 0),
            "web: 12:00, 12:05; app: 12:20:30, 12:25",
            "12:40",
            [
                "12:01 web firing warning",
                "12:11 web resolved warning",
                "12:21 app firing warning",
                "12:31 app resolved warning",
            ],
            id="new from its first event on, for the window",
        ),
        pytest.param(
            new(HOUR, HOUR),
            "web: 12:00, 12:30, 13:00, 13:05; app: 12:20; shop: 13:10",
            "13:15",
            ["13:11 shop firing warning"],
            id="while the source is learnt nothing is new",
        ),
        pytest.param(
            new(HOUR, 0),
            "web: 12:00, 12:59, 13:58, 14:59",
            "15:30",
            [
                "12:01 web firing warning",
                "12:11 web resolved warning",
                "15:00 web firing warning",
                "15:10 web resolved warning",
            ],
            id="new again after as long without one",
        ),
    ],
)
def test_new_value(watched, text, until, expected):
    """The first event of a group in a long time."""
    assert told(watched, orders(text), until) == expected


def test_a_new_value_is_known_by_more_than_the_history_kept():
    """Blocks of buckets expire; when a value was seen last is kept for as long as it matters."""
    first = clock("2026-01-01 00:00")
    steady = [first + timedelta(hours=h) for h in range(0, 72, 3)]
    quiet = [first, first + timedelta(seconds=BUCKETS_PER_BLOCK * 60 * 15)]
    text = "; ".join(
        f"{name}: " + ", ".join(f"{t:%Y-%m-%d %H:%M}" for t in times)
        for name, times in (("web", steady), ("app", quiet))
    )
    again = ["2026-01-03 12:01 app firing warning", "2026-01-03 12:11 app resolved warning"]
    for days, expected in ((3, []), (2, again)):
        watched = plan(rule(NewValue(of(ORDERS), 600, days * DAY, DAY, WARNING), forget_after_s=DAY))
        assert told_in_steps(watched, orders(text), first + timedelta(days=3)) == expected


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(when(ORDERS, "above 0", window=120), id="a count"),
        pytest.param(NewValue(of(ORDERS), 120, HOUR, 0, WARNING), id="a new value"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_breach_that_lasts_into_the_open_bucket_fires_at_once(condition, restarts):
    """Nothing new came, but what is in the window stays there; a restart in between changes nothing."""
    watched = plan(rule(condition, hold=30))
    pipeline = Pipeline(watched)
    for event in orders("app: 12:00; web: 12:19"):
        pipeline.arrive(event, 0)
    if restarts:
        pipeline.measure(("orders", 0))
        pipeline.judge(0)
        pipeline.cut(0)
        pipeline.crash_judge(0)
    told = lines(pipeline.finish(clock("12:20")))
    assert told[-2:] == ["12:20 web pending warning", "12:20:30 web firing warning"]


@pytest.mark.parametrize(
    ("watched", "bought", "visits", "expected"),
    [
        pytest.param(
            rule(share("above 0.2 clear below 0.1")),
            "web: 12:00 *3, 12:01 *2, 12:02 *1",
            "web: 12:00 *10, 12:01 *10, 12:02 *20",
            ["12:01 web firing warning", "12:03 web resolved warning"],
            id="a part of the whole, with a band",
        ),
        pytest.param(
            rule(share("above 0.2", least=11)),
            "web: 12:00 *3, 12:01 *3",
            "web: 12:00 *10, 12:01 *11",
            ["12:02 web firing warning"],
            id="too few of the whole tell nothing",
        ),
        pytest.param(
            rule(share("above 0.2", confidence=0.95)),
            "web: 12:00 *3, 12:01 *30",
            "web: 12:00 *10, 12:01 *100",
            ["12:02 web firing warning"],
            id="surely above: 3 in 10 may be less, 30 in 100 hardly",
        ),
        pytest.param(
            rule(share("below 0.2", confidence=0.95)),
            "web: 12:00 *1, 12:01 *10",
            "web: 12:00 *10, 12:01 *100",
            ["12:02 web firing warning"],
            id="surely below",
        ),
        pytest.param(
            rule(share("warning above 0.2", "critical above 0.5")),
            "web: 12:00 *3, 12:01 *6",
            "web: 12:00 *10, 12:01 *10",
            ["12:01 web firing warning", "12:02 web severity critical"],
            id="with levels",
        ),
    ],
)
def test_share(watched, bought, visits, expected):
    """Orders per session, judged where there are enough sessions."""
    assert told(watched, [*orders(bought), *sessions(visits)], expected[-1].split()[0]) == expected


@pytest.mark.parametrize(
    ("seen", "whole", "expected"),
    [
        pytest.param(0.2, 10, (0.0567, 0.5098), id="2 in 10"),
        pytest.param(0.2, 1000, (0.1764, 0.2259), id="200 in 1000"),
        pytest.param(0.0, 10, (0.0, 0.2775), id="none"),
        pytest.param(1.5, 10, (0.7225, 1.0), id="more than all count as all"),
    ],
)
def test_wilson_s_bounds(seen, whole, expected):
    """The two-sided 95 % interval of the literature is the one-sided one of 97.5 %."""
    assert wilson_bounds(seen, whole, 0.975) == pytest.approx(expected, abs=5e-5)


def projection(measure, reaches, within, window, pace=None):
    return rule(Projection(of(measure), None if pace is None else of(pace), reaches, within, window, WARNING))


def bought(text):
    """`A: 12:00 x3`: orders of one unit."""
    found = orders(text)
    for event in found:
        event["data"]["lines"] = [{"sku": event["data"].pop("channel"), "quantity": 1, "unit_price": 1}]
    return found


def test_days_of_cover():
    """What is left, divided by what is sold a minute: 6 left and 1 a minute last 6 minutes."""
    events = [*bought("A: 12:00 x4, 12:05 x5, 12:10 x20"), *stock("A: 12:00 40, 12:04 20, 12:10:30 30, 12:12 100")]
    watched = projection(STOCK, 0, 600, 300, UNITS)
    assert told(watched, events, "12:20") == ["12:11 A firing warning", "12:13 A resolved warning"]


def test_days_of_cover_by_the_level_itself():
    """Without a measure for the pace: what the level lost, receipts left aside."""
    watched = projection(STOCK, 0, 600, 300)
    levels = "A: 12:00 40, 12:06 37, 12:07 34, 12:08 70, 12:09 64, 12:10 22, 12:20 22"
    assert told(watched, stock(levels), "12:30") == ["12:11 A firing warning", "12:16 A resolved warning"]


def test_what_is_reached_already_is_reached():
    """Whatever the pace."""
    watched = projection(STOCK, 5, 600, 60, UNITS)
    events = [*bought("A: 12:00"), *stock("A: 12:00 40, 12:04 5, 12:06 6")]
    assert told(watched, events, "12:10") == ["12:05 A firing warning", "12:07 A resolved warning"]


def test_a_day_s_orders():
    """Until midnight as many an hour as in the last one; time alone ends it, and the next day begins anew."""
    watched = projection(ORDERS_ALL, 100, None, HOUR)
    events = orders("web: 2026-01-13 08:00, 10:10 *7, 21:10 *40, 22:30 *2, 23:10 *9; app: 2026-01-15 00:30")
    assert told(watched, events, "2026-01-15 03:00") == [
        "10:11 firing warning",
        "10:43 resolved warning",
        "21:11 firing warning",
        "22:11 resolved warning",
        "2026-01-15 00:01 firing warning",
        "2026-01-15 00:11 resolved warning",
    ]


def test_a_denied_projection_begins_by_time_alone():
    """`not` turns the end of one into the beginning of the other."""
    watched = rule(Not(Projection(of(ORDERS_ALL), None, 100, None, HOUR, WARNING), WARNING))
    events = orders("web: 2026-01-13 08:00, 00:10 *1, 20:10 *25")
    assert told(watched, events, "21:05") == [
        "00:01 firing warning",
        "20:11 resolved warning",
        "21:03 firing warning",
    ]


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        pytest.param("2026-03-29 12:00", 23, id="clocks go forward"),
        pytest.param("2026-10-25 12:00", 25, id="clocks go back"),
        pytest.param("2026-11-25 00:00", 24, id="midnight belongs to the day that begins"),
    ],
)
def test_a_shop_s_day(moment, hours):
    """From midnight to midnight on the wall."""
    second = int(clock(moment).timestamp())
    begins, ends = shop_day(second, LONDON)
    assert (ends - begins, begins <= second < ends) == (hours * 3600, True)


def test_a_combination_of_them():
    """Little cover, and a share of visits that surely buy: both over the same labels."""
    watched = rule(
        All(
            (
                change(level(by=("channel",)), window=300),
                share("above 0.2", window=300, least=5),
            ),
            WARNING,
        )
    )
    events = [*orders("web: 12:00, 12:06 *3, 12:07 *3"), *sessions("web: 12:00 *10, 12:06 *10")]
    moves = stock("A: 12:00 5, 12:08 4")
    for event in moves:
        event["data"]["channel"] = "web"
    assert told(watched, [*events, *moves], "12:20") == ["12:09 web firing warning", "12:12 web resolved warning"]


def test_a_group_that_never_was_is_absent():
    """Who is expected by name is known from the source's first event on, and for ever."""
    watched = plan(rule(Absence(of(ORDERS), 300, WARNING, (), (("app",), ("web",))), forget_after_s=600))
    events = orders("web: 12:00:30, 12:03, 12:06; shop: 12:01; web: 12:30, 12:34; app: 12:31, 12:34; web: 12:36")
    assert told_in_steps(watched, events, clock("12:37")) == [
        "12:06 app firing warning",
        "12:07 shop firing warning",
        "12:12 web firing warning",
        "12:31 web resolved warning",
        "12:32 app resolved warning",
    ]


@pytest.mark.parametrize(
    ("pattern", "skus"),
    [
        pytest.param("KEY-*", "KEY- KEY-1 KEY--L", id="begins so"),
        pytest.param("*-L", "A-L KEY--L -L", id="ends so"),
        pytest.param("*EY*", "KEY- KEY-1 KEY--L", id="has it"),
        pytest.param("KEY-*-L", "KEY--L", id="begins and ends, without sharing a letter"),
        pytest.param("*", "A-L KEY- KEY-1 KEY--L -L KE", id="anything"),
        pytest.param("KE", "KE", id="exactly"),
    ],
)
def test_an_override_is_for_groups_like_its_pattern(pattern, skus):
    """`*` stands for anything, anywhere."""
    known = ["A-L", "KEY-", "KEY-1", "KEY--L", "-L", "KE"]
    watched = rule(
        when(
            STOCK, "at_most 0", window=None, overrides=(Override((("sku", pattern),), when(STOCK, "at_most 9").levels),)
        )
    )
    found = told(watched, stock("; ".join(f"{sku}: 12:00 5" for sku in known)), "12:01")
    assert sorted(line.split()[1] for line in found) == sorted(skus.split())


# ---- wider labels ---------------------------------------------------------------------------------------------------

SOLD_OUT = when(level(key=()), "at_most 0", window=None)
RUSH = when(SESSIONS_ALL, "at_least 20", window=300)


def test_a_product_and_the_whole_shop():
    """A rule by product asks about all traffic: sold out while the shop is full, from either side."""
    watched = rule(All((SOLD_OUT, RUSH), WARNING))
    events = [
        *stock("A: 12:00 3, 12:07:30 0, 12:20 9; B: 12:00 0; C: 12:00 5"),
        *sessions("web: 12:00, 12:05 *30; app: 12:16 *20"),
    ]
    assert told(watched, events, "12:30") == [
        "12:06 B firing warning",
        "12:08 A firing warning",
        "12:11 A resolved warning",
        "12:11 B resolved warning",
        "12:17 A firing warning",
        "12:17 B firing warning",
        "12:21 A resolved warning",
        "12:22 B resolved warning",
    ]


def test_a_silent_group_still_hears_the_shop():
    """Its own history has long expired; known it is until `forget_after`."""
    few = when(flow("count", key=()), "at_most 0", window=60)
    watched = plan(rule(All((few, RUSH), WARNING), forget_after_s=2 * DAY))
    hours = [f"2026-01-{day} {hour:02}:30" for day in (12, 13) for hour in range(24)]
    events = [
        *orders("web: 2026-01-12 00:00; shop: " + ", ".join(hours)),
        *sessions("x: 2026-01-12 00:00, 2026-01-13 00:10 *20, " + ", ".join(hours) + ", 00:10 *20"),
    ]
    assert told_in_steps(watched, events, clock("00:30")) == [
        "2026-01-13 00:11 shop firing warning",
        "2026-01-13 00:11 web firing warning",
        "2026-01-13 00:16 shop resolved warning",
        "2026-01-13 00:16 web resolved warning",
        "00:11 shop firing warning",
        "00:16 shop resolved warning",
    ]


def test_a_silent_group_is_absent_in_the_morning():
    """A window of an hour expires overnight; that the group exists does not."""
    expected = Absence(of(ORDERS), 3_600, WARNING, (Hours(frozenset(range(7)), time(9), time(17)),))
    watched = plan(rule(expected))
    events = orders(
        "web: 2026-01-12 16:30, 12:00; app: " + ", ".join(f"2026-01-{12 + h // 24} {h % 24:02}:10" for h in range(61))
    )
    assert told_in_steps(watched, events, clock("13:00")) == [
        "2026-01-13 10:00 web firing warning",
        "12:01 web resolved warning",
    ]


NAMES = [f"S{n}" for n in range(1000)]


@pytest.mark.parametrize(
    ("condition", "visits", "fired"),
    [
        pytest.param(All((SOLD_OUT, RUSH), WARNING), 0, 0, id="in an all"),
        pytest.param(AnyOf((SOLD_OUT, RUSH), WARNING), 2 * 60, 2, id="in an any, but for the two that fire"),
        pytest.param(AnyOf((RUSH, Not(RUSH, WARNING)), WARNING), 1000 * 59, 1000, id="but for all that fire"),
        pytest.param(All((SOLD_OUT, Not(RUSH, WARNING)), WARNING), 2 * 60, 2, id="under a not"),
    ],
)
def test_only_groups_that_it_can_matter_to_are_visited(condition, visits, fired):
    """The shop's traffic changes every minute; a thousand products for which that decides nothing are not looked at."""
    of_sku = when(level(key=()), "at_least 0", window=None)  # so that `by` is the product where the other parts are not
    pipeline = Pipeline(plan(rule(All((of_sku, condition), WARNING))))
    levels = stock("; ".join(f"{name}: 12:00 {0 if name in ('S1', 'S2') else 5}" for name in NAMES))
    for event in [*levels, *sessions("web: " + ", ".join(f"12:{m:02}" for m in range(60)))]:
        pipeline.arrive(event, 0)
    assert len(lines(pipeline.finish(clock("13:00")))) == fired
    # All of them twice: with their first value, and when enough of the traffic is known.
    assert visits * 0.9 <= pipeline.visits - 2000 <= visits + 20


def test_all_groups_are_visited_when_it_matters():
    """With their first value, when enough of the traffic is known, and in each of the six minutes that it is full."""
    pipeline = Pipeline(plan(rule(AnyOf((SOLD_OUT, RUSH), WARNING))))
    levels = stock("; ".join(f"{name}: 12:00 5" for name in NAMES))
    for event in [*levels, *sessions("web: " + ", ".join(f"12:{m:02}" for m in range(60)) + ", 12:30 *30")]:
        pipeline.arrive(event, 0)
    found = lines(pipeline.finish(clock("13:00")))
    assert len(found) == 2000
    assert {line.split()[0] for line in found} == {"12:31", "12:36"}
    assert pipeline.visits <= 1000 * (2 + 6)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("A: 12:00 30, 12:01:59 30", [], id="a second before"),
        pytest.param("A: 12:00 30, 12:02 30", [], id="at the same moment"),
        pytest.param(
            "A: 12:00 30, 12:02:01 30",
            ["12:02 A firing warning", "12:02:01 A resolved warning"],
            id="a second after",
        ),
        pytest.param(
            "A: 12:00 30; B: 12:02 30", ["12:02 A firing warning"], id="another group's value says what time it is"
        ),
    ],
)
def test_a_level_becomes_stale(told, expected):
    """Two minutes after its last value, unless the next one has come by then; read whole or as it comes."""
    watched = plan(rule(when(level(stale_after_s=120), "at_most 20", window=None), no_data="alert"))
    assert lines(judged(watched, stock(told), until=clock("12:03:30"))) == expected
    shop = Pipeline(watched)
    for one in sorted(stock(told), key=lambda e: e["time"]):
        shop.arrive(one)
        shop.step()
    assert lines(shop.finish(clock("12:03:30"))) == expected


@pytest.mark.parametrize(
    ("watched", "first", "then", "expected"),
    [
        pytest.param(
            rule(when(level(stale_after_s=120), "at_most 20", window=None), no_data="alert"),
            "A: 12:00 30", "A: 12:02 30", [], id="it would have been stale",
        ),
        pytest.param(
            rule(when(STOCK, "at_most 20", window=None), hold=120),
            "A: 12:00 10", "A: 12:02 90", ["12:00 A pending warning", "12:02 A cancelled warning"],
            id="it would have lasted long enough",
        ),
        pytest.param(
            rule(when(STOCK, "at_most 20", window=None), keep=120),
            "A: 12:00 10, 12:00:10 90", "A: 12:02:10 5", ["12:00 A firing warning"],
            id="it would have been over",
        ),
    ],
)  # fmt: skip
def test_a_value_at_the_instant_of_a_timer_decides(watched, first, then, expected):
    """Also where it is as late as lateness allows, and the watermark has reached that instant before it is read."""
    *before, last = stock(f"{first}; {then}")
    at = clock(last["time"][11:19]) + timedelta(seconds=LATENESS_S)
    other = stock(f"B: {at:%H:%M:%S} 90")
    for told in ([*before, last, *other], [*before, *other, last]):
        shop = Pipeline(plan(watched))
        for one in told:
            shop.arrive(one)
            shop.step()
        assert [line for line in lines(shop.finish(at)) if " A " in line] == expected
