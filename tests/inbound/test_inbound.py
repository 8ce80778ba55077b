"""POST /v1/in/…: what is signed is published once, what is not is nowhere, whatever else comes is answered."""

import asyncio
import gzip
import inspect
import json
import re
from typing import Any

import aiohttp
import jsonschema
import pytest
from conftest import BY_NAME, SECRET, Doors, signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payloads import SEGMENT, SHOPIFY, SHOPIFY_LEVEL, SHOPIFY_ORDER, WOO, WOO_ORDER, changed
from test_foreign_values import EVERY, spoilt

from lockstep.adapters.http import body
from lockstep.adapters.http.inbound import OPERATIONS, Inbound
from lockstep.adapters.http.operations import openapi
from lockstep.adapters.inbound.translation import WebhookOutcome
from lockstep.adapters.ingest.sku_names import SkuNames
from lockstep.app import Service
from lockstep.event import parse_event
from lockstep.settings import load_settings

ORDER = ("shopify", "orders/create", SHOPIFY_ORDER)
NEW_SECRET = "another one"


async def _ids(doors: Doors) -> list[str]:
    return sorted(event["id"] for event in await doors.published())


async def test_each_webhook_is_published(doors: Doors) -> None:
    """Of every sender and topic: the events of ours on their topics, durable before the answer, and counted."""
    accepted = 0
    for sender, topic, sent in EVERY:
        status, said = await doors.post(sender, topic, sent)
        learned = "its sku is known now" if "inventory_items" in topic else ""
        assert (status, said["ignored"], said["refused"]) == (200, learned, []), (topic, said)
        accepted += said["accepted"]
        jsonschema.validate(said, {**openapi()["components"]["schemas"]["Taken"]})
    published = await doors.published()
    assert len(published) == accepted + doors.events["duplicate"]
    for event in published:
        key = event.pop("key")
        parse_event(json.dumps(event).encode())
        assert key == (event["data"]["sku"] if event["type"] in ("stock.level", "price.changed") else event["id"])
    assert {(sender, topic) for sender, topic, _ in doors.counted} == {(sender, topic) for sender, topic, _ in EVERY}
    assert {outcome for _, topic, outcome in doors.counted if "inventory_items" not in topic} == {"published"}


@pytest.mark.parametrize(
    ("sender", "topic", "sent", "later"),
    [
        pytest.param(*ORDER, None, id="an order"),
        pytest.param(
            "shopify",
            "inventory_levels/update",
            SHOPIFY_LEVEL,
            {"updated_at": "2026-11-24T10:40:00+01:00", "available": 11},
            id="stock",
        ),
        pytest.param(
            "woocommerce",
            "product.updated",
            WOO["product.updated"],
            {"date_modified_gmt": "2026-11-24T10:00:00"},
            id="a product",
        ),
        pytest.param("woocommerce", "order.updated", WOO["order.updated"], None, id="a cancellation"),
        pytest.param("segment", "", SEGMENT["order completed"], None, id="a call"),
    ],
)
async def test_a_retry_counts_once_and_a_change_again(
    sender: str, topic: str, sent: dict[str, Any], later: dict[str, Any] | None, doors: Doors
) -> None:
    """A retry carries another webhook id and the same body; a later state another time."""
    first = await doors.post(sender, topic, sent, **{"X-Shopify-Webhook-Id": "1"})
    again = await doors.post(sender, topic, sent, **{"X-Shopify-Webhook-Id": "2"})
    assert (first[1]["duplicate"], again[1]["accepted"]) == (0, 0)
    assert again[1]["duplicate"] == first[1]["accepted"] >= 1
    if later is not None:
        changed_later = await doors.post(sender, topic, changed(sent, **later))
        assert (changed_later[1]["accepted"], changed_later[1]["duplicate"]) == (first[1]["accepted"], 0)


async def test_stock_is_named_by_its_sku_once_a_product_has_told_it(doors: Doors) -> None:
    """Until then by the number of the item; a door that begins later knows it, too, and so is a changed sku."""

    async def sku_of(minute: int) -> str:
        level = changed(SHOPIFY_LEVEL, updated_at=f"2026-11-24T09:{minute}:00Z")
        assert (await doors.post("shopify", "inventory_levels/update", level))[1]["accepted"] == 1
        levels = [event for event in await doors.published() if event["type"] == "stock.level"]
        return str(max(levels, key=lambda event: event["time"])["data"]["sku"])

    assert await sku_of(31) == "4401"
    await doors.post("shopify", "products/update", SHOPIFY["products/update"])
    assert await sku_of(32) == "MUG-BLUE"
    later = SkuNames(doors.broker, topic=doors.skus)  # type: ignore[arg-type] # describes, publishes and reads only
    assert (await later.known())["shopify/inventory_items/4401"] == "MUG-BLUE"
    await doors.post("shopify", "inventory_items/update", changed(SHOPIFY["inventory_items/update"], sku="MUG-NAVY"))
    assert await sku_of(33) == "MUG-NAVY"
    assert (await later.known())["shopify/inventory_items/4401"] == "MUG-NAVY"


async def test_skus_are_learned_up_to_a_bound(doors: Doors) -> None:
    """What is beyond keeps its number; what is known can still change, and nothing is published twice."""
    names = SkuNames(doors.broker, topic=doors.skus, most=2)  # type: ignore[arg-type] # as above
    await names.learn({"a": "1"})
    await names.learn({"a": "1", "b": "2"})
    await names.learn({"c": "3", "b": "4"})
    assert await names.known() == {"a": "1", "b": "4"}
    assert (await doors.broker.bounds(doors.skus))[0] == (0, 3)


async def test_an_order_told_by_both_topics_counts_once(doors: Doors) -> None:
    """WooCommerce says it is made, and a moment later that it has changed."""
    await doors.post("woocommerce", "order.created", WOO_ORDER)
    _, said = await doors.post(
        "woocommerce", "order.updated", changed(WOO_ORDER, date_modified_gmt="2026-11-24T09:31:00")
    )
    assert (said["accepted"], said["duplicate"]) == (0, 1)


@pytest.mark.parametrize("sender", sorted(BY_NAME))
async def test_what_is_not_signed_is_refused_and_nowhere(sender: str, doors: Doors) -> None:
    """Without a signature, with that of another body, secret or kind, or with bytes that are none."""
    topic, sent = next((topic, body) for name, topic, body in EVERY if name == sender)
    header, raw = BY_NAME[sender].signed_in, json.dumps(sent).encode()
    other = "segment" if sender != "segment" else "shopify"
    wrong = [
        "", " ", "0", "é", "=" * 44, signature(sender, raw + b" "), signature(other, raw), signature(sender, raw)[:-1],
        signature(sender, raw, SECRET + " "), "sha256=" + signature(sender, raw), signature(sender, raw) * 2,
    ]  # fmt: skip
    for given_signature in wrong:
        status, said = await doors.post(sender, topic, raw, secret=None, **{header: given_signature})
        assert (status, "is not the signature" in said["error"]) == (401, True), given_signature
    status, said = await doors.post(sender, topic, raw, secret=None)
    assert (status, said["error"].startswith(f"{header} is missing")) == (401, True)
    assert await doors.published() == []
    assert set(doors.counted) == {(sender, "other", WebhookOutcome.UNSIGNED)}
    assert SECRET not in json.dumps(said)


async def test_one_secret_follows_another(doors: Doors) -> None:
    """While both are named, both sign; a file that changes counts at once, as other secrets do."""
    doors.environ["LOCKSTEP_SECRET_SHOPIFY"] = NEW_SECRET
    assert (await doors.post(*ORDER))[0] == 401
    assert (await doors.post(*ORDER, secret=NEW_SECRET))[0] == 200


async def test_without_a_secret_it_says_what_to_do(doors: Doors) -> None:
    """Which variable, and where the page is that says the rest."""
    del doors.environ["LOCKSTEP_SECRET_SHOPIFY"]
    status, said = await doors.post(*ORDER)
    assert (status, said["error"]) == (
        403,
        "/v1/in/shopify is closed: secret SHOPIFY is not set; set LOCKSTEP_SECRET_SHOPIFY or "
        "LOCKSTEP_SECRET_SHOPIFY_FILE to what Shopify signs with (`Webhooks in` in deploy/README.md says where that "
        "stands)",
    )
    assert await doors.published() == []


async def test_a_broker_that_is_away_is_tried_again(doors: Doors) -> None:
    """503, and then the same webhook counts once."""
    doors.broker.away = True
    assert (await doors.post(*ORDER))[0] == 503
    assert (await doors.post("shopify", "products/update", SHOPIFY["products/update"]))[0] == 503
    doors.broker.away = False
    assert [(await doors.post(*ORDER))[1]["accepted"] for _ in range(2)] == [1, 0]
    assert set(await _ids(doors)) == {"orders/5501234567890/placed"}


@pytest.mark.parametrize(
    ("sender", "topic", "sent", "said", "outcome"),
    [
        pytest.param(
            "shopify", "customers/update", {"id": 1}, "topic 'customers/update' says", "ignored", id="another topic"
        ),
        pytest.param("shopify", "", {"id": 1}, "topic '' says", "ignored", id="no topic"),
        pytest.param("shopify", "orders/create", [SHOPIFY_ORDER], "no JSON object", "ignored", id="a list"),
        pytest.param("segment", "", {"type": "identify"}, "'identify' says", "ignored", id="another call"),
        pytest.param(
            "shopify", "orders/create", changed(SHOPIFY_ORDER, test=True), "it is a test", "ignored", id="a test"
        ),
        pytest.param(
            "shopify",
            "orders/create",
            changed(SHOPIFY_ORDER, total_price=None, total_price_set=None),
            "total_price: is no number",
            "refused",
            id="an order without a total",
        ),
        pytest.param(
            "shopify",
            "orders/create",
            changed(SHOPIFY_ORDER, created_at="1890-01-01T00:00:00Z"),
            "the year 1890",
            "refused",
            id="a time that no rule reckons with",
        ),
    ],
)
async def test_what_rules_do_not_read_is_counted_and_answered(
    sender: str, topic: str, sent: Any, said: str, outcome: str, doors: Doors
) -> None:
    """200, or it would be sent again for hours; and the answer says why."""
    status, found = await doors.post(sender, topic, sent)
    assert (status, said in found["ignored"] + " ".join(found["refused"])) == (200, True), found
    assert [became for *_, became in doors.counted] == [outcome]
    assert await doors.published() == []


async def test_what_is_no_json_is_the_senders_fault(doors: Doors) -> None:
    """Signed, and still nothing that could be read."""
    for sent in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a": "\\ud800"'):
        status, said = await doors.post("shopify", "orders/create", sent)
        assert (status, said["error"].startswith("no JSON")) == (400, True)


async def test_limits_are_those_of_events(doors: Doors) -> None:
    """A mebibyte, packed or not; what is signed are the bytes behind the packing."""
    large = json.dumps({"a": "x" * (1 << 20)}).encode()
    assert (await doors.post("shopify", "orders/create", large))[0] == 413
    raw = json.dumps(SHOPIFY_ORDER).encode()
    packed = {"Content-Encoding": "gzip", BY_NAME["shopify"].signed_in: signature("shopify", raw)}
    assert (await doors.post("shopify", "orders/create", gzip.compress(raw), secret=None, **packed))[0] == 200


async def test_the_ping_of_woocommerce_is_answered(doors: Doors) -> None:
    """Unsigned, a form, when the webhook is saved; only 200 will do. Anything else unsigned is refused."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, said = await doors.post("woocommerce", "", b"webhook_id=12", secret=None, **form)
    assert (status, said["ignored"]) == (200, "a ping, which is answered and says nothing")
    for other in (b"webhook_id=12&status=cancelled", b"webhook_id=", b"webhook_id=12\n", b"{}"):
        assert (await doors.post("woocommerce", "", other, secret=None, **form))[0] == 401
    assert (await doors.post("shopify", "", b"webhook_id=12", secret=None, **form))[0] == 401
    assert await doors.published() == []


async def test_a_batch_of_segment_is_told_why_it_is_refused(doors: Doors) -> None:
    """It signs the first event alone, so the others could be anybody's."""
    one = SEGMENT["page"]
    first = signature("segment", json.dumps(one, separators=(",", ":")).encode())
    batch = json.dumps([one, one], separators=(",", ":")).encode()
    status, said = await doors.post("segment", "", batch, secret=None, **{"X-Signature": first})
    assert (status, "turn batching off" in said["error"]) == (401, True)


@pytest.mark.parametrize("broker_settings", ["sqlite"], indirect=True)
async def test_no_signed_body_brings_the_server_to_an_error_of_its_own(doors: Doors) -> None:
    """Whatever is changed, left out or cut off: no 500, and nothing is published that is no event."""
    answered: list[int] = []
    bodies: list[tuple[str, str, bytes]] = []

    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(spoilt(), st.integers(0, 12), st.integers(0, 4000), st.binary(max_size=3))
    def draw(changed_body: tuple[str, str, dict[str, Any]], dice: int, at: int, junk: bytes) -> None:
        sender, topic, sent = changed_body
        raw = json.dumps(sent).encode("utf-8", "surrogatepass")
        bodies.append((sender, topic, raw[:at] + junk + raw[at:] if dice == 0 else raw))

    await asyncio.to_thread(draw)
    for sender, topic, raw in bodies:
        status, said = await doors.post(sender, topic, raw)
        answered.append(status)
        assert status in (200, 400), said
        assert "Traceback" not in json.dumps(said)
    assert answered.count(200) > len(answered) / 2
    for event in await doors.published():
        event.pop("key")
        parse_event(json.dumps(event).encode())


@pytest.mark.parametrize("handler", OPERATIONS)
def test_a_handler_answers_only_with_declared_statuses(handler: str) -> None:
    """Each status that stands in the code, and in that of the body."""
    source = "".join(map(inspect.getsource, (Inbound._take, Inbound._known_secrets, Inbound._publish, body)))
    statuses = {int(number) for number in re.findall(r"\b[2-5]\d\d\b", source)} - {417}  # "anything else"
    assert statuses | {200, 401} == {*OPERATIONS[handler].responses}


RULES = """\
measures:
  stock:  {last: available, of: stock.level}
  orders: {count: order.placed}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""


async def test_a_webhook_becomes_an_alert(tmp_path: Any) -> None:
    """The whole service: a token guards the API, a signature guards this, and the metrics say what came."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "stock.yml").write_text(RULES)
    settings = load_settings(
        broker=f"sqlite:///{tmp_path}/shop.db",
        rules=tmp_path / "rules",
        http_port=0,
        api_token="t0ken",
        shopify_secrets="SHOPIFY, SHOPIFY_NEW",
    )
    service, stop = Service(settings, environ={"LOCKSTEP_SECRET_SHOPIFY_NEW": SECRET}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))

    async def until(fact: Any) -> Any:
        async with asyncio.timeout(20):
            while not (found := await fact()):
                await asyncio.sleep(0.02)
            return found

    async def ready() -> bool:
        return service.judging.runtime is not None and service.judging.status().ready

    await until(ready)
    base = f"http://127.0.0.1:{service.http.port}"
    raw = json.dumps(SHOPIFY_LEVEL).encode()
    headers = {"X-Shopify-Topic": "inventory_levels/update", "X-Shopify-Hmac-Sha256": signature("shopify", raw)}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base}/v1/in/shopify", data=raw, headers=headers) as answer:
            assert (answer.status, (await answer.json())["accepted"]) == (200, 1)
        async with session.post(f"{base}/v1/in/segment", data=raw, headers={"X-Signature": "0"}) as answer:
            assert answer.status == 403

        async def alerts() -> Any:
            async with session.get(f"{base}/v1/alerts", headers={"Authorization": "Bearer t0ken"}) as answer:
                return (await answer.json())["alerts"]

        (alert,) = await until(alerts)
        assert (alert["rule"], alert["labels"], alert["value"]) == ("LowStock", {"sku": "4401"}, 12.0)
        text = (await service.collector.text()).decode()
    for said in (
        'lockstep_webhooks_in_total{outcome="published",sender="shopify",topic="inventory_levels/update"} 1.0',
        'lockstep_webhooks_in_total{outcome="published",sender="shopify",topic="orders/create"} 0.0',
        'lockstep_webhooks_in_total{outcome="unsigned",sender="woocommerce",topic="other"} 0.0',
    ):
        assert said in text
    stop.set()
    assert await running == 0


def test_the_topics_that_are_sent_stand_in_the_metrics() -> None:
    """And nothing else does: a sender's own names would be labels without end."""
    assert {topic for sender in BY_NAME.values() for topic in sender.topics} == {*SHOPIFY, *WOO, *SEGMENT}
