"""The hand-off by the API, on a real service: planned, answered at once, told to both teams, confirmed, objected to."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from shop_api import running_shop, valid
from test_server import _settings, until
from yarl import URL

from lockstep.ports import Record
from lockstep.shop.facts import SHOP, PlanFacts, encode, key_of

PLAN = {"campaign": "SPRING", "skus": ["A-1", "B-2"], "expected_orders": 300}


def days(first: int, last: int) -> dict[str, str]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"starts": (now + timedelta(days=first)).isoformat(), "ends": (now + timedelta(days=last)).isoformat()}


async def test_a_campaign_is_answered_at_once_and_replied_to(shop):
    """What marketing announces is answered in the same request; operations' word stands for that announcement alone."""
    said = valid(await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(3, 6)}), "Campaign")
    assert said["plan"]["number"] == 1
    assert said["answer"]["verdict"] in ("yes", "change", "no")
    assert said["answer"]["reasons"] or said["answer"]["unknown"]
    assert said["standing"] is None


@pytest.fixture
async def kept_shop(tmp_path):
    """One that keeps the shop's facts."""
    settings = _settings(tmp_path)
    (settings.rules / "shop.yml").write_text("currency: EUR\n")
    async with running_shop(settings) as shop:
        yield shop


async def test_a_reply_before_the_facts_have_it_says_when_to_give_it(kept_shop):
    """A campaign is known at once, and replied to when the shop's facts have it, under the number that it has there."""
    shop, reply, path = kept_shop, {"number": 1, "by": "Ben"}, "/v1/campaigns/SPRING%2F1"
    planned = (await shop.ask("POST", "/v1/campaigns", {**PLAN, "campaign": "SPRING/1", **days(3, 6)}))["plan"]
    assert (await shop.get("/v1/campaigns"))["campaigns"][0]["plan"] == planned
    async with shop.session.post(URL(f"{shop.base}{path}/confirm", encoded=True), json=reply) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        assert "is not in the shop's facts yet; nothing was replied, do it again in 30 s" in await answer.text()
    fact = msgspec.structs.replace(msgspec.convert(planned, PlanFacts), verdict="yes")
    await shop.service.broker.publish([Record(SHOP, encode(fact), key_of(fact).encode(), 0)])

    async def replied():
        async with shop.session.post(URL(f"{shop.base}{path}/confirm", encoded=True), json=reply) as answer:
            return answer.status == 200 and await answer.json()

    assert (await until(replied))["standing"]["reply"] == "confirmed"


async def test_bad_plans_say_what_is_wrong(shop):
    """Nothing is announced of them."""
    backwards = days(6, 3)
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **backwards}, status=400)
    assert "ends before it starts" in str(said)
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(1, 2), "discount": 20}, status=400)
    assert "discount" in str(said)
    for wrong in (float("nan"), float("inf")):
        said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(1, 2), "expected_orders": wrong}, status=400)
        assert said["errors"] == [{"field": "expected_orders", "message": "must be a number"}]
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(1, 2), "expected_orders": 1e12}, status=400)
    assert said["errors"] == [{"field": "expected_orders", "message": "must be at most 1,000,000,000"}]
    far = {"starts": "9500-01-01T00:00:00Z", "ends": "9500-01-02T00:00:00Z"}
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **far}, status=400)
    assert {fault["message"] for fault in said["errors"]} == {"must lie between the years 1970 and 9000"}
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(1, 2), "campaign": "SPRING\nSALE"}, status=400)
    assert "on one line" in str(said)
    await shop.get("/v1/campaigns/NONE", status=404)
    await shop.ask("POST", "/v1/campaigns/NONE/confirm", {"number": 1}, status=404)
    assert (await shop.get("/v1/campaigns"))["campaigns"] == []


async def test_a_campaign_is_planned_by_the_page(shop):
    """Its form announces and shows the answer; what is wrong is said, and nothing a person typed becomes markup."""

    async def post(**given: str) -> tuple[int, str]:
        async with shop.session.get(f"{shop.base}/campaigns") as answer:
            form = re.search(r'name="form" value="([^"]+)"', await answer.text())
        assert form is not None
        data = {"form": form[1], "do": "plan", "name": "Anna", "skus": "A-1, B-2", **given}
        headers = {"Origin": shop.base}
        async with shop.session.post(f"{shop.base}/campaigns", data=data, headers=headers) as answer:
            return answer.status, await answer.text()

    first, last = (moment[:16] for moment in days(30, 32).values())
    status, said = await post(campaign="<b>SALE", starts=first, ends=last)
    assert status == 200, said
    assert "is announced to both teams" in said
    assert "&lt;b&gt;SALE" in said
    assert "<b>SALE" not in said
    status, said = await post(campaign="X", starts=last, ends=first)
    assert (status, "ends before it starts" in said) == (400, True)
    status, said = await post(campaign="X", starts="", ends="")
    assert (status, "Say when it starts and ends" in said) == (400, True)
