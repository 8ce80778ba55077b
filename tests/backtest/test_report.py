"""What people read of a backtest: numbers, labels, two versions, the page."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from lockstep.errors import EventError
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.route import Routing
from lockstep.ports import Batch, Destination
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.quantity import hours
from lockstep.tools.backtest.replay import Replay, episodes, replayed
from lockstep.tools.report import report as rp
from lockstep.tools.report.page import Shown, page, short
from lockstep.tools.report.terminal_tables import sparkline
from lockstep.tools.retail import ZONE
from lockstep.transition import encode

RULES = """\
measures: {stock: {last: available, of: stock.level}}
rules:
  - name: Low
    by: [sku]
    threshold: {measure: stock, levels: {warning: {at_most: 20}, critical: {at_most: 5}}}
    say: {marketing: "Do not promote {{ labels.sku }}.", operations: "Reorder {{ labels.sku }}."}
  - {name: Gone, by: [sku], threshold: {measure: stock, below: -100}}
"""
PLAN = load_texts({"rules.yml": RULES}).plan
WORKING = [hours("Mon-Fri 08:00-18:00")]


def levels(told, sku="A"):
    """`5 09:00 50, 5 10:00 3`: day of January 2026 (the 5th is a Monday), clock, value."""
    found = []
    for i, entry in enumerate(told.split(", ")):
        day, clock, value = entry.split()
        data = {"sku": sku, "available": int(value)}
        time = f"2026-01-{int(day):02}T{clock}:00Z"
        found.append({"id": f"{sku}{i}", "source": "/t", "type": "stock.level", "time": time, "data": data})
    return found


def made(events, windows=None, plan=PLAN):
    found = replayed(plan, events, zone=ZONE, watch=True)
    report = rp.make_report(plan, found, episodes(found.transitions), zone=ZONE, working=WORKING, windows=windows)
    return found, report


def row(report, name="Low"):
    return next(r for r in report.rules if r.rule == name)


def test_less_than_a_day_says_nothing_of_a_week():
    """Two hours with one alert are not seven a week."""
    found, report = made(levels("5 09:00 50, 5 10:00 10, 5 11:00 50"))
    assert (len(row(report).episodes), row(report).per_week) == (1, None)
    assert "in less than a day" in page(report, PLAN, found.curves, SHOWN, zone=ZONE)


def test_a_rule_in_numbers():
    """How many, how often, how long, from whom."""
    events = levels("5 09:00 50, 5 10:00 10, 5 12:00 50, 13 09:00 10, 13 13:00 50") + levels("19 09:00 9", sku="B")
    _, report = made(events)
    low = row(report)
    assert (len(low.episodes), low.weekly, low.going_on, low.groups) == (3, (1, 1, 1), 1, 2)
    assert low.per_week == pytest.approx(3 / 2)
    assert (low.typical, low.longest) == (timedelta(hours=3), timedelta(hours=4))
    assert low.noisiest == (("A", 2), ("B", 1))
    assert (len(row(report, "Gone").episodes), row(report, "Gone").typical) == (0, None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("5 10:00 10", {}, id="at work nobody is woken"),
        pytest.param("5 07:59 10", {"warning": 1}, id="a minute before work"),
        pytest.param("5 18:00 10", {"warning": 1}, id="work ends at its end"),
        pytest.param("10 12:00 3", {"critical": 1}, id="on a Saturday, at once critical"),
        pytest.param("5 10:00 10, 5 23:00 3", {"critical": 1}, id="it grew worse in the night"),
        pytest.param(
            "5 22:00 10, 5 23:00 3, 6 01:00 9, 6 02:00 2", {"warning": 1, "critical": 1}, id="once a severity"
        ),
    ],
)
def test_who_would_have_been_woken(told, expected):
    """Each time an episode first reaches warning or critical outside working hours."""
    _, report = made(levels(f"4 09:00 50, {told}"))
    assert row(report).woken == expected


LABELLED = "start,end,rule,sku\n2026-01-05T09:30,2026-01-05T11:00,,\n2026-01-07T09:00,2026-01-07T10:00,Low,A\n"


def test_precision_and_recall(tmp_path):
    """Two windows, two episodes, one of each belongs to the other."""
    path = tmp_path / "labels.csv"
    path.write_text(LABELLED)
    events = levels("5 09:00 50, 5 10:00 10, 5 12:00 50, 9 09:00 10, 9 10:00 50")
    _, report = made(events, rp.read_windows(path, ZONE))
    assert report.score == rp.Score(right=1, episodes=2, detected=1, windows=2)
    assert (report.score.precision, report.score.recall) == (0.5, 0.5)
    assert row(report).score == rp.Score(right=1, episodes=2, detected=0, windows=1)
    assert row(report, "Gone").score.precision is None


def test_labels_may_be_yaml(tmp_path):
    """The same windows, the same times."""
    (tmp_path / "labels.csv").write_text(LABELLED)
    (tmp_path / "labels.yml").write_text(
        "- {start: 2026-01-05T09:30, end: 2026-01-05T11:00}\n"
        "- {start: 2026-01-07T09:00, end: 2026-01-07T10:00, rule: Low, labels: {sku: A}}\n"
    )
    both = [rp.read_windows(tmp_path / f"labels.{kind}", ZONE) for kind in ("csv", "yml")]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("l.csv", "start,end\nyesterday,today\n", "l.csv:2: 'start' is 'yesterday', no time", id="no time"),
        pytest.param("l.csv", "from,to\n1,2\n", "l.csv:2: 'start' is 'None'", id="other columns"),
        pytest.param(
            "l.csv", "start,end\n2026-01-05T10:00,2026-01-05T09:00\n", "it ends before it starts", id="turned"
        ),
        pytest.param("l.yml", "windows: 3\n", "no list of windows", id="no list"),
        pytest.param("l.yml", "- [\n", "no list of windows", id="no YAML"),
        pytest.param("gone.csv", None, "cannot be read", id="no file"),
    ],
)
def test_a_bad_label_file_is_said(tmp_path, name, text, said):
    """Which row, and what is expected."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(EventError, match=re.escape(said)):
        rp.read_windows(tmp_path / name, ZONE)


@pytest.mark.parametrize(
    ("limit", "gained", "lost", "moved", "same"),
    [
        pytest.param("at_most: 20", 0, 0, [], 2, id="the same rule"),
        pytest.param("at_most: 25", 0, 0, ["begins 1 hour earlier"], 1, id="earlier"),
        pytest.param("at_most: 12", 0, 1, [], 1, id="one is no longer told"),
        pytest.param("at_most: 48", 1, 0, ["begins 1 hour earlier"], 1, id="one more"),
    ],
)
def test_what_would_change(limit, gained, lost, moved, same):
    """Episodes of the same labels that overlap are the same one, however it moved."""
    events = levels("5 09:00 60, 5 10:00 24, 5 11:00 15, 5 12:00 60, 6 10:00 10, 6 12:00 60, 7 10:00 45, 7 11:00 60")
    rule = "measures: {{stock: {{last: available, of: stock.level}}}}\nrules:\n"
    rule += "  - {{name: Low, by: [sku], threshold: {{measure: stock, {}}}}}\n"
    before, after = (
        episodes(replayed(load_texts({"r.yml": rule.format(n)}).plan, events, zone=ZONE).transitions)
        for n in ("at_most: 20", limit)
    )
    (found,) = rp.compare(before, after)
    assert (len(found.gained), len(found.lost), found.same) == (gained, lost, same)
    assert [rp.moved_words(*pair) for pair in found.moved] == moved
    assert found.is_any == bool(gained or lost or moved)


class _Page(HTMLParser):
    """Every attribute that could fetch something, and the text."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.tags, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [v for k, v in attrs if k in ("src", "href", "action", "data", "poster") and v[:1] != "#"]

    def handle_data(self, data):
        self.text.append(data)


SHOWN = Shown("rules", "events.ndjson", "Mon-Fri 08:00-18:00")


def test_the_page_shows_each_episode_and_fetches_nothing():
    """One file: the chart, the numbers, both teams' texts; nothing from elsewhere."""
    found, report = made(levels("5 09:00 50, 5 10:00 10, 5 12:00 50"))
    text = page(report, PLAN, found.curves, SHOWN, zone=ZONE)
    read = _Page(text)
    assert read.fetched == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert {"link", "img", "iframe"}.isdisjoint(read.tags)
    said = " ".join(read.text)
    for words in ("Do not promote A.", "Reorder A.", "Mon 5 Jan 2026 10:00 GMT", "2 h"):
        assert words in said
    assert text.count('class="value"') == 2, "the chart and the spark"
    assert text == page(report, PLAN, found.curves, SHOWN, zone=ZONE)


def test_labels_cannot_write_into_the_page():
    """What stands in an event is text."""
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    found, report = made(levels("5 09:00 50, 5 10:00 10", sku=evil))
    read = _Page(page(report, PLAN, found.curves, SHOWN, zone=ZONE))
    assert (read.tags.count("script"), read.tags.count("img"), read.fetched) == (1, 0, [])


@pytest.mark.parametrize("count", [0, 1_500])
def test_the_page_stays_of_a_size(count):
    """With nothing to say it says so; with very much it draws some, lists some and counts the rest."""
    events = [e for i in range(count) for e in levels("5 09:00 50, 5 10:00 10, 5 12:00 50", sku=f"S{i}")]
    found, report = made(events)
    text = page(report, PLAN, found.curves, SHOWN, zone=ZONE, changes=rp.compare([], report.episodes))
    assert len(report.episodes) == count
    assert len(text) < 1_000_000
    assert ("Nobody would have heard anything" in text) == (count == 0)
    assert ("and 1,360 more" in text) == (count > 0)


def test_no_events_at_all():
    """Neither a division by zero nor a chart of nothing."""
    report = rp.make_report(PLAN, Replay(), [], zone=ZONE, working=WORKING)
    assert "no events" in page(report, PLAN, {}, SHOWN, zone=ZONE)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, "–"), (45, "45 s"), (900, "15 min"), (3700, "1 h 1 min"), (200_000, "2 d 7 h")]
)
def test_short_lengths(seconds, expected):
    """For cells."""
    assert short(None if seconds is None else timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        pytest.param([0, 1, 4, 8], 4, "·▂▅█", id="zero is a dot"),
        pytest.param([1, None, 1], 3, "█ █", id="nothing is a blank"),
        pytest.param([1, 8, 1, 1], 2, "█▂", id="the largest of each column"),
        pytest.param([], 9, "", id="nothing at all"),
    ],
)
def test_sparklines(values, width, expected):
    """Numbers in the height of a letter."""
    assert sparkline(values, width) == expected


def test_weeks_are_local():
    """Sunday 23:30 in New York is Monday in UTC and still last week in the shop."""
    first, last = datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 12, 4, tzinfo=UTC)
    assert len(rp._mondays(first, last, ZoneInfo("America/New_York"))) == 1
    assert len(rp._mondays(first, last, ZoneInfo("UTC"))) == 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_message_says_the_length_that_the_report_says(restarts):
    """How long it fired; with a `for` the breach began before, which the message adds."""
    text = RULES.replace("by: [sku]", "by: [sku]\n    for: 15m", 1)
    plan = load_texts({"rules.yml": text}).plan
    found, report = made(levels("5 09:00 50, 5 10:00 10, 5 14:30 50"), plan=plan)
    (episode,) = row(report).episodes
    assert short(rp.lasted(episode)) == "4 h 15 min"
    mail = Destination("anna", "email", "anna@example.com", "mail")
    routing = Routing({"mail": (mail,)}, {"marketing": ("mail",), "operations": ("mail",)})
    stage, kept, bodies = Notify(plan, routing, zone=ZONE), {}, []
    for offset, transition in enumerate(found.transitions):
        now = datetime(2026, 1, 6, tzinfo=UTC) + timedelta(minutes=offset)
        stage.feed(Batch("lockstep.alerts", 0, range(offset, offset + 1), [encode(transition)], [None], [0], -1, 0))
        for seconds in (0, 10):
            stage.tick(now + timedelta(seconds=seconds))
            cut = stage.cut()
            bodies += [json.loads(r.value)["body"] for r in cut.records if r.topic == DELIVERIES]
            kept |= cut.entries
        if restarts:
            stage = Notify(plan, routing, zone=ZONE)
            stage.restore({key: value for key, value in kept.items() if value is not None})
    (over,) = bodies[-1]["items"]
    assert over["headline"].startswith("all clear after 4 hours 15 minutes. It was: ")
    assert (over["since"], over["at"]) == ("Mon 5 Jan 2026 10:15 GMT", "Mon 5 Jan 2026 14:30 GMT")
    assert set(over["texts"].values()) == {
        "If you paused or changed something for it, you can undo that now. Now 50; you are told at 20 or less."
    }
    assert not any(key.startswith(b"\x1ffired") and value is not None for key, value in kept.items())
