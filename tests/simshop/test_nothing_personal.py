"""No personal data comes out: whatever people type into fields of the events, no alert, report or log repeats it.

Words that somebody chose as labels (a theme, a campaign) are shown as they are, unless an address or a telephone
number stands in them.
"""

import json
import logging
from datetime import datetime

import msgspec
import pytest
from tests.simshop.planted import TEAMS
from tests.simshop.script import ZONE, on
from tests.simshop.table import RULES
from tests.simshop.whole_life import life

from lockstep.adapters.rule_files import load_rules
from lockstep.notify.message import Writer
from lockstep.text.personal_data import PERSONAL
from lockstep.tools.backtest.replay import episodes, json_line, replayed
from lockstep.tools.report import report as rp
from lockstep.tools.report.page import Shown, page
from lockstep.transition import encode

NAME, STREET, TOWN = "Erika Mustermann", "Heidestrasse 17", "51147 Musterstadt"
EMAIL_OF, PHONE_OF = "erika.mustermann@example.com", "+49 171 5550123"
PERSON = f"{NAME}, {STREET}, {TOWN}, {EMAIL_OF}, {PHONE_OF}"
TRACES = ("Erika", "Mustermann", "Heidestr", "Musterstadt", "example.com", "5550123")
"""What must stand nowhere."""
OF_PEOPLE = ("customer", "visitor", "cart_id", "checkout_id", "landing", "order_id", "purchase_order")
"""Fields that are about one person or one piece of paper. Rules cannot be by them."""
WORDS = ("theme", "campaign", "reason", "carrier", "provider", "method", "category", "supplier", "lot")
"""Fields of words that somebody chose, which may be labels."""
SINCE = on(-3)
BY_WORDS = """
measures:
  themes:  {count: feedback.received}
  clicks:  {count: ad.clicked}
  parcels: {count: order.shipped}
  refused: {count: payment.failed}
rules:
  - {name: Complaints, by: [theme], threshold: {measure: themes, window: 1d, at_least: 3}}
  - {name: Clicks, by: [campaign], threshold: {measure: clicks, window: 1d, at_least: 3}}
  - {name: Parcels, by: [carrier, channel], threshold: {measure: parcels, window: 1d, at_least: 3}}
  - {name: Refused, by: [reason], threshold: {measure: refused, window: 1d, at_least: 3}}
"""
"""Rules by the words that somebody typed."""


def _typed(event):
    """The event as it comes from a shop whose forms are filled in carelessly."""
    data = dict(event["data"])
    for name in OF_PEOPLE:
        if name in data:
            data[name] = f"{data[name]} {PERSON}"
    for name in WORDS:
        if name in data:
            data[name] = f"{data[name]} {EMAIL_OF} {PHONE_OF}"
    lines = [{**line, "note": PERSON} for line in data.get("lines", ())]
    for line in lines:
        if "reason" in line:
            line["reason"] += f" {EMAIL_OF}"
    if lines:
        data["lines"] = lines
    # What the contract does not know is kept, and read by no shipped rule.
    data |= {"name": NAME, "email": EMAIL_OF, "phone": PHONE_OF, "note": PERSON}
    data["address"] = {"street": STREET, "town": TOWN}
    if event["type"] == "source.heartbeat":
        data["name"] = event["data"]["name"]
    return {**event, "subject": event.get("subject", PERSON), "id": f"{event['id']} {PERSON}", "data": data}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The plan, and what it came to."""
    by_words = tmp_path_factory.mktemp("rules") / "by_words.yml"
    by_words.write_text(BY_WORDS)
    loaded = load_rules(*RULES, by_words)
    assert not loaded.errors
    events = [_typed(e) for e in life(1)[0] if datetime.fromisoformat(e["time"]) >= SINCE]
    return loaded.plan, replayed(loaded.plan, events, zone=ZONE, watch=True)


def _outputs(plan, result):
    """(what it is, its text) of all that can be made without a service."""
    rules = {rule.name: rule for rule in plan.rules}
    writer = Writer(ZONE, currency="GBP", public_url="https://alerts.example")
    for transition in result.transitions:
        yield "a line of backtest", json_line(transition)
        yield "a record of lockstep.alerts", encode(transition).decode()
        rule = rules[transition.rule]
        yield "a webhook", json.dumps(writer.webhook(transition, rule, TEAMS))
        yield "a message", msgspec.json.encode(writer.item(transition, rule, TEAMS)).decode()
    report = rp.make_report(plan, result, episodes(result.transitions), zone=ZONE, working=[])
    yield "the page of a backtest", page(report, plan, result.curves, Shown("rules", "events", "", None), zone=ZONE)


def test_nothing_of_a_person_comes_out(judged, caplog):
    """No name, address, mail address or number, in no text, record, page or log."""
    caplog.set_level(logging.DEBUG)
    said = {f"{what}: {trace}" for what, text in _outputs(*judged) for trace in TRACES if trace in text}
    assert sorted(said) == []
    assert not [trace for trace in TRACES if trace in caplog.text]


def test_the_events_were_judged_and_spoken_of(judged):
    """Otherwise nothing could come out. A theme with somebody's address in it is none."""
    _, result = judged
    assert result.bad == 0
    assert result.events > 20_000
    assert {t.rule for t in result.transitions} >= {"OutOfStock", "LocationSilent", "Complaints"}
    themes = {t.labels["theme"] for t in result.transitions if t.rule == "Complaints"}
    assert themes == {PERSONAL}


@pytest.mark.parametrize("field", ["total", "lines", "channel"])
def test_what_is_refused_is_named_without_its_words(judged, field):
    """A fault says which field is wrong and how, never what stood there."""
    event = _typed(next(e for e in life(1)[0] if e["type"] == "order.placed"))
    broken = {**event, "data": {**event["data"], field: {"typed": PERSON}}}
    result = replayed(judged[0], [broken], zone=ZONE)
    assert result.bad == 1
    assert not [trace for trace in TRACES for fault in result.refused if trace in str(fault)]
