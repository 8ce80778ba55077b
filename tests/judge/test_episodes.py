"""More of an alert's life: `for` in buckets, cool-down, a rule's last day, and rules edited while they fire."""

from datetime import date
from typing import Any

import pytest
from comparison import judged
from judge_pipeline import Pipeline
from shorthand import ORDERS, ORDERS_ALL, STOCK, clock, lines, orders, plan, rule, stock, when

from lockstep.rule.condition.kinds import Plan, Tolerance

ABOVE = when(ORDERS, "above 5")


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(3, 4)),
            "web: 12:00 x6, 12:01 x1, 12:02 x6, 12:03 x6",
            "12:04",
            ["12:01 web pending warning", "12:04 web firing warning"],
            id="one clear bucket is forgiven",
        ),
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(3, 4)),
            "web: 12:00 x6, 12:01 x6, 12:03 x6, 12:04 x1",
            "12:05",
            ["12:01 web pending warning", "12:04 web firing warning", "12:05 web resolved warning"],
            id="a bucket without an event is clear",
        ),
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(3, 4)),
            "web: 12:00 x6, 12:03 x6, 12:05 x6, 12:06 x6, 12:07 x1",
            "12:09",
            ["12:01 web pending warning", "12:07 web firing warning", "12:08 web resolved warning"],
            id="what is older than the last buckets counts no more",
        ),
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(2, 3)),
            "web: 12:00 x6, 12:04 x6",
            "12:06",
            ["12:01 web pending warning", "12:04 web cancelled warning", "12:05 web pending warning"],
            id="none of the last buckets breaches: it never fires",
        ),
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(2, 2)),
            "web: 12:00 x6, 12:01 x6, 12:02 x1, 12:03 x6",
            "12:04",
            [
                "12:01 web pending warning",
                "12:02 web firing warning",
                "12:03 web resolved warning",
                "12:04 web pending warning",
            ],
            id="an episode begins to count anew",
        ),
        pytest.param(
            rule(ABOVE, tolerance=Tolerance(2, 3)),
            "web: 11:58 x6, 12:00 x6",
            "12:00:30",
            ["11:59 web pending warning", "12:01 web firing warning"],
            id="the last of them speaks in the open bucket",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5", "critical above 10"), tolerance=Tolerance(2, 3)),
            "web: 12:00 x12, 12:02 x6",
            "12:03",
            ["12:01 web pending critical", "12:03 web firing warning"],
            id="its severity is that of the last breach",
        ),
    ],
)
def test_for_in_buckets(watched, told, until, expected):
    """So many of the last buckets breach."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(ABOVE, cool_down_s=300),
            "web: 12:00 x6, 12:02 x6, 12:09 x6",
            "12:11",
            [
                "12:01 web firing warning",
                "12:02 web resolved warning",
                "12:10 web firing warning",
                "12:11 web resolved warning",
            ],
            id="what comes and goes meanwhile begins nothing",
        ),
        pytest.param(
            rule(ABOVE, cool_down_s=150),
            "web: 12:00 x6, 12:02 x6, 12:03 x6, 12:04 x6",
            "12:06",
            [
                "12:01 web firing warning",
                "12:02 web resolved warning",
                "12:04:30 web firing warning",
                "12:06 web resolved warning",
            ],
            id="what still breaches at its end begins then",
        ),
        pytest.param(
            rule(ABOVE, hold=60, cool_down_s=150),
            "web: 12:00 x6, 12:01 x6, 12:03 x6, 12:04 x6, 12:05 x6, 12:06 x6",
            "12:08",
            [
                "12:01 web pending warning",
                "12:02 web firing warning",
                "12:03 web resolved warning",
                "12:05:30 web pending warning",
                "12:06:30 web firing warning",
                "12:08 web resolved warning",
            ],
            id="for begins after it",
        ),
        pytest.param(
            rule(ABOVE, hold=60, cool_down_s=600),
            "web: 12:00 x6, 12:03 x6, 12:04 x6",
            "12:05",
            [
                "12:01 web pending warning",
                "12:02 web cancelled warning",
                "12:04 web pending warning",
                "12:05 web firing warning",
            ],
            id="what never fired has nothing to cool down from",
        ),
    ],
)
def test_cool_down(watched, told, until, expected):
    """After an end nothing begins for so long."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected


def test_cool_down_of_a_level():
    """No value comes at its end, and the low stock is told all the same."""
    watched = rule(when(STOCK, "at_most 20", window=None), cool_down_s=3600)
    told = stock("A: 12:00 10, 12:10 30, 12:20 10, 13:00 9")
    assert lines(judged(plan(watched), told, until=clock("14:00"))) == [
        "12:00 A firing warning",
        "12:10 A resolved warning",
        "13:10 A firing warning",
    ]


@pytest.mark.parametrize(
    ("watched", "events", "until", "expected"),
    [
        pytest.param(
            rule(ABOVE, expires=date(2026, 1, 13)),
            orders("web: 2026-01-13 23:57 x6, 2026-01-13 23:58 x7, 2026-01-13 23:59 x6, 2026-01-14 00:00 x6"),
            "00:05",
            ["2026-01-13 23:58 web firing warning", "00:00 web resolved warning"],
            id="a flow ends at midnight",
        ),
        pytest.param(
            rule(ABOVE, hold=120, expires=date(2026, 1, 13)),
            orders("web: 2026-01-13 23:58 x6, 2026-01-13 23:59 x6, 2026-01-14 00:00 x6"),
            "00:05",
            ["2026-01-13 23:59 web pending warning", "00:00 web cancelled warning"],
            id="what was pending never fires",
        ),
        pytest.param(
            rule(when(STOCK, "at_most 20", window=None), expires=date(2026, 1, 13)),
            stock("A: 2026-01-13 22:00 10; B: 2026-01-14 00:10 10, 2026-01-14 00:20 30"),
            "00:30",
            ["2026-01-13 22:00 A firing warning", "00:00 A resolved warning"],
            id="a level ends without a value",
        ),
        pytest.param(
            rule(ABOVE, expires=date(2026, 3, 29)),
            orders("web: 2026-03-29 22:58 x6, 2026-03-29 22:59 x6, 2026-03-29 23:00 x6"),
            "2026-03-29 23:05",
            ["2026-03-29 22:59 web firing warning", "2026-03-29 23:00 web resolved warning"],
            id="the shop's midnight, in summer",
        ),
        pytest.param(
            rule(ABOVE, expires=date(2026, 1, 12)),
            orders("web: 12:00 x6"),
            "12:05",
            [],
            id="long ago",
        ),
    ],
)
def test_the_last_day(watched, events, until, expected):
    """A rule is judged up to the end of the day on which it expires, and what is open ends then."""
    assert lines(judged(plan(watched), events, until=clock(until))) == expected


# ---- rules that are edited ------------------------------------------------------------------------------------------


def edited(*plans: tuple[Plan, str], until: str) -> list[dict[str, Any]]:
    """What is said when each plan watches its own events, one after the other, on the state of the one before."""
    pipeline = Pipeline(plans[0][0])
    for n, (watched, told) in enumerate(plans):
        if n:
            pipeline.edit(watched)
        for event in orders(told):
            pipeline.arrive(event, 0)
    return pipeline.finish(clock(until))


OLD = rule(ABOVE, name="Old")
FIRST = "web: 12:00 x6; app: 12:00 x1"
# The first plan has judged up to here: events a minute (lateness) before the last.
LATER = "; app: 12:01 x1, 12:02 x1, 12:03 x1"


def test_a_text_changes_nothing():
    """What a rule says, to whom, and where its runbook is."""
    other = rule(ABOVE, name="Old", say={"summary": "anew"}, runbook="https://example.com", owner="Ann")
    told = "web: 12:03 x6; app: 12:03 x1", "web: 12:04 x1; app: 12:07 x1"
    plain = edited((plan(OLD), FIRST + LATER), (plan(OLD), told[0]), (plan(OLD), told[1]), until="12:08")
    assert edited((plan(OLD), FIRST + LATER), (plan(other), told[0]), (plan(OLD), told[1]), until="12:08") == plain
    assert lines(plain) == [
        "12:01 web firing warning",
        "12:02 web resolved warning",
        "12:04 web firing warning",
        "12:05 web resolved warning",
    ]


def test_a_threshold_is_judged_anew_in_the_same_episode():
    """It ends at the next bucket if the new number says so, and goes on otherwise."""
    stricter = rule(when(ORDERS, "above 7"), name="Old")
    looser = rule(when(ORDERS, "above 5"), name="Old")
    events = "web: 12:00 x6, 12:01 x6, 12:02 x6; app: 12:02:30 x1"
    rest = "web: 12:02:40 x1; app: 12:05 x1"
    for other, expected in (
        (stricter, ["12:01 web firing warning", "12:02 web resolved warning"]),
        (looser, ["12:01 web firing warning", "12:04 web resolved warning"]),
    ):
        said = edited((plan(OLD), events), (plan(other), rest), until="12:06")
        assert lines(said) == expected
        assert len({t["episode_id"] for t in said}) == 1


def test_other_groups_are_other_alerts():
    """A rule that is by something else ends its alerts, by its name."""
    elsewhere = rule(when(ORDERS_ALL, "above 99"), name="Old")
    said = edited(
        (plan(OLD), "web: 12:00 x6, 12:01 x6; app: 12:02 x1"), (plan(elsewhere), "web: 12:05 x1"), until="12:06"
    )
    assert [(t["state"], t["labels"]) for t in said] == [
        ("firing", {"channel": "web"}),
        ("resolved", {"channel": "web"}),
    ]


def test_a_renamed_rule_carries_its_alerts_on():
    """What fired under the old name is resolved with the ids that fired, and what comes next has its own."""
    renamed = rule(ABOVE, name="New", was=("Older", "Old"))
    said = edited(
        (plan(OLD), "web: 12:00 x6, 12:01 x6; app: 12:02 x1"), (plan(renamed), "web: 12:03 x1, 12:05 x6"), until="12:06"
    )
    assert [f"{t['rule']} {line}" for t, line in zip(said, lines(said), strict=True)] == [
        "Old 12:01 web firing warning",
        "New 12:03 web resolved warning",
        "New 12:06 web firing warning",
    ]
    assert len({t["episode_id"] for t in said[:2]}) == 1
    assert said[0]["alert_id"] == said[1]["alert_id"] != said[2]["alert_id"]
    fresh = edited((plan(rule(ABOVE, name="New")), "web: 12:05 x6; app: 11:00 x1"), until="12:06")
    assert [t["alert_id"] for t in fresh] == [said[2]["alert_id"]]


def test_without_was_a_rename_is_a_new_rule():
    """The old one's alerts end, the new one's begin."""
    said = edited(
        (plan(OLD), "web: 12:00 x6, 12:01 x6; app: 12:02 x1"),
        (plan(rule(ABOVE, name="New")), "web: 12:02 x6; app: 12:04:30 x1"),
        until="12:03",
    )
    assert [(t["rule"], t["state"]) for t in said] == [
        ("Old", "firing"),
        ("Old", "resolved"),
        ("New", "firing"),
    ]


def test_shorter_clocks_end_at_once_not_in_the_past():
    """An edit of `keep_firing_for` makes nothing happen before what was judged already."""
    slow = rule(ABOVE, name="Old", keep=600)
    said = edited(
        (plan(slow), "web: 12:00 x6; app: 12:05 x1"), (plan(rule(ABOVE, name="Old")), "app: 12:08 x1"), until="12:09"
    )
    assert lines(said) == ["12:01 web firing warning", "12:04 web resolved warning"]
