"""What the API tells, and what it refuses, on a real service."""

import asyncio

import msgspec
import pytest
from shop_api import valid
from test_server import until

from lockstep.adapters.charts.board import record_of
from lockstep.adapters.charts.curve import Chart, Point
from lockstep.judge.publish import ALERTS
from lockstep.ports import Record
from lockstep.response.command import COMMANDS
from lockstep.response.decision import DECISIONS, Decision, Reason


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        pytest.param("acknowledge", {"until": "soon"}, 400, "until must", id="no instant"),
        pytest.param("acknowledge", {"until": "2026-11-28T09:00:00"}, 400, "until must", id="an instant of no zone"),
        pytest.param("acknowledge", {"for": "2"}, 400, "write 2s, 2m or 2h", id="no unit"),
        pytest.param("acknowledge", {"for": "1h", "until": "2096-11-28T09:00:00Z"}, 400, "not both", id="two ends"),
        pytest.param("acknowledge", {"ntoe": "x"}, 400, "ntoe is not known here", id="a typo"),
        pytest.param("acknowledge", [], 400, "keys and values", id="no object"),
        pytest.param("acknowledge", {"by": "a\nb"}, 400, "on one line", id="a name of two lines"),
        pytest.param("note", {}, 400, "text is missing", id="nothing to note"),
        pytest.param("note", {"text": "x" * 1001}, 400, "at most 1,000 characters", id="a novel"),
        pytest.param("snooze", {}, 400, "until when?", id="a snooze without an end"),
        pytest.param("dance", {}, 404, "no such path", id="something else"),
    ],
)
async def test_what_cannot_be_done_is_said(shop, path, body, status, said):
    """With the field, and nothing is given."""
    await shop.fire("A")
    refused = await shop.ask("POST", f"/v1/alerts/{shop.alert['alert_id']}/{path}", body, status=status)
    assert said in refused["detail"]
    assert refused["detail"] == refused["error"]
    (_, end) = (await shop.service.broker.bounds(COMMANDS))[0]
    assert end == 0


async def test_a_page_of_another_site_cannot_act(shop):
    """A browser sends a form to this machine without asking first; JSON it does not."""
    await shop.fire("A")
    url = f"{shop.base}/v1/alerts/{shop.alert['alert_id']}/acknowledge"
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        async with shop.session.post(url, data=b"{}", headers={"Content-Type": kind}) as answer:
            assert answer.status == 415
    async with shop.session.options(url, headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 405
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_an_alert_that_nobody_knows(shop):
    for method, path in [("GET", ""), ("GET", "/chart.svg"), ("GET", "/chart.png"), ("POST", "/acknowledge")]:
        refused = await shop.ask(method, f"/v1/alerts/nobody{path}", {} if method == "POST" else None, status=404)
        assert "no alert 'nobody' is known" in refused["detail"]


async def test_alerts_in_pages_and_by_what_they_are(shop):
    """Filters narrow, pages follow each other whatever their size, and nothing comes twice."""
    await shop.fire(*"ABCDE")
    every = (await shop.get("/v1/alerts"))["alerts"]
    assert len(every) == 5
    for limit in (1, 2, 5):
        seen, cursor = [], ""
        while True:
            page = valid(await shop.get("/v1/alerts", limit=limit, **({"cursor": cursor} if cursor else {})), "Alerts")
            seen += page["alerts"]
            assert len(page["alerts"]) <= limit
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == every
    assert [a["labels"] for a in (await shop.get("/v1/alerts", label="sku=B"))["alerts"]] == [{"sku": "B"}]
    assert (await shop.get("/v1/alerts", severity="critical"))["alerts"] == []
    assert len((await shop.get("/v1/alerts", severity="warning", rule="LowStock"))["alerts"]) == 5
    for query in (
        {"cursor": "AAAA"},
        {"cursor": "W10"},
        {"cursor": "WzFd"},
        {"limit": "0"},
        {"label": "sku"},
        {"x": "y"},
    ):
        refused = await shop.get("/v1/alerts", status=400, **query)
        assert refused["detail"]


async def test_why_somebody_was_told_or_not(shop):
    """The last word for each destination, the others behind it."""
    await shop.fire("A")
    number = shop.alert["alert_id"]

    def decision(receiver, outcome, reason, why):
        return Decision(
            alert_id=number,
            episode_id="e",
            transition_id="t",
            rule="LowStock",
            labels={},
            severity="warning",
            state="firing",
            at="2026-11-28T00:00:00Z",
            outcome=outcome,
            reason=reason,
            why=why,
            receiver=receiver,
        )

    said = [
        decision("ops-mail", "waits", Reason.GROUPED, "waits for its group"),
        decision("ops-mail", "told", Reason.FIRST, "the first of its group"),
        decision("team-slack", "not_told", Reason.SILENCED, "silenced by Anna until 18:00: stock is counted"),
    ]
    await shop.service.broker.publish([Record(DECISIONS, msgspec.json.encode(d), None, 0) for d in said])

    async def known():
        async with shop.session.get(f"{shop.base}/v1/why", params={"alert": number}) as answer:
            body = await answer.json()
            return {d["receiver"]: d for d in body.get("destinations", ())}.get("team-slack") and body

    body = valid(await until(known), "Why")
    by_receiver = {d["receiver"]: d for d in body["destinations"]}
    assert by_receiver["ops-mail"]["outcome"] == "told"
    assert [d["why"] for d in by_receiver["ops-mail"]["decisions"]] == ["the first of its group", "waits for its group"]
    assert by_receiver["team-slack"]["why"].startswith("silenced by Anna")
    (one,) = (await shop.get("/v1/why", alert=number, receiver="team-slack"))["destinations"]
    assert one["outcome"] == "not_told"
    await shop.get("/v1/why", status=404, alert=number, receiver="nobody")
    await shop.get("/v1/why", status=400)


async def test_transitions_since_a_place(shop):
    """All that there were, then those that come; a client that waits hears of the next at once."""
    await shop.fire("A")
    first = valid(await shop.get("/v1/events"), "Events")
    assert [event["data"]["state"] for event in first["events"]] == ["firing"]
    nothing = await shop.get("/v1/events", cursor=first["next"])
    assert (nothing["events"], nothing["next"]) == ([], first["next"])
    waiting = asyncio.create_task(shop.get("/v1/events", cursor=first["next"], wait=30))
    await asyncio.sleep(0.1)
    await shop.fire("B")
    (event,) = (await waiting)["events"]
    assert event["data"]["labels"] == {"sku": "B"}
    _, end = (await shop.service.broker.bounds(ALERTS))[0]
    await shop.get("/v1/events", status=400, cursor=str(end + 1))
    await shop.get("/v1/events", status=400, cursor="-1")
    assert (await shop.get("/v1/events", limit=1))["events"] == first["events"]


async def test_an_alert_has_a_chart(shop):
    """As messages show it, for a light page and a dark one; nothing of it can run or be asked for elsewhere."""
    points = (Point(0.0, 5.0, None, None, 20.0), Point(60.0, 4.0, 4.0, 1.5, 20.0), Point(120.0, 21.0, 4.0, 1.5, 20.0))
    chart = Chart(
        points=points,
        unit="",
        severity="warning",
        value=21.0,
        reference=20.0,
        reference_is="limit",
        told_at=120.0,
        fired=120.0,
        window=(60.0, 120.0),
    )
    await shop.fire("A")
    await shop.service.broker.publish([record_of(shop.alert["transition_id"], chart)])
    url = f"{shop.base}/v1/alerts/{shop.alert['alert_id']}/chart"

    async def drawn(path, **query):
        async with shop.session.get(url + path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            return answer.content_type, await answer.read()

    kind, light = await drawn(".svg")
    assert (kind, light.lstrip().startswith(b"<svg")) == ("image/svg+xml", True)
    _, dark = await drawn(".svg", theme="dark")
    assert dark != light

    async def is_drawn():  # on a busy machine the first one may not be there in time: it says so
        async with shop.session.get(f"{url}.png") as answer:
            return answer.status == 200

    await until(is_drawn)
    kind, picture = await drawn(".png")
    assert (kind, picture.startswith(b"\x89PNG")) == ("image/png", True)
    async with shop.session.get(f"{url}.svg", params={"theme": "pink"}) as answer:
        assert answer.status == 400
    alert = await shop.get(f"/v1/alerts/{shop.alert['alert_id']}")
    assert alert["chart"] == f"/v1/alerts/{shop.alert['alert_id']}/chart.svg"
