"""The hand-off by the API, on a real service: planned, answered at once, told to both teams, confirmed, objected to."""

import re
from datetime import UTC, datetime, timedelta

from shop_api import valid

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


async def test_bad_plans_say_what_is_wrong(shop):
    """Nothing is announced of them."""
    backwards = days(6, 3)
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **backwards}, status=400)
    assert "ends before it starts" in str(said)
    said = await shop.ask("POST", "/v1/campaigns", {**PLAN, **days(1, 2), "discount": 20}, status=400)
    assert "discount" in str(said)
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
