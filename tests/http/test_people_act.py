"""What people do about alerts by the API, on a real service: fire, acknowledge, see it at once; silence."""

import asyncio
import json

import aiohttp
import msgspec
import pytest
from aiohttp import web
from shop_api import Shop, valid
from test_server import _settings, until

from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.response.command import COMMANDS, decode_command


async def test_an_acknowledgement_is_seen_at_once(shop):
    """By whoever gave it, in the next question; with who and when, in the list, the alert, its timeline and the log."""
    await shop.fire("A", "B")
    number = shop.alert["alert_id"]
    assert shop.alert["handling"] is None
    said = await shop.ask("POST", f"/v1/alerts/{number}/acknowledge", {"by": "Anna", "for": "2h", "note": "on it"})
    valid(said, "Answered")
    assert (said["applied"], said["by"]) == (True, "Anna")
    assert said["handling"]["acknowledged_by"] == "Anna"
    alert = await shop.get(f"/v1/alerts/{number}")
    assert alert["handling"]["acknowledged_by"] == "Anna"
    assert alert["handling"]["acknowledged_until"] is not None
    kinds = [event["kind"] for event in alert["timeline"]]
    assert kinds[0] == "transition"
    (answer,) = [event for event in alert["timeline"] if event["kind"] == "answer"]
    assert (answer["command"]["by"], answer["command"]["way"], answer["command"]["note"]) == ("Anna", "api", "on it")
    assert answer["decided_at"]
    listed = valid(await shop.get("/v1/alerts", state="acknowledged"), "Alerts")["alerts"]
    assert [a["alert_id"] for a in listed] == [number]
    known = valid(await shop.get(f"/v1/commands/{said['command']}"), "Answer")
    assert known["why"] == said["why"]
    other = ResponseBoardOfAnotherWorker(shop.service.settings)
    assert (await other.handling(number)).acknowledged_by == "Anna"
    back = await shop.ask("POST", f"/v1/alerts/{number}/take-back", {})
    assert not (back["handling"] or {}).get("acknowledged_by")
    assert (await shop.get("/v1/alerts", state="acknowledged"))["alerts"] == []


class ResponseBoardOfAnotherWorker:
    """Reads the same file in another connection, as another worker reads the same cluster."""

    def __init__(self, settings):
        self._settings = settings

    async def handling(self, alert_id):
        from lockstep.adapters.response_board import ResponseBoard

        broker = open_broker(self._settings, clock=utc_now)
        await broker.start()
        board = ResponseBoard(broker, clock=utc_now)
        following = asyncio.create_task(board.follow())
        async with asyncio.timeout(20):
            while board.handling(alert_id) is None:
                await asyncio.sleep(0.01)
        following.cancel()
        await broker.stop()
        return board.handling(alert_id)


async def test_each_thing_that_people_do_stands(shop):
    """Assigned, noted, snoozed, closed: each with its name; what is over cannot be done again."""
    await shop.fire("A")
    path = f"/v1/alerts/{shop.alert['alert_id']}"
    await shop.ask("POST", f"{path}/assign", {"to": "Ben", "by": "Anna"})
    await shop.ask("POST", f"{path}/note", {"text": "it is the fair", "by": "Anna"})
    handling = (await shop.ask("POST", f"{path}/snooze", {"for": "1h", "by": "Anna"}))["handling"]
    assert (handling["assignee"], handling["snoozed_by"]) == ("Ben", "Anna")
    assert [note["text"] for note in handling["notes"]] == ["it is the fair"]
    handling = (await shop.ask("POST", f"{path}/close", {"note": "counted", "by": "Anna"}))["handling"]
    assert handling["closed_by"] == "Anna"
    alert = await shop.get(path)
    done = [event["command"]["kind"] for event in alert["timeline"] if event["kind"] == "answer"]
    assert done == ["assign", "note", "snooze", "close"]
    refused = await shop.ask("POST", f"{path}/acknowledge", {"episode": "another"}, status=409)
    assert refused["detail"] == refused["error"]
    assert refused["command"]


async def test_the_same_request_twice_is_done_once(shop):
    """A client that got no answer asks again with its key; another request under that key is refused."""
    await shop.fire("A")
    path = f"/v1/alerts/{shop.alert['alert_id']}/note"
    first = await shop.ask("POST", path, {"text": "one"}, Idempotency_Key="k-1")
    again = await shop.ask("POST", path, {"text": "one"}, Idempotency_Key="k-1")
    assert (again["command"], again["decided_at"]) == (first["command"], first["decided_at"])
    assert len(again["handling"]["notes"]) == 1
    other = await shop.ask("POST", path, {"text": "two"}, status=422, Idempotency_Key="k-1")
    assert "came with another request before" in other["detail"]
    assert "take a new one for each change" in other["detail"]
    await shop.ask("POST", path, {"text": "two"}, Idempotency_Key="k-2")
    assert len((await shop.get(f"/v1/alerts/{shop.alert['alert_id']}"))["handling"]["notes"]) == 2


async def test_a_key_that_comes_with_another_length_of_time_is_refused(shop):
    """Only what was asked for tells it from the first: until when that is differs at each try."""
    await shop.fire("A")
    path = f"/v1/alerts/{shop.alert['alert_id']}/snooze"
    first = await shop.ask("POST", path, {"for": "2h"}, Idempotency_Key="k-1")
    again = await shop.ask("POST", path, {"for": "2h"}, Idempotency_Key="k-1")
    assert again["command"] == first["command"]
    await shop.ask("POST", path, {"for": "8h"}, status=422, Idempotency_Key="k-1")
    body = {"matchers": ["sku=A"], "comment": "c", "for": "2h"}
    made = await shop.ask("POST", "/v1/silences", body, Idempotency_Key="k-2")
    await shop.ask("POST", "/v1/silences", {**body, "for": "8h"}, status=422, Idempotency_Key="k-2")
    await shop.ask("PUT", f"/v1/silences/{made['silence']['id']}", body, status=422, Idempotency_Key="k-2")
    assert len((await shop.get("/v1/silences"))["silences"]) == 1


async def test_an_alert_is_named_by_the_beginning_of_its_id(shop):
    """As on a terminal, where it can be one alone; of several some are named."""
    await shop.fire("A", "B")
    number = shop.alert["alert_id"]
    assert (await shop.get(f"/v1/alerts/{number[:8]}"))["alert_id"] == number
    noted = await shop.ask("POST", f"/v1/alerts/{number[:8]}/note", {"text": "one"})
    assert noted["handling"]["alert_id"] == number
    await shop.get("/v1/alerts/LowStock", status=404)
    several = await shop.get("/v1/why", status=400, alert="LowStock")
    assert "may be any of 2 alerts; name one by its id" in several["detail"]
    assert [c["labels"] for c in several["candidates"]] == [{"sku": "A"}, {"sku": "B"}]
    none = await shop.get("/v1/why", status=404, alert="HighStock")
    assert "there are alerts of LowStock" in none["detail"]


async def test_a_silence_for_a_team_silences_its_alerts_alone(shop):
    """Those of other teams are not said to be silenced."""
    await shop.fire("A")
    body = {"comment": "c", "for": "2h"}
    await shop.ask("POST", "/v1/silences", {**body, "matchers": ["sku=A", "team=nobodys"]})
    assert (await shop.get("/v1/alerts", state="silenced"))["alerts"] == []
    made = await shop.ask("POST", "/v1/silences", {**body, "matchers": ["sku=A", "team=operations"]})
    (silenced,) = (await shop.get("/v1/alerts", state="silenced"))["alerts"]
    assert silenced["silenced_by"] == [made["silence"]["id"]]


async def test_of_two_requests_under_one_key_at_one_time_one_is_done(shop):
    """Who sent the other one is told that it was not."""
    await shop.fire("A")
    path = f"{shop.base}/v1/alerts/{shop.alert['alert_id']}/note"

    async def noted(number):
        headers = {"Idempotency-Key": "k-9"}
        async with shop.session.post(path, json={"text": f"note {number}"}, headers=headers) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*map(noted, range(4)))) == [200, 422, 422, 422]


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_an_instant_that_is_none_elsewhere_is_refused(shop, until):
    """In UTC it would lie before the first year or behind the last one."""
    body = {"matchers": ["sku=A"], "comment": "c", "until": until}
    said = await shop.ask("POST", "/v1/silences", body, status=400)
    assert "must lie between the years 1970 and 9000" in said["detail"]


async def test_silences_are_seen_made_replaced_and_ended(shop):
    """What one would hit is said before; the alerts that it matches are named silenced."""
    await shop.fire("A", "B")
    seen = valid(await shop.ask("POST", "/v1/silences/preview", {"matchers": ["sku=A"]}), "Preview")
    assert (seen["now"], [hit["labels"] for hit in seen["hits"]]) == (1, [{"sku": "A"}])
    assert seen["sentence"].startswith("hits 1 alert now")
    bad = await shop.ask("POST", "/v1/silences/preview", {"matchers": ['sku=~"("']}, status=400)
    assert bad["errors"][0]["field"] == "matchers"
    asked = {"matchers": ["sku=A"], "for": "2h", "comment": "stock is counted", "by": "Anna"}
    made = await shop.ask("POST", "/v1/silences", asked)
    number = made["silence"]["id"]
    assert (made["silence"]["state"], made["silence"]["author"]) == ("holds", "Anna")
    valid(await shop.get("/v1/silences"), "Silences")
    valid(await shop.get(f"/v1/silences/{number}"), "ShownSilence")
    silenced = (await shop.get("/v1/alerts", state="silenced"))["alerts"]
    assert [(a["labels"]["sku"], a["silenced_by"]) for a in silenced] == [("A", [number])]
    changed = await shop.ask("PUT", f"/v1/silences/{number}", {**asked, "matchers": ["sku=B"]})
    assert changed["silence"]["matchers"] == ["sku=B"]
    silenced = (await shop.get("/v1/alerts", state="silenced"))["alerts"]
    assert [a["labels"]["sku"] for a in silenced] == ["B"]
    ended = await shop.ask("DELETE", f"/v1/silences/{number}")
    assert ended["silence"]["state"] == "over"
    assert (await shop.get("/v1/silences"))["silences"] == []
    assert len((await shop.get("/v1/silences", state="over"))["silences"]) == 1
    assert (await shop.get("/v1/alerts", state="silenced"))["alerts"] == []
    await shop.ask("DELETE", "/v1/silences/nobody", status=404)
    refused = await shop.ask("POST", "/v1/silences", {"matchers": ["sku=A"], "comment": "why"}, status=400)
    assert "until when?" in refused["detail"]


async def test_a_command_is_named_after_its_token_and_person(shop):
    """A program that acts for people says for whom; the audit has both."""
    await shop.fire("A")
    token = await shop.service.tokens.add("chatbot", "responder", by="ops", at=utc_now())
    await until(lambda: asyncio.sleep(0, shop.service.tokens.caller(token)))
    bearer = {"Authorization": f"Bearer {token}"}
    path = f"/v1/alerts/{shop.alert['alert_id']}/acknowledge"
    assert (await shop.ask("POST", path, {}, **bearer))["by"] == "chatbot"
    assert (await shop.ask("POST", path, {"by": "Anna"}, **bearer))["by"] == "Anna through chatbot"
    await shop.ask("POST", path, {}, status=401)
    earliest, end = (await shop.service.broker.bounds(COMMANDS))[0]
    batches = [batch async for batch in shop.service.broker.read(COMMANDS, 0, earliest, end)]
    commands = [decode_command(value) for batch in batches for value in batch.values]
    assert [command.by for command in commands] == ["chatbot", "Anna through chatbot"]
    assert "lst_" not in json.dumps(msgspec.to_builtins(commands))
    for who, count in (("chatbot", 2), ("Anna", 1), ("Anna through chatbot", 1), ("chat", 0)):
        async with shop.session.get(f"{shop.base}/v1/audit", params={"by": who}, headers=bearer) as answer:
            assert len((await answer.json())["answers"]) == count


async def test_every_change_is_in_the_audit(shop):
    """Who did what and when: about alerts, tokens and rules; the newest first, in pages, and of one person."""
    await shop.fire("A")
    await shop.ask("POST", f"/v1/alerts/{shop.alert['alert_id']}/acknowledge", {"by": "Anna"})
    await shop.ask("POST", "/v1/rules/reload")
    token = await shop.service.tokens.add("chatbot", "viewer", by="ops", at=utc_now())
    await until(lambda: asyncio.sleep(0, shop.service.tokens.caller(token)))
    bearer = {"Authorization": f"Bearer {token}"}

    async def audit(**query):
        async with shop.session.get(f"{shop.base}/v1/audit", params=query, headers=bearer) as answer:
            return valid(await answer.json(), "Audit")

    async def known():
        return len((await audit())["answers"]) == 3

    await until(known)
    done = {(a["command"]["kind"], a["command"]["by"]) for a in (await audit())["answers"]}
    assert done == {("acknowledge", "Anna"), ("reload_rules", "local"), ("make_token", "ops")}
    first = await audit(limit=2)
    rest = await audit(limit=2, cursor=first["next"])
    assert (len(first["answers"]), len(rest["answers"]), rest["next"]) == (2, 1, None)
    (mine,) = (await audit(by="Anna"))["answers"]
    assert (mine["command"]["kind"], mine["applied"]) == ("acknowledge", True)
    assert mine["decided_at"]
    async with shop.session.post(f"{shop.base}/v1/rules/reload", headers=bearer) as answer:
        assert answer.status == 403


async def test_deliveries_say_what_became_of_them(tmp_path):
    """One arrives, one is given up at once, one is tried again: each as it stands, and by receiver and alert."""
    answers = {"/good": 204, "/gone": 410, "/busy": 503}

    seen = {}

    async def answer(request):
        await request.read()
        seen.setdefault(request.path, []).append(request.headers["webhook-id"])
        return web.Response(status=answers[request.path])

    hooks = web.Application()
    hooks.router.add_post("/{name}", answer)
    runner = web.AppRunner(hooks)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    settings = _settings(tmp_path)
    receivers = "".join(
        f'  {name[1:]}: {{webhook: {{url: "http://127.0.0.1:{port}{name}", secret: {{secret: HOOK}}}}}}\n'
        for name in answers
    )
    (tmp_path / "rules" / "routing.yml").write_text(
        f"teams:\n  marketing: [good, gone]\n  operations: [busy]\nreceivers:\n{receivers}"
    )
    environ = {"LOCKSTEP_SECRET_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    service, stop = Service(settings, environ=environ), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    async with aiohttp.ClientSession() as session:
        shop = Shop(f"http://127.0.0.1:{service.http.port}", session, service)
        await shop.fire("A")

        async def settled():
            page = await shop.get("/v1/deliveries")
            states = {d["receiver"]: d["delivery_state"] for d in page["deliveries"]}
            return states == {"good": "sent", "gone": "dead", "busy": "failed"} and page

        page = valid(await until(settled), "Deliveries")
        by_receiver = {d["receiver"]: d for d in page["deliveries"]}
        assert (by_receiver["good"]["attempts"], by_receiver["good"]["last_error"]) == (1, "")
        assert by_receiver["good"]["last_at"]
        assert "410" in by_receiver["gone"]["last_error"]
        assert "503" in by_receiver["busy"]["last_error"]
        (dead,) = (await shop.get("/v1/deliveries", state="dead"))["deliveries"]
        assert dead["receiver"] == "gone"
        number = shop.alert["alert_id"]
        assert len((await shop.get("/v1/deliveries", alert=number, receiver="busy"))["deliveries"]) == 1
        assert (await shop.get("/v1/deliveries", alert="another"))["deliveries"] == []
        await shop.ask("POST", f"/v1/deliveries/{by_receiver['good']['id']}/replay", {}, status=404)
        answers["/gone"] = 204
        path = f"/v1/deliveries/{dead['id']}/replay"
        replayed = await shop.ask("POST", path, {"by": "Anna"}, Idempotency_Key="r-1")
        assert "Anna had a delivery to gone sent once more" in replayed["why"]

        async def arrived():
            rows = (await shop.get("/v1/deliveries", receiver="gone"))["deliveries"]
            return [row["delivery_state"] for row in rows] == ["sent"]

        await until(arrived)
        assert [ids[-1] for name, ids in seen.items() if name == "/gone"] == [dead["id"]]
        assert seen["/gone"] == [dead["id"]] * 2
        again = await shop.ask("POST", path, {"by": "Anna"}, Idempotency_Key="r-1")
        assert again["command"] == replayed["command"]
        assert len(seen["/gone"]) == 2
        await shop.ask("POST", path, {}, status=404)
        (deed,) = (await shop.get("/v1/audit", by="Anna"))["answers"]
        assert (deed["command"]["kind"], deed["command"]["delivery_id"]) == ("replay_delivery", dead["id"])
    stop.set()
    await running
    await runner.cleanup()


async def test_an_action_is_added_given_and_closed(shop):
    """And whoever acknowledges with a word has one; with the same key twice it is added once."""
    body = {"text": "ask for a split delivery", "assignee": "Ben", "due": "2026-12-04", "by": "Anna"}
    said = await shop.ask("POST", "/v1/actions", body, Idempotency_Key="meeting")
    again = await shop.ask("POST", "/v1/actions", body, Idempotency_Key="meeting")
    assert valid(said["action"], "Action")["id"] == again["action"]["id"]
    number = said["action"]["id"]
    assert [a["text"] for a in valid(await shop.get("/v1/actions"), "Actions")["actions"]] == [body["text"]]
    given = await shop.ask("POST", f"/v1/actions/{number}/assign", {"to": "Carla"})
    assert given["action"]["assignee"] == "Carla"
    closed = await shop.ask("POST", f"/v1/actions/{number}/close", {"note": "they send on Friday", "by": "Anna"})
    assert closed["action"]["closed_by"] == "Anna"
    assert (await shop.get("/v1/actions"))["actions"] == []
    assert len((await shop.get("/v1/actions", every="true"))["actions"]) == 1
    await shop.ask("POST", f"/v1/actions/{number}/close", {}, status=409)
    await shop.ask("POST", "/v1/actions/other/close", {}, status=404)
    await shop.fire("A")
    path = f"/v1/alerts/{shop.alert['alert_id']}/acknowledge"
    await shop.ask("POST", path, {"by": "Ben", "note": "I order 200"})
    (action,) = (await shop.get("/v1/actions"))["actions"]
    assert (action["text"], action["assignee"], action["alert_id"]) == ("I order 200", "Ben", shop.alert["alert_id"])
