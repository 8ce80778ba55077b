"""`lockstep report` as it is typed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from report_samples import SIX, sample_shop

from lockstep.adapters.stream.sqlite import SqliteBroker
from lockstep.ports import Record, TopicSpec
from lockstep.reports.daily import daily
from lockstep.reports.news import AlertNews
from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.report_record import decode
from lockstep.shop.facts import SHOP, encode, key_of

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


RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""


def past(days: int = 21) -> list[dict]:
    """Ten orders a day of one product, whose stock falls by ten, up to 30 November 2026."""
    start = datetime(2026, 11, 30, tzinfo=UTC) - timedelta(days)
    events = []

    def event(moment: datetime, kind: str, **data: object) -> None:
        number = f"{kind}-{len(events)}"
        events.append({"id": number, "source": "/shop", "type": kind, "time": moment.isoformat(), "data": data})

    for day in range(days):
        midnight = start + timedelta(day)
        event(midnight, "stock.level", sku="A-1", available=10 * (days - day))
        for hour in range(10):
            moment = midnight + timedelta(hours=8 + hour)
            lines = [{"sku": "A-1", "quantity": 1, "unit_price": 20}]
            event(
                moment, "order.placed", order_id=f"{day}/{hour}", total=20, currency="EUR", channel="web", lines=lines
            )
            event(moment, "traffic.session", channel="web", count=100)
    event(start + timedelta(days, hours=6), "traffic.session", channel="web", count=1)
    return events


def test_a_report_of_past_events(run, tmp_path, monkeypatch):
    """Through the same judge: what fired is in it, and the day's numbers are those of the events."""
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/Berlin")
    rules, events = tmp_path / "rules", tmp_path / "events.ndjson"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    events.write_text("".join(json.dumps(event) + "\n" for event in past()))
    asked = ("report", "daily", "--rules", rules, "--events", events, "--at", "2026-11-30T06:00")
    code, said, faults = run(*asked, "--json")
    assert code == 0, faults
    report = decode(said.encode())
    figures = {f.name: f for s in report.sections for f in s.figures}
    assert (figures["orders"].value, figures["orders"].usual) == (10, 10)
    assert (figures["revenue"].value, report.currency) == (20_000, "EUR")
    assert figures["conversion"].value == pytest.approx(0.01)
    tables = {t.name: t for s in report.sections for t in s.tables}
    assert [row[-1] for row in tables["open_alerts"].rows] == ["LowStock, sku A-1"]
    assert [row[0] for row in tables["running_out"].rows] == ["A-1"]
    assert figures["shipped"].value is None  # no event told of it
    code, _, said = run("report", "daily", "--rules", rules, "--events", events, "--facts", events)
    assert (code, "name one of them" in said) == (2, True)


def test_a_report_of_a_service(run, tmp_path, monkeypatch):
    """Of what its topics hold; nothing is written there."""
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/Berlin")
    url, shop = f"sqlite:///{tmp_path}/shop.db", sample_shop(campaigns=False)

    async def fill() -> None:
        broker = SqliteBroker(url, group="lockstep", clock=lambda: SIX.astimezone(UTC))
        await broker.start()
        await broker.declare([TopicSpec(SHOP, 1, compacted=True)])
        facts = [*shop.days.values(), *shop.products.values(), *shop.capacities.values()]
        await broker.publish([Record(SHOP, encode(fact), key_of(fact).encode(), 0) for fact in facts])
        await broker.stop()

    asyncio.run(fill())
    code, said, faults = run("report", "daily", "--broker", url, "--at", "2026-11-30T06:00", "--json")
    assert code == 0, faults
    figures = {f.name: f for s in decode(said.encode()).sections for f in s.figures}
    assert figures["orders"].value == 128
    assert "85099B" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--at", "2999-01-01"], "2999-01-01 is still to come", id="a day in the future"),
        pytest.param([], "the service knows no facts of the shop yet", id="no facts"),
    ],
)
def test_a_service_that_knows_nothing_yet_is_no_empty_report(run, tmp_path, arguments, says):
    url = f"sqlite:///{tmp_path}/shop.db"

    async def begin() -> None:
        broker = SqliteBroker(url, group="lockstep", clock=lambda: SIX.astimezone(UTC))
        await broker.start()
        await broker.declare([TopicSpec(SHOP, 1, compacted=True)])
        await broker.stop()

    asyncio.run(begin())
    code, out, said = run("report", "daily", "--broker", url, *arguments)
    assert (code != 0, out) == (True, "")
    assert says in " ".join(said.split())


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        pytest.param("", "2026-11-30", "there are no events", id="no event"),
        pytest.param(
            "x", "2020-01-01", "--at leaves out what came after it, 2020-01-01 00:00", id="before all of them"
        ),
    ],
)
def test_events_of_another_time_are_said_to_be(run, tmp_path, monkeypatch, text, at, says):
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/Berlin")
    rules, events = tmp_path / "rules", tmp_path / "events.ndjson"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    events.write_text("".join(json.dumps(event) + "\n" for event in past(3)) if text else "")
    code, out, said = run("report", "daily", "--rules", rules, "--events", events, "--at", at)
    assert (code, out) == (1, "")
    assert says in " ".join(said.split())
