"""Operations confirm a campaign or object to it by the link of the message that tells its answer, on a real service."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from acting_shop import Running, running_shop, until
from page_samples import records, transition

from lockstep.adapters.links import Purpose, SignedLinks, Signer
from lockstep.app import utc_now
from lockstep.notification import PlanNews
from lockstep.ports import Destination, Record
from lockstep.shop.facts import SHOP, PlanFacts, encode, key_of
from lockstep.text.days import span_text
from lockstep.text.rfc3339 import rfc3339_of

ROUTING = """\
teams: {operations: [warehouse, chat], marketing: [adverts]}
receivers:
  warehouse: {email: {to: [ben@shop.example]}}
  adverts: {email: {to: [anna@shop.example]}}
  chat: {slack: {channel: "#shop", token: {secret: BOT}}}
"""
NAME = "SUMMER <b>& sun</b>"
LINK = re.compile(r"https?://\S+/reply/\S+")


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[Running]:
    async with running_shop(tmp_path, routing=ROUTING) as running:
        yield running


async def announce(shop: Running, *, number: int = 1, verdict: str = "yes", **changed: Any) -> PlanFacts:
    """The shop's facts have a campaign, as the judge writes them."""
    now = utc_now()
    days = {"starts": rfc3339_of(now + timedelta(days=3)), "ends": rfc3339_of(now + timedelta(days=6))}
    said: dict[str, Any] = {"upto": rfc3339_of(now), "told_at": rfc3339_of(now), "skus": ["A-1"], **days, **changed}
    plan = PlanFacts(campaign=NAME, number=number, verdict=verdict, expected_orders=300.0, **said)
    await shop.service.broker.publish([Record(SHOP, encode(plan), key_of(plan).encode(), 0)])
    if not plan.cancelled:
        await until(lambda: (s := shop.service.responses.plan(NAME)) and (s.number, s.verdict) == (number, verdict))
    return plan


async def mail_to(shop: Running, who: str, *, saying: str = "SUMMER") -> str:
    def texts() -> list[str]:
        bodies = [m.get_body(("plain",)) for m in shop.mailbox.mails if who in str(m["To"]) and saying in str(m)]
        return [body.get_content() for body in bodies if body is not None]

    return (await until(texts))[-1]


def link_in(text: str) -> str:
    (link,) = LINK.findall(text)
    return link


async def test_operations_reply_by_the_link_of_their_mail(shop):
    """Looking changes nothing, however often; who replies is named, in the audit as one who came by a link, and both
    teams hear of it. The same reply again is none."""
    await announce(shop)
    text = await mail_to(shop, "ben@")
    assert "Answer yes or no: " in text
    link = link_in(text)
    for _ in range(3):
        page = await shop.page(link)
    async with shop.http.head(link) as answer:
        assert answer.status == 200
    assert shop.service.responses.plan(NAME).reply == ""
    assert page.count("cannot be judged yet") == 1
    assert page.count("obody has said how many orders can be shipped") == 1
    assert "Yes, we can do it" in page
    assert "No, we cannot, because of that" in page
    assert "SUMMER &lt;b&gt;&amp; sun&lt;/b&gt;" in page
    assert "<b>& sun" not in page
    page = await shop.press(link, "object", number="1")
    assert "Not done: a no says why" in page
    page = await shop.press(link, "object", number="1", note="Ten parcels a day are <i>too many</i>.")
    assert "Operations said no: campaign SUMMER" in page
    assert "<bdi>ben@shop.example</bdi> said so on " in page
    assert "are &lt;i&gt;too many&lt;/i&gt;." in page
    text = await mail_to(shop, "anna@", saying="Operations said no")
    assert "Change the plan before it starts on" in text
    assert "too many" in text
    page = await shop.press(link, "confirm", number="1", name="Cleo")
    assert "Operations said yes: campaign SUMMER" in page
    assert "<bdi>Cleo</bdi> said so on " in page
    assert "Cleo has said so already" in await shop.press(link, "confirm", number="1")
    asked = [a.command for a in shop.service.responses.answers() if getattr(a.command, "campaign", "") == NAME]
    replies = [(c.by, c.way, c.reply) for c in asked if hasattr(c, "reply")]
    assert replies[-2:] == [("Cleo", "link", "confirmed"), ("Cleo", "link", "confirmed")]


async def test_who_has_planned_it_only_looks(shop):
    """Marketing's link shows the answer and how operations stand to it, and has no form; a form of another's page does
    nothing with it."""
    await announce(shop)
    theirs, ours = link_in(await mail_to(shop, "anna@")), link_in(await mail_to(shop, "ben@"))
    page = await shop.page(theirs)
    assert "Operations have been asked to answer by " in page
    assert "Answer by " not in page
    assert "<form" not in page
    (form, *_) = re.findall(r'name="form" value="([^"]+)"', await shop.page(ours))
    async with shop.http.post(theirs, data={"form": form, "do": "confirm", "number": "1"}) as answer:
        assert answer.status == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    async with shop.http.post(ours, data={"form": form, "do": "confirm", "number": "1"}, headers=foreign) as answer:
        assert answer.status == 403
    assert shop.service.responses.plan(NAME).reply == ""


async def test_a_link_that_is_none_says_so(shop):
    """One that was changed, is of another purpose or another service, too old, or of a campaign that nobody knows."""
    await announce(shop)
    link = link_in(await mail_to(shop, "ben@"))
    base, _, token = link.rpartition("/")
    links, ben = shop.service.links, Destination("d", "email", "ben@shop.example", "warehouse")
    news = PlanNews(campaign=NAME, number=1, may_reply=True)
    forged = SignedLinks(Signer(lambda: ["another key of somebody"]), base_url=shop.url, life_s=1e6, clock=utc_now)
    late = SignedLinks(shop.service._signer, base_url=shop.url, life_s=1, clock=lambda: utc_now() - timedelta(days=40))
    for odd, status, said in [
        (f"{base}/{token[:-3]}abc", 404, "not whole, or not from here"),
        (f"{base}/{links.token(Purpose.ACT, NAME, '1', ben)}", 404, "not whole, or not from here"),
        (forged.plan(news, ben), 404, "not whole, or not from here"),
        (late.plan(news, ben), 404, "older than 30 days"),
        (links.plan(PlanNews(campaign="NONE", number=1), ben), 404, "is not known here"),
    ]:
        for ask in (shop.http.get, shop.http.post):
            async with ask(odd) as answer:
                assert (answer.status, said in await answer.text()) in ((status, True), (403, False)), odd
    assert shop.service.responses.plan(NAME).reply == ""


async def test_an_old_message_leads_to_the_plan_as_it_is_now(shop):
    """Announced anew: the page says so, its form replies to what it shows, and one that was opened before does not."""
    await announce(shop)
    link = link_in(await mail_to(shop, "ben@"))
    (form, *_) = re.findall(r'name="form" value="([^"]+)"', await shop.page(link))
    await announce(shop, number=2, expected_sessions=9_000.0)
    async with shop.http.post(link, data={"form": form, "do": "confirm", "number": "1"}) as answer:
        assert "announced anew since; look at the new plan first" in await answer.text()
    page = await until_page(shop, link, "It was announced anew since that message")
    assert 'name="number" value="2"' in page
    assert "Operations said yes" in await shop.press(link, "confirm", number="2", seen="yes")
    await announce(shop, number=3, cancelled=True)
    page = await until_page(shop, link, "There is nothing to reply.")
    assert 'value="confirm"' not in page


async def until_page(shop: Running, link: str, saying: str) -> str:
    """The page once it says this."""
    async with asyncio.timeout(60):
        while saying not in (page := await shop.page(link)):
            pass  # each look is a request, in which the service goes on
    return page


async def test_a_campaign_is_confirmed_in_slack(shop):
    """The message says why, leads to the page, and its button confirms as whoever pressed it; marketing is told."""
    await announce(shop)
    message = (await until(lambda: [m for m in shop.slack.messages if "SUMMER" in str(m)]))[0]
    assert "Answer by " in str(message["attachments"])
    elements = [e for one in message["attachments"] for b in one["blocks"] for e in b.get("elements", ())]
    by_action = {e["action_id"]: e for e in elements if "action_id" in e}
    assert sorted(by_action) == ["confirm_plan", "open"]
    assert [by_action[name]["text"]["text"] for name in ("confirm_plan", "open")] == [
        "Yes, we can do it",
        "No, we cannot…",
    ]
    assert "/reply/" in by_action["open"]["url"]
    payload = {
        "type": "block_actions",
        "user": {"id": "U1", "name": "dora"},
        "message": message,
        "response_url": shop.slack.url.replace("/api/", "/respond"),
        "actions": [{"action_id": "confirm_plan", "action_ts": "1.2", "value": by_action["confirm_plan"]["value"]}],
    }
    assert await shop.press_in_slack(payload, secret="another") == 401
    assert [await shop.press_in_slack(payload), await shop.press_in_slack(payload)] == [200, 200]
    await until(lambda: shop.slack.responses)
    assert "Operations said yes: campaign SUMMER" in shop.slack.responses[0]["text"]
    standing = shop.service.responses.plan(NAME)
    assert (standing.reply, standing.by) == ("confirmed", "dora")
    assert "dora said so" in await mail_to(shop, "anna@", saying="Operations said yes")
    again = {**payload, "actions": [{**payload["actions"][0], "action_ts": "9"}]}
    assert await shop.press_in_slack(again) == 200
    await until(lambda: any("already" in str(r) for r in shop.slack.responses))
    odd = {**payload, "actions": [{"action_id": "confirm_plan", "action_ts": "3", "value": '["X", "1e9"]'}]}
    assert await shop.press_in_slack(odd) == 200


async def test_an_alert_about_a_plan_leads_to_the_campaign(shop):
    """From its mail to its page to the campaign with its days, where who came by the alert only looks; who is logged
    in is led to the page of campaigns."""
    plan = await announce(shop, verdict="yes")
    trouble = transition("PlanInTrouble", labels={"campaign": NAME}, value=2.0, baseline=0.5, alert_id="trouble-1")
    await shop.service.broker.publish(records([trouble]))
    text = await mail_to(shop, "ben@", saying="PlanInTrouble")
    (alert,) = re.findall(r"https?://\S+/act/\S+", text)
    (place,) = re.findall(r'<a href="(\.\./reply/[^"]+)"', await shop.page(alert))
    page = await shop.page(f"{shop.url}/{place.removeprefix('../')}")
    assert "SUMMER &lt;b&gt;&amp; sun&lt;/b&gt;" in page
    assert f"({span_text(*(date.fromisoformat(moment[:10]) for moment in (plan.starts, plan.ends)))})" in page
    assert "<form" not in page
    (place,) = re.findall(r'<a href="\.\./(campaigns#[^"]+)"', await shop.page(f"{shop.url}/alerts/{trouble.alert_id}"))
    assert f'id="{place.partition("#")[2]}"' in await shop.page(f"{shop.url}/campaigns")
