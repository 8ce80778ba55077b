"""Campaigns on the wire: the webhooks of both teams hear each answer and each reply, signed, under one id each."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from aiohttp import web
from channel_peers import SECRET, HttpPeer, http_server
from standardwebhooks import Webhook
from test_promotion_hooks_by_http import running, until

from lockstep.app import Service, utc_now
from lockstep.notify.programs.campaign_documents import EXAMPLE, campaign_json_schema
from lockstep.ports import Record
from lockstep.shop.facts import SHOP, CapacityFacts, Fact, PlanFacts, PlanNumbers, encode, key_of
from lockstep.text.rfc3339 import rfc3339_of

ROUTING = """\
teams: {{marketing: [adverts], operations: [planner, mail]}}
receivers:
  adverts: {{webhook: {{url: "{url}/adverts", secret: {{secret: HOOK}}}}}}
  planner: {{webhook: {{url: "{url}/planner", secret: {{secret: HOOK}}}}}}
  mail: {{email: {{to: [ben@example.com]}}}}
"""
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "campaign.schema.json").read_text())


class Receivers:
    """The programs of both teams; each is down for its first request."""

    def __init__(self) -> None:
        self.peer = HttpPeer(self._behave)
        self.seen: set[str] = set()
        self.taken: dict[str, dict[str, dict[str, Any]]] = {"/adverts": {}, "/planner": {}}

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        body = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        jsonschema.validate(body, SCHEMA)
        if request.path not in self.seen:
            self.seen.add(request.path)
            return web.Response(status=503, headers={"Retry-After": "1"})
        self.taken[request.path][request.headers["webhook-id"]] = body
        return web.Response(status=204)

    async def have(self, count: int) -> list[dict[str, Any]]:
        """The documents that both teams have, once there are so many of each."""
        await until(lambda: all(len(taken) >= count for taken in self.taken.values()))
        adverts, planner = (list(taken.values()) for taken in self.taken.values())
        assert adverts == planner
        assert not self.taken["/adverts"].keys() & self.taken["/planner"].keys()
        assert len(adverts) == count
        return adverts


def plan(**changed: Any) -> PlanFacts:
    now = utc_now().replace(hour=12, minute=0)
    days = {"starts": rfc3339_of(now + timedelta(days=3)), "ends": rfc3339_of(now + timedelta(days=4))}
    said: dict[str, Any] = {"upto": rfc3339_of(utc_now()), "skus": ["A-1"], "verdict": "yes", **days, **changed}
    return PlanFacts(campaign="SUMMER", expected_orders=300.0, **said)


async def put(service: Service, *facts: Fact) -> None:
    """The shop's facts are these now, as the judge writes them."""
    await service.broker.publish([Record(SHOP, encode(fact), key_of(fact).encode(), 0) for fact in facts])


async def test_both_teams_programs_hear_each_answer_and_each_reply(tmp_path):
    """Answered, confirmed, answered anew as capacity falls and as numbers change, cancelled: each a document as the
    schema has it, under an id of its own that stays the same while it is tried again."""
    receivers = Receivers()
    async with http_server(receivers.peer) as url, running(tmp_path, ROUTING.format(url=url)) as service:
        await put(service, plan())
        (answered,) = await receivers.have(1)
        assert (answered["type"], answered["data"]["verdict"], answered["data"]["number"]) == (
            "campaign.answered",
            "yes",
            1,
        )
        assert [product["sku"] for product in answered["data"]["products"]] == ["A-1"]
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{service.http.port}/v1/campaigns/SUMMER/confirm",
                json={"number": 1, "by": "Ben", "note": "two more packers"},
            ) as reply,
        ):
            assert reply.status == 200
        replied = (await receivers.have(2))[1]
        assert (replied["type"], replied["data"]["reply"], replied["data"]["by"], replied["data"]["note"]) == (
            "campaign.replied",
            "confirmed",
            "Ben",
            "two more packers",
        )
        starts, ends = (rfc3339_of(utc_now() + timedelta(days=n)) for n in (-1, 30))
        few = CapacityFacts(upto=rfc3339_of(utc_now()), starts=starts, ends=ends, orders_per_day=20.0)
        await put(service, few, plan(upto=rfc3339_of(utc_now() + timedelta(seconds=1)), verdict="no"))
        changed = (await receivers.have(3))[2]
        assert (changed["data"]["verdict"], changed["data"]["previous_verdict"]) == ("no", "yes")
        assert {day["capacity"] for day in changed["data"]["days"]} == {20}
        assert any("can be shipped" in reason for reason in changed["data"]["reasons"])
        other = PlanNumbers(at=rfc3339_of(utc_now()), revision=1, changed=["On Fri 4 Dec 300 orders are expected now."])
        later = rfc3339_of(utc_now() + timedelta(seconds=2))
        await put(service, plan(upto=later, verdict="no", numbers=other))
        again = (await receivers.have(4))[3]["data"]
        assert (again["verdict"], again["previous_verdict"], again["revision"]) == ("no", "no", 1)
        assert again["changed"] == other.changed
        assert "On Fri 4 Dec 300 orders are expected now. " in again["why"]
        await put(service, plan(number=2, cancelled=True, verdict=""))
        cancelled = (await receivers.have(5))[4]
        assert cancelled["data"]["verdict"] == "cancelled"
        assert re.fullmatch(r"Campaign SUMMER \(.+\) is cancelled", cancelled["data"]["headline"])
        ids = [headers["webhook-id"] for _, headers, _ in receivers.peer.requests]
        assert (len(ids), len(set(ids))) == (12, 10)  # the first of each was tried twice
        audit = [answer.command for answer in service.responses.answers()]
        assert all(getattr(command, "facts", {}) == {} for command in audit)


@pytest.mark.parametrize("document", [EXAMPLE, {**EXAMPLE, "type": "campaign.moved"}])
def test_the_example_is_as_the_schema_says(document):
    """And a type of another name is not."""
    is_valid = jsonschema.Draft202012Validator(campaign_json_schema()).is_valid(document)
    assert is_valid == (document is EXAMPLE)
