"""Why an alert fires, or why it does not: the judge's own numbers, in words that a person reads."""

import re
from datetime import datetime, timedelta
from io import StringIO

import msgspec
import pytest
from shorthand import DAY, LONDON, clock, orders, sessions, stock

from lockstep.adapters.explain_answer import by_alert, named
from lockstep.adapters.http.pages.alert_view import alert_view
from lockstep.errors import RuleError
from lockstep.explanation import ask, explain, public
from lockstep.notify.message import Writer
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events, replayed
from lockstep.tools.explain_command import shown
from lockstep.tools.terminal import Terminal
from lockstep.transition import TransitionName

MEASURES = """\
measures:
  orders: {count: order.placed}
  revenue: {sum: total, of: order.placed}
  web: {count: order.placed, where: {channel: web}}
  basket: {average: total, of: order.placed}
  share: {formula: revenue / orders}
  stock: {last: available, of: stock.level, stale_after: 2h}
rules:
"""
MANY = "- {name: R, by: [channel], threshold: {measure: orders, window: 5m, above: 3}, clear: {below: 2}"
SPIKE = "- {name: R, by: [channel], spike: {measure: orders, window: 5m, above: 2x, "
BUSY = "web: 12:00 x2, 12:06 x2, 12:11 x9"


def _plan(rule):
    loaded = load_texts({"r.yml": MEASURES + rule})
    assert loaded.errors == ()
    return loaded.plan


def _judge(plan, events, at):
    """The judge as it was at a time of day."""
    return replayed(plan, events, zone=LONDON, until=clock(at)).judge


@pytest.mark.parametrize(
    ("rule", "events", "at", "labels", "expected"),
    [
        pytest.param(
            MANY + "}",
            orders("web: 12:00 x5"),
            "12:02",
            ("web",),
            "it fires since Wed 14 Jan 12:01: orders is 5 (asked: warning above 3, clear below 2)",
            id="it fires",
        ),
        pytest.param(
            MANY + ", for: 1m}",
            orders("web: 12:00 x5"),
            "12:03",
            ("web",),
            "it fires, the breach began Wed 14 Jan 12:01: orders is 5 (asked: warning above 3, clear below 2)",
            id="it fires after `for`",
        ),
        pytest.param(
            MANY + "}",
            orders("web: 12:00 x3, 12:02 x2"),
            "12:06",
            ("web",),
            "it goes on firing, in the band between breach and clear: orders is 2 (asked: warning above "
            "3, clear below 2)",
            id="neither breach nor clear",
        ),
        pytest.param(
            MANY + ", for: 10m}",
            orders("web: 12:00 x5"),
            "12:02",
            ("web",),
            "it is pending since Wed 14 Jan 12:01 and fires at Wed 14 Jan 12:11 if it still holds: "
            "orders is 5 (asked: warning above 3, clear below 2)",
            id="it waits for `for`",
        ),
        pytest.param(
            MANY + ", keep_firing_for: 10m}",
            orders("web: 12:00 x5"),
            "12:08",
            ("web",),
            "it is clear since Wed 14 Jan 12:06 and goes on firing until Wed 14 Jan 12:16 (keep_firing_for): "
            "orders is 0 (asked: warning above 3, clear below 2)",
            id="it goes on firing",
        ),
        pytest.param(
            MANY + "}",
            orders("web: 12:00 x5"),
            "12:08",
            ("web",),
            "it does not fire: orders is 0 (asked: warning above 3, clear below 2)",
            id="it is over",
        ),
        pytest.param(
            SPIKE + "at_least: 20, usual_at_least: 2}}",
            orders(BUSY),
            "12:15",
            ("web",),
            "it does not fire: orders is 9 where 2 is usual (4.5x), but at_least asks for 20, it is 9",
            id="a minimum keeps it quiet",
        ),
        pytest.param(
            SPIKE + "at_least: 5, usual_at_least: 3}}",
            orders(BUSY),
            "12:15",
            ("web",),
            "it does not fire: orders is 9 where 2 is usual (4.5x), but usual_at_least asks for 3, it is 2",
            id="too little is usual",
        ),
        pytest.param(
            SPIKE + "at_least: 20, usual_at_least: 3}}",
            orders(BUSY),
            "12:15",
            ("web",),
            "it does not fire: orders is 9 where 2 is usual (4.5x), but at_least asks for 20, it is 9 "
            "and usual_at_least asks for 3, it is 2",
            id="two minimums together",
        ),
        pytest.param(
            SPIKE + "at_least: 5, usual_at_least: 3}}",
            orders(BUSY),
            "12:07",
            ("web",),
            "it does not fire: not judged, it looks back to before Wed 14 Jan 12:00, from where on orders is known",
            id="nothing to compare with yet",
        ),
        pytest.param(
            "- {name: R, absence: {measure: orders, window: 1h, hours: Mon-Fri 12:00-14:00}}",
            orders("web: 13:00"),
            "14:20",
            (),
            "it does not fire: not judged, the window does not lie within the hours Mon-Fri 12:00-14:00",
            id="nothing is expected now",
        ),
        pytest.param(
            "- {name: R, absence: {measure: orders, window: 1h, hours: [Mon-Fri 12:00-16:00, Sun 12:00-16:00]}}",
            orders("web: 12:30, 13:30"),
            "14:00",
            (),
            "it does not fire: orders is 1 (asked: nothing for 1h within Mon-Fri 12:00-16:00, Sun 12:00-16:00)",
            id="an absence says how long and when",
        ),
        pytest.param(
            "- {name: R, spike: {measure: orders, window: 1h, below: 0.5x, usual_at_least: 1, "
            "hours: Mon-Fri 09:00-12:00}}",
            orders("web: 08:30 x9, 09:30 x9"),
            "12:30",
            (),
            "it does not fire: not judged, the window does not lie within the hours Mon-Fri 09:00-12:00",
            id="a spike outside of its hours",
        ),
        pytest.param(
            "- {name: R, threshold: {measure: orders, window: day, below: 5}}",
            [
                *orders("web: 12:00 x9", day="2026-01-12"),
                *orders("web: 12:00 x3", day="2026-01-13"),
                *orders("web: 10:00"),
            ],
            "12:00",
            (),
            "it fires since Wed 14 Jan 00:00: orders is 3 (asked: window day; warning below 5)",
            id="a day says what the last whole one was",
        ),
        pytest.param(
            '- {name: R, absence: {measure: orders, by: "11:15", hours: Mon-Sat}}',
            [*orders("web: 12:00", day="2026-01-13"), *orders("web: 12:30")],
            "12:00",
            (),
            "it fires since Wed 14 Jan 11:15: orders is 0 (asked: nothing in a day until 11:15 within Mon-Sat)",
            id="nothing by a time of day",
        ),
        pytest.param(
            "- {name: R, by: [channel], threshold: {measure: share, window: 5m, above: 30}}",
            orders("web: 12:00"),
            "12:10",
            ("web",),
            "it does not fire: there is no data for share",
            id="no data",
        ),
        pytest.param(
            MANY + "}",
            orders("web: 12:00 x5"),
            "12:02",
            ("wbe",),
            "channel=wbe is not known: no event of it was seen (or none within 7d)",
            id="nobody knows it",
        ),
        pytest.param(
            MANY + "}",
            stock("A: 12:00 5"),
            "12:02",
            ("web",),
            "nothing has been judged yet: no event of orders has come whose bucket is closed",
            id="nothing came",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: 20}}",
            stock("A: 12:00 35, 12:03 12"),
            "12:30",
            ("A",),
            "it fires since Wed 14 Jan 12:03: stock is 12 (asked: warning at_most 20)",
            id="a level",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: 20}}",
            stock("A: 12:00 35, 12:03 12"),
            "14:30",
            ("A",),
            "it fires since Wed 14 Jan 12:03, and nothing ends it: there is no data for stock",
            id="a level that is stale",
        ),
        pytest.param(
            "- {name: R, by: [channel], share: {measure: web, of: orders, window: 5m, above: 50%, of_at_least: 20}}",
            orders("web: 12:00 x5"),
            "12:05",
            ("web",),
            "it does not fire: (web / orders) is not told, but of_at_least asks for 20, it is 5",
            id="a share of too few",
        ),
        pytest.param(
            "- {name: R, by: [sku], change: {measure: stock, by: 10}}",
            stock("A: 12:00 35, 12:03 28"),
            "12:30",
            ("A",),
            "it does not fire: stock is 28, it was 35 before, but by asks for 10, it is 7",
            id="a change that is too small",
        ),
        pytest.param(
            "- {name: R, by: [channel], all: [{threshold: {measure: orders, window: 5m, above: 3}}, "
            "{threshold: {measure: basket, window: 5m, above: 50}}]}",
            orders("web: 12:00 x5"),
            "12:05",
            ("web",),
            "it does not fire: basket is 10 (asked: warning above 50)",
            id="the part that decides",
        ),
    ],
)
def test_why(rule, events, at, labels, expected):
    """One sentence: the state, and the number that decides it."""
    explanation = explain(_judge(_plan(rule), events, at), "R", labels)
    assert explanation is not None
    assert explanation.why == expected


RULES = {
    "threshold": MANY + ", for: 2m, keep_firing_for: 3m}",
    "levels": "- {name: R, by: [channel], threshold: {measure: orders, window: 5m, levels: "
    "{warning: {above: 3}, critical: {above: 8}}}}",
    "spike": SPIKE + "at_least: 5, usual_at_least: 2}}",
    "absence": "- {name: R, by: [channel], absence: {measure: orders, window: 10m}}",
    "not": "- {name: R, by: [channel], all: [{threshold: {measure: orders, window: 5m, above: 3}}, "
    "{not: {threshold: {measure: basket, window: 5m, above: 50}}}]}",
    "level": "- {name: R, by: [sku], threshold: {measure: stock, at_most: 20}, for: 1m}",
}
SOON, NOT_YET = timedelta(seconds=1), timedelta(0)
EVENTS = [
    *orders(BUSY),
    *orders("app: 12:02 x4, 12:03 x6, 12:20"),
    *stock("A: 12:00 35, 12:03 12, 12:05 30, 12:09 3"),
]


@pytest.mark.parametrize("kind", sorted(RULES))
def test_what_was_told_is_what_is_explained(kind):
    """At the instant of each transition the explanation has its state and, where a verdict led to it, its numbers."""
    plan = _plan(RULES[kind])
    told = replay_events(plan, EVENTS, zone=LONDON, until=clock("12:40"))
    assert told
    for t in told:
        at = datetime.fromisoformat(t.at)
        before = [
            e
            for e in EVENTS
            if datetime.fromisoformat(e["time"]) < at + (SOON if e["type"] == "stock.level" else NOT_YET)
        ]
        judge = _judge(plan, before, at.strftime("%H:%M"))
        found = explain(judge, "R", tuple(t.labels.values()))
        assert found is not None
        assert (found.known, found.alert_id, found.rule_version) == (True, t.alert_id, t.rule_version)
        if t.state.value not in ("resolved", "cancelled"):  # what is over may be forgotten until the next event
            assert (found.clock.state, found.clock.episode_id) == (
                {"severity": "firing"}.get(t.state.value, t.state.value),
                t.episode_id,
            )
            numbers = (found.last["value"], found.last["baseline"], found.last["counts"])
            assert numbers == (t.value, t.baseline, t.counts)
        assert found.verdict is not None
        breaches = {"pending": "breach", "firing": "breach", "cancelled": "clear", "resolved": "clear"}
        assert found.verdict.verdict == breaches.get(t.state.value, found.verdict.verdict)
        assert (found.verdict.value, found.verdict.baseline) == (t.value, t.baseline)


@pytest.mark.parametrize("kind", sorted(RULES))
def test_being_asked_changes_nothing(kind):
    """What a judge would store is the same, however often and about whomever it was asked."""
    plan = _plan(RULES[kind])
    asked, left_alone = (_judge(plan, EVENTS, "12:16") for _ in range(2))
    for _ in range(2):
        for labels in [("web",), ("app",), ("A",), ("nobody",)]:
            explain(asked, "R", labels)
        ask([asked], "R", {})
    assert asked.cut().entries == left_alone.cut().entries
    assert asked.groups_of("R") == left_alone.groups_of("R")


def test_what_was_never_seen_has_no_numbers():
    """A mistyped label is said to be one, for people and programs; zeros would read like a verdict."""
    judge = _judge(_plan(MANY + "}"), orders("web: 12:00 x5"), "12:02")
    (found,) = ask([judge], "R", {"channel": "wbe"})
    assert (found.known, found.verdict) == (False, None)
    console = Terminal(width=200, record=True, file=StringIO())
    for part in shown({"rule": "R", "explanations": [{**public(found), "told": []}]}, LONDON):
        console.print(part)
    head, _, said = console.export_text().partition("\n\n")
    assert head == "R  channel=wbe"
    assert said.splitlines() == [
        "channel=wbe is not known: no event of it was seen (or none within 7d)",
        f"rule  r.yml:9, version {found.rule_version}",
    ]


def test_the_closed_days_of_an_absence_are_named():
    """Window, hours and calendar, all that it asks for."""
    closed = {"calendar.yml": "closed:\n  - {name: Christmas, on: 12-25}\n"}
    rule = "- {name: R, absence: {measure: orders, window: 1h, hours: Mon-Fri 12:00-16:00}}"
    loaded = load_texts({"r.yml": MEASURES + rule, **closed})
    assert loaded.errors == ()
    (found,) = ask([_judge(loaded.plan, orders("web: 12:30, 13:30"), "14:00")], "R", {})
    assert found.why == (
        "it does not fire: orders is 1 "
        "(asked: nothing for 1h within Mon-Fri 12:00-16:00, not on days closed by calendar.yml)"
    )


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        pytest.param("", {"bucket": "what suits of 5m, 15m, 30m, 1h", "sensitivity": "medium"}, id="chosen"),
        pytest.param(", bucket: 15m", {"bucket": "15m", "sensitivity": "medium"}, id="named"),
    ],
)
def test_the_bucket_of_an_anomaly_is_said_as_it_was_asked(written, asked):
    """One that is chosen for each group is no number of the rule."""
    plan = _plan(f"- {{name: R, anomaly: {{measure: orders{written}}}}}")
    found = explain(_judge(plan, orders("web: 12:10, 13:10"), "13:30"), "R", ())
    assert found is not None
    assert found.verdict is not None
    assert found.verdict.asked == asked


def test_each_week_of_a_baseline_is_shown():
    """The stretches that the verdict read, with their values; a week without orders is a zero among them."""
    rule = "- {name: R, spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, at_least: 5, "
    plan = _plan(rule + "usual_at_least: 1}}")
    events = []
    for back, count in [(5, 1), (4, 3), (3, 0), (2, 5), (1, 4), (0, 30)]:
        day = (datetime.fromisoformat(DAY) - timedelta(days=7 * back)).date().isoformat()
        events += orders(f"web: 12:10 x{count}", day=day) if count else []
    found = explain(_judge(plan, events, "13:00"), "R", ())
    assert found is not None
    assert found.verdict is not None
    assert [w.value for w in found.verdict.history] == [3.0, 0.0, 5.0, 4.0]
    assert [w["start"] for w in public(found)["verdict"]["history"]] == [
        f"{day}T12:00:00Z" for day in ("2025-12-17", "2025-12-24", "2025-12-31", "2026-01-07")
    ]
    assert (found.verdict.value, found.verdict.baseline, found.verdict.counts["windows"]) == (30.0, 3.5, 4)


def test_a_formula_is_shown_with_its_terms():
    """Each series of it, in the window."""
    plan = _plan("- {name: R, by: [channel], threshold: {measure: share, window: 5m, above: 30}}")
    found = explain(_judge(plan, orders("web: 12:00 x4"), "12:05"), "R", ("web",))
    assert found is not None
    assert found.verdict is not None
    assert found.verdict.terms == {"revenue": 40.0, "orders": 4.0}
    assert found.verdict.value == 10.0


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        pytest.param("share", "share is 10", id="a formula"),
        pytest.param("same", "same is 10", id="another name for a measure"),
    ],
)
def test_a_measure_is_called_what_its_author_calls_it(measure, expected):
    """Not what it is made of, in what is asked and in the reason that a transition keeps."""
    rule = f"- {{name: R, by: [channel], threshold: {{measure: {measure}, window: 5m, above: 3}}}}"
    plan = load_texts({"r.yml": MEASURES.replace("rules:", "  same: {formula: basket}\nrules:") + rule}).plan
    done = replayed(plan, orders("web: 12:00 x4"), zone=LONDON, until=clock("12:05"))
    found = explain(done.judge, "R", ("web",))
    assert found is not None
    assert expected in found.why
    assert [t.explanation.of for t in done.transitions] == [measure]


def test_who_asks_for_less_gets_the_groups_that_match():
    """All of a rule, or those with a label; what is not there is named with what is meant."""
    plan = _plan("- {name: R, by: [channel, country], threshold: {measure: orders, window: 5m, above: 3}}")
    judge = _judge(plan, [*orders("web: 12:00", country="DE"), *orders("web: 12:01", country="FR")], "12:03")
    assert [e.labels["country"] for e in ask([judge], "R", {})] == ["DE", "FR"]
    assert [e.labels["country"] for e in ask([judge], "R", {"country": "FR"})] == ["FR"]
    assert ask([judge], "R", {"country": "IT"}) == []
    (unknown,) = ask([judge], "R", {"country": "IT", "channel": "web"})
    assert not unknown.known
    for wanted, said in [
        (("Q", {}), "there is no rule 'Q'; known are R"),
        (("R", {"contry": "DE"}), "rule 'R' is not by 'contry'; did you mean 'country'?"),
    ]:
        with pytest.raises(RuleError, match=re.escape(said)):
            ask([judge], *wanted)


def _sells(sku, *, days, stock_left):
    """A product that sells two a day, and what is left of it on the last day, with visits and a plan beside it."""
    events = []
    for n in range(days, -1, -1):
        day = (datetime.fromisoformat(DAY) - timedelta(days=n)).date().isoformat()
        events += orders("web: 12:00 x2", day=day, lines=[{"sku": sku, "quantity": 1, "unit_price": 10}])
        events += sessions("web: 12:00 x5", day=day)
        events += stock(f"{sku}: 12:00 {stock_left if n == 0 else 90}", day=day)
    campaign = {"campaign": "SPRING", "starts": f"{DAY}T00:00:00Z", "ends": f"{DAY}T23:00:00Z"}
    plan = {"specversion": "1.0", "source": "/t", "id": "p", "type": "campaign.planned", "data": campaign}
    return [*events, {**plan, "time": events[0]["time"]}]


def test_an_alert_on_a_business_measure_says_what_it_was_made_of():
    """In the answer for programs, on the terminal and on the alert's page: the same numbers, as of the alert."""
    rule = "rules: [{name: LowCover, by: [sku], threshold: {measure: days_of_cover, at_most: 9}}]"
    loaded = load_texts({"r.yml": rule, "shop.yml": "currency: GBP\n"})
    assert loaded.errors == ()
    replay = replayed(loaded.plan, _sells("A-1", days=4, stock_left=7), zone=LONDON)
    assert replay.judge is not None
    (fired,) = [t for t in replay.transitions if t.state is TransitionName.FIRING]
    told = [
        {"what": "units available", "value": 7},
        {"what": "units sold a day", "value": 2.0},
        {"what": "units sold in the last 28 days, while in stock", "value": 8},
        {"what": "days of them in stock", "value": 4},
    ]
    assert msgspec.to_builtins(fired.made_of) == (
        {"measure": "days_of_cover", "text": "3.5 days", "as_of": fired.at, "parts": tuple(told)},
    )
    (found,) = [public(e) for e in ask([replay.judge], *named(fired.alert_id, {}, ["LowCover"], [fired]))]
    assert [(m["text"], m["parts"]) for m in found["made_of"]] == [("3.5 days", told)]
    console = Terminal(width=120, record=True, file=StringIO())
    answer = {"rule": "LowCover", "explanations": [{**found, "told": by_alert([fired])[fired.alert_id]}]}
    for part in shown(answer, LONDON):
        console.print(part)
    said = console.export_text()
    assert said.count("days of cover 3.5 days") == 1
    assert "units sold a day                                2\n" in said
    rules = {r.name: r for r in loaded.plan.rules}
    view = alert_view([fired], [fired], None, rules, Writer(LONDON), now=datetime.fromisoformat(fired.at))
    (cover,) = [p for p in view.parts if p.title == "days of cover"]
    assert cover.verdict == "3.5 days"
    assert cover.rows[:2] == (("units available", "7"), ("units sold a day", "2"))
