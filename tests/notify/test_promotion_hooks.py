"""Promotion hooks: a pause with the first alert about a product, a resume with the end of the last, each once."""

import json
import random
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from alert_samples import LONDON, NOON, batch, plan, rule, transition

from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.programs.promotion_hooks import (
    RULES,
    PromotionHooks,
    PromotionPlan,
    promotion_json_schema,
)
from lockstep.ports import Destination
from lockstep.yaml.document import document_of

T0 = NOON.timestamp()
HOOK = Destination(id="hook", channel="webhook", target={}, receiver="shop-hook")
SHOP = {"campaigns": "SUMMER until Fri 4 Dec", "available": 3, "days_of_cover": 0.8, "next_receipt": "Wed 2 Dec"}


class Run:
    """The part as notify drives it, made anew of its entries after every step."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.part = self._begun()
        self.bodies: list[dict[str, Any]] = []
        self.ids: list[str] = []

    def _begun(self) -> PromotionHooks:
        part = PromotionHooks(PromotionPlan((HOOK,), frozenset(RULES)))
        part.restore(self.entries)
        return part

    def _restart(self) -> None:
        self.entries |= {key: value for key, value in self.part.cut().items() if value is not None}
        self.part = self._begun()

    def hear(self, state: str, rule: str, sku: str = "A-1", **more: Any) -> None:
        self.part.hear(transition(state, labels={"sku": sku}, rule=rule, alert_id=f"{rule} {sku}", shop=SHOP, **more))
        self._restart()
        documents = self.part.tick(T0).documents
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
    run.hear("firing", "PromotedRunsLow")
    assert run.said == [
        ("promotion.pause", "A-1", 1),
        ("promotion.resume", "A-1", 1),
        ("promotion.pause", "A-1", 2),
    ]
    for body in run.bodies:
        jsonschema.validate(body, promotion_json_schema())
    assert run.bodies[0]["data"]["days_of_cover"] == 0.8
    assert run.bodies[0]["data"]["next_receipt_quantity"] is None


@pytest.mark.parametrize(
    ("rule", "more"),
    [("LowStock", {}), ("PromotedRunsLow", {"past": True}), ("PromotedRunsLow", {"sku": ""})],
)
def test_what_pauses_nothing(rule, more):
    """Another rule, imported time, an alert of no product."""
    run = Run()
    run.hear("firing", rule, **more)
    assert run.said == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fires_pauses_and_resumes_alternate(seed):
    """Of each product, with ids that are never used again; the same change heard twice changes nothing."""
    chance, run = random.Random(seed), Run()
    for _ in range(60):
        run.hear(chance.choice(("firing", "resolved")), chance.choice(RULES), chance.choice(("A-1", "B-2")))
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
    """By routing.yml alone: the pause goes to the webhook in the cut after its alert, the resume after its end."""
    from lockstep.notify.route import routing_of

    text = """
teams: {marketing: [shop-hook]}
receivers: {shop-hook: {webhook: {url: "http://127.0.0.1:9000/x", secret: {secret: HOOK}}}}
promotions: {to: shop-hook}
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
        for second in (0, 1):
            stage.tick(at + timedelta(seconds=second))
            said += [json.loads(r.value or b"") for r in stage.cut().records if r.topic == DELIVERIES]
    kinds = [d["body"]["type"] for d in said if d["body"]["type"].startswith("promotion.")]
    assert kinds == ["promotion.pause", "promotion.resume"]
    assert {d["destination"]["receiver"] for d in said} == {"shop-hook"}
