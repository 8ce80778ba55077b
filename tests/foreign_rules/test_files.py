"""`lockstep convert rules` and `lockstep check` on files of other programs, as they are run."""

from zoneinfo import ZoneInfo

import pytest
from converted_rules import FIXTURES, GOLDEN

from lockstep.tools.check.check_report import check
from lockstep.tools.ruletest.runner import run as run_test
from lockstep.tools.ruletest.suite import load_suite

PROMETHEUS = FIXTURES / "shop.rules.yml"
ELASTALERT = FIXTURES / "elastalert"


@pytest.mark.parametrize("name", ["shop.rules.yml", "elastalert"])
def test_a_whole_file_reads_like_this(name, run, monkeypatch):
    """Every rule with where it comes from and what differs; what has none stands at the end."""
    monkeypatch.chdir(FIXTURES)
    _, out, _ = run("convert", "rules", name)
    assert out == (GOLDEN / f"{name.partition('.')[0]}.yml").read_text()


@pytest.mark.parametrize("path", [PROMETHEUS, ELASTALERT], ids=["Prometheus", "ElastAlert"])
def test_what_is_written_passes_check(path, run, tmp_path):
    """Without an error; exit code 1 says that something has no equivalent."""
    code, _, said = run("convert", "rules", path, "--out", "converted.yml")
    assert code == 1
    assert "without an equivalent" in said
    report = check([tmp_path / "converted.yml"])
    assert (report.errors, report.rules) == ((), said_rules(said))


def said_rules(said):
    """`12 rules written` as a number."""
    return int(said.partition(" rules written")[0].rpartition("\n")[2])


def test_check_says_in_one_line_whose_rules_they_are(run):
    """With the way out, in place of a fault for each key."""
    code, out, _ = run("check", PROMETHEUS)
    assert code == 1
    assert f"this is a rule file of Prometheus; `lockstep convert rules {PROMETHEUS}` writes" in out
    assert "1 error, 0 warnings" in out
    code, out, _ = run("check", ELASTALERT)
    assert code == 1
    assert out.count("this is a rule file of ElastAlert") == len([*ELASTALERT.iterdir()])


def test_what_a_metric_counts_is_said_on_the_command_line(run, tmp_path):
    """A definition, or an event type that is counted; nonsense is refused with the way to write it."""
    (tmp_path / "a.yml").write_text("- alert: A\n  expr: increase(x_total[1h]) > 5\n")
    code, out, _ = run("convert", "rules", "a.yml", "--measure", "x_total=order.shipped")
    assert code == 0
    assert "x_total: {count: order.shipped}" in out
    code, out, said = run("convert", "rules", "a.yml", "--measure", "x_total")
    assert (code, out) == (2, "")
    assert "'x_total' is no measure; write one like 'orders_total=count: order.placed'" in said


def test_without_the_word_rules_it_is_said(run):
    """A rule file is no file of events, and the command that is meant is named."""
    code, out, said = run("convert", PROMETHEUS)
    assert (code, out) == (2, "")
    assert f"become ours by `lockstep convert rules {PROMETHEUS}`" in said


def test_what_is_no_rule_file_is_said(run, tmp_path):
    """Of other programs, of ours, of nobody: what it is, and nothing is written."""
    (tmp_path / "am.yml").write_text("route: {receiver: x}\nreceivers: []\n")
    (tmp_path / "ours.yml").write_text("measures: {orders: {count: order.placed}}\n")
    (tmp_path / "broken.yml").write_text("a: [\n")
    code, out, said = run("convert", "rules", "am.yml", "ours.yml", "broken.yml")
    assert (code, out) == (1, "")
    assert "am.yml:1: the file: it is a rule file of Alertmanager, which is not converted" in said
    assert "ours.yml:1: the file: it is no rule file of Prometheus or ElastAlert" in said
    assert "broken.yml:" in said
    assert "nothing was written" in said


STORY = """\
start: 2026-03-02 08:00
tests:
  - name: a rate of half an order a second is 450 in 15 minutes
    rules: [OrderRate]
    events:
      - orders web: 1, 450 at 09:00, 1 at 09:05
    expect:
      - {alert: OrderRate, of: web, fires: 09:06, value: 451}
  - name: a hundred within the hour are not more than a hundred
    rules: [ManyOrders]
    events:
      - orders web: 1, 100 at 10:00
      - orders app: 1, 101 at 10:00
    expect:
      - {alert: ManyOrders, of: app, fires: 10:06, over: 11:11, value: 101}
"""


def test_what_is_written_judges_as_its_comments_say(run, tmp_path):
    """The numbers of a rate, `for` and `keep_firing_for`, on a story of events."""
    run("convert", "rules", PROMETHEUS, "--out", "converted.yml")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "converted.yml").write_text(STORY)
    suite = load_suite([tmp_path], ZoneInfo("UTC"))
    assert suite.faults == ()
    assert {t.name: run_test(t).passed for t in suite.tests} == {t.name: True for t in suite.tests}
    assert len(suite.tests) == 2
