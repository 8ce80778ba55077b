"""The lifecycle of an alert, expected transitions computed by hand, told by the reference and by the service."""

import pytest
from comparison import judged
from shorthand import ORDERS, clock, lines, orders, plan, rule, when

ABOVE = when(ORDERS, "above 5")
BELOW = when(ORDERS, "below 3")


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(ABOVE),
            "web: 12:00 x6, 12:01 x5, 12:02",
            "12:03",
            ["12:01 web firing warning", "12:02 web resolved warning"],
            id="fires and resolves at the ends of its buckets",
        ),
        pytest.param(rule(ABOVE), "web: 12:00 x5", "12:03", [], id="above excludes the number"),
        pytest.param(
            rule(when(ORDERS, "at_least 5")),
            "web: 12:00 x5",
            "12:01",
            ["12:01 web firing warning"],
            id="at_least includes the number",
        ),
        pytest.param(
            rule(when(ORDERS, "below 3")),
            "web: 12:00:01, 12:01 x3, 12:02 x2",
            "12:03",
            ["12:03 web firing warning"],
            id="below excludes the number, and its first, incomplete window counts not",
        ),
        pytest.param(
            rule(when(ORDERS, "at_most 3")),
            "web: 12:00, 12:01 x4, 12:02 x3",
            "12:03",
            ["12:01 web firing warning", "12:02 web resolved warning", "12:03 web firing warning"],
            id="at_most includes the number, and a source that begins with its bucket is complete",
        ),
        pytest.param(
            rule(ABOVE),
            "web: 11:00, 12:00:59.999999 x3, 12:01 x3",
            "12:03",
            [],
            id="a window's end belongs to the next one",
        ),
        pytest.param(
            rule(ABOVE),
            "web: 11:00, 12:00 x3, 12:00:59.999999 x3",
            "12:01",
            ["12:01 web firing warning"],
            id="a window's start belongs to it",
        ),
        pytest.param(
            rule(ABOVE, hold=60),
            "web: 12:00 x6, 12:01 x6",
            "12:02",
            ["12:01 web pending warning", "12:02 web firing warning"],
            id="for ends at breach + for exactly, with the verdict of that instant",
        ),
        pytest.param(
            rule(ABOVE, hold=60),
            "web: 12:00 x6, 12:01 x5",
            "12:03",
            ["12:01 web pending warning", "12:02 web cancelled warning"],
            id="clear at breach + for cancels",
        ),
        pytest.param(
            rule(ABOVE, hold=90),
            "web: 12:00 x6, 12:01 x6, 12:02 x6",
            "12:04",
            ["12:01 web pending warning", "12:02:30 web firing warning", "12:04 web resolved warning"],
            id="for ends between two buckets",
        ),
        pytest.param(
            rule(ABOVE, hold=90),
            "web: 12:00 x6, 12:01 x6, 12:02 x5",
            "12:04",
            ["12:01 web pending warning", "12:02:30 web firing warning", "12:03 web resolved warning"],
            id="a clear verdict after the end of for comes too late to cancel",
        ),
        pytest.param(
            rule(ABOVE, hold=120),
            "web: 12:00 x6, 12:01, 12:02 x6, 12:03 x6, 12:04 x6",
            "12:05",
            [
                "12:01 web pending warning",
                "12:02 web cancelled warning",
                "12:03 web pending warning",
                "12:05 web firing warning",
            ],
            id="clear during pending begins a new episode",
        ),
        pytest.param(
            rule(ABOVE, keep=90),
            "web: 12:00 x6, 12:01",
            "12:10",
            ["12:01 web firing warning", "12:03:30 web resolved warning"],
            id="keep_firing_for runs out between two buckets",
        ),
        pytest.param(
            rule(ABOVE, keep=90),
            "web: 12:00 x6, 12:02 x6",
            "12:10",
            ["12:01 web firing warning", "12:05:30 web resolved warning"],
            id="a breach stops the keep_firing_for clock",
        ),
        pytest.param(
            rule(ABOVE, keep=60),
            "web: 12:00 x6, 12:02 x6",
            "12:10",
            ["12:01 web firing warning", "12:05 web resolved warning"],
            id="a breach at the very end of keep_firing_for stops it",
        ),
        pytest.param(
            rule(ABOVE, keep=90),
            "web: 12:00 x6, 12:03 x6",
            "12:10",
            [
                "12:01 web firing warning",
                "12:03:30 web resolved warning",
                "12:04 web firing warning",
                "12:06:30 web resolved warning",
            ],
            id="after keep_firing_for has run out an episode is new",
        ),
        pytest.param(
            rule(ABOVE, hold=60, keep=60),
            "web: 12:00 x6, 12:01 x6, 12:03 x6",
            "12:10",
            ["12:01 web pending warning", "12:02 web firing warning", "12:06 web resolved warning"],
            id="for does not count again within an episode",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5 clear below 3")),
            "web: 12:00 x6, 12:01 x5, 12:02 x3, 12:03 x2",
            "12:04",
            ["12:01 web firing warning", "12:04 web resolved warning"],
            id="in the band it stays firing",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5 clear below 3"), hold=120),
            "web: 12:00 x6, 12:01 x5",
            "12:04",
            ["12:01 web pending warning", "12:02 web cancelled warning"],
            id="the band plays no part in pending",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5 clear below 3"), keep=120),
            "web: 12:00 x6, 12:01 x1, 12:02 x4, 12:03 x1",
            "12:10",
            ["12:01 web firing warning", "12:06 web resolved warning"],
            id="the band stops the keep_firing_for clock",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5", "critical above 10")),
            "web: 12:00 x6, 12:01 x11, 12:02 x6, 12:03",
            "12:04",
            [
                "12:01 web firing warning",
                "12:02 web severity critical",
                "12:03 web severity warning",
                "12:04 web resolved warning",
            ],
            id="warning, critical, warning within one episode",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5 clear below 3", "critical above 10 clear below 8")),
            "web: 12:00 x11, 12:01 x9, 12:02 x7, 12:03 x4, 12:04 x2",
            "12:05",
            ["12:01 web firing critical", "12:03 web severity warning", "12:05 web resolved warning"],
            id="each level has its own band, and it falls to the highest that holds",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5 clear below 3", "critical above 10")),
            "web: 12:00 x11, 12:01",
            "12:02",
            ["12:01 web firing critical", "12:02 web resolved critical"],
            id="from critical to nothing at once",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5", "critical above 10"), hold=60),
            "web: 12:00 x6, 12:01 x11, 12:02 x1",
            "12:03",
            ["12:01 web pending warning", "12:02 web firing critical", "12:03 web resolved critical"],
            id="a severity that changes in pending is that of the firing",
        ),
        pytest.param(
            rule(ABOVE),
            "web: 12:00 x6; app: 12:00 x7, 12:01 x6",
            "12:02",
            ["12:01 app firing warning", "12:01 web firing warning", "12:02 web resolved warning"],
            id="groups are judged alone",
        ),
        pytest.param(
            rule(BELOW),
            "web: 12:00 x5; app: 12:05:30",
            "12:07",
            ["12:02 web firing warning", "12:06 app firing warning"],
            id="a group is known from its first event, and silence is judged",
        ),
        pytest.param(
            rule(BELOW),
            "-: 12:00 x3, 12:03 x1",
            "12:02",
            ["12:02 none firing warning"],
            id="an event without the label belongs to none",
        ),
    ],
)
def test_lifecycle(watched, told, until, expected):
    """An alert changes at the instants that the text says, and only then."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(ABOVE), "web: 12:00 x6", "12:00:30", ["12:01 web firing warning"], id="above fires in the open bucket"
        ),
        pytest.param(rule(BELOW), "web: 12:00 x1", "12:00:30", [], id="below waits for the bucket's end"),
        pytest.param(
            rule(ABOVE, keep=30),
            "web: 12:08 x6, 12:10 x6",
            "12:10:12",
            ["12:09 web firing warning", "12:10:30 web resolved warning", "12:11 web firing warning"],
            id="timers due before an early verdict run before it",
        ),
        pytest.param(
            rule(ABOVE, hold=30),
            "web: 12:08 x6, 12:09 x6",
            "12:09:12",
            ["12:09 web pending warning", "12:09:30 web firing warning"],
            id="an early verdict lets the timers before it run, whatever it says",
        ),
        pytest.param(
            rule(ABOVE),
            "web: 12:00 x6, 12:01 x1",
            "12:01:30",
            ["12:01 web firing warning"],
            id="an early look never resolves",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5", "critical above 10")),
            "web: 12:00 x11, 12:01 x6",
            "12:01:30",
            ["12:01 web firing critical"],
            id="an early look never lowers a severity",
        ),
        pytest.param(
            rule(ABOVE),
            "web: 12:00 x6, 12:01 x1",
            "12:01",
            ["12:01 web firing warning"],
            id="until is the end of what was seen",
        ),
    ],
)
def test_open_bucket(watched, told, until, expected):
    """What more events cannot undo is said before the bucket closes, at the bucket's end."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected
