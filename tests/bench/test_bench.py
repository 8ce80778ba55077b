"""The benchmark itself: every part runs, on tiny numbers, and a run whose alerts are wrong is not counted."""

import asyncio
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console
from tests.bench import chart, page, shop_50
from tests.bench.brokers import fill, fresh_broker
from tests.bench.figures import LINES, TARGETS, Figures, Line
from tests.bench.part import backtest, catching_up, convert, fifty_rules, latency, post, restart, scaling
from tests.bench.part.catching_up import served
from tests.bench.peers import job
from tests.bench.peers.install import PLACE
from tests.bench.peers.measure import rules_for_peers, wrong
from tests.bench.reference import Expected, asked_of, differences, expected, micros
from tests.bench.run import main, tables
from tests.bench.service import WrongResultError, is_caught_up, taken_of
from tests.bench.session import Session
from tests.bench.workloads import peer_20, repeated

TINY = 0.001


def session(broker: str = "sqlite", *, size: float = TINY) -> Session:
    return Session(Console(quiet=True), size=size, rounds=1, brokers=(broker,))


@pytest.mark.parametrize(
    ("part", "found"),
    [
        pytest.param(catching_up, {"sqlite.us", "sqlite.per_s", "sqlite.mb"}, id="catching up"),
        pytest.param(backtest, {"backtest.per_s", "backtest.share", "backtest.mb"}, id="backtest"),
        pytest.param(convert, {"convert.per_s", "convert.json.per_s", "convert.orders.per_s"}, id="convert"),
        pytest.param(post, {"post.sqlite.per_s", "post.sqlite.p50"}, id="POST"),
        pytest.param(restart, {"restart.sqlite.s"}, id="restart"),
        pytest.param(scaling, {"flush.8000.us", "flush.20.us", "flush.ratio"}, id="scaling"),
    ],
)
def test_a_part_measures_all_that_it_is_there_for(part, found):
    """And its runs are those of the reference, or it would have raised."""
    small = session()
    part.run(small)
    assert small.figures.rounds.keys() == found
    assert all(values[0] > 0 for values in small.figures.rounds.values())


def test_latency():
    """Of every event its webhook, once; at whatever rate this machine can do beside other tests."""
    small = session()
    latency.run(small, {20: 1.0}, rate_share=0.0)
    assert small.figures.rounds.keys() == {f"latency.sqlite.20.{part}" for part in ("cpu", "p50", "p99", "max")}


def test_a_rate_that_was_not_reached_is_no_figure():
    """It would be the latency of another rate."""
    small = session()
    latency.run(small, {20: 1.0}, rate_share=2.0)
    assert small.figures.rounds == {}
    assert re.fullmatch(r"only \d+ of 20 events/s could be sent", small.figures.missing["latency.sqlite.20"])


@pytest.mark.kafka
@pytest.mark.xdist_group("kafka")
def test_catching_up_on_kafka(kafka_libs):
    """With its limit, on a broker of its own."""
    small = session("kafka")
    catching_up.run(small)
    assert small.figures.rounds.keys() == {"kafka.us", "kafka.per_s", "kafka.mb", "limit.us", "limit.share"}


def test_a_run_with_a_wrong_alert_is_an_error(tmp_path):
    """The reference is given one alert that no service tells, and one is taken from it."""
    workload = peer_20(2_000)
    right = workload.right
    lost = min(right.moves)
    wrong = Expected(right.moves - {lost} | {("T1", ("none",), 0, "firing")}, right.breaches, right.until)
    with fresh_broker("sqlite", tmp_path) as url:
        asyncio.run(fill(url, workload.events, len(workload.events)))
        with pytest.raises(WrongResultError, match=rf"1 missing, such as T1 .*; 1 too many, such as {lost[0]} "):
            asyncio.run(served(replace(workload, right=wrong), url, tmp_path, published_s=0.0))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param([("A", (), 60, "firing")], [], id="the same"),
        pytest.param([], ["1 missing, such as A () 60 firing"], id="one is missing"),
        pytest.param(
            [("A", (), 60, "firing"), ("B", ("x",), 60, "firing")],
            ["1 too many, such as B ('x',) 60 firing"],
            id="one too many",
        ),
        pytest.param(
            [("A", (), 60, "firing"), ("B", (), 101, "firing")], [], id="what comes after the end is not judged"
        ),
        pytest.param(
            [("A", (), 61, "firing")],
            ["1 missing, such as A () 60 firing", "1 too many, such as A () 61 firing"],
            id="at another time",
        ),
    ],
)
def test_differences(told, found):
    """Every alert is compared by rule, labels, time and state."""
    right = Expected(frozenset({("A", (), 60, "firing")}), frozenset(), 100)
    assert differences(told, right) == found


def test_the_reference_refuses_words_that_it_does_not_know():
    """It would pass them by in silence otherwise, and what it says would be wrong."""
    rules = "measures: {a: {count: order.placed}}\nrules: [{name: A, for: 5m, threshold: {measure: a, above: 1}}]\n"
    with pytest.raises(ValueError, match="the reference does not know for in"):
        expected(rules, [])


@pytest.mark.parametrize(
    ("line", "value", "met"),
    [
        pytest.param(Line("k", "k", at_most=9), 9, True, id="as much as may be"),
        pytest.param(Line("k", "k", at_most=9), 9.1, False, id="more"),
        pytest.param(Line("k", "k", at_least=2.5), 2.4, False, id="less than must be"),
        pytest.param(Line("k", "k"), 1, None, id="no target"),
    ],
)
def test_verdicts(line, value, met):
    """At most and at least include the number."""
    assert line.is_met(value) is met


def test_the_table_says_what_is_not_met_and_what_is_missing():
    """A peer that cannot be had has a line that says why."""
    figures = Figures()
    for value in (12.0, 10.0, 11.0):
        figures.add("kafka.us", value)
    figures.missing["flink"] = "there is no Java"
    console = Console(width=160, record=True, quiet=False, file=None)
    with console.capture() as shown:
        for table in tables(figures):
            console.print(table)
    lines = [" ".join(line.replace("│", " ").split()) for line in shown.get().splitlines()]
    assert "serve on Kafka, catching up, 20 rules: CPU per event 11.0 µs 10.0 to 12.0 ≤ 9 not met" in lines
    assert "Flink SQL, cold, CPU per event not measured there is no Java" in lines


def test_every_target_has_a_line_of_its_own():
    """A key names one figure."""
    assert len(LINES) == len({line.what + key for key, line in LINES.items()})
    assert all(line.target for line in TARGETS)


def test_a_part_that_there_is_not(capsys):
    """Told with those that there are, before anything is measured."""
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "no such part: speed; there are peers, " in capsys.readouterr().err


def test_peers_rules_are_those_of_the_reference():
    """What peers leave to their users' code says the same of closed minutes as the reference does."""
    workload = peer_20(20_000)
    rules = job.rules_of(rules_for_peers(workload))
    closed: dict[tuple[job.Measure, int, str], object] = {}
    for measure in {rule.measure for rule in rules}:
        for _, value in workload.events:
            event = json.loads(value)
            if event["type"] != measure.event:
                continue
            data = event["data"] | {"sku": event["data"].get("sku") or event["data"]["lines"][0]["sku"]}
            key = (measure, micros(event["time"]) // 60_000_000, data[measure.by] if measure.by else job.ALL)
            total, so_far = job.cents(data.get("total", 0)), closed.get(key, (0, 0))
            of_all = {
                "count": closed.get(key, 0) + 1 if measure.how == "count" else None,
                "sum": closed.get(key, 0) + total if measure.how == "sum" else None,
                "average": (so_far[0] + total, so_far[1] + 1) if measure.how == "average" else None,
                "last": max((event["time"], event["id"], data.get("available")), closed.get(key, ("", "", 0)))
                if measure.how == "last"
                else None,
            }
            closed[key] = of_all[measure.how]
    rows = [(m, minute, g, v[2] if m.how == "last" else v) for (m, minute, g), v in closed.items()]
    told = job.breaches(rules, rows)
    assert wrong(told, workload) == ""
    lost = max(
        b for b in told if b[0].startswith("K") and workload.right.begins < b[2] < workload.right.until // 60_000_000
    )
    assert re.fullmatch(r"of \d+ breaches 1 missing, 0 too many", wrong(told - {lost}, workload))
    assert re.fullmatch(r"of \d+ breaches 0 missing, 1 too many", wrong({*told, ("K1", "none", lost[2])}, workload))


@pytest.mark.kafka
@pytest.mark.xdist_group("kafka")
def test_a_peer(kafka_libs, tmp_path):
    """One that is installed already; `make bench` installs them all."""
    if not (PLACE / "bytewax" / "requirements.txt").exists():
        pytest.skip("Bytewax is not installed; python -m tests.bench.run peers does it")
    small = session("kafka")
    catching_up.run(small, peers=("bytewax",))
    assert {"bytewax.us", "bytewax.per_s", "bytewax.mb", "ratio.bytewax"} <= small.figures.rounds.keys()
    assert small.figures.notes == {}


def test_fifty_rules():
    """Seasons, bad events and late ones, on SQLite and in a backtest.

    So many events that no campaign is silent for a week: it would be forgotten, which the reference does not know of.
    """
    small = session(size=0.02)
    fifty_rules.run(small)
    assert small.figures.rounds.keys() == {"shop.sqlite.us", "shop.backtest.per_s"}


def test_there_are_fifty():
    """As the name says."""
    assert len(asked_of(shop_50.rules(700))) == 50


TOPICS = ("orders", "traffic", "inventory", "plans")


def metrics(*, events=300, samples=0, **waiting):
    """Of a worker that has partitions 0 and 1 of each input topic, with events that wait by topic."""
    lag = [f'lockstep_lag_records{{partition="{n}",topic="{t}"}} {waiting.get(t, 0)}' for t in TOPICS for n in (0, 1)]
    own = [f'lockstep_lag_records{{partition="0",topic="lockstep.samples"}} {samples}']
    return "\n".join(["# HELP x", f'lockstep_events_total{{topic="orders"}} {events}.0', *lag, *own])


@pytest.mark.parametrize(
    ("workers", "is_over"),
    [
        pytest.param([{}, {}], True, id="nothing waits"),
        pytest.param([{"samples": 16}, {"samples": 8}], True, id="sixteen partitions say that they are quiet"),
        pytest.param([{"samples": 17}, {}], False, id="something is still judged"),
        pytest.param([{"orders": 1}, {}], False, id="an event is not read"),
        pytest.param([{"events": 200}, {"events": 399}], False, id="not all was counted"),
    ],
)
def test_when_a_backlog_has_been_read(workers, is_over):
    """However many workers and partitions there are, it is not by chance that a run finds its end."""
    assert is_caught_up([taken_of(metrics(**worker)) for worker in workers], 600) is is_over


def test_repeated_events_come_later():
    """The second time begins in the minute after the last of the first."""
    workload = peer_20(2_000)
    twice = list(repeated(workload, 2))
    assert twice[:2_000] == workload.events
    minutes = [sorted({json.loads(value)["time"][:16] for _, value in part}) for part in (twice[:2_000], twice[2_000:])]
    assert minutes[0][-1] < minutes[1][0]
    assert len(minutes[0]) == len(minutes[1])


def test_a_page_and_its_chart(tmp_path):
    """Later files count; what was not measured stands there with its reason."""
    for n, us in enumerate((10.0, 8.0)):
        figures = Figures(
            missing={"flink": "no Java"}, about={"commit": f"c{n}", "at": "now", "machine": "2 cores", "load": "1"}
        )
        figures.add("kafka.us", us)
        figures.add("bytewax.us", 30.0)
        figures.write(tmp_path / f"{n}.json")
    both = page.merged([tmp_path / "0.json", tmp_path / "1.json"])
    lines = page.section(both).splitlines()
    assert lines[0].startswith("Commit c1, now, 2 cores, load 1 at the end")
    assert "| serve on Kafka, catching up, 20 rules: CPU per event | 8.0 µs |  | ≤ 9 | met |" in lines
    assert "| Flink SQL, cold, CPU per event | not measured | no Java |" in lines
    drawn = ElementTree.fromstring(chart.svg(chart.rows_of(both)))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[1] / widths[0] == pytest.approx(30 / 8, rel=0.01)
