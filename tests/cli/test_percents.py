"""Shares and ratios are read as percents wherever a person reads them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from test_cli import lockstep

RULES = """\
measures:
  orders:     {count: order.placed}
  returns:    {count: order.returned}
  sessions:   {count: traffic.session}
  conversion: {formula: orders / sessions}
rules:
  - name: ManyReturns
    share: {measure: returns, of: orders, window: 1h, of_at_least: 20, confidence: 95%, above: 5%}
  - name: FewBuy
    threshold: {measure: conversion, window: 1h, below: 50%}
"""
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
TWO_HOURS = 120


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Two hours: an order a minute, in the second hour a quarter comes back and there are four visits to an order."""
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/London")
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yml").write_text(RULES)
    rows = []
    for minute in range(TWO_HOURS):
        late = minute >= TWO_HOURS // 2
        kinds = ["order.placed", *["traffic.session"] * (4 if late else 1)]
        kinds += ["order.returned"] if late and minute % 4 == 0 else []
        for kind in kinds:
            data = {"order_id": "o", "total": 1, "lines": []} if kind.startswith("order") else {"visitor": "v"}
            time = (BEGIN + timedelta(minutes=minute)).isoformat()
            rows.append({"id": str(len(rows)), "source": "/s", "type": kind, "time": time, "data": data})
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_backtest_shows_percents(shop):
    """In its table, and on its page in headline, numbers, texts and axis."""
    done = lockstep("backtest", "rules", "--events", "events.ndjson", "--html", "r.html", cwd=shop)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line.partition("shop ")[2].split()[0] for line in lines if "the whole shop" in line] == ["48.78%", "10%"]
    page = (shop / "r.html").read_text()
    assert "FewBuy, the whole shop: 49% within 1 hour, the limit is 50%" in page
    assert "Below the limit of 50% since" in page
    assert ">49%</text>" in page
    assert ">50%</text>" in page
    assert "0.48" not in page


def test_an_explanation_shows_percents(shop):
    """In its sentence, its table and what was said."""
    done = lockstep("explain", "ManyReturns", "--events", "events.ndjson", "--rules", "rules", cwd=shop)
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    why = next(line for line in shown if line.startswith("it fires"))
    assert why.endswith("(returns / orders) is 25% (asked: warning above 5%; of_at_least 20; confidence 95%)")
    for row in ("value 25%", "limit 5%", "part 15", "of 60", "asked: warning above 5%", "asked: confidence 95%"):
        assert row in shown
    assert any(row.startswith("lowest 1") and row.endswith("%") for row in shown)
    assert "│ 10%   │" in done.stdout


def test_programs_get_the_number(shop):
    """`--json` says 0.25, whatever people read."""
    done = lockstep("backtest", "rules", "--events", "events.ndjson", "--json", cwd=shop)
    values = {t["rule"]: t["value"] for t in map(json.loads, done.stdout.splitlines())}
    assert values["FewBuy"] == pytest.approx(60 / 123)
