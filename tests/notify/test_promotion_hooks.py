"""Promotion hooks: a pause with the first alert about a product, a resume with the end of the last, each once."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from alert_samples import LONDON, NOON, batch, plan, rule, transition

from lockstep.errors import StateError
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.programs.promotion_hooks import (
    EXAMPLE,
    RULES,
    PromotionHooks,
    PromotionPlan,
    promotion_json_schema,
)
from lockstep.ports import Destination
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.transition import Transition
from lockstep.yaml.document import document_of

T0 = NOON.timestamp()
HOOK = Destination(id="hook", channel="webhook", target={}, receiver="shop-hook")
SHOP = {"campaigns": "SUMMER until Fri 4 Dec", "available": 3, "days_of_cover": 0.8, "next_receipt": "Wed 2 Dec"}


class Run:
    """The part as notify drives it, made anew of its entries after every step."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.open: dict[str, Transition] = {}
        self.at = T0
        self.part = self._begun()
        self.bodies: list[dict[str, Any]] = []
        self.ids: list[str] = []

    def _begun(self) -> PromotionHooks:
        part = PromotionHooks(PromotionPlan((HOOK,), frozenset(RULES)), lambda: list(self.open.values()))
        part.restore(self.entries)
        return part

    def _restart(self) -> None:
        self.entries |= {key: value for key, value in self.part.cut().items() if value is not None}
        self.part = self._begun()

    def hear(
        self, state: str, rule: str, sku: str = "A-1", *, shop: dict[str, Any] = SHOP, heard: bool = True, **more: Any
    ) -> None:
        """An alert changes. heard: whether anybody listens."""
        at = rfc3339_of(datetime.fromtimestamp(self.at, UTC))
        labels, alert = {"sku": sku}, f"{rule} {sku}"
        said = transition(state, labels=labels, rule=rule, alert_id=alert, shop=shop, at=at, **more)
        self.open.pop(alert, None)
        if state != "resolved":
            self.open[alert] = said
        if heard:
            self.part.hear(said)
            self._restart()
            self.step(0)

    def step(self, minutes: float) -> None:
        self.at += minutes * 60
        documents = self.part.tick(self.at).documents
        self._restart()
        self.bodies += [dict(document.body) for document in documents]
        self.ids += [document.id for document in documents]

    @property
    def said(self) -> list[tuple[str, str, int]]:
        return [(body["type"], body["data"]["sku"], body["data"]["number"]) for body in self.bodies]


def test_a_pause_and_its_resume_come_in_pairs():
    run = Run()
    run.hear("firing", "PromotedRunsLow")
    run.hear("firing", "PromotedOutOfStock")
    run.hear("resolved", "PromotedRunsLow")
    run.hear("resolved", "PromotedOutOfStock")
    run.step(30)
    run.hear("firing", "PromotedRunsLow")
    assert run.said == [
        ("promotion.pause", "A-1", 1),
        ("promotion.resume", "A-1", 1),
        ("promotion.pause", "A-1", 2),
    ]
    for body in (*run.bodies, EXAMPLE):
        jsonschema.validate(body, promotion_json_schema())
    assert EXAMPLE["data"].keys() == run.bodies[0]["data"].keys()
    assert run.bodies[0]["data"]["days_of_cover"] == 0.8
    assert run.bodies[0]["data"]["next_receipt_quantity"] is None


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        pytest.param("LowStock", {}, id="another rule"),
        pytest.param("PromotedRunsLow", {"past": True}, id="imported time"),
        pytest.param("PromotedRunsLow", {"sku": ""}, id="an alert of no product"),
        pytest.param("PromotedRunsLow", {"shop": {**SHOP, "stock_age": 48.1}}, id="no stock was told for two days"),
    ],
)
def test_what_pauses_nothing(rule, more):
    """And so nothing is resumed when it is over."""
    run = Run()
    run.hear("firing", rule, **more)
    run.hear("resolved", rule, **{name: value for name, value in more.items() if name != "shop"})
    run.step(120)
    assert run.said == []


def test_a_level_is_believed_for_two_days():
    """To the hour."""
    run = Run()
    run.hear("firing", "PromotedRunsLow", shop={**SHOP, "stock_age": 48.0})
    assert run.said == [("promotion.pause", "A-1", 1)]


def test_what_is_paused_stays_so_while_an_alert_about_an_old_level_fires():
    """Such an alert begins no pause, and is one that has to be over like any other."""
    run = Run()
    run.hear("firing", "PromotedRunsLow")
    run.hear("firing", "PromotedOutOfStock", shop={**SHOP, "stock_age": 60.0})
    run.hear("resolved", "PromotedRunsLow")
    run.step(120)
    assert run.said == [("promotion.pause", "A-1", 1)]
    run.hear("resolved", "PromotedOutOfStock")
    run.step(30)
    assert run.said[1:] == [("promotion.resume", "A-1", 1)]


def test_stock_that_comes_and_goes_pauses_once():
    """Every five minutes for three hours; it is resumed half an hour after the last of it, not before."""
    run = Run()
    for _ in range(18):
        run.hear("firing", "PromotedOutOfStock")
        run.step(5)
        run.hear("resolved", "PromotedOutOfStock")
        run.step(5)
    assert run.said == [("promotion.pause", "A-1", 1)]
    run.step(24.9)
    assert len(run.said) == 1
    run.step(0.2)
    assert run.said[1:] == [("promotion.resume", "A-1", 1)]


def test_what_happened_while_nobody_listened_is_made_up_for():
    """routing.yml had no hooks for a while: what fires now is paused at the next start, what ended is resumed."""
    run = Run()
    run.hear("firing", "PromotedOutOfStock", "A-1")
    run.hear("resolved", "PromotedOutOfStock", "A-1", heard=False)
    run.hear("firing", "PromotedRunsLow", "B-2", heard=False)
    run.part = run._begun()
    run.step(0)
    assert run.said == [("promotion.pause", "A-1", 1), ("promotion.pause", "B-2", 1)]
    run.step(31)
    assert run.said[2:] == [("promotion.resume", "A-1", 1)]
    jsonschema.validate(run.bodies[-1], promotion_json_schema())
    for minutes in (1, 60):  # and what fires is not over, however long it does
        assert run.part.tick(run.at + minutes * 60).documents == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fires_pauses_and_resumes_alternate(seed):
    """Of each product, with ids that are never used again; the same change heard twice changes nothing."""
    chance, run = random.Random(seed), Run()
    for _ in range(60):
        run.hear(chance.choice(("firing", "resolved")), chance.choice(RULES), chance.choice(("A-1", "B-2")))
        run.step(chance.choice((0, 5, 40)))
    for sku in ("A-1", "B-2"):
        words = [word for word, of, _ in run.said if of == sku]
        assert words == ["promotion.pause", "promotion.resume"] * (len(words) // 2) + words[len(words) // 2 * 2 :]
        assert set(words[::2]) <= {"promotion.pause"}
    assert len(set(run.ids)) == len(run.ids)


@pytest.mark.parametrize(
    ("to", "said"), [("hok", "unknown receiver 'hok'"), ("mail", "receiver 'mail' has no webhook")]
)
def test_check_says_who_cannot_hear_them(to, said):
    from lockstep.notify.route import routing_of

    text = f"""
teams: {{marketing: [mail]}}
receivers:
  mail: {{email: {{to: anna@example.com}}}}
  hook: {{webhook: {{url: "http://127.0.0.1:9000/x"}}}}
promotions: {{to: {to}}}
"""
    document, _ = document_of("routing.yml", text.encode())
    assert document is not None
    _, faults = routing_of(document)
    assert any(said in str(fault) for fault in faults)


def test_notify_sends_them_where_routing_says():
    """By routing.yml alone: the pause goes out in the cut after its alert, the resume so long after its end."""
    from lockstep.notify.route import routing_of

    text = """
teams: {marketing: [shop-hook]}
receivers: {shop-hook: {webhook: {url: "http://127.0.0.1:9000/x", secret: {secret: HOOK}}}}
promotions: {to: shop-hook, resume_after: 20m}
"""
    document, _ = document_of("routing.yml", text.encode())
    assert document is not None
    routing, faults = routing_of(document)
    assert routing is not None, faults
    rules = plan(rule("PromotedRunsLow", by=("sku",)))
    stage, said = Notify(rules, routing, zone=LONDON, delivery_partitions=1), []
    for minute, state in enumerate(("firing", "resolved")):
        at = NOON + timedelta(minutes=minute)
        heard = transition(state, minute=minute, labels={"sku": "A-1"}, rule="PromotedRunsLow", alert_id="a", shop=SHOP)
        stage.feed(batch(heard, start=minute))
        for later in (0, 1, 1_200):
            stage.tick(at + timedelta(seconds=later))
            said += [json.loads(r.value or b"") for r in stage.cut().records if r.topic == DELIVERIES]
    kinds = [(d["body"]["type"], d["subject"]) for d in said if d["body"]["type"].startswith("promotion.")]
    assert kinds == [("promotion.pause", "promotion/A-1"), ("promotion.resume", "promotion/A-1")]
    assert {d["destination"]["receiver"] for d in said} == {"shop-hook"}


def test_what_another_version_stored_is_read_or_refused():
    """A version before this one wrote no format; of a later one nobody knows what it means."""
    run = Run()
    run.hear("firing", "PromotedOutOfStock")
    ((key, value),) = run.entries.items()
    row = json.loads(value)
    assert row.pop("format") == 1
    run.entries = {key: json.dumps(row).encode()}
    run.part = run._begun()
    run.hear("resolved", "PromotedOutOfStock")
    run.step(30)
    assert [word for word, *_ in run.said] == ["promotion.pause", "promotion.resume"]
    run.entries = {key: json.dumps({**row, "format": 99}).encode()}
    with pytest.raises(StateError, match=r"lockstep\.notify-state: a promotion hook of format 99, this"):
        run._begun()
