"""What a person reads: numbers, times, words, and the fallback that never loses an alert."""

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from alert_samples import LONDON, NOON, rule, transition
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lockstep.notification import Audience, Message
from lockstep.notify.message import LARGEST_WEBHOOK, Writer, sample_message, window_text
from lockstep.notify.payload import webhook_json_schema
from lockstep.rule.judged_verdict import Judged
from lockstep.text.figures import Figure, duration_words, measured_text, number_text, ratio_text, time_text

GOLDEN = Path(__file__).parent / "golden"
BOTH = ("marketing", "operations")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (42.0, "42"),
        (1234.0, "1,234"),
        (1234.56, "1,235"),
        (12.5, "12.5"),
        (12.345, "12.35"),
        (100.0, "100"),
        (0.25, "0.25"),
        (1 / 3, "0.333"),
        (0.0, "0"),
        (-3.0, "-3"),
        (1.999, "2"),
        (9e18, "9e+18"),
        (None, "no data"),
    ],
)
def test_number_text(value, expected):
    """A number as people write it, without the noise of floats."""
    assert number_text(value) == expected


@pytest.mark.parametrize(
    ("value", "unit", "beside", "expected"),
    [
        (1.5273, "%", None, "153%"),
        (0.0333, "%", None, "3.3%"),
        (0.0022, "%", None, "0.22%"),
        (0.00001, "%", None, "0.01%"),
        (-0.4486, "%", 0.4, "-45%"),
        (0.8526, "%", 0.85, "85.3%"),
        (0.85, "%", 0.85, "85%"),
        (0.100004, "%", 0.1, "10%"),
        (12.08, "hours", None, "12 hours"),
        (12.08, "h", 12, "12.1 hours"),
        (0.5, "days", None, "12 hours"),
        (4.94, "days", None, "4.9 days"),
        (22.5, "days", None, "23 days"),
        (1.02, "days", None, "1 day"),
        (0.25, "units", None, "0.25 units"),
        (1201.0, "orders", None, "1,201 orders"),
        (2.97, "x", 3, "2.97x"),
        (19.9, "money EUR", None, "19.90 EUR"),
        (1234.5, "money EUR", None, "1,235 EUR"),
        (33.333, "", None, "33.33"),
        (1e300, "days", None, "1e+300 days"),
        (None, "days", None, "no data"),
    ],
)
def test_a_measured_number_has_the_digits_that_people_act_on(value, unit, beside, expected):
    """And beside a limit as many as it takes to see that it is another."""
    assert measured_text(value, unit, beside) == expected


def test_a_figure_beside_a_number_is_its_number():
    """So a text may ask for more than nothing; what is not known is neither more nor less."""
    text = "{% if value > 0.1 %}more{% elif value <= 0.1 %}less{% else %}not known{% endif %} {{ value | abs }}"
    for value, said in ((0.125, "more 13%"), (-0.125, "less 13%"), (None, "not known no data")):
        assert Writer(LONDON).headline(_share(value=value), rule(say={"summary": text})) == said
    assert Figure("25%", 0.25) == 0.25
    assert Figure("25%", 0.25) == "25%"
    assert Figure("25%", 0.25) < Figure("3%", 0.3)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.125, "%", "12.5%"),
        (36.0, "h", "36 hours"),
        (1.0, "h", "1 hour"),
        (0.5, "h", "30 minutes"),
        (0.0, "d", "0 days"),
        (3.5, "d", "3.5 days"),
        (19.9, "money", "19.90"),
        (500.0, "money EUR", "500 EUR"),
        (4820.4, "money €", "€4,820"),
        (-19.9, "money €", "-€19.90"),
        (1e300, "money €", "€1e+300"),
        (None, "money €", "no data"),
    ],
)
def test_number_with_its_unit(value, unit, expected):
    """What is measured in money or in time is told so."""
    assert number_text(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(3.1, "3.1x"), (3.0, "3x"), (12.04, "12x"), (0.253, "0.25x"), (0.0, "0x"), (None, "")]
)
def test_ratio_text(value, expected):
    """How many times the usual."""
    assert ratio_text(value) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param("2026-11-24T09:05:00+00:00", "Tue 24 Nov 2026 09:05 GMT", id="winter"),
        pytest.param("2026-07-01T09:05:00Z", "Wed 1 Jul 2026 10:05 BST", id="summer"),
    ],
)
def test_time_text(moment, expected):
    """The shop's wall clock, and which one."""
    assert time_text(moment, LONDON) == expected


def test_a_zone_without_letters_is_an_offset():
    """Many zones have no abbreviation; a bare +04 would be a riddle."""
    assert time_text("2026-11-24T09:05:00Z", type(LONDON)("Asia/Dubai")) == "Tue 24 Nov 2026 13:05 UTC+04"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (150, "2 minutes 30 seconds"),
        (900, "15 minutes"),
        (3600, "1 hour"),
        (7500, "2 hours 5 minutes"),
        (90061, "1 day 1 hour"),
        (604800, "7 days"),
    ],
)
def test_duration_words(seconds, expected):
    """Two units are enough."""
    assert duration_words(seconds) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, "15 minutes", id="a window"),
        pytest.param({"window_start": None, "window_end": None}, "now", id="a level"),
    ],
)
def test_window_text(changed, expected):
    """A level has no window: it is so now."""
    assert window_text(transition(**changed)) == expected


SAY = {
    "summary": "{{ labels.channel }}: {{ value }} orders in {{ window }}, usually {{ baseline }} ({{ ratio }})",
    "marketing": "Check what runs before {{ at }}. {{ severity }}/{{ rule }} {{ runbook }}",
    "operations": "Stock of {{ labels.sku }} may run out.",
}


def test_a_rule_s_own_words_are_filled_in():
    """Every name that a template may use, as people read it."""
    written = Writer(LONDON)
    own = rule(say=SAY, runbook="https://shop.example/spikes")
    assert written.headline(transition(), own) == "web: 62 orders in 15 minutes, usually 20 (3.1x)"
    assert written.team_text(transition(), own, "marketing") == (
        "Check what runs before Tue 24 Nov 2026 12:00 GMT. warning/OrderSpike https://shop.example/spikes"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(
            {"baseline": None, "limit": 1234.5678, "value": 1200.0}, "1,200 of 1,235", id="written as a value is"
        ),
        pytest.param({"limit": 0.0, "baseline": None, "value": -2.0}, "-2 of 0", id="nothing is a limit, too"),
        pytest.param({"limit": 40.0}, "62 of 40", id="beside what is usual"),
        pytest.param({}, "62", id="a condition that has none"),
    ],
)
def test_a_text_names_the_limit(changed, expected):
    """In mails, Slack and webhooks alike; where there is none it is empty, so that a text may ask."""
    said = "{{ value }}{% if limit %} of {{ limit }}{% endif %}"
    written, own = Writer(LONDON), rule(say={"operations": said, "summary": said})
    item = written.item(transition(**changed), own, ("operations",))
    assert (item.headline, item.texts["operations"], item.note) == (expected, expected, "")
    assert written.webhook(transition(**changed), own, ("operations",))["data"]["text"] == expected


def test_a_broken_template_costs_its_words_and_nothing_else():
    """`labels.sku` does not exist: the built-in words stand in, and the rule's author is told where."""
    written = Writer(LONDON)
    item = written.item(transition(), rule(say=SAY), BOTH)
    assert item.texts["marketing"].startswith("Check what runs before")
    assert item.texts["operations"] == (
        "Above the usual 20 since Tue 24 Nov 12:00. "
        "Check that stock, staff and systems can carry it, and tell marketing if they cannot."
    )
    assert item.note == "the rule's own text for operations could not be filled in"
    (report,) = written.reports.values()
    assert report.startswith("rules/orders.yml:14: rule 'OrderSpike': the text for 'operations': ")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("above", {}),
        ("below", {"value": 3.0, "ratio": 0.15}),
        ("limit", {"baseline": None, "ratio": None, "limit": 20.0, "value": 14.0, "window_start": None}),
        ("no-data", {"value": None, "baseline": None, "ratio": None}),
        ("severity", {"state": "severity", "severity": "critical", "previous_severity": "warning", "minute": 20}),
        ("resolved", {"state": "resolved", "minute": 65, "value": 22.0, "ratio": 1.1}),
        ("removed", {"state": "resolved", "minute": 65, "reason": "rule_removed"}),
        ("odd-labels", {"labels": {"channel": "we\nb\u202e <b>&", "sku": "x" * 300}}),
    ],
)
def test_built_in_words(name, changed):
    """Without a text of its own a rule says what happened, what it means for each team and what to do."""
    item = Writer(LONDON).item(transition(**changed), None, (*BOTH, "finance"))
    shown = [item.headline, *(f"{team}: {text}" for team, text in item.texts.items())]
    shown += [item.value_bar or "(no bar)", item.usual_bar or "(no bar)"]
    expected = GOLDEN / f"built-in-{name}.txt"
    assert "\n".join(shown) + "\n" == expected.read_text()


def test_a_webhook_body_says_it_all():
    """The fields of `backtest --json`, the team and its text."""
    body = Writer(LONDON).webhook(transition(), rule(), ("operations",))
    Draft202012Validator(webhook_json_schema()).validate(body)
    data = body["data"]
    assert (body["type"], body["timestamp"]) == ("alert.firing", NOON.isoformat())
    assert {k: data[k] for k in ("rule", "labels", "state", "value", "baseline", "severity", "team")} == {
        "rule": "OrderSpike",
        "labels": {"channel": "web"},
        "state": "firing",
        "value": 62.0,
        "baseline": 20.0,
        "severity": "warning",
        "team": "operations",
    }
    assert data["text"] == data["texts"]["operations"]
    assert data["summary"] == "Warning: OrderSpike, web: 62 within 15 minutes, usually 20"
    assert (data["started_at"], data["ended_at"], data["duration_s"]) == (NOON.isoformat(), None, None)
    assert (data["limit"], data["runbook"]) == (None, "")
    assert data["window_start"] == (NOON - timedelta(minutes=15)).isoformat()


def test_a_webhook_body_says_how_long_it_was_and_what_to_do():
    """Of an end: when, for how long it fired, as the summary says it; of a threshold its limit."""
    over = transition("resolved", minute=65, baseline=None, limit=40.0, value=22.0)
    own = rule(runbook="https://shop.example/spikes", say={"summary": "ours"})
    fired_at = (NOON + timedelta(minutes=5)).isoformat()
    data = Writer(LONDON).webhook(over, own, ("operations",), fired_at=fired_at)["data"]
    names = ("started_at", "ended_at", "duration_s", "limit", "runbook", "summary")
    assert {name: data[name] for name in names} == {
        "started_at": NOON.isoformat(),
        "ended_at": (NOON + timedelta(minutes=65)).isoformat(),
        "duration_s": 3600.0,
        "limit": 40.0,
        "runbook": "https://shop.example/spikes",
        "summary": "All clear after 1 hour: OrderSpike, web, now 22 within 15 minutes, the limit is 40",
    }
    began = Writer(LONDON).webhook(transition(limit=40.0), own, ("operations",))["data"]
    assert (began["summary"], began["limit"]) == ("Warning: ours", 40.0)


def test_teams_that_share_a_webhook_each_have_a_line():
    """One delivery, each team's part."""
    data = Writer(LONDON).webhook(transition(), rule(), BOTH)["data"]
    assert data["team"] == "marketing,operations"
    assert [line.partition(":")[0] for line in data["text"].split("\n")] == ["Marketing", "Operations"]
    assert set(data["texts"]) == set(BOTH)


@settings(deadline=None)
@given(
    label=st.text(max_size=3000),
    said=st.text(st.characters(codec="utf-8"), max_size=3900),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    state=st.sampled_from(["firing", "severity", "resolved"]),
)
def test_a_webhook_body_is_small_and_fits_its_schema(label, said, value, state):
    """Whatever labels and texts hold, Standard Webhooks' 20 kB are kept."""
    text = "{% raw %}" + said.replace("{%", "") + "{% endraw %}"
    happened = transition(state, value=value, labels={"channel": label}, previous_severity="info")
    body = Writer(LONDON).webhook(happened, rule(say={"marketing": text, "operations": text}), BOTH)
    assert len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")) < LARGEST_WEBHOOK
    Draft202012Validator(webhook_json_schema()).validate(body)


def test_a_test_message_looks_like_any_other():
    """`notify test` shows what an alert would look like, and says that it is none."""
    Draft202012Validator(webhook_json_schema()).validate(sample_message(NOON, BOTH, LONDON, Audience.PROGRAMS))
    body = sample_message(NOON, BOTH, LONDON, Audience.PEOPLE)
    assert isinstance(body, Message)
    assert "test" in body.items[0].headline.lower()


@pytest.mark.parametrize(
    ("statistic", "rises", "value", "expected"),
    [
        pytest.param(
            6,
            1,
            41.0,
            "LowStock, web: 14:00 on a Friday: 41 within 1 hour, usually 6.5; "
            "far above the usual at this time of the week",
            id="one bucket",
        ),
        pytest.param(
            5,
            0,
            2.0,
            "LowStock, web: 14:00 on a Friday: 2 within 1 hour, usually 6.5; "
            "12 buckets together far below the usual at their time of day",
            id="many together",
        ),
        pytest.param(
            3,
            1,
            41.0,
            "LowStock, web: 14:00 on a Friday: 41 within 1 hour, usually 6.5; a rise that it does not usually make",
            id="a jump",
        ),
    ],
)
def test_an_anomaly_says_what_spoke(statistic, rises, value, expected):
    """When it was, in the shop's zone, the numbers, and the statistic in words."""
    told = transition(
        rule="LowStock",
        labels={"channel": "web"},
        value=value,
        baseline=6.5172,
        window_start="2011-01-28T14:00:00Z",
        window_end="2011-01-28T15:00:00Z",
        counts={"surprise": 5.39, "statistic": statistic, "rises": rises},
    )
    assert Writer(LONDON).headline(told, None) == expected


SHARE = Judged(
    kind="share",
    of="(returns / orders)",
    verdict="breach",
    value=0.125,
    baseline=None,
    baseline_of="",
    ratio=None,
    limit=0.1,
    limit_of="",
    window_start=(NOON - timedelta(hours=1)).isoformat(),
    window_end=NOON.isoformat(),
    counts={"part": 25.0, "of": 200.0, "of_at_least": 50.0},
    asked={"warning": "above 10%"},
    unit="%",
)


def _share(**changed):
    told = {"value": 0.125, "baseline": None, "ratio": None, "limit": 0.1, "explanation": SHARE}
    return transition(**{**told, "window_start": SHARE.window_start, "window_end": SHARE.window_end, **changed})


def test_a_share_is_read_as_a_percent():
    """Wherever a person reads it; programs get the number."""
    written = Writer(LONDON)
    item = written.item(_share(), None, BOTH)
    assert item.headline == "OrderSpike, web: 13% within 1 hour, the limit is 10%"
    assert (item.value, item.usual) == ("13%", "10%")
    assert item.why[0] == "(returns / orders): 25 of 200 within 1 hour (12.5%)"
    assert "10%" in item.texts["marketing"]
    assert "0.1" not in json.dumps({k: v for k, v in msgspec.to_builtins(item).items() if k != "more"})
    assert written.webhook(_share(), None, BOTH)["data"]["value"] == 0.125


def test_of_a_combination_the_part_that_is_told_says_how_it_is_read():
    """A count beside a share stays a count."""
    count = msgspec.structs.replace(SHARE, kind="threshold", value=62.0, limit=40.0, unit="")
    both = msgspec.structs.replace(SHARE, kind="all", of="", parts=(count, SHARE), unit="")
    assert Writer(LONDON).item(_share(explanation=both), None, BOTH).value == "13%"
    told = msgspec.structs.replace(both, value=62.0, limit=40.0)
    assert Writer(LONDON).item(_share(explanation=told, value=62.0, limit=40.0), None, BOTH).value == "62"


@pytest.mark.parametrize(
    ("text", "changed", "expected"),
    [
        ("{{ value }}", {}, "13%"),
        ("{{ value | percent }} {{ value | percent(0) }} {{ value | percent(2) }}", {}, "12.5% 13% 12.50%"),
        ("{{ value | round }} {{ limit | round(1) }}", {}, "13% 10.0%"),
        ("{{ value | round }} {{ value | round(2) }}", {"value": 1234.5, "explanation": None}, "1,235 1,234.50"),
        (
            "{{ value | money }} {{ value | money('€') }} {{ value | money('EUR') }}",
            {"value": -1234.565, "explanation": None},
            "-1,234.57 -€1,234.57 -1,234.57 EUR",
        ),
        ("{{ value | duration }}", {"value": 5400.0, "explanation": None}, "1 hour 30 minutes"),
        ("{{ value | duration('h') }}", {"value": -1.5, "explanation": None}, "-1 hour 30 minutes"),
        ("{{ window | duration }} {{ ratio | round }}", {"ratio": 2.5}, "1 hour 3"),
        ("{{ value | money }} {{ value | percent }}", {"value": None, "explanation": None}, "no data no data"),
        ("a{{ limit | percent }}", {"limit": None, "explanation": None}, "a"),
        ("{{ labels.channel | money }}", {"labels": {"channel": "12.5"}}, "12.50"),
        ("{{ labels }}", {"labels": {"channel": "web", "sku": "A"}}, "web, A"),
        ("{{ labels.items }}", {"labels": {"items": "two"}}, "two"),
        ("{{ value | round | money | upper }}", {"value": 2.5, "explanation": None}, "2.50"),
    ],
)
def test_filters(text, changed, expected):
    """How authors have a number written; what is no number there stays what it is."""
    assert Writer(LONDON).headline(_share(**changed), rule(say={"summary": text})) == expected


@pytest.mark.parametrize(
    "text",
    ["{{ labels.channel.upper }}", "{{ value['upper'] }}", "{{ self }}", "{{ labels.items }}", "{{ labels['get'] }}"],
)
def test_no_part_of_the_program_stands_in_a_message(text):
    """A text that asks for one is not used, as if it had not been checked when it was loaded."""
    written = Writer(LONDON)
    item = written.item(transition(), rule(say={"summary": text}), BOTH)
    assert item.headline == "OrderSpike, web: 62 within 15 minutes, usually 20"
    assert len(written.reports) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.125, "12.5%"), (1 / 3, "33.33%"), (0.0004, "0.04%"), (1.5, "150%"), (0.07, "7%"), (0.0, "0%")],
)
def test_percents(value, expected):
    """As written in rule files, without a space."""
    assert number_text(value, "%") == expected
