"""`lockstep test`: what passes, what fails and how it is said, what a file of tests may not say."""

import signal
import subprocess
import sys
from select import select
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from lockstep.cli import app
from lockstep.tools.ruletest.coverage import gaps
from lockstep.tools.ruletest.results import explained, junit
from lockstep.tools.ruletest.runner import run
from lockstep.tools.ruletest.suite import load_suite, load_text

ZONE = ZoneInfo("Europe/London")
RULES = """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - name: Rush
    by: [channel]
    threshold:
      measure: orders
      window: 10m
      levels:
        warning: {above: 10, clear: {below: 5}}
        critical: {above: 20}
    for: 2m
  - name: Low
    by: [sku]
    threshold: {measure: stock, at_most: 20}
    overrides:
      - {match: {sku: "KEY-*"}, at_most: 60}
    say: {summary: "{{ labels.sku }} low: {{ value }}", marketing: "do not promote", operations: "reorder"}
  - name: LowInARush
    by: []
    all:
      - threshold: {measure: orders, window: 10m, above: 10}
      - not: {threshold: {measure: stock, above: 20}}
"""
STORY = """\
start: 2026-03-02 09:00
tests:
  - name: the story
    rules: [{rules}]
    events:
      - {events}
    expect: {expect}
"""
PATIENCE_S = 30
"""For what a process says next."""
STOCK = "stock A-1: 35, 12 at 09:05, 90 at 11:00"


def _suite(expect="nothing", events=STOCK, rules="Low"):
    return load_text(STORY.format(rules=rules, events=events, expect=expect), RULES, ZONE)


def _outcome(expect="nothing", events=STOCK, rules="Low"):
    suite = _suite(expect, events, rules)
    assert [str(f) for f in suite.faults] == []
    return run(suite.tests[0])


@pytest.mark.parametrize("expect", [
    pytest.param("[{alert: Low}]", id="that it fires"),
    pytest.param("{alert: Low, of: A-1, fires: 09:05, over: 11:00}", id="when, and until when"),
    pytest.param("[{alert: Low, of: {sku: A-1}, fires: 09:00 - 09:10}]", id="within a span"),
    pytest.param("[{alert: Low, value: 12, severity: warning}]", id="with its numbers"),
    pytest.param("[{alert: Low, says: A-1 low}]", id="a part of the summary"),
    pytest.param("[{alert: Low, says: {summary: [A-1, '12'], marketing: not promote, operations: order}}]",
                 id="a part of each team's text"),
])  # fmt: skip
def test_what_is_true_passes(expect):
    """And only what is written is compared."""
    assert _outcome(expect).passed


@pytest.mark.parametrize(("expect", "parts"), [
    pytest.param("[{alert: Low, fires: 09:06}]", [("fires", "09:06", "09:05")], id="at another time"),
    pytest.param("[{alert: Low, fires: 08:00 - 08:30 }]", [("fires", "Tue 2026-03-03 08:00 - Tue 2026-03-03 "
        "08:30", "09:05")],
                 id="not within the span"),
    pytest.param("[{alert: Low, over: 10:59}]", [("over", "10:59", "11:00")], id="over at another time"),
    pytest.param("[{alert: Low, over: never}]", [("over", "never", "11:00")], id="over at all"),
    pytest.param("[{alert: Low, severity: critical}]", [("severity", "critical", "warning")], id="with another "
        "severity"),
    pytest.param("[{alert: Low, value: 12.5}]", [("value", "12.5", "12")], id="with another value"),
    pytest.param("[{alert: Low, usual: 12}]", [("usual", "12", "none")], id="with no baseline"),
    pytest.param("[{alert: Low, pending: 09:05}]", [("pending", "09:05", "it fired at once")], id="without pending"),
    pytest.param("[{alert: Low, says: {marketing: promote more}}]",
                 [("says to marketing", "…promote more…", "do not promote")], id="in other words"),
    pytest.param("[{alert: Low, becomes: critical}]", [("becomes", "critical", "nothing else")], id="staying as "
        "it was"),
])  # fmt: skip
def test_what_differs_is_named(expect, parts):
    """Part by part, as the author wrote it."""
    (difference,) = _outcome(expect).differences
    assert list(difference.parts) == parts


@pytest.mark.parametrize(("expect", "said"), [
    pytest.param("nothing", [(None, "Low")], id="an alert that nobody expected"),
    pytest.param("[{never: Low}]", [("Low", "Low")], id="a rule that should be silent"),
    pytest.param("[{alert: Low}, {alert: Low}]", [("Low", None)], id="one too few"),
    pytest.param("[{alert: Low, of: B-2}]", [("Low", None), (None, "Low")], id="for another group"),
    pytest.param("[{alert: Low, cancelled: 09:10}]", [("Low", None), (None, "Low")], id="it was not cancelled"),
])  # fmt: skip
def test_one_more_or_one_less_fails(expect, said):
    """Expectations are complete."""
    found = [
        (d.awaited.rule if d.awaited else None, d.episode.rule if d.episode else None)
        for d in _outcome(expect).differences
    ]
    assert found == said


@pytest.mark.parametrize(("events", "expect"), [
    pytest.param("orders web: 2/min", "{alert: Rush, pending: 09:06, fires: 09:08, over: never}", id="a warning"),
    pytest.param("orders web: 2/min for 20m, 3/min for 20m, nothing for 30m",
                 "{alert: Rush, fires: 09:08, becomes: [critical at 09:21, warning at 09:44], over: 09:49}",
                 id="levels that rise and fall"),
    pytest.param("orders web: 11 at 09:05", "{alert: Rush, fires: 09:08, over: 09:16}", id="a heap at once"),
    pytest.param("orders web: 6 at 09:00, 6 at 09:08, nothing for 1h",
                 "[{alert: Rush, pending: 09:09, cancelled: 09:11}, {never: Rush}]", id="cancelled is no alert"),
])  # fmt: skip
def test_the_life_of_an_alert(events, expect):
    """Pending, firing, its severities, over."""
    outcome = _outcome(expect, events, "Rush")
    assert outcome.passed, explained(outcome)


def test_a_failure_is_readable():
    """Expected against what happened, and the series with both marked."""
    outcome = _outcome("[{alert: Low, of: A-1, fires: 09:30}]")
    assert explained(outcome) == FAILURE


FAILURE = """\
tests.yml:3: the story
  expected   Low A-1 fires 09:30   (line 7)
  happened   Low A-1 fires 09:05 warning over 11:00 (value 12, the limit is 20)
     fires: expected 09:30, was 09:05
  stock A-1  ▄▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂████████████████████  up to 90
  expected             ^
  happened    ^
             09:00                                                  12:00"""


@pytest.mark.parametrize(("change", "expected"), [
    pytest.param(("expect: nothing", "expect: []"),
                 "tests.yml:7:13: nothing is said of what is expected; write expect: nothing, or what must fire "
                 "[LS190]",
                 id="an empty list does not pass in silence"),
    pytest.param(("    expect: nothing\n", ""), "tests.yml:3:5: 'expect' is missing; add 'expect: …' [LS111]",
                 id="nor does a missing one"),
    pytest.param(("expect: nothing", "expect: [{fires: 09:05}]"),
                 "tests.yml:7:14: what is expected is not said; write alert: NAME or never: NAME [LS190]",
                 id="of whom"),
    pytest.param(("expect: nothing", "expect: [{alert: Lwo}]"),
                 "tests.yml:7:22: no rule is called 'Lwo'; did you mean 'Low'? [LS193]", id="unknown rule"),
    pytest.param(("expect: nothing", "expect: [{alert: Rush}]"),
                 "tests.yml:7:22: this test does not look at 'Rush'; add it to 'rules', or leave 'rules' out [LS193]",
                 id="a rule that the test leaves out"),
    pytest.param(("rules: [Low]", "rules: [Lo]"), "tests.yml:4:13: no rule is called 'Lo'; did you mean 'Low'? "
        "[LS193]",
                 id="unknown rule to look at"),
    pytest.param(("expect: nothing", "expect: [{alert: Low, fire: 09:05}]"),
                 "tests.yml:7:27: unknown key 'fire'; did you mean 'fires'? [LS110]", id="unknown key"),
    pytest.param(("expect: nothing", "expect: [{alert: Low, of: {skku: A}}]"),
                 "tests.yml:7:32: 'Low' is not by 'skku'; did you mean 'sku'? [LS194]", id="unknown label"),
    pytest.param(("expect: nothing", "expect: [{alert: Low, says: {sales: x}}]"),
                 "tests.yml:7:34: 'sales' does not hear of Low; known are marketing, operations, summary [LS143]",
                 id="unknown team"),
    pytest.param(("12 at 09:05", "12 at 9.05"),
                 "tests.yml:6:24: '9.05' is no time; write 10:05, Mon 10:05, week 6 Mon 10:05, day 3 10:05, "
                 "2026-04-06 10:05 or +90m [LS192]", id="the column of the step"),
    pytest.param(("stock A-1:", "stok A-1:"), "tests.yml:6:9: no measure is called 'stok'; did you mean "
        "'stock'? [LS130]",
                 id="unknown measure"),
    pytest.param(("start: 2026-03-02 09:00\n", ""),
                 "tests.yml:2:11: the story has no beginning; add start: 2026-03-02 09:00 to the test or to the "
                 "file [LS111]",
                 id="no beginning"),
    pytest.param(("- stock A-1: 35, 12 at 09:05, 90 at 11:00", "- {type: stock.level, at: 09:05, data: {sku: A}}"),
                 "tests.yml:6:9: this event is refused: data.available: is missing; see schemas/README.md "
                 "[LS196]",
                 id="an event that is refused"),
    pytest.param(("stock A-1: 35, 12 at 09:05, 90 at 11:00", "orders web: 2.5 at 09:05, -1 at 09:10"),
                 "tests.yml:6:21: this makes events that are refused: data.count: must be at least 1; "
                     "mend it [LS196]", id="a count below one"),
])  # fmt: skip
def test_faults(change, expected):
    """Where, what, the way out, code; and a test with a fault does not run."""
    text = STORY.format(rules="Low", events=STOCK, expect="nothing")
    assert change[0] in text
    suite = load_text(text.replace(*change), RULES, ZONE)
    assert [str(f) for f in suite.faults] == [expected]
    assert suite.tests == ()


def test_two_tests_of_one_name():
    """A name finds a test."""
    text = STORY.format(rules="Low", events=STOCK, expect="{alert: Low}")
    suite = load_text(text + text.partition("tests:\n")[2], RULES, ZONE)
    assert [f.code for f in suite.faults] == ["LS140"]


def test_coverage_names_what_is_open():
    """Rules that nothing tests, severities, overrides and parts that are never reached."""
    rush = _outcome("{alert: Rush}", "orders web: 2/min for 30m, nothing for 30m", "Rush")
    low = _outcome("{alert: Low}")
    rules = _suite().rules
    assert [f"{g.rule}: {g.what}" for g in gaps(rules, [rush, low])] == [
        "Rush: no test has it stay silent",
        "Rush: severity critical is never reached",
        "Rush: no test has it end before 'for' is over",
        "Low: no test has it stay silent",
        "Low: the override for sku: KEY-* never fires",
        "LowInARush: no test looks at it",
    ]


def test_coverage_looks_into_conditions():
    """A part that is never true makes its whole useless."""
    text = """
measures: {orders: {count: order.placed}}
rules:
  - name: Either
    any:
      - threshold: {measure: orders, window: 10m, above: 10}
      - threshold: {measure: orders, window: 1h, above: 1000}
"""
    story = STORY.format(rules="Either", events="orders: 11, nothing for 1h", expect="{alert: Either}")
    suite = load_text(story, text, ZONE)
    found = gaps(suite.rules, [run(t) for t in suite.tests])
    assert [g.what for g in found] == ["no test has it stay silent", "any[2] is never true"]


def test_junit():
    """Build servers show which test failed, where, and why."""
    root = ElementTree.fromstring(junit([_outcome("{alert: Low}"), _outcome("nothing")]))
    (suite,) = root
    assert suite.attrib == {"name": "tests.yml", "tests": "2", "failures": "1"}
    passed, failed = suite
    assert (passed.get("name"), passed.get("line"), len(passed)) == ("the story", "3", 0)
    assert "happened   Low A-1 fires 09:05" in failed.find("failure").text


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "rules" / "tests").mkdir(parents=True)
    (tmp_path / "rules" / "ours.yml").write_text(RULES)
    (tmp_path / "rules" / "tests" / "ours.yml").write_text(
        STORY.format(rules="Low", events=STOCK, expect="{alert: Low}")
    )
    return tmp_path


@pytest.mark.parametrize("path", ["rules", "rules/tests", "rules/ours.yml", "rules/tests/ours.yml"])
def test_where_tests_are_found(shop, path):
    """In the folder beside the rules, whichever end one begins at."""
    suite = load_suite([shop / path], ZONE)
    assert ([t.name for t in suite.tests], suite.faults) == (["the story"], ())


def test_a_folder_without_tests_is_a_fault(tmp_path):
    """Nothing tested is not all passed."""
    assert [f.code for f in load_suite([tmp_path], ZONE).faults] == ["LS195"]


@pytest.mark.parametrize(("expect", "code", "said"), [
    ("{alert: Low}", 0, "1 test, 0 failed"),
    ("nothing", 1, "expected   nothing else"),
    ("[]", 2, "[LS190]"),
])  # fmt: skip
def test_the_command(shop, expect, code, said, monkeypatch):
    """0 all passed, 1 some failed, 2 a test file has faults."""
    (shop / "rules" / "tests" / "ours.yml").write_text(STORY.format(rules="Low", events=STOCK, expect=expect))
    monkeypatch.chdir(shop)
    done = CliRunner().invoke(app, ["test", "rules", "--coverage", "--junit", "junit.xml", "-k", "STORY"])
    assert done.exit_code == code
    assert said in done.stdout
    assert ElementTree.fromstring((shop / "junit.xml").read_bytes()).tag == "testsuites"


def test_coverage_of_packs_is_ours(shop, monkeypatch):
    """A pack that shop.yml switches on has its stories with us: nobody else can add what they leave open."""
    (shop / "rules" / "shop.yml").write_text("currency: EUR\npacks: [stock]\n")
    monkeypatch.chdir(shop)
    said = CliRunner().invoke(app, ["test", "rules", "--coverage"]).stdout
    assert "not covered: rules/ours.yml" in said
    assert "packs/" not in said


@pytest.fixture
def terminal():
    """SIGINT as in a terminal: a shell starts what it runs in the background (`make test &`) with SIGINT ignored, and
    every child inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_watching_runs_them_again_when_a_rule_is_saved(tmp_path):
    """A number is edited, then mended, in an editor; Ctrl-C ends it with the last result."""
    rules = tmp_path / "rules.yml"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "story.yml").write_text(
        STORY.format(rules="Low", events=STOCK, expect="[{alert: Low, of: A-1, fires: 09:05, over: 11:00}]")
    )
    rules.write_text(RULES)
    command = [sys.executable, "-m", "lockstep", "test", str(tmp_path), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            for text, result in (
                (None, b"1 test, 0 failed"),
                ("at_most: 5", b"1 failed"),
                ("at_most: 20", b"0 failed"),
            ):
                if text is not None:
                    edited = tmp_path / "edited"
                    edited.write_text(RULES.replace("at_most: 20", text))
                    edited.replace(rules)
                said = b""
                while b"waiting" not in said:
                    assert select([running.stdout], [], [], PATIENCE_S)[0], said.decode()
                    more = running.stdout.read1()
                    assert more, said.decode()  # it has ended
                    said += more
                assert result in said, said.decode()
            running.send_signal(signal.SIGINT)
            assert running.wait(PATIENCE_S) == 0
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "tests: [\n",
            "tests.yml:1:8: not YAML: the file ends within quotes or brackets; close them [LS102]",
            id="a list that was begun",
        ),
        pytest.param(
            "tests:\n  - name: a\n    name: b\n    rules: [Low]\n    expect: nothing\n",
            "tests.yml:3:5: the key 'name' stands twice; remove one of them [LS103]",
            id="a key twice",
        ),
    ],
)
def test_a_file_that_is_no_yaml_is_told_in_our_words(text, expected):
    """As of a rule file."""
    suite = load_text(text, RULES, ZONE)
    assert [str(f) for f in suite.faults] == [expected]
    assert suite.tests == ()
