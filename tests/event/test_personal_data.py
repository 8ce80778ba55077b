"""No alert says who somebody is: labels of persons are refused, values that look like one are not shown."""

import json
from zoneinfo import ZoneInfo

import pytest

from lockstep.measure.columns import Columns, texts
from lockstep.notify.message import Writer
from lockstep.rule.language.load import load_texts
from lockstep.text.personal_data import is_free_text, looks_personal, names_a_person, without_personal
from lockstep.tools.backtest.replay import backtest
from lockstep.tools.published_schemas import EXAMPLE_DATA
from lockstep.transition import as_cloudevent

EMAIL, PHONE = "anna.smith@example.com", "+44 20 7946 0958"
RULES = """\
measures:
  orders: {count: order.placed}
  cancelled: {count: order.cancelled}
  returns: {count: order.returned}
  feedback: {count: feedback.received}
  sessions: {count: traffic.session}
  stock: {last: available, of: stock.level}
  spent: {sum: amount, of: traffic.spend}
rules:
  - {name: Orders, by: [channel, campaign, country, sku, note], threshold: {measure: orders, window: 1m, at_least: 1},
     say: {summary: "{{ labels.note }} {{ labels.sku }} {{ campaigns }} {{ campaigns_ahead }}"}}
  - {name: Cancelled, by: [reason], threshold: {measure: cancelled, window: 1m, at_least: 1}}
  - {name: Returns, by: [reason], threshold: {measure: returns, window: 1m, at_least: 1}}
  - {name: Feedback, by: [theme], threshold: {measure: feedback, window: 1m, at_least: 1}}
  - {name: Sessions, by: [landing, channel], threshold: {measure: sessions, window: 1m, at_least: 1}}
  - {name: Stock, by: [sku, location], threshold: {measure: stock, at_most: 1000}}
  - {name: Spend, by: [campaign], threshold: {measure: spent, window: 1m, at_least: 1}}
  - {name: Gap, by: [sku], threshold: {measure: gap_days, at_least: 0}}
"""


@pytest.mark.parametrize(
    "text",
    [
        EMAIL,
        PHONE,
        "call Anna: anna@shop.co.uk, thanks",
        "mailto:a+b@example.de",
        "(555) 123-4567",
        "555-123-4567",
        "020 7946 0958",
        "0044 20 79460958",
        "+49(0)30/1234567",
        "tel. +4915112345678",
        "DE89370400440532013000",
        "refund it to DE89 3704 0044 0532 0130 00 please",
        "GB29 NWBK 6016 1331 9268 19",
        "4111 1111 1111 1111",
        "paid with 378282246310005",
        "Heidestraße 17, 51147 Köln",
        "Am Kirchplatz 5a",
        "221b Old Mill Road, London",
        "12 Baker Street",
        "12 rue de Rivoli",
        "Calle Mayor 5",
    ],
)
def test_what_looks_personal(text):
    """An address, a telephone number, an account, a card or where somebody lives, anywhere in a text."""
    assert looks_personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "web", "KEY-1", "4006381333931", "0012345678905", "85123A", "2026-11-30", "2026-11-30T12:00:00+01:00",
        "01-23-45-67", "@home", "size 10 @ 5", "10.0.0.1", "PO-2026-0001", "1,234,567", "+10%", "", "none",
        "4111 1111 1111 1112", "4012345678901234", "DE89370400440532013001", "AB12CD34EF56GH78IJ", "10614141000415",
        "24 Karat Road Show", "2 parcels lost on the road", "Lagerplatz 7", "Street 24", "1st Avenue",
        "arrived 2 days late", "9111 1111 1111 1110",
    ],
)  # fmt: skip
def test_what_does_not(text):
    """Product numbers, also of articles and as long as a card's, days, times, amounts and places of a warehouse."""
    assert not looks_personal(text)


@pytest.mark.parametrize(
    ("label", "is_personal"),
    [
        *((name, True) for name in ("customer", "customer_id", "email", "billing_email", "first_name")),
        *((name, True) for name in ("phone", "address", "visitor", "order_id", "userName", "lines.recipient", "ip")),
        *(
            (name, False)
            for name in ("channel", "sku", "customer_group", "campaign_name", "product_name", "email_domain")
        ),
        *((name, False) for name in ("supplier", "purchase_order", "shipping_method", "user_type", "zip_prefix")),
    ],
)
def test_names_of_labels(label, is_personal):
    """What is of a person or of one order; a kind of person is none."""
    assert names_a_person(label) is is_personal


@pytest.mark.parametrize(
    "rule",
    [
        "by: [customer], threshold: {measure: orders, window: 1h, above: 5}",
        "by: [sku], threshold: {measure: mine, window: 1h, above: 5}",
        "by: [name], threshold: {measure: orders, window: 1h, above: 5}",
        "by: [sku], threshold: {measure: named, window: 1h, above: 5}",
        "by: [channel], new_value: {label: email, measure: orders, in: 30d}",
        "by: [channel], threshold: {measure: orders, window: 1h, above: 5}, overrides: [{match: {phone: x}, above: 9}]",
        'by: [channel], threshold: {measure: orders, window: 1h, above: 5}, say: {summary: "{{ labels.customer }}"}',
    ],
)
def test_a_label_of_a_person_is_refused(rule):
    """As a group, a filter, an override or in a text: where, what, the way out."""
    measures = "orders: {count: order.placed}, mine: {count: order.placed, where: {customer: c-1}}"
    measures += ", named: {count: order.placed, where: {name: Anna}}"
    loaded = load_texts({"r.yml": f"measures: {{{measures}}}\nrules: [{{name: A, {rule}}}]\n"})
    assert loaded.plan.rules == ()
    assert {f.code for f in loaded.errors} <= {"LS136", "LS141"}


def test_counting_persons_is_fine():
    """Nobody can read a value back from a distinct count."""
    text = "measures: {buyers: {distinct: customer, of: order.placed}}\n"
    text += "rules: [{name: A, by: [channel], threshold: {measure: buyers, window: 1h, above: 5}}]\n"
    assert load_texts({"r.yml": text}).faults == ()


class _Row:
    def __init__(self, channel):
        self.channel = channel


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("x" * 80, False), ("x" * 81, True), (" ".join(["it"] * 12), False), (" ".join(["it"] * 13), True),
        ("late\nagain", True),
    ],
)  # fmt: skip
def test_what_is_longer_than_a_reason_is_somebody_s_own_text(text, is_one):
    """Longer than 80 letters or 12 words, or of several lines."""
    assert is_free_text(text) == is_one


def test_a_value_that_looks_personal_is_no_label():
    """In every batch, also where it was seen before."""
    column = texts("channel")
    rows = [_Row(value) for value in ("web", EMAIL, None, "web", PHONE)]
    for _ in range(2):
        assert Columns(rows).get(column) == ["web", "personal", "none", "web", "personal"]
    assert Columns([_Row("web")]).get(column) == ["web"]


@pytest.mark.parametrize(
    ("label", "text", "shown"),
    [
        ("theme", "arrived damaged", "arrived damaged"),
        ("lines.reason", "Product damaged, but the shipping box is OK", "Product damaged, but the shipping box is OK"),
        ("theme", "I am Erika Mustermann and I have waited for my parcel since last week, where is it", "free text"),
        ("return_reason", "too small\nErika", "free text"),
        ("lines.reason", "x" * 81, "free text"),
        ("landing_page", "x" * 81, "x" * 81),
        ("category", "Home > Kitchen > " * 9, "Home > Kitchen > " * 9),
    ],
)  # fmt: skip
def test_what_a_customer_wrote_is_no_label(label, text, shown):
    """A theme or a reason is said of many cases; what is as long as a letter is one person's own."""
    row = type("Row", (), {})()
    at = row
    for part in label.split(".")[:-1]:
        at.__dict__[part] = at = type("Row", (), {})()
    at.__dict__[label.rpartition(".")[2]] = text
    assert Columns([row]).get(texts(label)) == [shown]


def test_what_travels_whole_is_looked_through():
    """Keys and values, however deep."""
    assert without_personal({"a": [EMAIL, 1, {EMAIL: "x"}], "b": None}) == {
        "a": ["personal", 1, {"personal": "x"}],
        "b": None,
    }


def _spoiled(node, needle):
    """Every text of an event's data becomes personal, but days and times, which would be refused."""
    if isinstance(node, str):
        return node if node[:4].isdigit() or node in ("planned", "delayed", "received") else f"{needle}"
    if isinstance(node, list):
        return [_spoiled(item, needle) for item in node]
    return {k: _spoiled(v, needle) for k, v in node.items()} if isinstance(node, dict) else node


@pytest.mark.parametrize("needle", [EMAIL, PHONE])
def test_nothing_personal_of_any_field_comes_out(tmp_path, needle):
    """Every free field of every event type holds it, and fields of the shop's own; nothing told does."""
    plan = load_texts({"r.yml": RULES, "shop.yml": "currency: EUR\n"}).plan
    assert len(plan.rules) == 8
    events = []
    for n, (kind, data) in enumerate(EXAMPLE_DATA.items()):
        spoiled = _spoiled(data, needle) | {"note": f"write to {needle}"}
        for minute in (0, 7, 14):
            events.append(
                {"specversion": "1.0", "id": f"{n}-{minute}", "source": "/t", "type": kind, "data": spoiled,
                 "time": f"2026-11-30T12:{minute:02}:30Z"}
            )  # fmt: skip
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps(e) + "\n" for e in events))
    replay = backtest(plan, [file], zone=ZoneInfo("Europe/London"))
    told = {t.rule for t in replay.transitions}
    assert {"Orders", "Cancelled", "Returns", "Feedback", "Sessions", "Stock", "Spend"} <= told
    writer, rules = Writer(ZoneInfo("UTC")), {r.name: r for r in plan.rules}
    said = [json.dumps(as_cloudevent(t)) for t in replay.transitions]
    said += [str(writer.item(t, rules[t.rule], ("marketing", "operations"))) for t in replay.transitions]
    said += [json.dumps(writer.webhook(t, rules[t.rule], ("marketing",))) for t in replay.transitions]
    said += [str(refusal) for refusal in replay.refused]
    assert [text for text in said if needle in text] == []
    assert any('"personal"' in text for text in said)


@pytest.mark.parametrize(
    "entry",
    [
        f'pr: [{{name: "Interview, ask {EMAIL}", on: 12-24}}]',
        'campaigns: [{name: SPRING, from: 2026-12-01, to: 2026-12-02, skus: ["12 Baker Street"]}]',
        f'capacity: [{{name: "late shift, {PHONE}", from: 2026-12-01, to: 2026-12-02, orders_per_day: 5}}]',
    ],
)
def test_a_calendar_names_nobody(entry):
    """Its names are on pages, in charts and in every calendar program that follows it; a fault repeats none."""
    loaded = load_texts({"calendar.yml": f"{entry}\n"})
    (fault,) = loaded.errors
    assert fault.code == "LS136"
    assert EMAIL not in str(fault)
    assert PHONE not in str(fault)
    assert loaded.plan.calendar is None
