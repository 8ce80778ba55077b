"""The HTTP server, on a real service on a real file."""

import asyncio
import inspect
import io
import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import aiohttp
import jsonschema
import pytest
from pydantic import SecretStr

from lockstep.adapters.http import body, typed_requests
from lockstep.adapters.http.caller import Role
from lockstep.adapters.http.inbound import Inbound
from lockstep.adapters.http.openapi import operations_of
from lockstep.adapters.http.operations import OWNERS, all_operations, openapi
from lockstep.app import Service, utc_now
from lockstep.errors import SettingsError
from lockstep.ports import Record
from lockstep.settings import load_settings
from lockstep.tools.explain_command import explain_live

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
CLOUDEVENT = {"content-type": "application/cloudevents+json"}
WATCHED = Path(__file__).parents[2] / "deploy" / "README.md"
NAMED_LIKE_THE_FIELD = (
    "build_info",
    "notifications_total",
    "notifications_failed_total",
    "notification_duration_seconds",
    "alert_to_delivery_seconds",
    "deliveries_pending",
    "oldest_pending_delivery_age_seconds",
    "deliveries_dead_total",
    "destination_breaker_open",
)
"""Dashboards are built on these."""


async def until(fact, timeout_s=20.0):
    """Wait for a fact (an async function's truth), by asking again."""
    async with asyncio.timeout(timeout_s):
        while not (found := await fact()):
            await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def served(tmp_path):
    """(base URL, session) of a running service; a token may be set by the test through `served.token`."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    settings = load_settings(broker=f"sqlite:///{tmp_path}/shop.db", rules=rules, http_port=0)
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    async with aiohttp.ClientSession() as session:

        async def ready():
            try:
                async with session.get(f"http://127.0.0.1:{service.http.port}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(ready)
        yield f"http://127.0.0.1:{service.http.port}", session
        stop.set()
        assert await running == 0


def _stock(number, available, *, sku="A", moment=None):
    return {
        "id": str(number),
        "source": "/shop",
        "type": "stock.level",
        "time": (moment or utc_now()).isoformat(),
        "data": {"sku": sku, "available": available},
    }


async def test_an_alert_is_explained(served):
    """The verdict with its numbers, where the alert stands and what was said; a group that does not fire, too."""
    base, session = served
    for number, sku, available in [(1, "A", 12), (2, "B", 80)]:
        async with session.post(f"{base}/v1/events", json=_stock(number, available, sku=sku), headers=CLOUDEVENT) as a:
            assert a.status == 202

    async def explained(*labels, what="LowStock"):
        query = [("what", what), *(("label", label) for label in labels)]
        async with session.get(f"{base}/v1/explain", params=query) as answer:
            return answer.status, await answer.json()

    async def both():
        _, body = await explained()
        found = body["explanations"]
        return len(found) == 2 and all(e["verdict"] for e in found) and found[0]["told"] and found

    fires, quiet = await until(both)
    assert (fires["clock"]["state"], fires["verdict"]["verdict"], fires["verdict"]["value"]) == ("firing", "breach", 12)
    assert [t["state"] for t in fires["told"]] == ["firing"]
    assert quiet["why"] == "it does not fire: stock is 80 (asked: warning at_most 20)"
    status, by_id = await explained(what=fires["alert_id"])
    assert (status, by_id["explanations"][0]["labels"], by_id["source"]) == (200, {"sku": "A"}, "worker")
    status, unknown = await explained("sku=Z")
    assert [e["known"] for e in unknown["explanations"]] == [False]
    for query, expected, said in [
        ({"what": "LowStok"}, 404, "did you mean 'LowStock'?"),
        ({"what": "LowStock", "label": "skew=A"}, 404, "is not by 'skew'"),
        ({"what": "LowStock", "label": "A"}, 404, "write one like sku=A-1"),
        ({}, 400, "what?"),
    ]:
        async with session.get(f"{base}/v1/explain", params=query) as answer:
            assert (answer.status, said in (await answer.json())["error"]) == (expected, True)
    shown = await asyncio.to_thread(explain_live, base, None, "LowStock", {"sku": "A"})
    assert shown["explanations"][0]["alert_id"] == fires["alert_id"]


async def test_an_event_becomes_an_alert(served):
    """POST answers when the broker has it; the alert shows with its numbers, and ends with the next value."""
    base, session = served
    async with session.post(f"{base}/v1/events", json=_stock(1, 12), headers=CLOUDEVENT) as answer:
        assert (answer.status, (await answer.json())["accepted"]) == (202, 1)

    async def alerts():
        async with session.get(f"{base}/v1/alerts") as answer:
            return (await answer.json())["alerts"]

    (alert,) = await until(alerts)
    assert (alert["rule"], alert["labels"], alert["state"], alert["value"], alert["limit"]) == (
        "LowStock",
        {"sku": "A"},
        "firing",
        12.0,
        20.0,
    )
    batch = {"content-type": "application/cloudevents-batch+json"}
    body = json.dumps([_stock(2, 50), _stock(3, 40, sku="B")])
    async with session.post(f"{base}/v1/events", data=body, headers=batch) as answer:
        assert (answer.status, (await answer.json())["accepted"]) == (202, 2)

    async def over():
        return not await alerts()

    await until(over)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        pytest.param(b"{", CLOUDEVENT, 400, "json", id="no JSON"),
        pytest.param(b"[{}]", CLOUDEVENT, 400, "envelope", id="no event"),
        pytest.param(b"{}", {"content-type": "text/plain"}, 415, "", id="another content type"),
        pytest.param(b"x" * (1 << 20) + b"xx", CLOUDEVENT, 413, "", id="more than 1 MiB"),
    ],
)
async def test_what_cannot_be_taken_is_refused(served, body, headers, status, said):
    """Nothing is published, and the answer says why."""
    base, session = served
    async with session.post(f"{base}/v1/events", data=io.BytesIO(body), headers=headers) as answer:
        assert answer.status == status
        assert said in await answer.text()


async def test_a_refusal_names_element_and_field(served):
    """One bad element of a batch refuses the batch, so that nothing of it is sent twice."""
    base, session = served
    bad = _stock(2, "many")
    batch = {"content-type": "application/cloudevents-batch+json"}
    async with session.post(f"{base}/v1/events", data=json.dumps([_stock(1, 5), bad]), headers=batch) as answer:
        assert answer.status == 400
        (fault,) = (await answer.json())["errors"]
    assert (fault["element"], fault["field"], fault["reason"]) == (1, "data.available", "data")


async def test_a_state_that_there_is_not_is_refused(served):
    """A typo must not read as "nothing is firing"."""
    base, session = served
    async with session.get(f"{base}/v1/alerts", params={"state": "fireing"}) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        body = await answer.json()
    (fault,) = body.pop("errors")
    said = f"the query cannot be taken: state {fault['message']}"
    assert body == {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": said, "error": said}
    assert fault["field"] == "state"
    assert "'pending', 'firing', 'resolved', 'acknowledged'" in fault["message"]


async def test_a_port_in_use_is_said_in_words(served, tmp_path):
    """Which port, why, and which setting helps."""
    base, _ = served
    port = int(base.rpartition(":")[2])
    settings = load_settings(broker=f"sqlite:///{tmp_path}/other.db", rules=tmp_path / "rules", http_port=port)
    with pytest.raises(SettingsError) as caught:
        await Service(settings, environ={}).run(asyncio.Event())
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; set LOCKSTEP_HTTP_PORT to a free port"
    )


async def test_nothing_is_left_where_it_is_started(tmp_path, monkeypatch):
    """The file, its lock, and no folder of a library."""
    settings = _settings(tmp_path)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    stop.set()
    assert await running == 0
    assert list((tmp_path / "cwd").iterdir()) == []


async def test_what_another_worker_has_now_is_not_told_here(tmp_path):
    """After a rebalance a stale age or lag would grow for ever, and wake somebody."""
    service, stop = Service(_settings(tmp_path), environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    row = {"id": "d", "rule": "R", "state": "firing", "alerts": ["a"], "episodes": ["e"], "body": {}, "format": 1}
    hook = {"id": "h", "channel": "webhook", "target": "http://127.0.0.1:1/", "receiver": "h"}
    value = json.dumps({**row, "destination": hook}).encode()
    await service.broker.publish([Record("lockstep.deliveries", value)])

    async def told():
        text = (await service.collector.text()).decode()
        return dict(
            re.findall(r"^(lockstep_(?:deliveries_pending|oldest_\S+|lag_records))\{.*webhook.*\} (\S+)$", text, re.M)
        )

    async def waits():
        return (await told())["lockstep_deliveries_pending"] == "1.0"

    await until(waits)
    await service.judging.runtime.stop()
    assert await told() == {
        "lockstep_deliveries_pending": "0.0",
        "lockstep_oldest_pending_delivery_age_seconds": "0.0",
    }
    assert "lockstep_lag_records{" not in (await service.collector.text()).decode()
    stop.set()
    await running


async def test_an_event_ahead_of_its_time_is_dead_not_lost(served):
    """A till whose clock is an hour fast closes nobody's buckets; the event is listed with its reason."""
    base, session = served
    event = _stock(9, 1, moment=utc_now() + timedelta(hours=1))
    async with session.post(f"{base}/v1/events", json=event, headers=CLOUDEVENT) as answer:
        assert answer.status == 202

    async def counted():
        async with session.get(f"{base}/metrics") as answer:
            return 'lockstep_events_dead_total{topic="inventory"} 1.0' in await answer.text()

    await until(counted)


async def test_metrics_are_well_formed(served):
    """As promtool sees it, where it is installed; else by its simplest rules."""
    base, session = served
    async with session.get(f"{base}/metrics") as answer:
        text = await answer.text()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    promised = set(re.findall(r"`(lockstep_[a-z_]+)`", WATCHED.read_text().partition("## What to watch")[2]))
    assert len(promised) > 10
    assert promised <= names
    assert {f"lockstep_{name}" for name in NAMED_LIKE_THE_FIELD} <= names
    assert not [line for line in text.splitlines() if "_created" in line]
    promtool = shutil.which("promtool")
    if promtool is not None:
        checked = await asyncio.to_thread(
            subprocess.run, [promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def _settings(tmp_path, **more):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    return load_settings(broker=f"sqlite:///{tmp_path}/shop.db", rules=rules, http_port=0, **more)


def test_without_a_token_the_server_stays_on_loopback(tmp_path):
    """Listening to others without a token is refused at the start."""
    with pytest.raises(SettingsError, match="set LOCKSTEP_API_TOKEN"):
        Service(_settings(tmp_path, http_host="0.0.0.0"), environ={})


@pytest.mark.parametrize(("value", "token"), [("", None), ("s3cret", "s3cret")])
def test_an_empty_token_is_none(monkeypatch, value, token):
    """A variable that is set to nothing must not open the API to everybody."""
    monkeypatch.setenv("LOCKSTEP_API_TOKEN", value)
    found = load_settings().api_token
    assert (found and found.get_secret_value()) == token


@pytest.mark.parametrize("value", [" ", "two words", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(monkeypatch, value):
    """It would lock everybody out, or in."""
    monkeypatch.setenv("LOCKSTEP_API_TOKEN", value)
    with pytest.raises(SettingsError, match="LOCKSTEP_API_TOKEN: a token is one word"):
        load_settings()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8480"),
        ("0.0.0.0", "http://127.0.0.1:8480"),
        ("::", "http://[::1]:8480"),
        ("::1", "http://[::1]:8480"),
        ("shop.example", "http://shop.example:8480"),
    ],
)
def test_the_commands_know_where_to_ask(host, url):
    """An address to listen on is not always one to ask."""
    assert load_settings(http_host=host).url() == url


async def test_with_a_token_the_api_needs_it_and_health_does_not(tmp_path):
    """Prometheus and the load balancer have no token; everybody else must."""
    service = Service(_settings(tmp_path, api_token=SecretStr("s3cret")), environ={})
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    base = f"http://127.0.0.1:{service.http.port}"
    seen = {}
    async with aiohttp.ClientSession() as session:
        for path, token in [
            ("/healthz", ""),
            ("/metrics", ""),
            ("/v1/alerts", ""),
            ("/v1/alerts", "no"),
            ("/v1/alerts", "s3cret"),
        ]:
            async with session.get(base + path, headers={"Authorization": f"Bearer {token}"}) as answer:
                seen[path, token] = answer.status
    stop.set()
    await running
    assert seen == {
        ("/healthz", ""): 200,
        ("/metrics", ""): 200,
        ("/v1/alerts", ""): 401,
        ("/v1/alerts", "no"): 401,
        ("/v1/alerts", "s3cret"): 200,
    }


async def test_the_openapi_document_names_every_route(served):
    """What is served is what is published, and every error of every path is described as one."""
    base, session = served
    async with session.get(f"{base}/v1/openapi.json") as answer:
        document = await answer.json()
    assert document == openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = f"{base}{re.sub(r'{.*?}', 'x', path)}"
            async with session.request(method, asked, json={}) as answer:
                assert answer.status not in (405, 500), path
                described = operation["responses"].get(str(answer.status), operation["responses"]["default"])
                for kind, content in described.get("content", {}).items():
                    assert answer.content_type == kind
                    said = await (answer.json() if kind.endswith("json") else answer.text())
                    jsonschema.validate(said, {**content["schema"], "components": document["components"]})
    assert {"/v1/events", "/v1/alerts", "/v1/alerts/{id}/acknowledge", "/v1/silences", "/metrics"} <= document[
        "paths"
    ].keys()
    assert len(document["paths"]) == len({operation.path for operation in all_operations()})


def test_every_handler_declares_what_it_answers():
    """What takes a request and is not declared could not be reached, and what is declared is a handler."""
    for owner in OWNERS:
        handlers = {
            name
            for name, member in vars(owner).items()
            if inspect.iscoroutinefunction(member) and list(inspect.signature(member).parameters) == ["self", "request"]
        }
        assert handlers == operations_of(owner).keys()
    operations = all_operations()
    assert len({(o.method, o.path) for o in operations}) == len(operations)


@pytest.mark.parametrize(
    ("owner", "handler"),
    [(owner, handler) for owner in OWNERS if owner is not Inbound for handler in operations_of(owner)],
)
def test_a_handler_answers_only_with_declared_statuses(owner, handler):
    """Each status that stands in its code, and in that of the body where one is read."""
    operation = operations_of(owner)[handler]
    source = inspect.getsource(getattr(owner, handler)).partition("async def ")[2]
    if operation.body is not None or operation.form is not None:
        source += inspect.getsource(body)
    if operation.form is not None:
        source += inspect.getsource(typed_requests)
    statuses = {int(number) for number in re.findall(r"\b[2-5]\d\d\b", source)} - {417}  # "anything else"
    assert statuses <= operation.responses.keys()
    assert (401 in operation.responses) == (not operation.is_open)
    assert (403 in operation.responses) == (operation.role > Role.VIEWER)


async def test_every_operation_asks_for_its_token_and_method(tmp_path):
    """As it is declared: 401 with a challenge where a token is needed, 405 with Allow for another method."""
    service = Service(_settings(tmp_path, api_token=SecretStr("s3cret")), environ={})
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    base = f"http://127.0.0.1:{service.http.port}"
    seen, declared = {}, {}
    async with aiohttp.ClientSession() as session:
        operations = [o for owner in OWNERS if owner is not Inbound for o in operations_of(owner).values()]
        for operation in operations:
            path = re.sub(r"{.*?}", "x", operation.path)
            async with session.request(operation.method, base + path) as answer:
                challenged = answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
            token = {"Authorization": "Bearer s3cret"}
            async with session.request("PATCH", base + path, headers=token) as answer:
                seen[operation.path, operation.method] = challenged, answer.status, answer.headers["Allow"]
            methods = [o.method for o in operations if o.path == operation.path]
            allowed = ", ".join("GET, HEAD" if method == "GET" else method for method in methods)
            declared[operation.path, operation.method] = not operation.is_open, 405, allowed
    stop.set()
    await running
    assert seen == declared


async def test_a_post_says_what_became_of_each_event(served):
    """Accepted, known already, ahead of the clock, of an unknown type: together all of them, as the schema says."""
    base, session = served
    batch = {"content-type": "application/cloudevents-batch+json"}
    ahead, typo = _stock(3, 5, moment=utc_now() + timedelta(hours=1)), {**_stock(4, 5), "type": "stock.levle"}
    events = [_stock(1, 50), _stock(1, 50), ahead, typo, _stock(2, 60)]
    async with session.post(f"{base}/v1/events", data=json.dumps(events), headers=batch) as answer:
        assert answer.status == 202
        body = await answer.json()
    schemas = openapi()["components"]["schemas"]
    jsonschema.validate(body, schemas["Receipt"])
    assert {name: body[name] for name in ("accepted", "duplicate", "future", "unknown")} == {
        "accepted": 2, "duplicate": 1, "future": 1, "unknown": 1,
    }  # fmt: skip
    assert [(e["element"], e["outcome"]) for e in body["events"]] == [(1, "duplicate"), (2, "future"), (3, "unknown")]
    assert "did you mean 'stock.level'?" in body["events"][2]["message"]
    async with session.post(f"{base}/v1/events", data="[{}, 5]", headers=batch) as answer:
        jsonschema.validate(await answer.json(), schemas["Error"])
    async with session.get(f"{base}/metrics") as answer:
        text = await answer.text()
    counted = dict(re.findall(r'^lockstep_http_events_total\{outcome="(\w+)"\} (\S+)$', text, re.MULTILINE))
    assert counted == {"accepted": "2.0", "duplicate": "1.0", "future": "1.0", "unknown": "1.0", "refused": "2.0"}
