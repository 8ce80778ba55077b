"""What broke earlier forms of the design, each as a test. tests/README.md says which story has which tests."""

import itertools
import random
from datetime import timedelta

import pytest
from comparison import judged
from judge_pipeline import CHUNK, LATENESS_S, Pipeline
from shorthand import ORDERS, ORDERS_ALL, STOCK, clock, event, flow, lines, orders, plan, rule, stock, when

from lockstep.adapters.alert_board import AlertBoard
from lockstep.errors import StateError
from lockstep.judge.publish import ALERTS
from lockstep.measure.aggregate import merge_all, merge_distinct, merger, valuer
from lockstep.measure.definition import Measured
from lockstep.measure.exact import SCALE
from lockstep.measure.sample import decode as decode_frame
from lockstep.measure.sample import encode as encode_frame
from lockstep.rule.condition.kinds import Absence, All, Severity
from lockstep.settings import load_settings
from lockstep.transition import Transition, encode
from lockstep.worker.required_topics import COMMANDS, topic_specs

ORDERS_FROM, INVENTORY, TRAFFIC = ("orders", 0), ("inventory", 0), ("traffic", 0)
BUSY = plan(rule(when(ORDERS, "above 5")))
END = clock("13:00")


def arrive(shop: Pipeline, events: list[dict], partition: int = 0) -> None:
    for one in events:
        shop.arrive(one, partition)


# ---- 1: a torn cut ------------------------------------------------------------------------------------------------

NEARLY_GONE = plan(
    rule(
        All(
            (
                when(STOCK, "at_most 20", window=None),
                when(flow("count", by=("sku",), line_labels=("sku",)), "at_least 3", window=600),
            ),
            Severity.WARNING,
        ),
        name="NearlyGone",
    )
)


def sold_while_stock_changes(*, dies_after: int | None, torn: bool = False) -> Pipeline:
    """Stock 15 and three orders fire; stock 40 ends it. The judge dies after one of its steps.

    torn: it dies within a cut that was no transaction: the levels are there, the alerts and the position are not.
    """
    shop = Pipeline(NEARLY_GONE)
    lines_of = {"order_id": "o", "total": 1.0, "lines": [{"sku": "A", "quantity": 1, "unit_price": 1.0}]}
    told = [
        *stock("A: 12:00 15"),
        *(event("order.placed", clock("12:00:10"), n, **lines_of) for n in range(3)),
        event("order.placed", clock("12:03"), "later", **{**lines_of, "lines": []}),
        *stock("A: 12:03:30 40"),
        event("order.placed", clock("12:06"), "end", **{**lines_of, "lines": []}),
        *stock("A: 12:06 40"),
    ]
    for n, one in enumerate(told):
        shop.arrive(one)
        for source in (ORDERS_FROM, INVENTORY, TRAFFIC):
            shop.measure(source)
        shop.judge(0)
        if n == dies_after:
            if torn:
                entries = shop.judges[0].cut().entries  # a transaction that was none
                shop._entries[0] |= {k: v for k, v in entries.items() if v is not None and k[:1] in (b"l", b"m")}
            shop.crash_judge(0)
            continue
        shop.cut(0)
    return shop


def test_01_a_judge_that_dies_before_its_cut_says_the_same():
    """Whatever step it dies after: fire and resolve, with the ids of a life without death."""
    whole = sold_while_stock_changes(dies_after=None).finish(END)
    assert lines(whole) == ["12:01 A firing warning", "12:04 A resolved warning"]
    for step in range(8):
        assert sold_while_stock_changes(dies_after=step).finish(END) == whole, step


def test_01_a_torn_cut_would_be_seen():
    """The control: were a cut no transaction, a death within one of them would change what is said."""
    whole = sold_while_stock_changes(dies_after=None).finish(END)
    assert any(sold_while_stock_changes(dies_after=step, torn=True).finish(END) != whole for step in range(8))


# ---- 2: mixed definitions -----------------------------------------------------------------------------------------


def test_02_a_measure_that_is_added_in_a_chunk_is_not_counted_twice():
    """Two restarts rewind to the chunk's head: ten orders stay ten, they do not become twenty."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("web: 12:00 x10"))
    shop.step()
    more = plan(*BUSY.rules, rule(when(ORDERS_ALL, "above 10"), name="Twice"), rule(when(ORDERS_ALL, "above 9")))
    for _ in range(2):
        shop.learn(more)
        shop.step()
    arrive(shop, orders("web: 12:02"))
    said = shop.finish(END)
    assert [t["rule"] for t in said if t["rule"] == "Twice"] == []
    assert {t["rule"] for t in said} == {"R"}


def test_02_another_bucket_is_another_series():
    """A bucket of 10 s beside one of a minute is never added to it."""
    assert flow("count", bucket_s=10).id != ORDERS.id


@pytest.mark.parametrize(
    ("meters", "expected"),
    [
        pytest.param([("orders", 0)], [], id="half of the meters know the measure"),
        pytest.param(
            [("orders", 0), ("orders", 1)], ["12:06 firing warning", "12:09 resolved warning"], id="all of them"
        ),
    ],
)
def test_02_a_rolling_deploy_does_not_judge_on_half_the_data(meters, expected):
    """`below 2 in a minute` waits until every meter has begun to measure."""
    shop = Pipeline(BUSY, sources=2)
    for minute in ("12:00", "12:01"):
        for partition in (0, 1):
            arrive(shop, orders(f"p{partition}: {minute}"), partition)
    shop.step()
    shop.learn(plan(rule(when(ORDERS_ALL, "below 2"))), *meters)
    for minute in range(2, 12):
        for partition in (0, 1):
            if minute not in (5, 6, 7) or partition:
                arrive(shop, orders(f"p{partition}: 12:{minute:02d}"), partition)
    shop.step()
    assert lines(shop.said) == expected


def test_02_a_new_rule_on_an_old_source_is_silent_until_it_has_seen_its_window():
    """`below 55 in an hour` is not judged on the 44 minutes since its chunk began."""
    shop = Pipeline(BUSY)
    arrive(shop, [e for m in range(30) for e in orders(f"web: 12:{m:02d}")])
    shop.step()
    arrive(shop, orders("web: 12:30"))
    shop.learn(plan(rule(when(flow("count", by=()), "below 55", window=3600))))
    for m in range(31, 60):
        arrive(shop, orders(f"web: 12:{m:02d}"))
    for m in range(40):
        arrive(shop, orders(f"web: 13:{m:02d}"))
    shop.step()
    assert lines(shop.said) == []
    arrive(shop, orders("web: 14:10"))
    shop.step()
    assert [line.split()[1] for line in lines(shop.said)] == ["firing"]


# ---- 4: what reaches across all alerts ----------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["sqlite:///x.db", "kafka://one:9092"])
def test_04_alerts_and_commands_have_one_order(broker):
    """A silence and an inhibition concern all alerts: one partition each, whatever the others have."""
    counts = {s.name: s.partitions for s in topic_specs(load_settings(broker=broker, samples_partitions=8))}
    assert (counts[ALERTS], counts[COMMANDS], counts["lockstep.samples"]) == (1, 1, 8)


# ---- 6: a clock that is ahead -------------------------------------------------------------------------------------


def fast_till(*, broker_clock: bool) -> Pipeline:
    """A web order every ten seconds for an hour; every ten minutes one of a till that is four minutes fast."""
    shop = Pipeline(BUSY)
    log = shop.logs[ORDERS_FROM]
    for second in range(0, 3600, 10):
        at = clock("12:00") + timedelta(seconds=second)
        shop.arrive(event("order.placed", at, f"w{second}", order_id="o", total=1.0, lines=[], channel="web"))
        if second % 600 == 0:
            ahead = at + timedelta(minutes=4)
            shop.arrive(event("order.placed", ahead, f"t{second}", order_id="o", total=1.0, lines=[]), 0, -240)
            if not broker_clock:
                log.times_ms[-1] += 240_000
        shop.step(ORDERS_FROM)
    return shop


def test_06_a_till_that_is_fast_closes_nobody_s_buckets():
    """An event's time counts for the watermark at most as the time at which the broker got it."""
    shop = fast_till(broker_clock=True)
    assert (shop.total("late"), shop.dead) == (0, [])


def test_06_without_the_broker_s_clock_it_would():
    """The control: where records carry their producers' times, web orders come too late and are named."""
    shop = fast_till(broker_clock=False)
    assert shop.total("late") > 50
    assert {d.reason for d in shop.dead} == {"late"}


# ---- 7: the first start -------------------------------------------------------------------------------------------


def test_07_a_file_of_yesterday_on_an_empty_topic_is_not_late():
    """The meters waited for hours on an empty log; then a day of orders comes at once."""
    shop = Pipeline(BUSY)
    shop.now = clock("2026-01-15 12:00")
    for minute in range(0, 180, 5):
        for meter in shop._meters.values():
            meter.observe(at_end=True, now=shop.now + timedelta(minutes=minute))
        shop.step()
    arrive(shop, [e for h in range(24) for e in orders(f"web: {h:02d}:00 x6")])
    assert len(shop.finish(clock("2026-01-15 00:00"))) == 48
    assert shop.total("late") == 0


@pytest.mark.parametrize("heard_of", [False, True], ids=["not heard of before", "heard of, still empty"])
def test_07_a_bulk_batch_on_the_first_of_four_partitions_closes_nothing(heard_of):
    """The other three are at their turn later: what they bring of the same hours counts."""
    shop = Pipeline(plan(rule(when(ORDERS_ALL, "below 4"))), sources=4)
    if heard_of:
        shop.step()
    for partition in range(4):
        arrive(shop, [e for m in range(10) for e in orders(f"p{partition}: 12:{m:02d}")], partition)
        shop.step(("orders", partition))
    assert (lines(shop.said), shop.total("late")) == ([], 0)


# ---- 8: idle or dead ----------------------------------------------------------------------------------------------

SILENT = plan(rule(Absence(Measured(ORDERS_ALL), 300, Severity.WARNING), name="NoOrders"))


def test_08_a_dead_meter_is_not_a_quiet_shop():
    """One of two meters is dead while its partition holds orders: nobody is called absent."""
    shop = Pipeline(SILENT, sources=2)
    for partition in (0, 1):
        arrive(shop, orders("web: 12:00"), partition)
    shop.step()
    arrive(shop, [e for m in range(1, 30) for e in orders(f"web: 12:{m:02d}")], 1)  # nobody reads them
    for minute in range(1, 30):
        shop.now = clock(f"12:{minute:02d}")
        shop._meters["orders", 0].observe(at_end=True, now=shop.now)
        shop.step(("orders", 0))
    assert lines(shop.said) == []


@pytest.mark.parametrize(
    ("fails_at", "fires"),
    [
        pytest.param((), True, id="read to its end all the time"),
        pytest.param((1,), True, id="read to its end all the time, but for once"),
        pytest.param(range(0, 60, 1), False, id="a broker that does not answer"),
        pytest.param(range(0, 60, 2), False, id="a broker that answers now and then"),
    ],
)
def test_08_only_a_log_that_was_read_to_its_end_is_quiet(fails_at, fires):
    """A fetch that fails begins the waiting anew: in an outage producers may hold a backlog."""
    shop = Pipeline(SILENT)
    arrive(shop, orders("web: 12:00"))
    shop.step()
    for second in range(0, 900, 15):
        shop.now = clock("12:00") + timedelta(seconds=second)
        shop._meters[ORDERS_FROM].observe(at_end=second // 15 not in fails_at, now=shop.now)
        shop.step(ORDERS_FROM)
    assert bool(shop.said) == fires


def test_08_a_quiet_partition_still_sends_progress():
    """Every second, with nothing in it: it is how the judge tells a quiet partition from a dead meter."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("web: 12:00"))
    shop.step(ORDERS_FROM)
    before = len(shop.samples[0].values)
    for _ in range(10):
        shop.now += timedelta(seconds=1)
        shop.measure(ORDERS_FROM)
    frames = [decode_frame(v) for v in shop.samples[0].values[before:]]
    assert [(f.progress is not None, f.partials) for f in frames] == [(True, [])] * 10


# ---- 11: early verdicts -------------------------------------------------------------------------------------------


def test_11_a_straggler_in_an_earlier_bucket_makes_one_episode_with_one_start():
    """12:01 breaches early, then a straggler makes 12:00 breach, too: the start is 12:00's end."""
    told = orders("web: 12:00 x5, 12:01 x6, 12:00:59, 12:04")
    shop = Pipeline(BUSY)
    for one in told:
        shop.arrive(one, late_s=0)
        shop.step(ORDERS_FROM)
    assert lines(shop.finish(clock("12:10"))) == ["12:01 web firing warning", "12:03 web resolved warning"]
    assert lines(judged(BUSY, told)) == ["12:01 web firing warning", "12:03 web resolved warning"]


def test_11_closing_a_bucket_judges_the_next_open_one_again():
    """12:01 has breached for long, but 12:00 was open: when that closes, 12:01 is told without a further order."""
    shop = Pipeline(BUSY, sources=1)
    arrive(shop, orders("web: 12:00 x3, 12:01 x6"))
    shop.step(ORDERS_FROM)
    assert lines(shop.said) == []
    arrive(shop, orders("app: 12:02:05"))
    shop.step(ORDERS_FROM)
    assert [(line, t["so_far"]) for line, t in zip(lines(shop.said), shop.said, strict=True)] == [
        ("12:02 web firing warning", True)
    ]
    assert clock("12:02:05") - timedelta(seconds=LATENESS_S) < clock("12:02")


# ---- 12: retention took the chunk's head --------------------------------------------------------------------------


@pytest.mark.parametrize(("kept_from", "overlaps"), [(0, 0), (8, 1)])
def test_12_a_chunk_whose_head_is_gone_is_reported(kept_from, overlaps):
    """Ten orders were told, eight committed, the meter dies and the broker has dropped the first eight."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("web: 12:00 x8"))
    shop.step(ORDERS_FROM)
    shop.commit_source(ORDERS_FROM)
    arrive(shop, orders("app: 12:00 x2"))
    shop.step(ORDERS_FROM)
    shop.earliest[ORDERS_FROM] = kept_from
    shop.crash_meter(ORDERS_FROM)
    arrive(shop, orders("app: 12:01, 12:00:30 x2"))
    shop.step(ORDERS_FROM)
    assert shop.total("overlaps") == overlaps


# ---- 13: constants that changed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"chunk_size": 2 * CHUNK}, "LOCKSTEP_CHUNK_SIZE is 32, the stored state was made with 16", id="N"),
        pytest.param({"source": "another"}, "topic 'orders' was deleted and made again", id="a topic made again"),
        pytest.param({"format": 99}, "samples of format 99", id="a newer program's samples"),
    ],
)
def test_13_a_constant_that_changed_is_an_error_that_says_what_to_do(changed, said):
    """Also after a restart, when only the stored state remembers the former one."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("web: 12:00"))
    shop.step()
    shop.crash_judge(0)
    frame = decode_frame(shop.samples[0].values[0])
    other = type(frame)(**{**{n: getattr(frame, n) for n in frame.__struct_fields__}, **changed})
    shop.samples[0].values.append(encode_frame(other))
    shop.samples[0].times_ms.append(0)
    with pytest.raises(StateError, match=r"begin anew|set it back|update the older") as caught:
        shop.judge(0)
    assert said in str(caught.value)


# ---- 14: a frozen judge -------------------------------------------------------------------------------------------


def numbered(number: int, state: str, episode: str = "e", at: str = "2026-01-14T12:00:00Z") -> Transition:
    fields = dict.fromkeys(("value", "baseline", "ratio", "limit", "window_start", "window_end", "watermark"))
    return Transition(
        transition_id=f"t{number}",
        alert_id="a",
        episode_id=episode,
        number=number,
        rule="R",
        labels={},
        state=state,
        at=at,
        started_at=at,
        severity="warning",
        so_far=False,
        rule_version="v",
        **fields,
    )


def test_14_readers_keep_the_highest_number():
    """A judge wakes up and says "firing 5" behind "resolved 6": nothing is firing."""
    board = AlertBoard(None, clock=lambda: END)
    for transition in (numbered(6, "resolved"), numbered(5, "firing")):
        board._take(encode(transition))
    assert board.alerts() == []
    assert [t.number for t in board.alerts(every=True)] == [6]


def test_14_an_episode_half_a_second_later():
    """As text 12:00:00.5Z comes before 12:00:00Z."""
    board = AlertBoard(None, clock=lambda: END)
    for transition in (numbered(2, "resolved"), numbered(1, "firing", "later", "2026-01-14T12:00:00.500000Z")):
        board._take(encode(transition))
    assert [t.episode_id for t in board.alerts()] == ["later"]


@pytest.mark.parametrize("turn", [1, -1])
def test_14_two_episodes_that_begin_at_one_instant(turn):
    """An edit ended one where it began, and its new version fires from there on: what goes on is shown."""
    board = AlertBoard(None, clock=lambda: END)
    old, new = [numbered(1, "firing", "old"), numbered(2, "resolved", "old")], [numbered(1, "firing", "new")]
    for transition in itertools.chain.from_iterable([old, new][::turn]):
        board._take(encode(transition))
    assert [t.episode_id for t in board.alerts()] == ["new"]
    board._take(encode(numbered(2, "resolved", "new")))
    assert board.alerts() == []


# ---- 15: numbers --------------------------------------------------------------------------------------------------


def test_15_a_sum_that_leaves_64_bits_has_no_value():
    """Twice 5·10¹² is no data, and nothing that a rule could take for a number."""
    total = flow("sum", field="total", by=())
    merge, value = merger(total), valuer(total)
    once = [5 * 10**18, None]
    assert value(once) == 5 * 10**18
    assert value(merge(once, once)) is None


def test_15_distinct_counts_do_not_depend_on_order():
    """Twelve orders of merging sketches and small sets: the same bytes."""
    draw = random.Random(7)
    parts = [sorted(draw.sample(range(2**62), size)) for size in (3000, 100, 2500, 700)]
    small = [merge_distinct(p, []) for p in parts]
    found = {merge_all(merge_distinct, order) for order in itertools.islice(itertools.permutations(small), 12)}
    assert len(found) == 1


def test_15_tenths_add_up_in_any_order():
    """0.1 + 0.2 + 0.3 in whatever order is at least 0.6."""
    watched = plan(rule(when(flow("sum", field="total"), "at_least 0.6")))
    for order in itertools.permutations((0.1, 0.2, 0.3)):
        told = [
            event("order.placed", clock(f"12:00:{n:02d}"), n, order_id="o", total=t, lines=[], channel="web")
            for n, t in enumerate(order)
        ]
        assert lines(judged(watched, [*told, *orders("web: 12:05", total=0.0)]))[0] == "12:01 web firing warning"


# ---- 16: duplicates -----------------------------------------------------------------------------------------------


def with_repeats(*, dies: bool) -> Pipeline:
    """One order stands in three chunks that follow each other; and another on two partitions."""
    shop = Pipeline(plan(rule(when(ORDERS_ALL, "at_least 1", window=3600))), sources=2)
    again = orders("web: 12:00")[0]
    for chunk in range(3):
        shop.arrive(again)
        arrive(shop, [event("order.noted", clock("12:00"), f"{chunk}/{n}") for n in range(CHUNK - 1)])
        shop.step(ORDERS_FROM)
        shop.commit_source(ORDERS_FROM)
        if dies:
            shop.crash_meter(ORDERS_FROM)
    shop.arrive(orders("web: 12:00:01")[0], 0)
    shop.arrive(orders("web: 12:00:01")[0], 1)
    return shop


@pytest.mark.parametrize("dies", [False, True], ids=["one life", "a restart after each chunk"])
def test_16_a_repeat_in_each_chunk_counts_once_and_on_two_partitions_twice(dies):
    """Seen means seen, counted or not; partitions know nothing of each other, and schemas/README.md says so."""
    shop = with_repeats(dies=dies)
    (fired,) = [t for t in shop.finish(clock("12:30")) if t["state"] == "firing"]
    history = shop.judges[0].histories.flows[ORDERS_ALL.id, ()]
    assert fired["at"]
    assert history.value(int(clock("12:00").timestamp()), int(clock("12:01").timestamp())) == 3 * SCALE


# ---- 17: late growth ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [False, True], ids=["nothing new", "something new after each"])
def test_17_what_comes_for_a_closed_bucket_is_reported_once(more):
    """A closed bucket at 10; an eleventh comes, and again after every rewind: one dead event."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("web: 12:00 x10, 12:05"))
    shop.step(ORDERS_FROM)
    shop.arrive(orders("web: 12:00:30")[0], late_s=600)
    for n in range(3):
        shop.step(ORDERS_FROM)
        shop.crash_meter(ORDERS_FROM)
        shop.crash_judge(0)
        if more:
            arrive(shop, orders(f"web: 12:1{n}"))
        shop.step(ORDERS_FROM)
    assert [(d.reason, d.offset) for d in shop.dead] == [("late", 11)]


def test_17_what_was_counted_and_is_kept_no_more_is_not_late():
    """A quiet topic: a meter that starts anew tells its chunk again, also of hours that no rule can ask for now, and of
    a group that was forgotten."""
    shop = Pipeline(plan(rule(when(ORDERS, "above 5"), forget_after_s=3600)))
    arrive(shop, orders("app: 00:00"))
    for hour in range(3, 24, 3):
        arrive(shop, orders(f"web: {hour:02d}:00"))
        shop.step(ORDERS_FROM)
    shop.commit_source(ORDERS_FROM)
    assert shop.judges[0].groups_of("R") == [("web",)]
    shop.crash_meter(ORDERS_FROM)
    shop.step(ORDERS_FROM)
    assert (shop.total("late"), shop.dead) == (0, [])
    assert shop.judges[0].groups_of("R") == [("web",)]


def test_17_the_partial_of_a_series_that_was_quiet_for_chunks_is_added_to():
    """Three orders in the first chunk, one in the third for the same minute: four, and never one."""
    shop = Pipeline(BUSY)
    arrive(shop, orders("app: 12:00:01 x3"))
    arrive(shop, orders(f"web: 12:00:30 x{2 * CHUNK}"))
    shop.step(ORDERS_FROM)
    arrive(shop, orders("app: 12:00:59"))
    shop.step(ORDERS_FROM)
    history = shop.judges[0].histories.flows[ORDERS.id, ("app",)]
    assert history.value(int(clock("12:00").timestamp()), int(clock("12:01").timestamp())) == 4 * SCALE
