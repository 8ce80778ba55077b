"""`lockstep report` as it is typed."""

import json

import pytest
from report_samples import SIX, sample_shop

from lockstep.reports.daily import daily
from lockstep.reports.news import AlertNews
from lockstep.reports.report_markdown import markdown
from lockstep.shop.facts import encode

WHY = "a file of facts has none of them"


@pytest.fixture
def facts(tmp_path, monkeypatch):
    """A file of the sample shop's facts, and settings that are those of the shop."""
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/Berlin")
    shop = sample_shop()
    records = [*shop.days.values(), *shop.products.values(), *shop.plans.values(), *shop.capacities.values()]
    path = tmp_path / "facts.ndjson"
    path.write_bytes(b"".join(encode(fact) + b"\n" for fact in records))
    return path


def test_a_report_of_a_file_of_facts(run, facts, tmp_path):
    """As Markdown, as JSON, as a page; as of a time of the shop's own clock."""
    shop = sample_shop(capacity_per_day=None, currency="", marketplaces=())
    expected = daily(shop, AlertNews(why=WHY), (), SIX)
    asked = ("report", "daily", "--facts", facts, "--at", "2026-11-30T06:00")
    code, said, _ = run(*asked)
    assert (code, said) == (0, markdown(expected))
    code, said, _ = run(*asked, "--json")
    assert (code, json.loads(said)["id"]) == (0, "daily/2026-11-30")
    code, said, _ = run(*asked, "--html", tmp_path / "report.html")
    assert code == 0
    assert "Daily report, Mon 30 Nov 2026" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["yearly"], "there is no 'yearly' report", id="no such report"),
        pytest.param(["daily", "--json", "--markdown"], "give one of them", id="two answers"),
        pytest.param(["daily", "--at", "soon"], "'soon' is no time", id="no time"),
    ],
)
def test_what_cannot_be_is_said(run, facts, arguments, says):
    code, _, said = run("report", *arguments, "--facts", facts)
    assert code != 0
    assert says in " ".join(said.split())


def test_a_line_that_is_no_fact_is_named(run, facts):
    facts.write_bytes(facts.read_bytes() + b'{"kind": "mood"}\n')
    code, _, said = run("report", "daily", "--facts", facts)
    assert code == 2
    assert "no fact of a shop" in said
