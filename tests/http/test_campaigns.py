"""The hand-off by the API, on a real service: planned, answered at once, told to both teams, confirmed, objected to."""

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
